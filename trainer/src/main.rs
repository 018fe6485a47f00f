//! The `trainer` command: data, training, evaluation, export, report.
#![forbid(unsafe_code)]

mod cli;
mod cross_validate;
mod data_folder;
mod doctor;
mod history;
mod origin;
mod preflight;
mod results;
mod setup;
mod share;
mod train_loop;
mod write_report;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use safe_io::SingleLine;
use safe_io::print::{self, print_line};
use trainer::train::{EvalSet, Run};

use cli::{Cli, Command};
use data_folder::DataFolder;
use doctor::diagnose;
use results::Results;
use setup::Setup;
use write_report::Pages;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Some(Command::Doctor { data }) => doctor(DataFolder::of(data.as_deref(), false)),
        None => train(&cli).map(|()| ExitCode::SUCCESS),
    };
    print::exit(result.and_then(|code| print::deferred_error().map(|()| code)))
}

fn doctor(data: DataFolder<'_>) -> anyhow::Result<ExitCode> {
    let findings = diagnose(&data.path()?, data.may_fetch());
    for finding in &findings {
        print_line(finding);
    }
    let is_well = findings.iter().all(|finding| finding.fix.is_none());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn train(cli: &Cli) -> anyhow::Result<()> {
    preflight::check(cli)?;
    let data = DataFolder::of(cli.data.as_deref(), cli.download);
    let (dataset, found) = data.load(cli.pictures())?;
    if let Some(found) = &found {
        print_line(format_args!("{}\n", found.to_string().trim_end()));
    }
    let setup = Setup::new(cli, &dataset, &data.path()?)?;
    if let Some(folds) = cli.folds {
        return cross_validate::run(&setup, &dataset, folds.into());
    }
    let checkpoint = cli.checkpoint();

    let eval = match setup.options.eval_set {
        EvalSet::Own => &dataset.validation,
        EvalSet::Validation(_) | EvalSet::Test => &dataset.test,
    };
    let mut run = Run::new(&dataset.train, eval, setup.options.clone())?;
    train_loop::resume_or_start(&mut run, cli.resume, checkpoint.as_deref(), &setup.identity)?;
    train_loop::train(&mut run, &setup.options, checkpoint.as_deref(), &setup.identity)?;
    if let Some(path) = &cli.json {
        history::write(run.history(), setup.options.eval_set, path)
            .with_context(|| format!("cannot write {}", SingleLine(path.display())))?;
    }
    let network = run.network();
    let results = Results::measure(&run, &network, &setup, &dataset)?;
    if let Some(path) = &cli.export {
        results.export(&run, &network, &setup, &dataset, path)?;
    }
    let pages =
        Pages { setup: &setup, dataset: &dataset, found: found.as_ref(), results: &results };
    pages.write(cli, &run, &network)?;
    checkpoint.as_deref().map_or(Ok(()), train_loop::remove_checkpoint)
}
