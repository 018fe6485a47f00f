//! A fully connected layer, with the ReLU that follows it.
//!
//! The weights do not fit the near caches (LeNet's first dense layer has 1.6 MB), so time goes into reading them. After
//! a ReLU about half of the inputs are 0, and weights that would be multiplied by 0 need not be read: the inputs that
//! are not 0 are listed first.
//!
//! **A tile** is one panel of outputs of one image: up to 16 vectors of accumulators, half of AVX-512's registers,
//! which stay there from the first input to the last. Weights are packed so that what one input adds to a panel is
//! one contiguous piece:
//!
//! ```text
//!                      outputs of the panel, 16 vectors of 16 lanes
//!                   ┌───────┬───────┬─ … ─┬───────┐
//!  input 3  = 0.7   │  w    │  w    │     │  w    │   broadcast 0.7, then 16 multiply-adds
//!  input 4  = 0     │       │       │     │       │   not listed: its kilobyte is not read
//!  input 5  = 0.2   │  w    │  w    │     │  w    │
//!                   └───────┴───────┴─ … ─┴───────┘
//!  accumulators        Σ       Σ             Σ       + bias, ReLU
//! ```
//!
//! A panel is finished for all images of a batch before the next, so its weights are read from far away once a batch.

use network::{Activation, Affine};
use pulp::{Simd, WithSimd};

use super::{Aligned, Clamp, Instructions, Value, multiply_add, store};

/// Maximum vectors of outputs in a panel: half of 32 registers.
const MAX_PANEL: usize = 16;

/// A layer with its weights packed for some instructions.
#[derive(Debug)]
pub(crate) struct Dense {
    inputs: usize,
    outputs: usize,
    instructions: Instructions,
    /// Vectors of outputs in a panel: 1, 2, 4, 8 or 16.
    panel: usize,
    /// `[panel][input][output in its panel]`, of whole panels.
    weights: Aligned,
    /// `[output]`, of whole panels.
    bias: Aligned,
    clamp: Clamp,
}

/// An input that is not 0.
#[derive(Debug, Clone, Copy, Default)]
struct NonZero {
    index: u32,
    value: f32,
}

/// The inputs of a batch that are not 0, and where each image's end.
#[derive(Debug, Default)]
pub(crate) struct NonZeroInputs {
    nonzero: Vec<NonZero>,
    ends: Vec<usize>,
}

impl NonZeroInputs {
    /// Lists `input`, which is `[image][input]`.
    fn list<V: Value>(&mut self, input: &[V], inputs: usize) {
        self.nonzero.resize(input.len().max(self.nonzero.len()), NonZero::default());
        self.ends.clear();
        let mut count = 0;
        for image in input.chunks_exact(inputs) {
            for (value, index) in image.iter().zip(0..) {
                // written in any case: where the next one is 0 nobody can foresee, and a branch would be slow
                let value = (*value).into();
                self.nonzero[count] = NonZero { index, value };
                count += usize::from(value != 0.0);
            }
            self.ends.push(count);
        }
    }
}

/// A weight as it lies before it is packed: a number, or its bytes in a baked file.
pub(crate) trait Weight: Copy {
    fn float(self) -> f32;
}

impl Weight for f32 {
    fn float(self) -> f32 {
        self
    }
}

impl Weight for [u8; 4] {
    fn float(self) -> f32 {
        f32::from_le_bytes(self)
    }
}

impl Dense {
    /// Packs the weights of a dense layer.
    ///
    /// Input `n` is the one that `places[n]` numbers in `weights`; without places, they are in the same order.
    pub(crate) fn new<W: Weight>(
        weights: &[W],
        bias: &[W],
        places: Option<&[usize]>,
        activation: Activation,
        instructions: Instructions,
    ) -> Self {
        let outputs = bias.len();
        let inputs = weights.len() / outputs.max(1);
        let instructions = instructions.usable();
        let panel = outputs
            .div_ceil(instructions.lanes())
            .next_power_of_two()
            .min(instructions.registers() / 2);
        let length = panel * instructions.lanes();
        let padded = outputs.next_multiple_of(length);
        let mut aligned = Aligned::zeros(padded * inputs);
        let packed = &mut *aligned;
        // a vector of outputs at a time: each row is read in order, and what is written is whole
        let lanes = instructions.lanes();
        for (rows, output) in weights.chunks((lanes * inputs).max(1)).zip((0..).step_by(lanes)) {
            let first = output / length * inputs * length + output % length;
            for input in 0..inputs {
                let place = places.map_or(input, |places| places[input]);
                let to = &mut packed[first + input * length..][..lanes];
                for (to, row) in to.iter_mut().zip(rows.chunks_exact(inputs)) {
                    *to = row[place].float();
                }
            }
        }
        let mut bias: Vec<f32> = bias.iter().copied().map(Weight::float).collect();
        bias.resize(padded, 0.0);
        let clamp = Clamp::of(activation);
        let bias = Aligned::from(&bias[..]);
        Self { inputs, outputs, instructions, panel, weights: aligned, bias, clamp }
    }

    /// The reverse of [`Self::new`].
    pub(crate) fn affine(&self) -> Affine {
        let length = self.panel * self.instructions.lanes();
        let weights = (0..self.outputs).flat_map(|output| {
            let first = output / length * self.inputs * length + output % length;
            (0..self.inputs).map(move |input| self.weights[first + input * length])
        });
        Affine { weights: weights.collect(), bias: self.bias[..self.outputs].to_vec() }
    }

