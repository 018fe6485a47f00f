//! A factor and a summand for each channel, with an activation: a normalisation that no convolution could take in.

use network::{Affine, Conv as Geometry, Kind, Layer};
use pulp::{Simd, WithSimd};

use super::layout::Layout;
use super::{Clamp, Instructions};

/// A depthwise convolution of one weight for each channel, of a value that lies as its result does.
#[derive(Debug)]
pub(crate) struct Scale {
    channels: usize,
    pixels: usize,
    layout: Layout,
    /// The weights are the factors.
    affine: Affine,
    clamp: Clamp,
    instructions: Instructions,
}

impl Scale {
    /// Whether the layer is one.
    pub(crate) fn does(layer: &Layer, conv: &Geometry) -> bool {
        let Geometry { maps, kernel, stride, padding, groups, pool, .. } = *conv;
        let one_weight = kernel == [1, 1] && groups == maps && maps == layer.input()[0];
        one_weight && stride == [1, 1] && padding.is_none() && !pool
    }

    /// Of a layer whose input lies so; then its output does.
    pub(crate) fn new(
        layer: &Layer,
        affine: &Affine,
        layout: Layout,
        instructions: Instructions,
    ) -> Self {
        let Kind::Conv(conv) = layer.kind() else { panic!("{} is no convolution", layer.name()) };
        let [channels, height, width] = layer.input();
        let clamp = Clamp::of(conv.activation);
        let (pixels, affine) = (height * width, affine.clone());
        Self { channels, pixels, layout, affine, clamp, instructions }
    }

    /// The weights and biases.
    pub(crate) fn affine(&self) -> Affine {
        self.affine.clone()
    }

    /// Any number of images.
    pub(crate) fn run(&self, input: &[f32], output: &mut [f32]) {
        self.instructions.run(Task { layer: self, input, output });
    }
}

struct Task<'a> {
    layer: &'a Scale,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { layer, input, output } = self;
        let Scale { channels, pixels, affine: Affine { weights, bias }, clamp, .. } = layer;
        if layer.layout == Layout::ChannelsFirst {
            let planes = input.chunks_exact(*pixels).zip(output.chunks_exact_mut(*pixels));
            let factors = weights.iter().zip(bias).cycle();
            for ((input, output), (weight, bias)) in planes.zip(factors) {
                for (to, value) in output.iter_mut().zip(input) {
                    *to = clamp.of_one(value * weight + bias);
                }
            }
        } else {
            let places = input.chunks_exact(*channels).zip(output.chunks_exact_mut(*channels));
            for (input, output) in places {
                let factors = weights.iter().zip(bias);
                for ((to, value), (weight, bias)) in output.iter_mut().zip(input).zip(factors) {
                    *to = clamp.of_one(value * weight + bias);
                }
            }
        }
    }
}
