//! The `firmware-sim` command: quantize, compare-calibrations, verify, robustness, prove, inject, board.
#![forbid(unsafe_code)]

mod board;
mod c_folder;
mod cli;
mod compare_calibrations;
mod data;
mod inject;
mod memory;
mod model;
mod prove;
mod provenance;
mod quantize;
mod robustness;
mod share;
mod table;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use safe_io::print;

use cli::{Cli, Command};

fn main() -> ExitCode {
    print::exit(run(Cli::parse()).map(|()| ExitCode::SUCCESS))
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::CompareCalibrations(arguments) => compare_calibrations::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Robustness(arguments) => robustness::run(&arguments),
        Command::Prove(arguments) => prove::run(&arguments),
        Command::Inject(arguments) => inject::run(&arguments),
        Command::Board(arguments) => board::run(&arguments),
    }
}
