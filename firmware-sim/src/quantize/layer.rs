//! Weights and biases of one layer as whole numbers.

use firmware::format::{Channel, MAX_ACCUMULATOR, accumulator_bound};
use firmware::multiplier::Multiplier;
use network::{Affine, Layer};
use rayon::prelude::*;

use super::MAX_ACTIVATION;
use crate::error::Error;
use crate::int8::Int8Layer;

/// Largest quantised weight; −128 is left out, for symmetry.
const MAX_WEIGHT: f64 = 127.0;
/// Smallest real multiplier that is made; one that small takes every accumulator to 0.
const MIN_MULTIPLIER: f64 = 1.0 / (1_u64 << 32) as f64;

/// A layer, and the real value of its whole numbers.
#[derive(Debug)]
pub(super) struct Quantized {
    pub(super) int8: Int8Layer,
    /// Real value of one unit of each output's accumulator.
    pub(super) scales: Vec<f64>,
}

impl Quantized {
    /// Without an output scale, all outputs have one weight scale and their accumulators are the logits.
    pub(super) fn new(
        layer: &Layer,
        affine: &Affine,
        input_scale: f64,
        output_scale: Option<f64>,
    ) -> Result<Self, Error> {
        let mut weight_scales: Vec<f64> = affine
            .rows()
            .zip(&affine.bias)
            .map(|(weights, &bias)| weight_scale(weights, bias, input_scale, output_scale))
            .collect();
        if output_scale.is_none() {
            let largest = weight_scales.iter().copied().fold(0.0, f64::max);
            weight_scales.fill(if largest > 0.0 { largest } else { 1.0 });
        }
        let mut weights = Vec::with_capacity(affine.weights.len());
        let mut channels = Vec::with_capacity(affine.bias.len());
        let mut scales = Vec::with_capacity(affine.bias.len());
        for (channel, ((row, &bias), weight_scale)) in
            affine.rows().zip(&affine.bias).zip(weight_scales).enumerate()
        {
            let scale = input_scale * weight_scale;
            let round = |&weight: &f32| {
                (f64::from(weight) / weight_scale).round().clamp(-MAX_WEIGHT, MAX_WEIGHT) as i16
            };
            let row: Vec<i16> = row.iter().map(round).collect();
            let bias = (f64::from(bias) / scale).round() as i32;
            let multiplier = match output_scale {
                None => Multiplier::ONE,
                Some(output_scale) => {
                    Multiplier::from_f64_bits((scale / output_scale).to_bits())
                        .ok_or(Error::Multiplier { layer: layer.name().to_owned(), channel })?
                }
            };
            let bound = u32::try_from(accumulator_bound(row.iter().copied(), bias))
                .map_err(|_| Error::Accumulator { layer: layer.name().to_owned(), channel })?;
            weights.extend(row.into_iter().map(f32::from));
            channels.push(Channel::new(bias, multiplier, bound));
            scales.push(scale);
        }
        let bias = channels.iter().map(|channel| channel.bias() as f32).collect();
        let layer = layer.clone();
        Ok(Self { int8: Int8Layer { layer, affine: Affine { weights, bias }, channels }, scales })
    }

    /// By how much each output's accumulators that pass pooling are above the float network's sums, on average.
    ///
    /// `inputs` are what this layer takes, `before` what the float layer takes for the same images.
    pub(super) fn mean_errors<'a>(
        &self,
        float: &Affine,
        inputs: &[Vec<f32>],
        before: impl Fn(usize) -> &'a Vec<f32> + Sync,
    ) -> Vec<f64> {
        let layer = &self.int8.layer;
        let mean =
            |sums: &[f32]| sums.iter().copied().map(f64::from).sum::<f64>() / sums.len() as f64;
        let errors = |(index, input): (usize, &Vec<f32>)| -> Vec<f64> {
            let int8 = layer.pool(layer.accumulate(&self.int8.affine, input));
            let float = layer.pool(layer.accumulate(float, before(index)));
            let places = int8.len() / self.scales.len();
            let outputs = int8.chunks(places).zip(float.chunks(places)).zip(&self.scales);
            outputs.map(|((int8, float), scale)| mean(int8) * scale - mean(float)).collect()
        };
        // summed in the order of the images, or equal images would not give equal files
        let errors: Vec<Vec<f64>> = inputs.par_iter().enumerate().map(errors).collect();
        let mut means = vec![0.0; self.scales.len()];
        for errors in &errors {
            for (mean, error) in means.iter_mut().zip(errors) {
                *mean += error / inputs.len() as f64;
            }
        }
        means
    }
}

/// The largest weight over 127, or more where the accumulators or the multiplier would not fit otherwise.
fn weight_scale(weights: &[f32], bias: f32, input_scale: f64, output_scale: Option<f64>) -> f64 {
    let magnitudes = || weights.iter().map(|weight| f64::from(weight.abs()));
    let largest = magnitudes().fold(0.0, f64::max);
    // every weight and the bias may be rounded up by a half
    let room = f64::from(MAX_ACCUMULATOR) - MAX_ACTIVATION / 2.0 * weights.len() as f64 - 1.0;
    let for_accumulators =
        (MAX_ACTIVATION * magnitudes().sum::<f64>() + f64::from(bias.abs()) / input_scale) / room;
    let for_multiplier = output_scale.map_or(0.0, |scale| scale / input_scale * MIN_MULTIPLIER);
    (largest / MAX_WEIGHT).max(for_accumulators).max(for_multiplier)
}
