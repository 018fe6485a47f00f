//! The `trainer` command: data, training, export, report.

mod cli;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use atomic_write_file::AtomicWriteFile;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use runtime::Image28;
use runtime::idx::default_folder;
use serde_json::json;
use trainer::data::{self, Dataset};
use trainer::export::{self, COMPARED_IMAGES};
use trainer::train::{self, Epoch, Options, Progress, Trained};

use cli::Cli;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    for path in cli.export.iter().chain(&cli.json) {
        export::check_writable(path)?;
    }
    let folder = match &cli.data {
        Some(folder) => folder.clone(),
        None => default_folder().context("there is no home folder: say --data DIR")?,
    };
    let dataset = data::obtain(&folder)?;
    let (device, why) = cli.device.resolve()?;
    let options = cli.options(device);
    println!(
        "data      {}: {} training and {} test images in {}",
        dataset.name,
        dataset.train.images.len(),
        dataset.test.images.len(),
        folder.display()
    );
    println!("device    {why}");

    let started = Instant::now();
    let trained = train_with_progress(&dataset, &options)?;
    let took = started.elapsed();
    if let Some(path) = &cli.json {
        write_history(&trained.history, path)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = train::evaluate(&trained.network, &dataset.test)?;
    println!(
        "\ntest      {:.2} % of {} images right, after {:.0} s of training\n\n{report}",
        report.accuracy() * 100.0,
        report.total(),
        took.as_secs_f64()
    );
    if let Some(path) = &cli.export {
        let metadata = metadata(&dataset, &options, &trained, report.accuracy());
        let images: Vec<Image28> =
            dataset.test.images.iter().take(COMPARED_IMAGES).cloned().collect();
        let parity = export::export(&trained.network, &metadata, &images, path)?;
        println!(
            "\nexported  {}: on {} test images tract gives libtorch's digits, logits within {:.1e}",
            path.display(),
            parity.images,
            parity.largest_difference
        );
    }
    Ok(())
}

fn train_with_progress(dataset: &Dataset, options: &Options) -> anyhow::Result<Trained> {
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{prefix} {wide_bar} {pos}/{len} images, {per_sec}, {eta} left",
    )?);
    println!("epoch  training loss  accuracy  validation loss  accuracy  seconds");
    let trained = train::run(&dataset.train, options, |progress| match progress {
        Progress::Step { epoch, images, of } => {
            if bar.position() > images as u64 || bar.length() != Some(of as u64) {
                bar.reset();
                bar.set_length(of as u64);
            }
            bar.set_prefix(format!("epoch {epoch}/{}", options.epochs));
            bar.set_position(images as u64);
        }
        Progress::Epoch(Epoch { epoch, training, validation, took }) => bar.suspend(|| {
            println!(
                "{epoch:>5}  {:13.4}  {:6.2} %  {:15.4}  {:6.2} %  {:7.1}",
                training.loss,
                training.accuracy * 100.0,
                validation.loss,
                validation.accuracy * 100.0,
                took.as_secs_f64()
            );
        }),
    })?;
    bar.finish_and_clear();
    Ok(trained)
}

/// How the model was made, for its own metadata.
fn metadata(
    dataset: &Dataset,
    options: &Options,
    trained: &Trained,
    test_accuracy: f64,
) -> BTreeMap<String, String> {
    let validation = trained.history.last().map_or(0.0, |epoch| epoch.validation.accuracy);
    let classes: Vec<String> =
        (0..trainer::lenet::CLASSES).map(|class| class.to_string()).collect();
    let pairs = [
        ("classes", classes.join(",")),
        ("pixels", "uint8, 0 = background, 255 = ink, normalised inside the graph".into()),
        ("dataset", dataset.name.clone()),
        ("dataset.sha256", dataset.sha256.clone()),
        ("recipe", train::RECIPE.into()),
        ("epochs", options.epochs.to_string()),
        ("batch_size", options.batch_size.to_string()),
        ("learning_rate", options.learning_rate.to_string()),
        ("seed", options.seed.to_string()),
        ("validation.accuracy", format!("{validation:.4}")),
        ("test.accuracy", format!("{test_accuracy:.4}")),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn write_history(history: &[Epoch], path: &std::path::Path) -> std::io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    for Epoch { epoch, training, validation, took } in history {
        let line = json!({
            "epoch": epoch,
            "training_loss": training.loss,
            "training_accuracy": training.accuracy,
            "validation_loss": validation.loss,
            "validation_accuracy": validation.accuracy,
            "seconds": took.as_secs_f64(),
        });
        writeln!(file, "{line}")?;
    }
    file.commit()
}
