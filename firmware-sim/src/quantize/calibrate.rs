//! Runs the float network over calibration samples layer by layer, and the int8 network beside it as it comes to be.
//!
//! Values are held only until the last layer that takes them: a network's values of all samples would be gigabytes.

use network::{Activation, Affine, Kind, Layer, Pool, PoolMode};
use rayon::prelude::*;
use runtime::Workspace;

use super::dead;
use super::layer::Quantized;
use super::warning::{MIN_COARSENESS, Warning};
use super::{Options, RangeEstimator};
use crate::equalization;
use crate::error::Error;
use crate::int8::{CompiledSums, Encoding, Int8Layer, Int8Network};
use crate::range_estimator::{Histogram, LEVELS, SIGNED_LEVELS};
use crate::samples::{Samples, units};
use crate::supported::{Supported, Takes};

/// What one value is for every sample.
struct Values {
    /// `[sample][value]`, in float.
    float: Vec<Vec<f32>>,
    /// The same in signed units, as the layers before make it; empty if biases are not corrected.
    int8: Vec<Vec<f32>>,
    encoding: Encoding,
}

/// The float network's layer for every sample.
struct Pass {
    /// `[sample][output channel]`: means of the accumulators that pass pooling.
    means: Vec<Vec<f64>>,
    /// `[sample][value]`
    activations: Vec<Vec<f32>>,
}

/// Every layer in whole numbers; each sees the samples as those before it pass them on. What is odd is added to
/// `warnings`.
pub(super) fn int8_network(
    supported: &Supported,
    samples: Samples<'_>,
    options: Options,
    warnings: &mut Vec<Warning>,
) -> Result<Int8Network, Error> {
    let network = &supported.network;
    let layers = network.architecture().layers();
    let estimator = options.range_estimator;
    let input = input(supported.takes, samples, options);
    let encoding = input.encoding;
    // of the input and of what each layer gives
    let mut known = vec![encoding];
    let mut values = vec![Some(input)];
    let mut done: Vec<Int8Layer> = vec![];
    let mut weights = network.affine().to_vec();
    for (index, layer) in layers.iter().enumerate() {
        let sources: Vec<&Values> = layer
            .sources()
            .map(|source| values[source].as_ref().expect("it is held until its last reader"))
            .collect();
        let mut pass = Pass::of(layer, &weights[index], &sources);
        check_finite(layer, &pass.activations, samples)?;
        let inputs: Vec<Encoding> = sources.iter().map(|source| source.encoding).collect();
        let is_last = index + 1 == layers.len();
        let zero = zero(layer, &inputs);
        let activations = &pass.activations;
        if let Some(factors) = equalization::factors(layers, index, zero, activations, estimator) {
            equalization::apply(layers, index, &factors, &mut weights);
            pass.multiply(&factors);
        }
        let affine = &weights[index];
        let output = match layer.kind() {
            _ if is_last => None,
            Kind::Pool(Pool { mode: PoolMode::Max, .. }) => Some(inputs[0]),
            _ => {
                let found = encoding_of(zero, &pass.activations, estimator);
                Some(found.unwrap_or_else(|| {
                    let (name, samples) = (layer.name().to_owned(), samples.len());
                    warnings.push(Warning::Dead { layer: name, samples });
                    dead::encoding(layers, &weights, index, zero, &known)
                }))
            }
        };
        let mut quantized = Quantized::new(layer, affine, &inputs, output)?;
        let mut int8 = vec![];
        if options.correct_bias {
            let zeros: Vec<u8> = inputs.iter().map(|input| input.zero).collect();
            if !affine.bias.is_empty() {
                let errors = mean_errors(&quantized, &zeros, &sources, &pass.means);
                let corrected = affine.with_less_bias(&errors);
                quantized = Quantized::new(layer, &corrected, &inputs, output)?;
            }
            if !is_last {
                int8 = run(&quantized.int8, &zeros, &sources);
            }
        }
        if quantized.coarseness >= MIN_COARSENESS {
            warnings.push(Warning::Coarse {
                layer: layer.name().to_owned(),
                inputs: layer.fan_in(),
                factor: quantized.coarseness,
            });
        }
        // a layer that takes values that nobody takes later lets them go
        for source in layer.sources() {
            let is_read_later = layers[index + 1..]
                .iter()
                .any(|later| later.sources().any(|other| other == source));
            if !is_read_later {
                values[source] = None;
            }
        }
        let encoding = quantized.int8.output;
        known.push(encoding);
        values.push(Some(Values { float: pass.activations, int8, encoding }));
        done.push(quantized.int8);
    }
    Ok(Int8Network { shape: network.architecture().input(), input: encoding, layers: done })
}

fn input(takes: Takes, samples: Samples<'_>, options: Options) -> Values {
    let float: Vec<Vec<f32>> = (0..samples.len()).map(|index| samples.values(index)).collect();
    let encoding = match takes {
        Takes::Pixels => Encoding::PIXEL,
        Takes::Numbers => {
            let found = encoding_of(128, &float, options.range_estimator);
            // of zeros alone, any scale will do
            found.unwrap_or(Encoding { zero: 128, scale: 1.0 })
        }
    };
    let int8 = if options.correct_bias {
        float.iter().map(|values| units(values, encoding)).collect()
    } else {
        vec![]
    };
    Values { float, int8, encoding }
}

