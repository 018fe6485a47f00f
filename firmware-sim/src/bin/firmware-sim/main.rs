//! The `firmware-sim` command: quantize, calibrate, verify, board.
#![forbid(unsafe_code)]

mod board;
mod calibrate;
mod cli;
mod model;
mod quantize;
mod verify;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Board(arguments) => board::run(&arguments),
    }
}

/// `firmware-sim verify … | head -1` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
