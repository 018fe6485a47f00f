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
/// How near a scale is to the finest that fits: a fraction of it.
const SCALE_PRECISION: f64 = 1e-3;
/// Most that the factors of an addition count together, over a byte: 15 bits.
const MAX_FACTORS: f64 = 32_000.0;

/// A layer, and the real value of its whole numbers.
#[derive(Debug)]
pub(super) struct Quantized {
    pub(super) int8: Int8Layer,
    /// Real value of one unit of each output's accumulator; of all in a layer without weights.
    pub(super) scales: Vec<f64>,
    /// How many times larger than a byte needs them the units of weights are, at most, so that accumulators fit: 1 if these
    /// fit anyway.
    pub(super) coarseness: f64,
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
        let int8 = Int8Layer { layer, affine, channels, factors, output };
        Self { int8, scales: vec![scale], coarseness: 1.0 }
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
        let units: Vec<Units> = affine
            .rows()
            .zip(&affine.bias)
            .map(|(weights, &bias)| Units::of(weights, bias, input_scale, output_scale))
            .collect();
        let coarseness = units.iter().map(Units::coarseness).fold(1.0, f64::max);
        let mut weight_scales: Vec<f64> = units.iter().map(|units| units.scale).collect();
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
            let bound = fits(bound).ok_or_else(|| Error::Accumulator {
                layer: layer.name().to_owned(),
                channel,
                bound,
            })?;
            channels.push(Channel::new(stored, multiplier, bound));
            whole.weights.extend(row.into_iter().map(f32::from));
            whole.bias.push(bias as f32);
            scales.push(scale);
        }
        let output = output.unwrap_or(Encoding { zero: 0, scale: scales[0] as f32 });
        let layer = layer.clone();
        let int8 = Int8Layer { layer, affine: whole, channels, factors: [0; 2], output };
        Ok(Self { int8, scales, coarseness })
    }

    /// Means of windows: sums of bytes, and one multiplier.
    fn average(layer: &Layer, pool: Pool, input: Encoding, output: Output) -> Result<Self, Error> {
        let places = (pool.window[0] * pool.window[1]) as u32;
        let scale = f64::from(input.scale) / f64::from(places);
        let multiplier = multiplier(layer, 0, scale, output)?;
        let bias = -(places.cast_signed() * i32::from(input.zero));
        let bound = MAX_ACTIVATION as u64 * u64::from(places) + u64::from(bias.unsigned_abs());
        let bound = fits(bound).ok_or_else(|| Error::Mean {
            layer: layer.name().to_owned(),
            window: pool.window,
            most: MAX_ACCUMULATOR as usize / (MAX_ACTIVATION as usize + usize::from(input.zero)),
        })?;
        let channels = vec![Channel::new(bias, multiplier, bound)];
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
        let bound = fits(bound).ok_or_else(|| Error::Accumulator {
            layer: layer.name().to_owned(),
            channel: 0,
            bound,
        })?;
        let channels = vec![Channel::new(bias, multiplier, bound)];
        let output = output.unwrap_or(Encoding { zero: 0, scale: scale as f32 });
        Ok(Self::of(layer, channels, factors, output, scale))
    }
}

/// The largest magnitude of an accumulator, if none overflows.
fn fits(bound: u64) -> Option<u32> {
    u32::try_from(bound).ok().filter(|&bound| bound <= MAX_ACCUMULATOR)
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

/// The unit of an output's weights.
struct Units {
    /// Real value of one.
    scale: f64,
    /// What it would be, were there no limit to the sums of weights.
    finest: f64,
}

impl Units {
    /// The largest weight over 127, or more where the accumulator or the multiplier would not fit otherwise.
    fn of(weights: &[f32], bias: f32, input_scale: f64, output_scale: Option<f64>) -> Self {
        let magnitudes = || weights.iter().map(|weight| f64::from(weight.abs()));
        let largest = magnitudes().fold(0.0, f64::max);
        let bias = f64::from(bias.abs()) / input_scale;
        let most = f64::from(MAX_ACCUMULATOR);
        let for_multiplier = output_scale.map_or(0.0, |scale| scale / input_scale * MIN_MULTIPLIER);
        let finest = (largest / MAX_WEIGHT).max(for_multiplier).max(bias / most);
        // of the weights as they are rounded: each may become larger, but they do not all
        let has_room = |scale: f64| {
            let whole = magnitudes().map(|weight| (weight / scale).round().min(MAX_WEIGHT));
            MAX_ACTIVATION * whole.sum::<f64>() + (bias / scale).round() <= most
        };
        let (mut low, mut high) = (finest, finest);
        if high == 0.0 || has_room(high) {
            return Self { scale: high, finest };
        }
        while high.is_finite() && !has_room(high) {
            (low, high) = (high, 2.0 * high);
        }
        while high > low * (1.0 + SCALE_PRECISION) {
            let middle = f64::midpoint(low, high);
            if has_room(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Self { scale: high, finest }
    }

    fn coarseness(&self) -> f64 {
        if self.finest > 0.0 { self.scale / self.finest } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lose_precision_only_to_what_their_sums_need() {
        let bound = |weights: &[f32], scale: f64| -> f64 {
            weights.iter().map(|weight| 255.0 * (f64::from(*weight) / scale).round().abs()).sum()
        };
        // 20,000 weights of which all but 100 are too small to count
        let sparse: Vec<f32> =
            (0..20_000).map(|at| if at % 200 == 0 { 1.0 } else { 1e-3 }).collect();
        let units = Units::of(&sparse, 0.0, 1.0, None);
        assert!((units.coarseness() - 1.0).abs() < 1e-9, "{}", units.coarseness());
        for count in [1_000, 10_000, 131_072] {
            let dense: Vec<f32> = (0..count).map(|at| (at * 37 % 201) as f32 - 100.0).collect();
            let Units { scale, finest } = Units::of(&dense, 5.0, 1.0, None);
            assert!(scale > finest && bound(&dense, scale) <= f64::from(MAX_ACCUMULATOR));
            // a little finer does not fit
            let finer = scale / (1.0 + 2.0 * SCALE_PRECISION);
            assert!(bound(&dense, finer) + 5.0 / finer > f64::from(MAX_ACCUMULATOR), "{count}");
        }
        // a bias alone
        let Units { scale, .. } = Units::of(&[0.0], 1e9, 1.0, None);
        assert!((scale * f64::from(MAX_ACCUMULATOR) / 1e9 - 1.0).abs() < 1e-3);
        assert!(Units::of(&[0.0; 3], 0.0, 1.0, None).scale.abs() < f64::MIN_POSITIVE);
    }
}
