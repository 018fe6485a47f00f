//! Writes a model only if what was written answers like the network that was trained.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use network::onnx::{Graph, Origin};
use network::{Network, Topology};
use runtime::preprocess::{Color, Preprocess};
use runtime::{Calibration, Classifier, Image};
use safe_io::SingleLine;
use safe_io::output;

use crate::checkpoint::Identity;
use crate::data::Dataset;
use crate::evaluate::images_tensor;
use crate::model::{Model, NORMALIZATION};
use crate::train::{Epoch, EvalSet};

/// Test images on which the file is compared with the network.
pub const COMPARED_IMAGES: usize = 1000;

/// Largest difference of a logit that counts as equal.
///
/// libtorch and our kernels sum the products of a feature, 800 in LeNet, in different orders. Rounding errors of both
/// signs grow with the root of their number: √800 · 2⁻²⁴ · 30 ≈ 5e-5 for a logit of 30, and a few layers stay far below
/// this; a wrong weight, border or normalisation is far above.
const MAX_DIFFERENCE: f32 = 1e-3;

/// Images a run while comparing.
const BATCH: usize = 100;

/// How the file compares with the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parity {
    /// Images that both scored.
    pub images: usize,
    /// Largest difference between two logits.
    pub largest_difference: f32,
}

/// Whether `path` can be written, asked before hours of training rather than after.
///
/// # Errors
/// If it is a folder, or its folder is missing or read-only.
pub fn check_writable(path: &Path) -> anyhow::Result<()> {
    output::check(path).with_context(|| format!("cannot write {}", SingleLine(path.display())))
}

/// Whether what is written to `path` can be read again, unlike from a pipe or a device.
///
/// # Errors
/// If it is one of those.
pub fn check_rereadable(path: &Path) -> anyhow::Result<()> {
    let path_shown = SingleLine(path.display());
    ensure!(
        output::is_regular_or_absent(path),
        "cannot write {path_shown}: it is no file that could be read again"
    );
    Ok(())
}

/// How the model was made, for its own metadata; `result` is the epoch that it is of.
#[must_use]
pub fn metadata(
    identity: &Identity,
    eval_set: EvalSet,
    result: Option<&Epoch>,
    test_accuracy: f64,
    calibration: Option<&Calibration>,
    rejected: Option<u16>,
    dataset: &Dataset,
) -> BTreeMap<String, String> {
    let pixels = if dataset.is_ink() {
        "uint8, 0 = background, 255 = ink, normalised inside the graph"
    } else {
        "uint8, 0 = black, 255 = white, normalised inside the graph"
    };
    let made = [("pixels", pixels.into()), ("test.accuracy", format!("{test_accuracy:.4}"))];
    let calibration = calibration.into_iter().flat_map(Calibration::emit);
    let preparation = dataset.preparation.iter().flat_map(|preparation| {
        let (preprocess, color) = (preparation.preprocess(), preparation.color());
        [(Preprocess::KEY, preprocess.name().to_owned()), (Color::KEY, color.name().to_owned())]
    });
    let pairs = made.into_iter().chain(identity.clone()).chain(calibration).chain(preparation);
    let mut metadata: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value)).collect();
    if let Some(class) = rejected {
        metadata.insert(network::classes::REJECTED_KEY.into(), class.to_string());
    }
    if let (EvalSet::Validation(_) | EvalSet::Own, Some(Epoch { eval: Some(score), .. })) =
        (eval_set, result)
    {
        metadata.insert("validation.accuracy".into(), format!("{:.4}", score.accuracy));
    }
    metadata
}

/// Reads `network` as an ONNX file with `runtime`, compares the two on `images`, and writes the file to `path`.
///
/// Nothing is written before the comparison: what stood there before is kept on failure.
///
/// # Errors
/// If the file cannot be written, does not load, or answers differently.
pub fn export(
    network: &Model,
    metadata: &BTreeMap<String, String>,
    images: &[Image],
    path: &Path,
) -> anyhow::Result<Parity> {
    export_bytes(&emit(&network.network(), metadata), network, images, path)
}

