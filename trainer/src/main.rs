//! The `trainer` command: data, training, export, report.
#![forbid(unsafe_code)]

mod cli;
mod illustrate;
mod outputs;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use runtime::idx::default_folder;
use runtime::output::Output;
use runtime::{Calibration, Image28, OneLine};
use serde_json::json;
use tch::Tensor;
use trainer::calibrate::{calibrate, verdicts};
use trainer::checkpoint::{self, Identity};
use trainer::data::{self, Dataset};
use trainer::doctor::examine;
use trainer::drawn::{Drawn, draw};
use trainer::evaluate;
use trainer::export::{self, COMPARED_IMAGES};
use trainer::lenet::LeNet;
use trainer::recipe::Name;
use trainer::robustness::{corrupted, robustness};
use trainer::train::{Epoch, Options, Progress, Run, Watch};

use cli::{Classes, Cli, Command};
use illustrate::Finished;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Some(Command::Doctor { data }) => doctor(data.as_deref()),
        None => train(&cli).map(|()| ExitCode::SUCCESS),
    };
    let error = match (result, UNSAID.get()) {
        (Ok(code), None) => return code,
        (Ok(_), Some(error)) => format!("cannot write to standard output: {error}"),
        (Err(error), _) => format!("{error:#}"),
    };
    // a standard error that is closed or full changes nothing
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

/// Why a line could not be printed.
static UNSAID: OnceLock<io::Error> = OnceLock::new();

/// Prints a line. What cannot be printed is no reason to lose a run: it is told at the end, and not at all where the
/// reader has gone, as that of `| head`.
fn say(line: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = UNSAID.set(error); // the first is enough
    }
}

fn doctor(data: Option<&Path>) -> anyhow::Result<ExitCode> {
    let findings = examine(&data_folder(data)?);
    for finding in &findings {
        say(format_args!("{finding}"));
    }
    let well = findings.iter().all(|finding| finding.fix.is_none());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn data_folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    given
        .map(Path::to_owned)
        .or_else(default_folder)
        .context("there is no home folder: say --data DIR")
}

fn train(cli: &Cli) -> anyhow::Result<()> {
    let checkpoint = cli.checkpoint();
    outputs::check(cli)?;
    let folder = data_folder(cli.data.as_deref())?;
    let dataset = data::obtain(&folder)?;
    let (device, why) = cli.device.resolve()?;
    let classes = class_names(cli.classes.as_ref(), dataset.classes())?;
    let mut options = cli.options(device, dataset.train.images.len(), classes.len());
    if !dataset.is_mnist() {
        // what is drawn is digits
        options.recipe.drawn = None;
    }
    say(format_args!(
        "data      {}: {} training and {} test images in {}",
        dataset.name,
        dataset.train.images.len(),
        dataset.test.images.len(),
        OneLine(folder.display())
    ));
    say(format_args!("device    {why}"));

    let mut run = Run::new(&dataset.train, &dataset.test, options.clone())?;
    let identity = identity(&dataset, &classes, cli.recipe, &options);
    let checkpoint = checkpoint.as_deref();
    begin(&mut run, cli.resume, checkpoint, &identity)?;
    follow(&mut run, &options, checkpoint, &identity)?;
    let took: Duration = run.history().iter().map(|epoch| epoch.took).sum();
    if let Some(path) = &cli.json {
        write_history(run.history(), options.watch, path)
            .with_context(|| format!("cannot write {}", OneLine(path.display())))?;
    }
    let network = run.network();
    let examination = evaluate::examine(&network, &dataset.test)?;
    let report = &examination.report;
    say(format_args!(
        "\ntest      {:.2} % of {} images right, after {:.0} s of training\n\n{}",
        report.accuracy() * 100.0,
        report.total(),
        took.as_secs_f64(),
        report.table(&classes)
    ));
    let robust = run
        .watched()
        .map(|(images, labels)| corruptions(&robustness(&network, images, labels), options.watch));
    if let Some(line) = &robust {
        say(format_args!("\ncorrupted {line}"));
    }
    let calibration = calibration(&run, &options, &network, &dataset);
    if let Some(path) = &cli.export {
        let mut metadata = metadata(&identity, options.watch, run.history(), report.accuracy());
        let worth = calibration.iter().flat_map(Calibration::emit);
        metadata.extend(worth.map(|(key, value)| (key.to_owned(), value)));
        let images: Vec<Image28> =
            dataset.test.images.iter().take(COMPARED_IMAGES).cloned().collect();
        let parity = export::export(&network, &metadata, &images, path)?;
        say(format_args!(
            "\nexported  {}: on {} test images runtime gives libtorch's digits, logits within {:.1e}",
            OneLine(path.display()),
            parity.images,
            parity.largest_difference
        ));
    }
    let finished = Finished {
        identity: &identity,
        dataset: &dataset,
        classes: &classes,
        options: &options,
        run: &run,
        network: &network,
        examination: &examination,
        corrupted: robust,
    };
    illustrate::write(cli, &finished)?;
    match checkpoint {
        Some(path) => match std::fs::remove_file(path) {
            // another run with the same --export was faster
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => {
                removed.with_context(|| format!("cannot remove {}", OneLine(path.display())))
            }
        },
        None => Ok(()),
    }
}

