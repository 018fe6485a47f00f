//! What quantisation does to one layer's values.

use firmware::format::MAX_ACCUMULATOR;

use crate::int8::{Int8Layer, bound};

/// How well a layer hands on in int8 what it hands on in float; errors include those of the layers before.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerFidelity {
    /// Its name, such as `conv1`.
    pub layer: String,
    /// Signal to quantisation noise, `10 · log10(Σ float² / Σ (float − int8)²)`, in decibels; infinite without noise.
    pub sqnr_db: f64,
    /// Cosine of the angle between all float values and all int8 values; NaN if all of one are 0.
    pub cosine: f64,
    /// Largest |float − int8|, in quanta of the layer: one unit of an int8 value, the LSB.
    pub max_error_lsb: f64,
    /// Mean |float − int8|, in quanta of the layer.
    pub mean_error_lsb: f64,
    /// Values beyond what 8 bits reach, among all: 0 to 1. Logits have no such limit.
    pub saturated: f64,
    /// Channels whose int8 values are 0 for every image.
    pub dead_channels: usize,
    /// All channels.
    pub channels: usize,
    /// Bits of the largest accumulator of any image, sign included.
    pub accumulator_bits: u32,
    /// Bits of the largest accumulator that any input could give: the bounds in the model.
    pub bound_bits: u32,
    /// Bits of the largest accumulator that the engine allows.
    pub limit_bits: u32,
}

/// Sums over images.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    layer: String,
    /// Real value of one unit of an int8 value.
    scale: f64,
    /// What int8 values reach.
    range: [f64; 2],
    bound: u32,
    values: u64,
    float_squares: f64,
    int8_squares: f64,
    products: f64,
    error_squares: f64,
    errors: f64,
    max_error: f64,
    saturated: u64,
    /// Whether each channel ever was another value than 0.
    alive: Vec<bool>,
    max_accumulator: f32,
}

impl Tally {
    /// Of a layer that is the network's last, or not.
    pub(super) fn new(int8: &Int8Layer, is_last: bool) -> Self {
        let zero = f64::from(int8.output.zero);
        Self {
            layer: int8.layer.name().to_owned(),
            scale: int8.output.scale.into(),
            range: if is_last { [f64::NEG_INFINITY, f64::INFINITY] } else { [-zero, 255.0 - zero] },
            bound: bound(&int8.channels),
            values: 0,
            float_squares: 0.0,
            int8_squares: 0.0,
            products: 0.0,
            error_squares: 0.0,
            errors: 0.0,
            max_error: 0.0,
            saturated: 0,
            alive: vec![false; int8.layer.output()[0]],
            max_accumulator: 0.0,
        }
    }

    /// Counts one image: what both networks hand on, and the accumulators before pooling.
    pub(super) fn record(&mut self, float: &[f32], int8: &[f32], accumulators: &[f32]) {
        for (&float, &int8) in float.iter().zip(int8) {
            let (float, int8) = (f64::from(float) / self.scale, f64::from(int8));
            let error = (float - int8).abs();
            self.float_squares += float * float;
            self.int8_squares += int8 * int8;
            self.products += float * int8;
            self.error_squares += error * error;
            self.errors += error;
            self.max_error = self.max_error.max(error);
            let saturates = float >= self.range[1] + 0.5 || float < self.range[0] - 0.5;
            self.saturated += u64::from(saturates);
        }
        self.values += float.len() as u64;
        let places = int8.len() / self.alive.len();
        for (alive, values) in self.alive.iter_mut().zip(int8.chunks(places)) {
            *alive |= values.iter().any(|&value| value != 0.0);
        }
        self.max_accumulator =
            accumulators.iter().fold(self.max_accumulator, |largest, sum| largest.max(sum.abs()));
    }

    /// Adds what was counted elsewhere for the same layer.
    pub(super) fn merge(&mut self, other: &Self) {
        self.values += other.values;
        self.float_squares += other.float_squares;
        self.int8_squares += other.int8_squares;
        self.products += other.products;
        self.error_squares += other.error_squares;
        self.errors += other.errors;
        self.max_error = self.max_error.max(other.max_error);
        self.saturated += other.saturated;
        for (alive, other) in self.alive.iter_mut().zip(&other.alive) {
            *alive |= other;
        }
        self.max_accumulator = self.max_accumulator.max(other.max_accumulator);
    }