    /// What happens to the sums of all parts.
    pub(crate) fn finish(&self, sums: &mut [f32]) {
        for (sum, bias) in sums.iter_mut().zip(&*self.bias) {
            *sum = self.clamp.of_one(*sum + bias);
        }
    }

    /// A batch: `input` is `[image][input]`, `output` `[image][output]`.
    pub(crate) fn run<V: Value>(
        &self,
        input: &[V],
        nonzero: &mut NonZeroInputs,
        output: &mut [f32],
    ) {
        nonzero.list(input, self.inputs);
        self.instructions.run(Task { layer: self, inputs: nonzero, output });
    }
}

struct Task<'a> {
    layer: &'a Dense,
    inputs: &'a NonZeroInputs,
    output: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, inputs, output } = self;
        match layer.panel {
            1 => layer.panels::<S, 1>(simd, inputs, output),
            2 => layer.panels::<S, 2>(simd, inputs, output),
            4 => layer.panels::<S, 4>(simd, inputs, output),
            8 => layer.panels::<S, 8>(simd, inputs, output),
            _ => layer.panels::<S, MAX_PANEL>(simd, inputs, output),
        }
    }
}

impl Dense {
    /// All outputs, in panels of `PANEL` vectors.
    #[inline(always)]
    fn panels<S: Simd, const PANEL: usize>(
        &self,
        simd: S,
        inputs: &NonZeroInputs,
        output: &mut [f32],
    ) {
        let length = PANEL * S::F32_LANES;
        let panels = self.weights.chunks_exact(length * self.inputs);
        let biases = self.bias.chunks_exact(length);
        for ((weights, bias), first) in panels.zip(biases).zip((0..).step_by(length)) {
            let mut begin = 0;
            for (end, output) in inputs.ends.iter().zip(output.chunks_exact_mut(self.outputs)) {
                let nonzero = &inputs.nonzero[begin..*end];
                begin = *end;
                let sums = sums::<S, PANEL>(simd, nonzero, weights, bias);
                for (to, sum) in output[first..].chunks_mut(S::F32_LANES).zip(sums) {
                    store(simd, to, self.clamp.apply(simd, sum));
                }
            }
        }
    }
}

/// One panel of one image.
#[inline(always)]
fn sums<S: Simd, const PANEL: usize>(
    simd: S,
    nonzero: &[NonZero],
    weights: &[f32],
    bias: &[f32],
) -> [S::f32s; PANEL] {
    let bias = S::as_simd_f32s(bias).0;
    let mut sums = [simd.splat_f32s(0.0); PANEL];
    sums.copy_from_slice(bias);
    // a narrow panel is summed in several parts: each sum has to wait for itself
    let (fours, rest) = nonzero.as_chunks::<4>();
    if PANEL < 8 {
        let mut parts = [[simd.splat_f32s(0.0); PANEL]; 4];
        for four in fours {
            for (part, input) in parts.iter_mut().zip(four) {
                add::<S, PANEL>(simd, part, *input, weights);
            }
        }
        for part in parts {
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum = simd.add_f32s(*sum, part);
            }
        }
    } else {
        for input in fours.as_flattened() {
            add::<S, PANEL>(simd, &mut sums, *input, weights);
        }
    }
    for input in rest {
        add::<S, PANEL>(simd, &mut sums, *input, weights);
    }
    sums
}

/// One input's part of a panel.
#[inline(always)]
fn add<S: Simd, const PANEL: usize>(
    simd: S,
    sums: &mut [S::f32s; PANEL],
    NonZero { index, value }: NonZero,
    weights: &[f32],
) {
    let length = PANEL * S::F32_LANES;
    let first = index as usize * length;
    let weights = S::as_simd_f32s(&weights[first..first + length]).0;
    let value = simd.splat_f32s(value);
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum = multiply_add(simd, value, *weight, *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_set_of_instructions_multiplies_as_the_definition_does(
            (inputs, outputs, images) in (1..90_usize, 1..300_usize, 1..5_usize),
            relu in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let mut state = seed;
            let mut values = |count: usize| -> Vec<f32> {
                let value = |_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // as after a ReLU, half are 0
                    (state as i32 as f32 / i32::MAX as f32).max(0.0)
                };
                (0..count).map(value).collect()
            };
            let (weights, bias) = (values(inputs * outputs), values(outputs));
            let weights: Vec<f32> = weights.iter().map(|weight| weight - 0.3).collect();
            let input = values(images * inputs);
            for instructions in Instructions::available() {
                let activation = if relu { Activation::Relu } else { Activation::None };
                let dense = Dense::new(&weights, &bias, None, activation, instructions);
                let mut output = vec![f32::NAN; images * outputs];
                dense.run(&input, &mut NonZeroInputs::default(), &mut output);
                for (image, output) in input.chunks(inputs).zip(output.chunks(outputs)) {
                    for ((row, bias), found) in weights.chunks(inputs).zip(&bias).zip(output) {
                        let products = row.iter().zip(image).map(|(w, x)| f64::from(*w) * f64::from(*x));
                        let sum = f64::from(*bias) + products.sum::<f64>();
                        let expected = if relu { sum.max(0.0) } else { sum };
                        prop_assert!(
                            (f64::from(*found) - expected).abs() < 1e-4,
                            "{instructions}: {found} for {expected}"
                        );
                    }
                }
            }
        }
    }
}