/// What the answers are worth, by the validation images; none without those.
fn calibration(
    run: &Run,
    options: &Options,
    network: &LeNet,
    dataset: &Dataset,
) -> Option<Calibration> {
    let (Watch::Validation(_), Some((images, labels))) = (options.watch, run.watched()) else {
        return None;
    };
    let hard: Vec<Tensor> = corrupted(images).map(|(_, images)| images).collect();
    let mut calibration = calibrate(network, (images, labels), &hard);
    if options.recipe.drawn.is_none() {
        // it never saw what is of no class
        calibration.digit_from = 0.0;
    }
    let Calibration { temperature, sure_from, digit_from } = calibration;
    say(format_args!(
        "\nworth     temperature {temperature:.3}; sure from a confidence of {sure_from:.4}, a digit from {digit_from:.4}"
    ));
    let verdicts = |name: &str, images: &[Image28]| {
        let [sure, unsure, none] = verdicts(network, &calibration, images).map(|part| part * 100.0);
        say(format_args!("{name:<9} {sure:.1} % sure, {unsure:.1} % unsure, {none:.1} % no digit"));
    };
    verdicts("test", &dataset.test.images);
    if let Some(amounts) = options.recipe.drawn {
        // other drawings than those that were trained on
        let amounts = Drawn { of_each_style: 0, ..amounts };
        let drawn = draw(amounts, &dataset.test.images, 0, !options.seed);
        verdicts("nothing", &drawn.images);
    }
    Some(calibration)
}

/// The names that were given, or numbers, for labels of so many classes.
fn class_names(given: Option<&Classes>, classes: usize) -> anyhow::Result<Vec<String>> {
    let Some(Classes(names)) = given else {
        return Ok((0..classes).map(|class| class.to_string()).collect());
    };
    ensure!(
        names.len() >= classes,
        "--classes names {} classes, but there are labels up to {}: name all of them",
        names.len(),
        classes - 1
    );
    Ok(names.clone())
}

/// Goes on from a checkpoint if asked to; one that is there is never written over unasked.
fn begin(
    run: &mut Run,
    resume: bool,
    checkpoint: Option<&Path>,
    identity: &Identity,
) -> anyhow::Result<()> {
    match checkpoint {
        Some(path) if resume => {
            let resumed =
                |state| run.resume(state).with_context(|| OneLine(path.display()).to_string());
            checkpoint::load(path, identity).and_then(resumed)
        }
        None if resume => bail!(
            "there is nothing to resume: say --export or --checkpoint as in the run that stopped"
        ),
        Some(path) if path.exists() => {
            let path = OneLine(path.display());
            bail!("{path} is a run that was stopped: go on with --resume, or delete it")
        }
        _ => Ok(()),
    }
}

