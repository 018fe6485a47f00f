//! The steps of a run, on the terminal and on disk: a progress bar, a line and a checkpoint an epoch, Ctrl-C.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use safe_io::SingleLine;
use trainer::checkpoint::{self, Identity};
use trainer::train::{Epoch, EvalSet, Options, Progress, Run};

use safe_io::print::print_line;

/// Resumes from a checkpoint if asked to; one that is there is never written over unasked.
pub(crate) fn resume_or_start(
    run: &mut Run,
    resume: bool,
    checkpoint: Option<&Path>,
    identity: &Identity,
) -> anyhow::Result<()> {
    match checkpoint {
        Some(path) if resume => {
            let resumed =
                |state| run.resume(state).with_context(|| SingleLine(path.display()).to_string());
            checkpoint::load(path, identity).and_then(resumed)
        }
        None if resume => bail!(
            "there is nothing to resume: say --export or --checkpoint as in the run that stopped"
        ),
        Some(path) if checkpoint::is_at(path) => {
            let path = SingleLine(path.display());
            bail!("{path} is a run that was stopped: go on with --resume, or delete it")
        }
        _ => Ok(()),
    }
}

/// Makes all steps; stops after a step on Ctrl-C, or where the loss is no number any more.
pub(crate) fn train(
    run: &mut Run,
    options: &Options,
    checkpoint: Option<&Path>,
    identity: &Identity,
) -> anyhow::Result<()> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))
        .context("cannot listen to Ctrl-C")?;
    let bar = progress_bar()?;
    print_line(head(options.eval_set));
    for done in run.history() {
        print_line(line(done));
    }
    while let Some(progress) = run.advance() {
        if let Err(error) = check_converging(&progress, options.recipe.learning_rate) {
            bar.finish_and_clear();
            // the same arguments would only diverge again from it
            checkpoint.map_or(Ok(()), remove_checkpoint)?;
            return Err(error);
        }
        let stop = STOP.load(Ordering::Relaxed);
        if let Some(path) = checkpoint
            && (stop || matches!(progress, Progress::Epoch(_)))
        {
            checkpoint::save(path, identity, &run.state())?;
        }
        if stop {
            bar.finish_and_clear();
            return Err(stopped(checkpoint));
        }
        match progress {
            Progress::Step { epoch, images, of, loss } => {
                // of the whole run, so that the time left is, too
                bar.set_length(u64::from(options.recipe.epochs) * of as u64);
                bar.set_position(u64::from(epoch - 1) * of as u64 + images as u64);
                bar.set_prefix(format!("epoch {epoch}/{}", options.recipe.epochs));
                bar.set_message(loss.map_or_else(|| "-".into(), |loss| format!("{loss:.4}")));
            }
            Progress::Epoch(done) => bar.suspend(|| print_line(line(&done))),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Removes the checkpoint of a run that is over.
pub(crate) fn remove_checkpoint(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        // there was no epoch yet, or another run with the same --export was faster
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("cannot remove {}", SingleLine(path.display()))),
    }
}

/// Maximum cross-entropy, in nats, of a network that learns anything; guessing one of 256 classes gives 5.5.
const MAX_LOSS: f64 = 1e6;

/// Weights that are no finite numbers never become some again: hours of further steps would be for nothing.
pub(crate) fn check_converging(progress: &Progress, learning_rate: f64) -> anyhow::Result<()> {
    let (epoch, losses) = match progress {
        Progress::Step { epoch, loss, .. } => (*epoch, [*loss, None]),
        Progress::Epoch(done) => {
            (done.epoch, [Some(done.training.loss), done.eval.map(|eval| eval.loss)])
        }
    };
    for loss in losses.into_iter().flatten() {
        ensure!(
            loss < MAX_LOSS, // nor is NaN
            "training diverged: the loss is {loss:.1e} in epoch {epoch}; train with a --lr below {learning_rate}"
        );
    }
    Ok(())
}

fn stopped(checkpoint: Option<&Path>) -> anyhow::Error {
    match checkpoint {
        Some(path) => anyhow::anyhow!(
            "stopped, and saved in {}: go on with the same arguments and --resume",
            SingleLine(path.display())
        ),
        None => anyhow::anyhow!("stopped; nothing is saved without --export or --checkpoint"),
    }
}

fn progress_bar() -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{prefix} {wide_bar} {rate} images/s, {eta} left, loss {msg}",
    )?;
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // a bar that cannot be drawn is no reason to stop
        let _ = write!(text, "{:.0}", state.per_sec());
    };
    Ok(ProgressBar::new(0).with_style(style.with_key("rate", rate)))
}

fn head(eval_set: EvalSet) -> String {
    format!("epoch  training loss  accuracy  {:>10} loss  accuracy  seconds", eval_set.name())
}

fn line(epoch: &Epoch) -> String {
    let Epoch { epoch, training, eval, took } = epoch;
    let eval = eval.map_or_else(
        || format!("{:>15}  {:>8}", "-", "-"),
        |score| format!("{:15.4}  {:6.2} %", score.loss, score.accuracy * 100.0),
    );
    format!(
        "{epoch:>5}  {:13.4}  {:6.2} %  {eval}  {:7.1}",
        training.loss,
        training.accuracy * 100.0,
        took.as_secs_f64()
    )
}