/// The file's bytes: a pure function of the weights and the metadata.
fn emit(network: &Network, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let topology = Topology::of(network.architecture());
    let name = topology.and_then(|topology| topology.name()).unwrap_or("network");
    let origin = Origin {
        name: name.into(),
        producer: [env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")].map(String::from),
        metadata: metadata.clone(),
    };
    Graph::of_network(network, NORMALIZATION, origin).emit()
}

fn export_bytes(
    bytes: &[u8],
    network: &Model,
    images: &[Image],
    path: &Path,
) -> anyhow::Result<Parity> {
    let path_shown = SingleLine(path.display());
    let refused = || format!("{path_shown} is not written: the exported graph is wrong");
    let classifier = Classifier::parse(bytes).with_context(refused)?;
    let parity = compare(&classifier, network, images).with_context(refused)?;
    output::write(path, bytes).with_context(|| format!("cannot write {path_shown}"))?;
    Ok(parity)
}

/// How `classifier`, made of a file, and `network` score the same images.
///
/// # Errors
/// With the first image that they score differently, by more than the order of their sums explains.
pub fn compare(
    classifier: &Classifier,
    network: &Model,
    images: &[Image],
) -> anyhow::Result<Parity> {
    let device = network.weights().device();
    let mut parity = Parity { images: 0, largest_difference: 0.0 };
    for batch in images.chunks(BATCH) {
        let expected = network.logits(&images_tensor(batch).to_device(device));
        let digits = Vec::<i64>::try_from(expected.argmax(1, false))?;
        let expected = Vec::<Vec<f32>>::try_from(expected)?;
        for ((found, expected), digit) in
            classifier.predict_batch(batch).iter().zip(&expected).zip(digits)
        {
            for (found, expected) in found.logits.iter().zip(expected) {
                let difference = (found - expected).abs();
                // written so that NaN is refused too
                ensure!(
                    difference <= MAX_DIFFERENCE,
                    "image {}: a logit is {found} in the file and {expected} in libtorch",
                    parity.images
                );
                parity.largest_difference = parity.largest_difference.max(difference);
            }
            ensure!(
                found.digit() as i64 == digit,
                "image {}: the file says {}, libtorch {digit}",
                parity.images,
                found.digit()
            );
            parity.images += 1;
        }
    }
    Ok(parity)
}

#[cfg(test)]
mod tests {
    use network::Architecture;
    use runtime::EMBEDDED_MODEL;

    use super::*;

    fn some_images() -> Vec<Image> {
        (0..7_u8)
            .map(|seed| Image::mnist(std::array::from_fn(|i| (i as u8).wrapping_mul(seed))))
            .collect()
    }

    #[test]
    fn the_embedded_model_is_what_is_emitted_of_its_own_weights() {
        let graph = Graph::parse(EMBEDDED_MODEL).unwrap();
        let network = graph.network(&Architecture::lenet(10)).unwrap();
        assert!(emit(&network, &graph.metadata) == EMBEDDED_MODEL);
        assert_eq!(Model::from_network(&network).network(), network);
    }

    #[test]
    fn a_fresh_network_is_exported_and_answers_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lenet.onnx");
        let _rng = crate::seeding::lock_rng(1);
        let parity =
            export(&crate::model::tests::lenet(10), &BTreeMap::new(), &some_images(), &path)
                .unwrap();
        assert_eq!(parity.images, 7);
        Classifier::load(&path).unwrap();
    }

    #[test]
    fn a_file_that_answers_differently_is_not_kept_and_the_old_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lenet.onnx");
        std::fs::write(&path, b"the one before").unwrap();
        let _rng = crate::seeding::lock_rng(1);
        let network = crate::model::tests::lenet(10);
        let exported = network.network();
        let mut affine = exported.affine().to_vec();
        affine[3].bias[3] += 1.0;
        let wrong = Network::new(exported.architecture().clone(), affine);
        let bytes = emit(&wrong, &BTreeMap::new());
        let error =
            format!("{:#}", export_bytes(&bytes, &network, &some_images(), &path).unwrap_err());
        assert!(error.contains("is not written"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"the one before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_known_before_training() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/folder/lenet.onnx");
        assert!(check_writable(&missing).unwrap_err().to_string().contains("no/such/folder"));
        let refusal = format!("{:#}", check_writable(folder.path()).unwrap_err());
        assert!(refusal.contains("it is a folder"), "{refusal}");
        check_writable(&folder.path().join("lenet.onnx")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
