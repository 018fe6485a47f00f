//! Weights and biases of one layer as whole numbers.

use rayon::prelude::*;

use super::ACTIVATION_MAX;
use crate::error::Error;
use crate::int8::Int8;
use crate::lenet::{Activations, Affine, pooled};
use firmware::Layer;
use firmware::format::{Channel, FormatError, SUM_MAX, accumulator_bound};
use firmware::multiplier::Multiplier;

/// Largest quantised weight; −128 is left out, for symmetry.
const WEIGHT_MAX: f64 = 127.0;
/// Smallest real multiplier that is made; one that small takes every sum to 0.
const MULTIPLIER_MIN: f64 = 1.0 / (1_u64 << 32) as f64;

/// A layer, and what its whole numbers are worth.
#[derive(Debug)]
pub(super) struct Quantized {
    pub(super) int8: Int8,
    /// What one unit of each output's sum is worth.
    pub(super) steps: Vec<f64>,
}

impl Quantized {
    /// Without an output step, all rows have one weight step and their sums are the answer.
    pub(super) fn new(
        layer: Layer,
        affine: &Affine,
        input_step: f64,
        output_step: Option<f64>,
    ) -> Result<Self, Error> {
        let mut weight_steps: Vec<f64> = affine
            .rows()
            .zip(&affine.bias)
            .map(|(weights, &bias)| weight_step(weights, bias, input_step, output_step))
            .collect();
        if output_step.is_none() {
            let largest = weight_steps.iter().copied().fold(0.0, f64::max);
            weight_steps.fill(if largest > 0.0 { largest } else { 1.0 });
        }
        let mut weights = Vec::with_capacity(affine.weights.len());
        let mut channels = Vec::with_capacity(affine.bias.len());
        let mut steps = Vec::with_capacity(affine.bias.len());
        for (channel, ((row, &bias), weight_step)) in
            affine.rows().zip(&affine.bias).zip(weight_steps).enumerate()
        {
            let step = input_step * weight_step;
            let round = |&weight: &f32| {
                (f64::from(weight) / weight_step).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) as i16
            };
            let row: Vec<i16> = row.iter().map(round).collect();
            let bias = (f64::from(bias) / step).round() as i32;
            let multiplier = match output_step {
                None => Multiplier::ONE,
                Some(output_step) => Multiplier::from_f64_bits((step / output_step).to_bits())
                    .ok_or(Error::Multiplier { layer: layer.name(), channel })?,
            };
            let bound = u32::try_from(accumulator_bound(row.iter().copied(), bias))
                .map_err(|_| FormatError::Bound(layer.name()))?;
            weights.extend(row.into_iter().map(f32::from));
            channels.push(Channel::new(bias, multiplier, bound));
            steps.push(step);
        }
        let bias = channels.iter().map(|channel| channel.bias() as f32).collect();
        Ok(Self { int8: Int8 { affine: Affine { weights, bias }, channels }, steps })
    }

    /// By how much the sums of each output that are handed on are above the float network's, on average.
    ///
    /// `inputs` are what this layer takes, `activations` those of the float network for the same images.
    pub(super) fn mean_errors(
        &self,
        layer: Layer,
        float: &Affine,
        inputs: &[Vec<f32>],
        activations: &[Activations],
    ) -> Vec<f64> {
        let mean =
            |sums: &[f32]| sums.iter().copied().map(f64::from).sum::<f64>() / sums.len() as f64;
        let errors = |(input, activations): (&Vec<f32>, &Activations)| -> Vec<f64> {
            let before = match layer {
                Layer::Conv1 => input, // pixels are whole numbers
                _ => &activations[layer as usize - 1],
            };
            let int8 = pooled(layer, self.int8.affine.sums(layer, input));
            let float = pooled(layer, float.sums(layer, before));
            let places = int8.len() / self.steps.len();
            let outputs = int8.chunks(places).zip(float.chunks(places)).zip(&self.steps);
            outputs.map(|((int8, float), step)| mean(int8) * step - mean(float)).collect()
        };
        // summed in the order of the images, or equal images would not give equal files
        let errors: Vec<Vec<f64>> = inputs.par_iter().zip(activations).map(errors).collect();
        let mut means = vec![0.0; self.steps.len()];
        for errors in &errors {
            for (mean, error) in means.iter_mut().zip(errors) {
                *mean += error / inputs.len() as f64;
            }
        }
        means
    }
}

/// The largest weight over 127, or more where the sums or the multiplier would not fit otherwise.
fn weight_step(weights: &[f32], bias: f32, input_step: f64, output_step: Option<f64>) -> f64 {
    let magnitudes = || weights.iter().map(|weight| f64::from(weight.abs()));
    let largest = magnitudes().fold(0.0, f64::max);
    // every weight and the bias may be rounded up by a half
    let room = f64::from(SUM_MAX) - ACTIVATION_MAX / 2.0 * weights.len() as f64 - 1.0;
    let for_sums =
        (ACTIVATION_MAX * magnitudes().sum::<f64>() + f64::from(bias.abs()) / input_step) / room;
    let for_multiplier = output_step.map_or(0.0, |step| step / input_step * MULTIPLIER_MIN);
    (largest / WEIGHT_MAX).max(for_sums).max(for_multiplier)
}