    pub(super) fn finish(self) -> LayerFidelity {
        let values = self.values as f64;
        LayerFidelity {
            layer: self.layer,
            sqnr_db: 10.0 * (self.float_squares / self.error_squares).log10(),
            cosine: self.products / (self.float_squares.sqrt() * self.int8_squares.sqrt()),
            max_error_lsb: self.max_error,
            mean_error_lsb: self.errors / values,
            saturated: self.saturated as f64 / values,
            dead_channels: self.alive.iter().filter(|&&alive| !alive).count(),
            channels: self.alive.len(),
            accumulator_bits: signed_bits(self.max_accumulator as u32),
            bound_bits: signed_bits(self.bound),
            limit_bits: signed_bits(MAX_ACCUMULATOR),
        }
    }
}

/// Bits of a two's complement number that holds everything of this magnitude.
const fn signed_bits(magnitude: u32) -> u32 {
    33 - magnitude.leading_zeros()
}

#[cfg(test)]
mod tests {
    use firmware::format::Channel;
    use firmware::multiplier::Multiplier;
    use network::{Activation, Affine, Kind, Layer};

    use super::*;
    use crate::int8::Encoding;

    fn dense(outputs: usize, scale: f32, zero: u8, bound: u32) -> Int8Layer {
        let kind = Kind::Dense { outputs, activation: Activation::Relu };
        Int8Layer {
            layer: Layer::alone([1, 1, 1], kind).unwrap(),
            affine: Affine { weights: vec![], bias: vec![] },
            channels: vec![Channel::new(0, Multiplier::ONE, bound); outputs],
            factors: [0; 2],
            output: Encoding { zero, scale },
        }
    }

    #[test]
    fn figures_are_those_of_a_sum_by_hand() {
        let mut tally = Tally::new(&dense(2, 0.5, 0, 1000), false);
        let mut other = tally.clone();
        // in quanta: 3, 0 | 4, 300 for 3, 0 | 6, 255
        tally.record(&[1.5, 0.0], &[3.0, 0.0], &[-600.0, 5.0]);
        other.record(&[2.0, 150.0], &[6.0, 255.0], &[0.0, 0.0]);
        tally.merge(&other);
        let found = tally.finish();
        let (signal, noise) = (9.0 + 16.0 + 90_000.0, 4.0 + 2_025.0);
        assert!((found.sqnr_db - 10.0 * f64::log10(signal / noise)).abs() < 1e-9);
        let norms = f64::sqrt(signal) * f64::sqrt(9.0 + 36.0 + 65_025.0);
        assert!((found.cosine - (9.0 + 24.0 + 76_500.0) / norms).abs() < 1e-9);
        assert_eq!((found.max_error_lsb, found.mean_error_lsb), (45.0, 47.0 / 4.0));
        assert_eq!((found.saturated, found.dead_channels, found.channels), (0.25, 0, 2));
        assert_eq!((found.accumulator_bits, found.bound_bits, found.limit_bits), (11, 11, 24));
    }

    #[test]
    fn a_channel_that_is_always_0_is_dead() {
        let mut tally = Tally::new(&dense(3, 1.0, 0, 0), false);
        tally.record(&[0.0, 2.0, 0.0], &[0.0, 2.0, 0.0], &[0.0, 2.0, -3.0]);
        let found = tally.finish();
        assert_eq!(found.dead_channels, 2);
        assert!(found.sqnr_db.is_infinite() && found.sqnr_db > 0.0);
    }

    #[test]
    fn values_of_both_signs_saturate_at_both_ends_and_logits_nowhere() {
        let values = [-129.0, -128.0, 127.0, 128.0];
        for (is_last, saturated) in [(false, 0.5), (true, 0.0)] {
            let mut tally = Tally::new(&dense(4, 1.0, 128, 0), is_last);
            tally.record(&values, &[-128.0, -128.0, 127.0, 127.0], &[]);
            assert!((tally.finish().saturated - saturated).abs() < 1e-9);
        }
    }
}
