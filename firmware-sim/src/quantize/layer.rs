//! Weights and biases of one layer as whole numbers.

use firmware::format::{Channel, MAX_ACCUMULATOR, accumulator_bound};
use firmware::multiplier::Multiplier;
use network::{Affine, Kind, Layer, Pool, PoolMode};

use crate::error::Error;
use crate::int8::{Encoding, Int8Layer};

/// Largest byte.
const MAX_ACTIVATION: f64 = 255.0;
/// Largest quantised weight; −128 is left out, for symmetry.
const MAX_WEIGHT: f64 = 127.0;
/// Smallest real multiplier that is made; one that small takes every accumulator to 0.
const MIN_MULTIPLIER: f64 = 1.0 / (1_u64 << 32) as f64;
/// Most that the factors of an addition count together, over a byte: 15 bits.
const MAX_FACTORS: f64 = 32_000.0;

/// A layer, and the real value of its whole numbers.
#[derive(Debug)]
pub(super) struct Quantized {
    pub(super) int8: Int8Layer,
    /// Real value of one unit of each output's accumulator; of all in a layer without weights.
    pub(super) scales: Vec<f64>,
}

/// The output's encoding; `None` of the last layer, whose accumulators are the logits.
type Output = Option<Encoding>;

impl Quantized {
    /// Any layer, of values that these encodings have.
    pub(super) fn new(
        layer: &Layer,
        affine: &Affine,
        inputs: &[Encoding],
        output: Output,
    ) -> Result<Self, Error> {
        match layer.kind() {
            Kind::Conv(_) | Kind::Dense { .. } => Self::weighted(layer, affine, inputs[0], output),
            Kind::Pool(Pool { mode: PoolMode::Max, .. }) => {
                Ok(Self::of(layer, vec![], [0; 2], inputs[0], inputs[0].scale.into()))
            }
            Kind::Pool(pool) => Self::average(layer, pool, inputs[0], output),
            Kind::Add { .. } => Self::sum(layer, [inputs[0], inputs[1]], output),
        }
    }

    /// A layer without weights.
    fn of(
        layer: &Layer,
        channels: Vec<Channel>,
        factors: [i32; 2],
        output: Encoding,
        scale: f64,
    ) -> Self {
        let affine = Affine { weights: vec![], bias: vec![] };
        let layer = layer.clone();
        Self { int8: Int8Layer { layer, affine, channels, factors, output }, scales: vec![scale] }
    }

    /// Without an output's encoding, all outputs have one weight scale and their accumulators are the logits.
    fn weighted(
        layer: &Layer,
        affine: &Affine,
        input: Encoding,
        output: Output,
    ) -> Result<Self, Error> {
        let input_scale = f64::from(input.scale);
        let output_scale = output.map(|output| f64::from(output.scale));
        let mut weight_scales: Vec<f64> = affine
            .rows()
            .zip(&affine.bias)
            .map(|(weights, &bias)| weight_scale(weights, bias, input_scale, output_scale))
            .collect();
        if output.is_none() {
            let largest = weight_scales.iter().copied().fold(0.0, f64::max);
            weight_scales.fill(if largest > 0.0 { largest } else { 1.0 });
        }
        let mut whole = Affine { weights: Vec::with_capacity(affine.weights.len()), bias: vec![] };
        let (mut channels, mut scales) = (vec![], vec![]);
        for (channel, ((row, &bias), weight_scale)) in
            affine.rows().zip(&affine.bias).zip(weight_scales).enumerate()
        {
            let scale = input_scale * weight_scale;
            let round = |&weight: &f32| {
                (f64::from(weight) / weight_scale).round().clamp(-MAX_WEIGHT, MAX_WEIGHT) as i8
            };
            let row: Vec<i8> = row.iter().map(round).collect();
            let bias = (f64::from(bias) / scale).round() as i32;
            // sums of bytes are above those of signed numbers by what stands for 0
            let sum: i32 = row.iter().copied().map(i32::from).sum();
            let stored = bias.saturating_sub(i32::from(input.zero) * sum);
            let bound = accumulator_bound(row.iter().copied().map(i16::from), stored, input.zero);
            let multiplier = multiplier(layer, channel, scale, output)?;
            channels.push(bounded(layer, channel, stored, multiplier, bound)?);
            whole.weights.extend(row.into_iter().map(f32::from));
            whole.bias.push(bias as f32);
            scales.push(scale);
        }
        let output = output.unwrap_or(Encoding { zero: 0, scale: scales[0] as f32 });
        let layer = layer.clone();
        let int8 = Int8Layer { layer, affine: whole, channels, factors: [0; 2], output };
        Ok(Self { int8, scales })
    }

    /// Means of windows: sums of bytes, and one multiplier.
    fn average(layer: &Layer, pool: Pool, input: Encoding, output: Output) -> Result<Self, Error> {
        let places = (pool.window[0] * pool.window[1]) as u32;
        let scale = f64::from(input.scale) / f64::from(places);
        let multiplier = multiplier(layer, 0, scale, output)?;
        let bias = -(places.cast_signed() * i32::from(input.zero));
        let bound = MAX_ACTIVATION as u64 * u64::from(places) + u64::from(bias.unsigned_abs());
        let channels = vec![bounded(layer, 0, bias, multiplier, bound)?];
        let output = output.unwrap_or(Encoding { zero: 0, scale: scale as f32 });
        Ok(Self::of(layer, channels, [0; 2], output, scale))
    }

    /// Sums of two values: a factor of each, so large that rounding it changes little, and one multiplier.
    fn sum(layer: &Layer, inputs: [Encoding; 2], output: Output) -> Result<Self, Error> {
        let [a, b] = inputs.map(|input| f64::from(input.scale));
        let zero = inputs.map(|input| input.zero).into_iter().max().unwrap_or(0);
        // each factor may be rounded up by a half
        let room = f64::from(MAX_ACCUMULATOR) / (MAX_ACTIVATION + f64::from(zero)) - 1.0;
        let scale = (a + b) / room.min(MAX_FACTORS);
        let factors = [a, b].map(|input| (input / scale).round() as i32);
        let [one, other] = factors;
        let multiplier = multiplier(layer, 0, scale, output)?;
        let bias = -(i32::from(inputs[0].zero) * one + i32::from(inputs[1].zero) * other);
        let bound =
            MAX_ACTIVATION as u64 * (one as u64 + other as u64) + u64::from(bias.unsigned_abs());
        let channels = vec![bounded(layer, 0, bias, multiplier, bound)?];
        let output = output.unwrap_or(Encoding { zero: 0, scale: scale as f32 });
        Ok(Self::of(layer, channels, factors, output, scale))
    }
}

fn bounded(
    layer: &Layer,
    channel: usize,
    bias: i32,
    multiplier: Multiplier,
    bound: u64,
) -> Result<Channel, Error> {
    let error = || Error::Accumulator { layer: layer.name().to_owned(), channel };
    let bound = u32::try_from(bound).map_err(|_| error())?;
    if bound > MAX_ACCUMULATOR {
        return Err(error());
    }
    Ok(Channel::new(bias, multiplier, bound))
}

/// What makes an activation of an accumulator of this scale.
fn multiplier(
    layer: &Layer,
    channel: usize,
    scale: f64,
    output: Output,
) -> Result<Multiplier, Error> {
    let Some(output) = output else { return Ok(Multiplier::ONE) };
    Multiplier::from_f64_bits((scale / f64::from(output.scale)).to_bits())
        .ok_or(Error::Multiplier { layer: layer.name().to_owned(), channel })
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