/// The byte that stands for 0: 0 if no value is below.
fn zero(layer: &Layer, inputs: &[Encoding]) -> u8 {
    let keeps_signs = matches!(layer.kind(), Kind::Pool(_) | Kind::Add { .. });
    let is_positive = layer.kind().activation() != Activation::None
        || keeps_signs && inputs.iter().all(|input| input.zero == 0);
    if is_positive { 0 } else { 128 }
}

/// Refuses activations that are not finite.
fn check_finite(
    layer: &Layer,
    activations: &[Vec<f32>],
    samples: Samples<'_>,
) -> Result<(), Error> {
    match activations.iter().position(|values| !values.iter().all(|value| value.is_finite())) {
        Some(sample) => Err(Error::not_finite(layer, samples, sample)),
        None => Ok(()),
    }
}

/// The scale of finite values around this zero, `None` if all are 0; as `f32` since the file holds it so.
fn encoding_of(zero: u8, values: &[Vec<f32>], estimator: RangeEstimator) -> Option<Encoding> {
    let magnitude = |value: f32| if zero == 0 { value } else { value.abs() };
    let peak = values.iter().flatten().copied().map(magnitude).fold(0.0, f32::max);
    if peak == 0.0 {
        return None;
    }
    let mut histogram = Histogram::new(peak, if zero == 0 { LEVELS } else { SIGNED_LEVELS });
    for values in values {
        histogram.count(values.iter().copied().map(magnitude));
    }
    let scale = (estimator.limit(&histogram) / Encoding::units(zero)) as f32;
    // smaller ones have no inverse
    Some(Encoding { zero, scale: scale.max(f32::MIN_POSITIVE) })
}

impl Pass {
    fn of(layer: &Layer, affine: &Affine, sources: &[&Values]) -> Self {
        let run = |sample: usize| {
            let first = &sources[0].float[sample];
            let sums = match sources.get(1) {
                Some(other) => first.iter().zip(&other.float[sample]).map(|(a, b)| a + b).collect(),
                None => layer.accumulate(affine, first),
            };
            let pooled = layer.pool(sums);
            (means(&pooled, layer.output()[0]).collect(), layer.activate(pooled))
        };
        let (means, activations) = (0..sources[0].float.len()).into_par_iter().map(run).unzip();
        Self { means, activations }
    }
}

impl Pass {
    /// As if the layer's output channels were multiplied by these.
    fn multiply(&mut self, factors: &[f32]) {
        for (means, values) in self.means.iter_mut().zip(&mut self.activations) {
            let places = values.len() / factors.len();
            let channels = means.iter_mut().zip(values.chunks_mut(places));
            for ((mean, values), &factor) in channels.zip(factors) {
                *mean *= f64::from(factor);
                for value in values {
                    *value *= factor;
                }
            }
        }
    }
}

/// Mean of each channel's values.
fn means(values: &[f32], channels: usize) -> impl Iterator<Item = f64> {
    let mean = |sums: &[f32]| sums.iter().copied().map(f64::from).sum::<f64>() / sums.len() as f64;
    values.chunks(values.len() / channels).map(mean)
}

/// By how much each output's accumulators that pass pooling are above the float network's sums, on average; `float` are
/// the means of those.
fn mean_errors(
    quantized: &Quantized,
    zeros: &[u8],
    sources: &[&Values],
    float: &[Vec<f64>],
) -> Vec<f64> {
    let int8 = &quantized.int8;
    let compiled = CompiledSums::new(int8, zeros);
    let errors = |workspace: &mut Workspace, (sample, float): (usize, &Vec<f64>)| -> Vec<f64> {
        let inputs: Vec<&[f32]> = sources.iter().map(|source| &source.int8[sample][..]).collect();
        let sums = compiled.run(int8, &inputs, workspace);
        let scaled = means(&sums, quantized.scales.len()).zip(&quantized.scales);
        scaled.zip(float).map(|((mean, scale), float)| mean * scale - float).collect()
    };
    // summed in the order of the samples, or equal samples would not give equal files
    let errors: Vec<Vec<f64>> =
        float.par_iter().enumerate().map_init(Workspace::default, errors).collect();
    let mut means = vec![0.0; quantized.scales.len()];
    for errors in &errors {
        for (mean, error) in means.iter_mut().zip(errors) {
            *mean += error / float.len() as f64;
        }
    }
    means
}

/// What the layer hands on of every sample.
fn run(int8: &Int8Layer, zeros: &[u8], sources: &[&Values]) -> Vec<Vec<f32>> {
    let compiled = CompiledSums::new(int8, zeros);
    let run = |workspace: &mut Workspace, sample: usize| {
        let inputs: Vec<&[f32]> = sources.iter().map(|source| &source.int8[sample][..]).collect();
        let sums = compiled.run(int8, &inputs, workspace);
        if int8.is_max_pool() { sums } else { int8.activations(sums) }
    };
    (0..sources[0].float.len()).into_par_iter().map_init(Workspace::default, run).collect()
}
