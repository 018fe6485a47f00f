//! Float against int8, image by image and layer by layer.
//!
//! Every image goes through the float network, the firmware engine, and the int8 network in fast kernels, which shows what
//! is inside; that its logits are the engine's is checked on every image.

mod layer;
mod verification;

pub use layer::LayerFidelity;
pub use verification::{Comparison, Reconstruction, Verification};

use firmware::{Logits, Model};
use network::Layer;
use rayon::prelude::*;
use runtime::{FloatInput, Workspace};

use super::equalization;
use super::error::Error;
use super::float::{FloatNetwork, logits as logits_of};
use super::identity;
use super::int8::{CompiledInt8, Encoding, Int8Network, Trace, outputs};
use super::ranking::Ranking;
use super::samples::{Samples, bytes, units};
use super::supported::{Takes, parse, read};
use layer::Tally;

/// Batches that are compared between two reports of progress.
const PROGRESS: usize = 10;

/// An ONNX model ready to run, with the identity of its file.
#[derive(Debug)]
pub struct FloatModel {
    float: FloatNetwork,
    takes: Takes,
    classes: Option<Vec<String>>,
    identity: [u8; 32],
}

impl FloatModel {
    /// Builds the float engine from the bytes of an ONNX file.
    ///
    /// # Errors
    /// What is wrong with the file, or all that keeps the firmware from running it.
    pub fn parse(onnx: &[u8]) -> Result<Self, Error> {
        Self::parse_with(onnx, None)
    }

    /// The same of a model with float input, for which pixels become what `float_input` says; without it, it takes
    /// numbers.
    ///
    /// # Errors
    /// As [`Self::parse`], and if `float_input` does not fit.
    pub fn parse_with(onnx: &[u8], float_input: Option<FloatInput>) -> Result<Self, Error> {
        let graph = parse(onnx)?;
        let supported = read(&graph, float_input)?;
        let float = FloatNetwork::new(supported.network);
        let classes = graph.class_names().filter(|names| names.len() == float.outputs());
        Ok(Self { float, takes: supported.takes, classes, identity: identity(onnx) })
    }

    /// Names of the classes, if the model tells them.
    #[must_use]
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// `[channels, height, width]` of what goes in.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.float.network().architecture().input()
    }

    /// Outputs of the last layer.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.float.outputs()
    }

    /// What goes in.
    #[must_use]
    pub const fn takes(&self) -> Takes {
        self.takes
    }

    /// What the last layer gives of each sample.
    ///
    /// # Errors
    /// If the samples are not what the model takes.
    pub fn logits(&self, samples: Samples<'_>) -> Result<Vec<Vec<f32>>, Error> {
        samples.check(self.shape(), self.takes)?;
        let logits = |workspace: &mut Workspace, index| {
            self.float.activations(&samples.values(index), workspace).pop().unwrap_or_default()
        };
        Ok((0..samples.len()).into_par_iter().map_init(Workspace::default, logits).collect())
    }
}

/// Runs both models on every sample; `progress` is told how many are done. `labels` are one for each, or none at all.
///
/// # Errors
/// [`Error::Origin`] if `int8` was not made from `float`, [`Error::Input`] if it was made for other input,
/// [`Error::NoImages`] if there are no samples, [`Error::Labels`] or [`Error::Label`] if the labels do not fit, or if the
/// samples are not what the models take.
pub fn compare(
    float: &FloatModel,
    int8: Model<'_>,
    samples: Samples<'_>,
    labels: &[u8],
    mut progress: impl FnMut(usize),
) -> Result<Verification, Error> {
    let stated = int8.header().identity;
    if stated != float.identity {
        return Err(Error::Origin { stated, given: float.identity });
    }
    let network = Int8Network::of(int8);
    let takes = if network.input == Encoding::PIXEL { Takes::Pixels } else { Takes::Numbers };
    let architecture = float.float.network().architecture();
    let of_float = architecture.layers().iter().map(Layer::name);
    if takes != float.takes || !network.names().eq(of_float) {
        return Err(Error::Input);
    }
    if samples.is_empty() {
        return Err(Error::NoImages);
    }
    samples.check(float.shape(), float.takes)?;
    if !labels.is_empty() && labels.len() != samples.len() {
        return Err(Error::Labels { samples: samples.len(), labels: labels.len() });
    }
    let classes = float.outputs();
    if let Some(&label) = labels.iter().find(|label| usize::from(**label) >= classes) {
        return Err(Error::Label { label, classes });
    }
    let compiled = CompiledInt8::new(&network);
    let factors = equalization::found(float.float.network(), &network);
    let models = ModelPair { float: &float.float, int8, network: &network, compiled, factors };
    let mut tallies = models.tallies();
    let (mut comparisons, mut logit_errors) = (vec![], vec![]);
    for batches in samples.batches(float.float.batch()).chunks(PROGRESS) {
        let results: Vec<Result<BatchResult, NotFinite>> =
            batches.par_iter().map(|&batch| models.compare(batch)).collect();
        // in order, or the sums of errors would depend on how many threads there are
        for batch in results {
            let batch = batch.map_err(|NotFinite { sample, layer }| {
                let layer = &architecture.layers()[layer];
                Error::not_finite(layer, samples, comparisons.len() + sample)
            })?;
            for mut comparison in batch.comparisons {
                comparison.image = comparisons.len();
                comparison.label = labels.get(comparison.image).copied();
                comparisons.push(comparison);
            }
            logit_errors.extend(batch.logit_errors);
            for (tally, other) in tallies.iter_mut().zip(&batch.tallies) {
                tally.merge(other);
            }
        }
        progress(comparisons.len());
    }
    let layers = tallies.into_iter().map(Tally::finish).collect();
    Ok(Verification { comparisons, logit_errors, layers })
}

