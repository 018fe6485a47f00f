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

use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
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

/// `runtime predict … | head -1` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
