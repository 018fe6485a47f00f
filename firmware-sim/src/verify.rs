//! Float against int8, image by image and layer by layer.
//!
//! Every image goes through the float network, the firmware engine, and the int8 network in fast kernels, which shows what
//! is inside; that its logits are the engine's is checked on every image.

mod layer;

pub use layer::LayerFidelity;

use std::collections::BTreeMap;

use dataset::Image;
use dataset::idx::Split;
use firmware::geometry::CLASSES;
use firmware::{Answer, LayerId, Logits, Model, Scratch};
use network::Network;
use network::onnx::Graph;
use rayon::prelude::*;
use runtime::evaluate::BATCH;
use runtime::{Classifier, CompiledLayer, Instructions, Options, Workspace};

use super::error::Error;
use super::int8::{CompiledInt8, Int8Network, frame, pixels, scales};
use super::{identity, supported};
use layer::Tally;

/// Maximum of images in [`Verification::least_certain`].
const MAX_UNCERTAIN_LISTED: usize = 20;
/// Images that are compared between two reports of progress.
const PROGRESS: usize = 10 * BATCH;

/// An ONNX model ready to run, with the identity of its file.
#[derive(Debug)]
pub struct FloatModel {
    classifier: Classifier,
    network: Network,
    layers: Vec<CompiledLayer>,
    identity: [u8; 32],
}

impl FloatModel {
    /// Builds the float engine from the bytes of an ONNX file.
    ///
    /// # Errors
    /// What is wrong with the file, or that it is not the network that the engine is made for.
    pub fn parse(onnx: &[u8]) -> Result<Self, Error> {
        let graph = Graph::parse(onnx)?;
        let network = supported::read(&graph)?;
        let compile = |(layer, affine)| CompiledLayer::new(layer, affine, Instructions::default());
        let layers = network.layers().map(compile).collect();
        let classifier = Classifier::new(&graph, Options::default())?;
        Ok(Self { classifier, network, layers, identity: identity(onnx) })
    }

    /// What each layer gives: `[layer][image]`, the values of all images in a row.
    fn activations(&self, images: &[Image]) -> Vec<Vec<f32>> {
        let mut workspace = Workspace::default();
        let mut activations: Vec<Vec<f32>> = vec![];
        let pixels: Vec<f32> = images.iter().flat_map(pixels).collect();
        for layer in &self.layers {
            let mut output = vec![0.0; images.len() * layer.outputs()];
            let input = activations.last().unwrap_or(&pixels);
            layer.run(input, &mut workspace, &mut output);
            activations.push(output);
        }
        activations
    }
}

/// Answers of both models for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Its number in the dataset, from 0.
    pub image: usize,
    /// What it is.
    pub label: u8,
    /// The float model's digit.
    pub float: u8,
    /// The int8 model's digit.
    pub int8: u8,
    /// By how much the float model's best logit is above its next.
    pub float_margin: f64,
    /// The same of the int8 model, in units of the float model's logits.
    pub int8_margin: f64,
    /// Whether the int8 answer is [`Answer::Confident`].
    pub confident: bool,
    /// The first layer after which float arithmetic no longer gives the float model's answer; only where the
    /// answers differ.
    pub first_diverging_layer: Option<LayerId>,
}

/// How alike two models are on labelled images.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Every image in order.
    pub comparisons: Vec<Comparison>,
    /// Int8 minus float of every logit, in units of the float model's.
    pub logit_errors: Vec<f32>,
    /// The layers in order.
    pub layers: [LayerFidelity; 4],
}

/// Runs both models on every image; `progress` is told how many images are done.
///
/// # Errors
/// [`Error::Origin`] if `int8` was not made from `float`, [`Error::NoImages`] if `split` is empty, [`Error::Image`] if its
/// images are not 28×28 grey, [`Error::Label`] if it has other classes.
pub fn compare(
    float: &FloatModel,
    int8: Model<'_>,
    split: &Split,
    mut progress: impl FnMut(usize),
) -> Result<Verification, Error> {
    let stated = int8.file().identity;
    if stated != float.identity {
        return Err(Error::Origin { stated, given: float.identity });
    }
    if split.images.is_empty() {
        return Err(Error::NoImages);
    }
    supported::check_images(&split.images)?;
    if let Some(&label) = split.labels.iter().find(|label| usize::from(**label) >= CLASSES) {
        return Err(Error::Label { label });
    }
    let network = Int8Network::of(int8);
    let models = ModelPair {
        float,
        int8,
        network: &network,
        compiled: CompiledInt8::new(&network),
        scales: scales(int8.file()),
    };
    let mut tallies = LayerId::ALL.map(|layer| models.tally(layer));
    let (mut comparisons, mut logit_errors) = (vec![], vec![]);
    let parts = split.images.chunks(PROGRESS).zip(split.labels.chunks(PROGRESS));
    for (images, labels) in parts {
        let batches: Vec<_> = images
            .par_chunks(BATCH)
            .zip(labels.par_chunks(BATCH))
            .map(|(images, labels)| models.compare(images, labels))
            .collect();
        // in order, or the sums of errors would depend on how many threads there are
        for batch in batches {
            for mut comparison in batch.comparisons {
                comparison.image = comparisons.len();
                comparisons.push(comparison);
            }
            logit_errors.extend(batch.logit_errors);
            for (tally, other) in tallies.iter_mut().zip(&batch.tallies) {
                tally.merge(other);
            }
        }
        progress(comparisons.len());
    }
    Ok(Verification { comparisons, logit_errors, layers: tallies.map(Tally::finish) })
}