/// Two models that belong together.
struct ModelPair<'a> {
    float: &'a FloatNetwork,
    int8: Model<'a>,
    network: &'a Int8Network,
    compiled: CompiledInt8<'a>,
    /// Of each layer's output channels: by how much int8's are multiplied.
    factors: Vec<Vec<f32>>,
}

/// Results for some samples.
struct BatchResult {
    comparisons: Vec<Comparison>,
    logit_errors: Vec<f32>,
    tallies: Vec<Tally>,
}

/// A sample of a batch, and the first layer of which float's numbers are not finite.
struct NotFinite {
    sample: usize,
    layer: usize,
}

impl ModelPair<'_> {
    fn tallies(&self) -> Vec<Tally> {
        let last = self.network.layers.len() - 1;
        let layers = self.network.layers.iter().enumerate();
        layers.map(|(index, int8)| Tally::new(int8, index == last)).collect()
    }

    fn compare(&self, samples: Samples<'_>) -> Result<BatchResult, NotFinite> {
        let mut scratch = vec![0; self.int8.scratch_words()];
        let mut workspace = Workspace::default();
        let mut tallies = self.tallies();
        let (mut comparisons, mut logit_errors) = (vec![], vec![]);
        let scale = self.network.logit_scale();
        for index in 0..samples.len() {
            let input = samples.values(index);
            let units = units(&input, self.network.input);
            let float = self.float.activations(&input, &mut workspace);
            let is_finite = |values: &Vec<f32>| values.iter().all(|value| value.is_finite());
            if let Some(layer) = float.iter().position(|values| !is_finite(values)) {
                return Err(NotFinite { sample: index, layer });
            }
            let trace = self.compiled.run(&units, &mut workspace);
            let logits = trace.logits();
            let bytes = bytes(&units, self.network.shape, self.network.input.zero);
            let engine = outputs(self.int8, &bytes, &mut scratch).expect("the input has its shape");
            assert_eq!(logits, engine, "the engine and its definition are tested to be equal");
            for (layer, tally) in tallies.iter_mut().enumerate() {
                let float = self.multiplied(&float[layer], layer, |factor| factor);
                tally.record(&float, &trace.activations[layer], &trace.accumulators[layer]);
            }
            let float_logits = logits_of(&float);
            let largest = f64::from(f32::MAX);
            let error = |(&int8, &float): (&i32, &f32)| {
                (f64::from(int8) * scale - f64::from(float)).clamp(-largest, largest) as f32
            };
            let errors = logits.iter().zip(float_logits).map(error);
            let max_difference = errors.clone().map(f32::abs).fold(0.0, f32::max).into();
            logit_errors.extend(errors);
            let comparison = self.comparison(&input, float_logits, &logits, &trace);
            let reconstruction = self.reconstruction(&input, float_logits, &logits);
            comparisons.push(Comparison { max_difference, reconstruction, ..comparison });
        }
        Ok(BatchResult { comparisons, logit_errors, tallies })
    }

    fn comparison(
        &self,
        input: &[f32],
        float_logits: &[f32],
        logits: &[i32],
        trace: &Trace,
    ) -> Comparison {
        let float = Ranking::of(float_logits);
        let int8 = Ranking::of(logits);
        let answer = Logits(logits).answer(self.int8);
        let layers = self.network.layers.len();
        let diverges = |&layer: &usize| self.finished_in_float(layer, input, trace) != float.class;
        let first = || (0..layers).find(diverges).unwrap_or(layers - 1);
        Comparison {
            image: 0, // the caller counts
            label: None,
            float: float.class,
            int8: int8.class,
            float_margin: float.margin,
            int8_margin: int8.margin * self.network.logit_scale(),
            verdict: answer.verdict,
            agrees: answer.agrees,
            // the caller knows
            max_difference: 0.0,
            reconstruction: None,
            first_diverging_layer: (int8.class != float.class).then(first),
        }
    }

    /// See [`Comparison::reconstruction`].
    fn reconstruction(&self, input: &[f32], float: &[f32], int8: &[i32]) -> Option<[f64; 2]> {
        if self.network.input == Encoding::PIXEL || input.len() != float.len() {
            return None;
        }
        let scale = self.network.logit_scale();
        let mean_square = |outputs: &mut dyn Iterator<Item = f64>| {
            let pairs = outputs.zip(input);
            let squares = pairs.map(|(output, &value)| (output - f64::from(value)).powi(2));
            squares.sum::<f64>() / input.len() as f64
        };
        Some([
            mean_square(&mut float.iter().copied().map(f64::from)),
            mean_square(&mut int8.iter().map(|&sum| f64::from(sum) * scale)),
        ])
    }

    /// What a layer gives, each channel multiplied by what `of` makes of its factor.
    fn multiplied(&self, values: &[f32], layer: usize, of: impl Fn(f32) -> f32) -> Vec<f32> {
        let factors = &self.factors[layer];
        let channels = values.chunks(values.len() / factors.len()).zip(factors);
        let multiplied = |(values, &factor): (&[f32], &f32)| -> Vec<f32> {
            let by = of(factor);
            values.iter().map(|value| value * by).collect()
        };
        channels.flat_map(multiplied).collect()
    }

    /// The class if all layers after `layer` are float's.
    fn finished_in_float(&self, layer: usize, input: &[f32], trace: &Trace) -> u16 {
        let real = |(layer, values): (usize, &Vec<f32>)| {
            let scale = self.network.encoding(layer + 1).scale;
            self.multiplied(values, layer, |factor| scale / factor)
        };
        let first = trace.activations.iter().enumerate().take(layer + 1).map(real).collect();
        let activations = self.float.network().activations_after(input, first);
        Ranking::of(logits_of(&activations)).class
    }
}
