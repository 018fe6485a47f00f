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
        self.fold_each_input(|_, _| [scale, shift]);
    }

    /// [`Self::fold_input`] where each input has a scale and a shift of its own, which `scale_and_shift` tells of an
    /// output and the number of one of its weights.
    pub fn fold_each_input(&mut self, scale_and_shift: impl Fn(usize, usize) -> [f64; 2]) {
        let fan_in = self.fan_in().max(1);
        for (output, (weights, bias)) in
            self.weights.chunks_mut(fan_in).zip(&mut self.bias).enumerate()
        {
            let mut sum = 0.0;
            for (input, weight) in weights.iter_mut().enumerate() {
                let [scale, shift] = scale_and_shift(output, input);
                sum += shift * f64::from(*weight);
                *weight = (f64::from(*weight) * scale) as f32;
            }
            *bias = (f64::from(*bias) + sum) as f32;
        }
    }

    /// Makes it give `scale · y + shift` where it gave `y`, with a scale and a shift of each output.
    pub fn fold_output(&mut self, scale_and_shift: impl Fn(usize) -> [f64; 2]) {
        let fan_in = self.fan_in().max(1);
        for (output, (weights, bias)) in
            self.weights.chunks_mut(fan_in).zip(&mut self.bias).enumerate()
        {
            let [scale, shift] = scale_and_shift(output);
            *bias = (f64::from(*bias) * scale + shift) as f32;
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
