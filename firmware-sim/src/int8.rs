//! The int8 network: what every layer gives, exactly as the engine computes it, by the float kernels.
//!
//! Whole numbers are held as `f32`. That is exact: every accumulator is proven to stay below 2²³, so each product and each
//! partial sum, in whatever order, is a whole number below 2²⁴, which `f32` holds. The float engine's kernels therefore
//! give the device's accumulators bit for bit, many times faster than the engine in portable code.
//!
//! Activations are signed numbers here, the engine's bytes less the one that stands for 0; and biases are true ones, of
//! such numbers.

mod file;
mod run;

pub use file::Header;
pub use run::Trace;
pub(crate) use run::{CompiledInt8, CompiledSums, bound};

use firmware::Model;
use firmware::format::Channel;
use firmware::multiplier::Multiplier;
use network::{Affine, Kind, Layer, Pool, PoolMode, Shape};
use rayon::prelude::*;
use runtime::Workspace;

use super::samples::{Samples, units};

/// What a value's bytes mean: `real = scale · (byte − zero)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    /// The byte that stands for 0: 0 where no value is below, else 128.
    pub zero: u8,
    /// Real value of one unit.
    pub scale: f32,
}

impl Encoding {
    /// Of a pixel, 0 to 255.
    pub const PIXEL: Self = Self { zero: 0, scale: 1.0 };

    /// Units from 0 to the largest value that is reached; both signs reach it.
    #[must_use]
    pub const fn units(zero: u8) -> f64 {
        if zero == 0 { 255.0 } else { 127.0 }
    }
}

/// All layers in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Network {
    /// `[channels, height, width]` of what goes in.
    pub shape: Shape,
    /// What goes in.
    pub input: Encoding,
    pub(crate) layers: Vec<Int8Layer>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Int8Layer {
    pub(crate) layer: Layer,
    /// Whole numbers, as `f32`: weights, and true biases in units of the accumulator; empty of a layer without weights.
    pub(crate) affine: Affine,
    /// As they lie in the file: one for each output channel, or one for all; none of a max-pooling.
    pub(crate) channels: Vec<Channel>,
    /// What each value of an addition counts.
    pub(crate) factors: [i32; 2],
    /// What it gives; of the last layer the scale of its sums.
    pub(crate) output: Encoding,
}

impl Int8Network {
    /// Names of the layers in order, such as `conv1`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|int8| int8.layer.name())
    }

    /// What value `number` means: 0 is the input, `n` what the `n`th layer gives.
    #[must_use]
    pub fn encoding(&self, number: usize) -> Encoding {
        number.checked_sub(1).map_or(self.input, |layer| self.layers[layer].output)
    }

    /// What every layer gives for each sample, of the shape that the network takes.
    ///
    /// # Panics
    /// If one has another shape.
    #[must_use]
    pub fn run(&self, samples: Samples<'_>) -> Vec<Trace> {
        let compiled = CompiledInt8::new(self);
        let run = |workspace: &mut Workspace, index| {
            compiled.run(&units(&samples.values(index), self.input), workspace)
        };
        (0..samples.len()).into_par_iter().map_init(Workspace::default, run).collect()
    }

    /// What a layer, counted from 0, requantises: its accumulators after a pooling that is part of it.
    #[must_use]
    pub fn pooled(&self, trace: &Trace, layer: usize) -> Vec<f32> {
        self.layers[layer].layer.pool(trace.accumulators[layer].clone())
    }

    /// Real value of one unit of the last layer's sums.
    #[must_use]
    pub fn logit_scale(&self) -> f64 {
        self.layers.last().map_or(1.0, |last| last.output.scale.into())
    }
}

impl Int8Layer {
    /// Whether it hands bytes on as they are.
    pub(crate) const fn is_max_pool(&self) -> bool {
        matches!(self.layer.kind(), Kind::Pool(Pool { mode: PoolMode::Max, .. }))
    }

    /// The channel of output channel `output`.
    pub(crate) fn channel(&self, output: usize) -> Option<&Channel> {
        self.channels.get(output).or(self.channels.first())
    }

    /// What the layer hands on of its pooled accumulators, in signed units.
    pub(crate) fn activations(&self, mut values: Vec<f32>) -> Vec<f32> {
        let zero = self.output.zero;
        let places = values.len() / self.layer.output()[0];
        for (output, values) in values.chunks_mut(places).enumerate() {
            let Some(channel) = self.channel(output) else { continue };
            let multiplier = channel.multiplier();
            for value in values {
                let byte = multiplier.requantize_around(*value as i32, zero);
                *value = f32::from(byte) - f32::from(zero);
            }
        }
        values
    }
}

/// All outputs of the engine for an image, of any number; `None` if the image or the memory is not the model's.
pub(crate) fn outputs(model: Model<'_>, image: &[u8], scratch: &mut [u32]) -> Option<Vec<i32>> {
    let mut outputs = Vec::with_capacity(model.outputs());
    model.infer_in_blocks(image, scratch, |_, block| outputs.extend_from_slice(block))?;
    Some(outputs)
}

/// What a multiplier multiplies by: exact, its mantissa has 31 bits.
pub(crate) fn real(multiplier: Multiplier) -> f64 {
    f64::from(multiplier.mantissa()) / (1_u64 << multiplier.shift()) as f64
}
