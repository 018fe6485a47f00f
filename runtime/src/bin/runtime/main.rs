//! The `runtime` command: predict, evaluate, inspect, bench.
#![forbid(unsafe_code)]

mod bench;
mod canvas;
mod cli;
mod evaluate;
mod images;
mod inspect;
mod manifest;
mod predict;
mod sheet;
mod show;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use safe_io::SingleLine;
use safe_io::output::stdout_error;

use cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        // `runtime predict … | head -1` is no failure
        Err(error) if stdout_error(error.as_ref()) == Some(ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) if stdout_error(error.as_ref()).is_some() => {
            complain(&error.context("cannot write to standard output"));
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Evaluate(arguments) => match &arguments.images {
            Some(manifest) => images::run(&arguments, manifest),
            None => evaluate::run(&arguments).map(|()| ExitCode::SUCCESS),
        },
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Inspect(arguments) => inspect::run(&arguments).map(|()| ExitCode::SUCCESS),
    }
}

/// Says what went wrong in one line; a standard error that is closed or full is no reason to stop.
fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {}", SingleLine(format_args!("{error:#}")));
}