/// Two models that belong together.
struct ModelPair<'a> {
    float: &'a FloatModel,
    int8: Model<'a>,
    network: &'a Int8Network,
    compiled: CompiledInt8<'a>,
    scales: [f64; 4],
}

/// Results for some images.
struct BatchResult {
    comparisons: Vec<Comparison>,
    logit_errors: Vec<f32>,
    tallies: [Tally; 4],
}

impl ModelPair<'_> {
    fn tally(&self, layer: LayerId) -> Tally {
        Tally::new(
            layer,
            &self.network.layers[layer as usize].channels,
            self.scales[layer as usize],
        )
    }

    fn compare(&self, images: &[Image], labels: &[u8]) -> BatchResult {
        let mut scratch = Scratch::new();
        let mut tallies = LayerId::ALL.map(|layer| self.tally(layer));
        let (mut comparisons, mut logit_errors) = (vec![], vec![]);
        let predictions = self.float.classifier.predict_batch(images);
        let float = self.float.activations(images);
        let traces = self.compiled.run(images);
        let images = images.iter().zip(labels).zip(predictions).zip(&traces);
        for (index, (((image, &label), prediction), trace)) in images.enumerate() {
            let logits = self.int8.infer(frame(image), &mut scratch);
            assert_eq!(
                trace.logits(),
                logits,
                "the engine and its definition are tested to be equal"
            );
            for (layer, tally) in tallies.iter_mut().enumerate() {
                let int8 = &trace.activations[layer];
                let float = &float[layer][index * int8.len()..][..int8.len()];
                tally.record(float, int8, &trace.accumulators[layer]);
            }
            let scale = self.scales[LayerId::Dense2 as usize];
            logit_errors.extend(
                logits
                    .0
                    .iter()
                    .zip(&prediction.logits)
                    .map(|(&int8, &float)| (f64::from(int8) * scale - f64::from(float)) as f32),
            );
            comparisons.push(self.comparison(
                label,
                &prediction.logits,
                &logits,
                &trace.activations,
            ));
        }
        BatchResult { comparisons, logit_errors, tallies }
    }

    fn comparison(
        &self,
        label: u8,
        float_logits: &[f32],
        logits: &Logits,
        activations: &[Vec<f32>],
    ) -> Comparison {
        let (float, float_margin) = best(float_logits);
        let int8 = logits.digit();
        let diverges = |&layer: &LayerId| self.finished_in_float(layer, activations) != float;
        let first = || LayerId::ALL.into_iter().find(diverges).unwrap_or(LayerId::Dense2);
        Comparison {
            image: 0, // the caller counts
            label,
            float,
            int8,
            float_margin,
            int8_margin: f64::from(logits.margin()) * self.scales[LayerId::Dense2 as usize],
            confident: logits.answer(self.int8) != Answer::Unsure,
            first_diverging_layer: (int8 != float).then(first),
        }
    }

    /// The digit if all layers after `layer` are float's.
    fn finished_in_float(&self, layer: LayerId, activations: &[Vec<f32>]) -> u8 {
        let (index, scale) = (layer as usize, self.scales[layer as usize] as f32);
        let values = activations[index].iter().map(|value| value * scale).collect();
        best(&self.float.network.logits_after(index, values)).0
    }
}

/// The largest logit's class, of equals the first, and its distance to the next.
fn best(logits: &[f32]) -> (u8, f64) {
    let (mut digit, mut best, mut next) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (class, &logit) in (0..).zip(logits) {
        if logit > best {
            (digit, best, next) = (class, logit, best);
        } else {
            next = next.max(logit);
        }
    }
    (digit, f64::from(best) - f64::from(next))
}

