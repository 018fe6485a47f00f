//! What `--json` writes: one JSON object per epoch and line.

use std::io::{self, Write};
use std::path::Path;

use safe_io::output::Output;
use serde_json::json;
use trainer::train::{Epoch, EvalSet};

/// Writes the epochs to `path`, which may be a pipe.
pub(crate) fn write(history: &[Epoch], eval_set: EvalSet, path: &Path) -> io::Result<()> {
    let mut file = Output::open(path)?;
    for Epoch { epoch, training, eval, took } in history {
        let mut line = json!({
            "epoch": epoch,
            "training_loss": training.loss,
            "training_accuracy": training.accuracy,
            "seconds": took.as_secs_f64(),
        });
        if let Some(score) = eval {
            line[format!("{}_loss", eval_set.name())] = score.loss.into();
            line[format!("{}_accuracy", eval_set.name())] = score.accuracy.into();
        }
        writeln!(file, "{line}")?;
    }
    file.commit()
}
