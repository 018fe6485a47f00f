//! The `runtime` command: predict, evaluate, inspect, bake, bench; completions and man are about itself.
#![forbid(unsafe_code)]

mod bake;
mod bench;
mod canvas;
mod class_names;
mod cli;
mod contact_sheet;
mod evaluate;
mod folder;
mod hint;
mod images;
mod inspect;
mod manual;
mod model;
mod normalization;
mod note;
mod predict;
mod progress;
mod show;
mod stdin;
mod test_pictures;

use std::process::ExitCode;

use clap::Parser;
use safe_io::print;

use cli::{Cli, Command};

fn main() -> ExitCode {
    print::exit(run(Cli::parse()))
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Evaluate(arguments) if arguments.find_normalization => {
            normalization::run(&arguments).map(|()| ExitCode::SUCCESS)
        }
        Command::Evaluate(arguments) => match arguments.pictures() {
            Some(path) => images::run(&arguments, path),
            None => evaluate::run(&arguments).map(|()| ExitCode::SUCCESS),
        },
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Bake(arguments) => bake::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Inspect(arguments) => inspect::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Completions(arguments) => manual::completions(arguments.shell),
        Command::Man => manual::page(),
    }
}
