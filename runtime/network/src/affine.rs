//! Weights and biases of one layer.

/// What a convolution computes at each place, and a dense layer once: `Σ weight · value + bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// `[out][in]`, of a convolution `[out][in channel][row][column]`.
    pub weights: Vec<f32>,
    /// `[out]`
    pub bias: Vec<f32>,
}

impl Affine {
    /// Weights of each output.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.weights.len() / self.bias.len().max(1)
    }

    /// The weights of each output, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.chunks(self.fan_in().max(1))
    }

    /// Makes it take `x` where it took `scale · x + shift`: the one place where a normalisation goes into weights.
    ///
    /// `Σ w · (scale · x + shift) + b = Σ (scale · w) · x + (b + shift · Σ w)`. Exact but for rounding, and only
    /// without zero padding: a padded border would be 0 before the normalisation instead of after it.
    pub fn fold_input(&mut self, scale: f64, shift: f64) {
        let fan_in = self.fan_in().max(1);
        for (weights, bias) in self.weights.chunks_mut(fan_in).zip(&mut self.bias) {
            let sum: f64 = weights.iter().copied().map(f64::from).sum();
            *bias = (f64::from(*bias) + shift * sum) as f32;
            for weight in weights {
                *weight = (f64::from(*weight) * scale) as f32;
            }
        }
    }

    /// The same with `excess` subtracted from the bias of each output.
    #[must_use]
    pub fn with_less_bias(&self, excess: &[f64]) -> Self {
        let less = |(&bias, excess): (&f32, &f64)| (f64::from(bias) - excess) as f32;
        let bias = self.bias.iter().zip(excess).map(less).collect();
        Self { weights: self.weights.clone(), bias }
    }
}
