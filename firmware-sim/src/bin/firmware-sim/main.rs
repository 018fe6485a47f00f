//! The `firmware-sim` command: quantize, compare-calibrations, verify, board.
#![forbid(unsafe_code)]

mod board;
mod cli;
mod compare_calibrations;
mod model;
mod quantize;
mod verify;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Error;
use clap::Parser;
use safe_io::output::stdout_error;

use cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // `firmware-sim verify … | head -1` is no failure
        Err(error) if stdout_error(error.as_ref()) == Some(ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) if stdout_error(error.as_ref()).is_some() => {
            print_error(&error.context("cannot write to standard output"))
        }
        Err(error) => print_error(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::CompareCalibrations(arguments) => compare_calibrations::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Board(arguments) => board::run(&arguments),
    }
}

/// A standard error that is closed or full is no reason to stop.
fn print_error(error: &Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}