impl Verification {
    /// Images compared.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.comparisons.len() as u64
    }

    fn count(&self, counts: impl Fn(&Comparison) -> bool) -> u64 {
        self.comparisons.iter().filter(|comparison| counts(comparison)).count() as u64
    }

    /// Images for which both models give the same digit, right or wrong.
    #[must_use]
    pub fn agreements(&self) -> u64 {
        self.count(|comparison| comparison.float == comparison.int8)
    }

    /// Images that the float model reads right.
    #[must_use]
    pub fn float_correct(&self) -> u64 {
        self.count(|comparison| comparison.float == comparison.label)
    }

    /// Images that the int8 model reads right.
    #[must_use]
    pub fn int8_correct(&self) -> u64 {
        self.count(|comparison| comparison.int8 == comparison.label)
    }

    /// Images whose int8 answer is [`Answer::Confident`].
    #[must_use]
    pub fn confident(&self) -> u64 {
        self.count(|comparison| comparison.confident)
    }

    /// Of these, the ones that are read right.
    #[must_use]
    pub fn confident_correct(&self) -> u64 {
        self.count(|comparison| comparison.confident && comparison.int8 == comparison.label)
    }

    /// Of these, the ones for which the float model gives another digit.
    #[must_use]
    pub fn confident_disagreements(&self) -> u64 {
        self.count(|comparison| comparison.confident && comparison.int8 != comparison.float)
    }

    /// [`Self::agreements`] among all images: 0 to 1.
    #[must_use]
    pub fn agreement(&self) -> f64 {
        self.agreements() as f64 / self.images() as f64
    }

    /// Images for which the two models give different digits.
    pub fn disagreements(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(|comparison| comparison.float != comparison.int8)
    }

    /// How often the float model said one digit and the int8 model another: `(float, int8)` to images.
    #[must_use]
    pub fn confusion(&self) -> BTreeMap<(u8, u8), u64> {
        let mut pairs = BTreeMap::new();
        for comparison in self.disagreements() {
            *pairs.entry((comparison.float, comparison.int8)).or_default() += 1;
        }
        pairs
    }

    /// The images with the smallest margins of the int8 model, smallest first; 20 at most.
    #[must_use]
    pub fn least_certain(&self) -> Vec<Comparison> {
        let mut comparisons = self.comparisons.clone();
        comparisons.sort_by(|a, b| a.int8_margin.total_cmp(&b.int8_margin));
        comparisons.truncate(MAX_UNCERTAIN_LISTED);
        comparisons
    }

    /// The float model's margin below which this part of the images lies, 0 to 1.
    #[must_use]
    pub fn margin_quantile(&self, part: f64) -> f64 {
        let mut margins: Vec<f64> =
            self.comparisons.iter().map(|comparison| comparison.float_margin).collect();
        margins.sort_by(f64::total_cmp);
        margins[((margins.len() - 1) as f64 * part).round() as usize]
    }

    /// Largest difference of two logits, in units of the float model's.
    #[must_use]
    pub fn max_difference(&self) -> f64 {
        self.logit_errors.iter().fold(0.0_f32, |largest, error| largest.max(error.abs())).into()
    }

    /// Root of the mean squared difference of the logits.
    #[must_use]
    pub fn rms_difference(&self) -> f64 {
        let squares = self.logit_errors.iter().map(|&error| f64::from(error) * f64::from(error));
        (squares.sum::<f64>() / self.logit_errors.len() as f64).sqrt()
    }

    /// Logit errors in bins of equal width, which they fill from end to end: upper edge and count of each.
    #[must_use]
    pub fn logit_histogram<const BINS: usize>(&self) -> [(f64, u64); BINS] {
        let largest = self.max_difference().max(f64::MIN_POSITIVE);
        let edge = |bin: usize| largest * (2.0 * bin as f64 / BINS as f64 - 1.0);
        let mut bins = std::array::from_fn(|bin| (edge(bin + 1), 0));
        for &error in &self.logit_errors {
            let bin = (f64::midpoint(f64::from(error) / largest, 1.0) * BINS as f64) as usize;
            bins[bin.min(BINS - 1)].1 += 1;
        }
        bins
    }

    /// Signal to quantisation noise of the logits in decibels, see [`LayerFidelity::sqnr_db`].
    #[must_use]
    pub fn sqnr_db(&self) -> f64 {
        self.layers[LayerId::Dense2 as usize].sqnr_db
    }
}

const _: () = assert!(CLASSES <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_is_best_as_on_the_device() {
        assert_eq!(best(&[1.0, 3.0, 3.0, 2.5]), (1, 0.0));
        assert_eq!(best(&[5.0, 3.0, 4.5]), (0, 0.5));
    }
}