/// Makes all steps, with a bar while they last, a line and a checkpoint an epoch; stops on Ctrl-C after a step.
fn follow(
    run: &mut Run,
    options: &Options,
    checkpoint: Option<&Path>,
    identity: &Identity,
) -> anyhow::Result<()> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))
        .context("cannot listen to Ctrl-C")?;
    let save = |run: &Run| match checkpoint {
        Some(path) => checkpoint::save(path, identity, &run.state()),
        None => Ok(()),
    };
    let style = ProgressStyle::with_template(
        "{prefix} {wide_bar} {rate} images/s, {eta} left, loss {msg}",
    )?;
    let bar = ProgressBar::new(0).with_style(style.with_key(
        "rate",
        |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // a bar that cannot be drawn is no reason to stop
            let _ = write!(text, "{:.0}", state.per_sec());
        },
    ));
    say(format_args!(
        "epoch  training loss  accuracy  {:>10} loss  accuracy  seconds",
        options.watch.name()
    ));
    for done in run.history() {
        say(format_args!("{}", line(done)));
    }
    while let Some(progress) = run.advance() {
        let stop = STOP.load(Ordering::Relaxed);
        if stop || matches!(progress, Progress::Epoch(_)) {
            save(run)?;
        }
        if stop {
            bar.finish_and_clear();
            match checkpoint {
                Some(path) => bail!(
                    "stopped, and saved in {}: go on with the same arguments and --resume",
                    OneLine(path.display())
                ),
                None => bail!("stopped; nothing is saved without --export or --checkpoint"),
            }
        }
        match progress {
            Progress::Step { epoch, images, of, loss } => {
                // of the whole run, so that the time left is, too
                bar.set_length(u64::from(options.recipe.epochs) * of as u64);
                bar.set_position(u64::from(epoch - 1) * of as u64 + images as u64);
                bar.set_prefix(format!("epoch {epoch}/{}", options.recipe.epochs));
                bar.set_message(format!("{loss:.4}"));
            }
            Progress::Epoch(done) => bar.suspend(|| say(format_args!("{}", line(&done)))),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn line(epoch: &Epoch) -> String {
    let Epoch { epoch, training, watched, took } = epoch;
    let watched = watched.map_or_else(
        || format!("{:>15}  {:>8}", "-", "-"),
        |score| format!("{:15.4}  {:6.2} %", score.loss, score.accuracy * 100.0),
    );
    format!(
        "{epoch:>5}  {:13.4}  {:6.2} %  {watched}  {:7.1}",
        training.loss,
        training.accuracy * 100.0,
        took.as_secs_f64()
    )
}

/// The mean, and what it is the mean of.
fn corruptions(scores: &[(&str, f64)], watch: Watch) -> String {
    let percent: Vec<f64> = scores.iter().map(|(_, accuracy)| accuracy * 100.0).collect();
    let mean = percent.iter().sum::<f64>() / percent.len() as f64;
    let each =
        scores.iter().zip(percent).map(|((name, _), percent)| format!("{name} {percent:.1}"));
    format!("{mean:.1} % of {} images right: {}", watch.name(), each.collect::<Vec<_>>().join(", "))
}

/// All that decides a run's weights, but for the machine.
fn identity(dataset: &Dataset, classes: &[String], recipe: Name, options: &Options) -> Identity {
    vec![
        ("classes", classes.join(",")),
        ("dataset", dataset.name.clone()),
        ("dataset.sha256", dataset.sha256.clone()),
        ("recipe", recipe.text().into()),
        ("epochs", options.recipe.epochs.to_string()),
        ("batch_size", options.recipe.batch_size.to_string()),
        ("learning_rate", options.recipe.learning_rate.to_string()),
        ("seed", options.seed.to_string()),
        ("threads", options.threads.to_string()),
        (
            "validation.images",
            match options.watch {
                Watch::Validation(images) => images.to_string(),
                Watch::Test => "0".into(),
            },
        ),
    ]
}

/// How the model was made, for its own metadata.
fn metadata(
    identity: &Identity,
    watch: Watch,
    history: &[Epoch],
    test_accuracy: f64,
) -> BTreeMap<String, String> {
    let made = [
        ("pixels", "uint8, 0 = background, 255 = ink, normalised inside the graph".into()),
        ("test.accuracy", format!("{test_accuracy:.4}")),
    ];
    let pairs = made.into_iter().chain(identity.clone());
    let mut metadata: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value)).collect();
    if let (Watch::Validation(_), Some(Epoch { watched: Some(score), .. })) =
        (watch, history.last())
    {
        metadata.insert("validation.accuracy".into(), format!("{:.4}", score.accuracy));
    }
    metadata
}

fn write_history(history: &[Epoch], watch: Watch, path: &std::path::Path) -> std::io::Result<()> {
    let mut file = Output::open(path)?;
    for Epoch { epoch, training, watched, took } in history {
        let mut line = json!({
            "epoch": epoch,
            "training_loss": training.loss,
            "training_accuracy": training.accuracy,
            "seconds": took.as_secs_f64(),
        });
        if let Some(score) = watched {
            line[format!("{}_loss", watch.name())] = score.loss.into();
            line[format!("{}_accuracy", watch.name())] = score.accuracy.into();
        }
        writeln!(file, "{line}")?;
    }
    file.commit()
}
