//! A run on disk, to go on later: the only place that knows the checkpoint's format.
//!
//! It is a safetensors file (<https://github.com/huggingface/safetensors>): four or five `F32` tensors of the length of
//! the network's weights, and one metadata entry, with the SHA-256 of all the rest, a space, and the rest as JSON.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use dataset::MNIST_SHAPE;
use network::Topology;
use safe_io::output::is_regular_or_absent;
use safe_io::{SingleLine, output};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tch::Tensor;

use crate::data::Dataset;
use crate::evaluate::Score;
use crate::recipe::Name;
use crate::train::{Epoch, EvalSet, Options, Partial, State};

/// Name of the metadata entry.
const ENTRY: &str = "lenet-training";
/// Name of the tensor that is not in every checkpoint.
const BEST: &str = "best";
/// Layout of the JSON in it.
const VERSION: u64 = 3;
/// Maximum bytes that are read: many times the largest network's.
const MAX_BYTES: u64 = 64 << 20;

/// What makes a run the run that it is, each with a name; a checkpoint goes on only with all of it equal.
pub type Identity = Vec<(&'static str, String)>;

/// What decides the weights of a run, but for the machine.
#[must_use]
pub fn identity(dataset: &Dataset, classes: &[String], name: Name, options: &Options) -> Identity {
    let validation = match options.eval_set {
        EvalSet::Validation(images) => images,
        EvalSet::Own => dataset.validation.images.len(),
        EvalSet::Test => 0,
    };
    let mut identity = vec![
        ("classes", join_classes(classes)),
        ("dataset", dataset.name.clone()),
        ("dataset.sha256", dataset.sha256.clone()),
        ("recipe", name.text().into()),
        ("epochs", options.recipe.epochs.to_string()),
        ("batch_size", options.recipe.batch_size.to_string()),
        ("learning_rate", options.recipe.learning_rate.to_string()),
        ("seed", options.seed.to_string()),
        ("threads", options.threads.to_string()),
        ("validation.images", validation.to_string()),
    ];
    if let Some(preparation) = &dataset.preparation {
        let [_, height, width] = preparation.shape();
        let (fit, color) = (preparation.preprocess().name(), preparation.color().name());
        identity.push(("images", format!("{height}x{width} {color}, {fit}")));
    }
    // what is usual is not said, so that models of earlier versions are told the same
    let Options { topology, recipe, .. } = options;
    if *topology != Topology::default_for(MNIST_SHAPE) {
        identity.push(("network", topology.to_string()));
    }
    let usual = name.recipe();
    if recipe.augmentation != usual.augmentation {
        let none = || "none".to_owned();
        identity.push((
            "augmentation",
            recipe.augmentation.map_or_else(none, |augmentation| augmentation.to_string()),
        ));
    }
    if recipe.min_steps > 0 && recipe.passes(dataset.train.images.len()) > 1 {
        identity.push(("min_steps", recipe.min_steps.to_string()));
    }
    if recipe.balanced != usual.balanced {
        identity.push(("balanced", recipe.balanced.to_string()));
    }
    identity
}

/// Names with commas between, or where one has a comma, as JSON.
fn join_classes(names: &[String]) -> String {
    let plain = names.join(",");
    if network::classes::parse(&plain) == names { plain } else { network::classes::emit(names) }
}

/// Whether `bytes` begin as a checkpoint of ours does, whole or damaged.
#[must_use]
pub fn is_ours(bytes: &[u8]) -> bool {
    let header = SafeTensors::read_metadata(bytes);
    header.is_ok_and(|(_, header)| {
        header.metadata().as_ref().is_some_and(|entries| entries.contains_key(ENTRY))
    })
}

/// Whether a checkpoint of ours is at `path`.
#[must_use]
pub fn is_at(path: &Path) -> bool {
    is_regular_or_absent(path) && read(path).is_ok_and(|bytes| is_ours(&bytes))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes `state`; a kill at any moment leaves the old file or the new one.
///
/// # Errors
/// If the file cannot be written.
pub fn save(path: &Path, identity: &Identity, state: &State) -> anyhow::Result<()> {
    output::write(path, &emit(identity, state)?)
        .with_context(|| format!("cannot write checkpoint {}", SingleLine(path.display())))
}

/// Reads what [`save`] has written.
///
/// # Errors
/// If the file is missing, no checkpoint, or of another run: then in what.
pub fn load(path: &Path, identity: &Identity) -> anyhow::Result<State> {
    let bytes = read(path)
        .with_context(|| format!("cannot read checkpoint {}", SingleLine(path.display())))?;
    parse(&bytes, identity).with_context(|| SingleLine(path.display()).to_string())
}

fn emit(identity: &Identity, state: &State) -> anyhow::Result<Vec<u8>> {
    let State { step, weights, average, mean, square, best, partial, history } = state;
    let run: serde_json::Map<String, Value> =
        identity.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    let rest = json!({
        "version": VERSION,
        "run": run,
        "step": step,
        "partial": { "loss": partial.loss, "correct": partial.correct, "seconds": partial.took.as_secs_f64() },
        "history": history.iter().map(epoch_to_json).collect::<Vec<_>>(),
    });
    let tensors = [("weights", weights), ("average", average), ("mean", mean), ("square", square)]
        .into_iter();
    let tensors = tensors.chain(best.as_ref().map(|best| (BEST, best)));
    let bytes = tensors
        .map(|(name, tensor)| Ok((name, bytes(tensor)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let rest = rest.to_string();
    let sha256 = hash(&rest, bytes.iter().map(|(_, bytes)| &bytes[..]));
    let views = bytes.iter().map(|(name, bytes)| {
        Ok((name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([(ENTRY.to_owned(), format!("{sha256} {rest}"))]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

fn parse(bytes: &[u8], identity: &Identity) -> anyhow::Result<State> {
    let (_, header) = SafeTensors::read_metadata(bytes).context("not a checkpoint")?;
    let tensors = SafeTensors::deserialize(bytes).context("not a checkpoint")?;
    let entry = header.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
    let entry = entry.context("not a checkpoint: it holds no training run")?;
    let tensor = |name| -> anyhow::Result<&[u8]> {
        let view = tensors.tensor(name).context("not a checkpoint")?;
        ensure!(
            view.dtype() == Dtype::F32 && view.shape().len() == 1,
            "tensor {name} is not float32 of one axis"
        );
        Ok(view.data())
    };
    let [weights, average, mean, square] =
        [tensor("weights")?, tensor("average")?, tensor("mean")?, tensor("square")?];
    let best = tensors.names().contains(&BEST).then(|| tensor(BEST)).transpose()?;
    let all = [weights, average, mean, square].into_iter().chain(best);
    let (sha256, rest) = entry.split_once(' ').unwrap_or_default();
    ensure!(
        tensors.len() == all.clone().count() && sha256 == hash(rest, all),
        "a checkpoint that is damaged, or of another version of this program"
    );
    let rest: Value =
        serde_json::from_str(rest).context("not a checkpoint: its training run is damaged")?;
    ensure!(
        rest["version"] == VERSION,
        "a checkpoint of version {}, expected {VERSION}",
        rest["version"]
    );
    for (name, ours) in identity {
        let theirs = rest["run"][*name].as_str().unwrap_or("unknown");
        if theirs != ours {
            bail!(
                "a checkpoint of another run: {name} is {} there and {ours} here",
                SingleLine(theirs)
            );
        }
    }
    let damaged = "a number is missing in the checkpoint";
    let tensor = |bytes: &[u8]| {
        let values = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        Tensor::from_slice(&values.collect::<Vec<f32>>())
    };
    let partial = &rest["partial"];
    Ok(State {
        step: rest["step"].as_u64().context(damaged)?,
        weights: tensor(weights),
        average: tensor(average),
        mean: tensor(mean),
        square: tensor(square),
        best: best.map(tensor),
        partial: Partial {
            loss: partial["loss"].as_f64().context(damaged)?,
            correct: partial["correct"].as_i64().context(damaged)?,
            took: seconds(&partial["seconds"]).context(damaged)?,
        },
        history: rest["history"]
            .as_array()
            .and_then(|epochs| epochs.iter().map(epoch_from_json).collect())
            .context(damaged)?,
    })
}

/// Of all that a checkpoint holds.
fn hash<'a>(rest: &str, tensors: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut sha256 = Sha256::new_with_prefix(rest);
    tensors.into_iter().for_each(|tensor| sha256.update(tensor));
    base16ct::lower::encode_string(&sha256.finalize())
}

fn bytes(tensor: &Tensor) -> anyhow::Result<Vec<u8>> {
    Ok(Vec::<f32>::try_from(tensor)?.into_iter().flat_map(f32::to_le_bytes).collect())
}

fn epoch_to_json(epoch: &Epoch) -> Value {
    let score = |score: &Score| json!([score.loss, score.accuracy]);
    json!({
        "epoch": epoch.epoch,
        "training": score(&epoch.training),
        "watched": epoch.eval.as_ref().map(score),
        "seconds": epoch.took.as_secs_f64(),
    })
}

fn epoch_from_json(value: &Value) -> Option<Epoch> {
    let score =
        |value: &Value| Some(Score { loss: value[0].as_f64()?, accuracy: value[1].as_f64()? });
    Some(Epoch {
        epoch: value["epoch"].as_u64()?.try_into().ok()?,
        training: score(&value["training"])?,
        eval: match &value["watched"] {
            Value::Null => None,
            eval => Some(score(eval)?),
        },
        took: seconds(&value["seconds"])?,
    })
}

fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_state() -> State {
        let tensor = |start: f32| Tensor::from_slice(&[start, -0.1, f32::MIN_POSITIVE]);
        State {
            step: 7,
            weights: tensor(0.3),
            average: tensor(1.0 / 3.0),
            mean: tensor(-2.0),
            square: tensor(9.0),
            best: Some(tensor(4.0)),
            partial: Partial { loss: 0.1 + 0.2, correct: 3, took: Duration::from_millis(1500) },
            history: vec![Epoch {
                epoch: 1,
                training: Score { loss: 1.0 / 3.0, accuracy: 0.5 },
                eval: None,
                took: Duration::from_secs(2),
            }],
        }
    }

    fn identity() -> Identity {
        vec![("seed", "1".into()), ("epochs", "12".into())]
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let state = some_state();
        let loaded = parse(&emit(&identity(), &state).unwrap(), &identity()).unwrap();
        for (ours, theirs) in [
            (&state.weights, &loaded.weights),
            (&state.average, &loaded.average),
            (&state.mean, &loaded.mean),
            (&state.square, &loaded.square),
            (state.best.as_ref().unwrap(), loaded.best.as_ref().unwrap()),
        ] {
            assert_eq!(bytes(ours).unwrap(), bytes(theirs).unwrap());
        }
        assert_eq!(
            (state.step, state.partial, state.history),
            (loaded.step, loaded.partial, loaded.history)
        );
        let without = State { best: None, ..some_state() };
        assert!(parse(&emit(&identity(), &without).unwrap(), &identity()).unwrap().best.is_none());
    }

    #[test]
    fn a_checkpoint_of_another_run_is_refused_with_the_difference() {
        let file = emit(&identity(), &some_state()).unwrap();
        let refusal = parse(&file, &vec![("seed", "2".into())]).unwrap_err().to_string();
        assert_eq!(refusal, "a checkpoint of another run: seed is 1 there and 2 here");
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let file = emit(&identity(), &some_state()).unwrap();
        for length in 0..file.len() {
            assert!(parse(&file[..length], &identity()).is_err(), "{length} bytes");
        }
        assert!(parse(b"PK\x03\x04 not a checkpoint at all", &identity()).is_err());
    }

    #[test]
    fn a_change_anywhere_is_noticed_and_so_is_a_byte_more() {
        let file = emit(&identity(), &some_state()).unwrap();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(parse(&damaged, &identity()).is_err(), "byte {at}");
        }
        assert!(parse(&[&file[..], b"x"].concat(), &identity()).is_err());
        let mut promising = file.clone();
        promising[7] = 0xff; // of the header's length
        assert!(parse(&promising, &identity()).is_err());
    }
}
