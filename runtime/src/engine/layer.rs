//! One layer of a network, compiled for a set of instructions.

use std::ops::Range;

use network::{Activation, Affine, Conv as Geometry, Kind, Layer, Shape};

use super::Weights;
use crate::kernels::{
    Aligned, Conv, Dense, Depthwise, Instructions, Layout, MatrixConv, NonZeroInputs, Pool, Scale,
    Winograd, add, channels_first, places_of_channels_last,
};

/// One layer with its weights packed for a set of instructions, for who needs what each layer gives.
///
/// ```
/// use network::{Activation, Affine, Kind, Layer};
/// use runtime::{CompiledLayer, Instructions, Workspace};
///
/// let dense = Kind::Dense { outputs: 1, activation: Activation::Relu };
/// let layer = Layer::alone([2, 1, 1], dense).expect("two values fit");
/// let affine = Affine { weights: vec![1.0, -1.0], bias: vec![0.5] };
/// let layer = CompiledLayer::new(&layer, &affine, Instructions::default());
/// let mut output = [0.0; 2];
/// layer.run(&[3.0, 1.0, 1.0, 3.0], &mut Workspace::default(), &mut output);
/// assert_eq!(output, [2.5, 0.0]);
/// ```
#[derive(Debug)]
pub struct CompiledLayer {
    layer: Layer,
    kernel: Kernel,
    instructions: Instructions,
    input_layout: Layout,
    output_layout: Layout,
}

#[derive(Debug)]
enum Kernel {
    Conv(Conv),
    Matrix(MatrixConv),
    Winograd(Winograd),
    Depthwise(Depthwise),
    Scale(Scale),
    Pool(Pool),
    Add,
    Dense(Dense),
}

/// Memory that layers work in; it grows to what the largest needs.
#[derive(Debug, Default)]
pub struct Workspace {
    planes: Aligned,
    /// An output with the channels last, where they are to be first.
    channels_last: Aligned,
    nonzero: NonZeroInputs,
}

/// Which layouts of its values a layer can do with, without a copy of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layouts {
    /// Channels first alone.
    First,
    /// Input of any, output with the channels last.
    Last,
    /// All values in the same, whichever it is.
    Same,
    /// Input of any, output of one pixel.
    Vector,
}

impl Layouts {
    /// Those of the kernel that [`CompiledLayer::fastest`] gives a layer.
    pub(crate) fn of_fastest(layer: &Layer, instructions: Instructions) -> Self {
        if Winograd::suits(layer, instructions) { Self::Last } else { Self::of(layer) }
    }

    /// Those of the kernel that [`CompiledLayer::with_layouts`] gives a layer.
    pub(crate) fn of(layer: &Layer) -> Self {
        match layer.kind() {
            Kind::Conv(conv) if Conv::does(&conv) => Self::First,
            Kind::Conv(conv) if Scale::does(layer, &conv) => Self::Same,
            Kind::Conv(_) => Self::Last,
            Kind::Pool(_) | Kind::Add { .. } => Self::Same,
            Kind::Dense { .. } => Self::Vector,
        }
    }
}

impl CompiledLayer {
    /// Packs the weights.
    ///
    /// Of whole numbers whose sums stay below 2²⁴ the layer is exact.
    ///
    /// # Panics
    /// If `affine` has not as many as `layer`.
    #[must_use]
    pub fn new(layer: &Layer, affine: &Affine, instructions: Instructions) -> Self {
        let weights = Weights::Floats(affine);
        Self::with_layouts(layer, weights, instructions, [Layout::ChannelsFirst; 2])
    }

    /// Packs the weights for an input and an output that lie so; the channels are last only where [`Layouts`] allows it.
    pub(crate) fn with_layouts(
        layer: &Layer,
        weights: Weights<'_>,
        instructions: Instructions,
        [input_layout, output_layout]: [Layout; 2],
    ) -> Self {
        let kernel = match layer.kind() {
            Kind::Conv(conv) if Conv::does(&conv) => {
                Kernel::Conv(Conv::new(layer, &weights.affine(), instructions))
            }
            Kind::Conv(conv) if Scale::does(layer, &conv) => {
                Kernel::Scale(Scale::new(layer, &weights.affine(), input_layout, instructions))
            }
            Kind::Conv(conv) if Depthwise::does(layer, &conv) => Kernel::Depthwise(Depthwise::new(
                layer,
                &weights.affine(),
                input_layout,
                instructions,
            )),
            Kind::Conv(_) => Kernel::Matrix(MatrixConv::new(
                layer,
                &weights.affine(),
                input_layout,
                instructions,
            )),
            Kind::Pool(pool) => Kernel::Pool(Pool::new(layer, pool, input_layout, instructions)),
            Kind::Add { .. } => Kernel::Add,
            Kind::Dense { activation, .. } => {
                let places: Option<Vec<usize>> = match input_layout {
                    Layout::ChannelsFirst => None,
                    Layout::ChannelsLast => Some(places_of_channels_last(layer.input()).collect()),
                };
                let places = places.as_deref();
                Kernel::Dense(match weights {
                    Weights::Floats(Affine { weights, bias }) => {
                        Dense::new(weights, bias, places, activation, instructions)
                    }
                    Weights::Bytes { weights, bias } => {
                        Dense::new(weights, bias, places, activation, instructions)
                    }
                })
            }
        };
        Self { layer: layer.clone(), kernel, instructions, input_layout, output_layout }
    }

    /// [`Self::with_layouts`] with the kernel that is the fastest, as [`Layouts::of_fastest`] allows it: whole numbers are
    /// not exact, but within the error of [`Winograd`].
    pub(crate) fn fastest(
        layer: &Layer,
        weights: Weights<'_>,
        instructions: Instructions,
        layouts: [Layout; 2],
    ) -> Self {
        if !Winograd::suits(layer, instructions) {
            return Self::with_layouts(layer, weights, instructions, layouts);
        }
        let [input_layout, output_layout] = layouts;
        let kernel =
            Kernel::Winograd(Winograd::new(layer, &weights.affine(), input_layout, instructions));
        Self { layer: layer.clone(), kernel, instructions, input_layout, output_layout }
    }

    /// What it computes.
    #[must_use]
    pub const fn layer(&self) -> &Layer {
        &self.layer
    }

    /// The weights that were packed, but for rounding none.
    pub(crate) fn affine(&self) -> Affine {
        match &self.kernel {
            Kernel::Conv(conv) => conv.weights_of_maps(0..self.layer.outputs()),
            Kernel::Matrix(conv) => conv.affine(),
            Kernel::Winograd(conv) => conv.affine(),
            Kernel::Depthwise(conv) => conv.affine(),
            Kernel::Scale(scale) => scale.affine(),
            Kernel::Pool(_) | Kernel::Add => Affine { weights: vec![], bias: vec![] },
            Kernel::Dense(dense) => {
                let mut affine = dense.affine();
                if self.input_layout == Layout::ChannelsLast {
                    let ordered = affine.clone();
                    for (to, from) in
                        affine.weights.chunks_exact_mut(self.layer.fan_in()).zip(ordered.rows())
                    {
                        for (place, weight) in places_of_channels_last(self.layer.input()).zip(from)
                        {
                            to[place] = *weight;
                        }
                    }
                }
                affine
            }
        }
    }

    /// Values of one image that go in.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layer.input().iter().product()
    }

    /// Values of one image that come out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layer.output().iter().product()
    }

    /// Adds a batch of two values, of which the layer is an [`Kind::Add`].
    pub(crate) fn add(&self, input: &[f32], other: &[f32], output: &mut [f32]) {
        let activation = self.layer.kind().activation();
        add(input, Some(other), activation, self.instructions, output);
    }

    /// Whether [`Self::run_bytes`] takes bytes as they are: only the kernels of LeNet's first layers do, since what reads
    /// the input is compiled once more for it.
    pub(crate) const fn reads_bytes(&self) -> bool {
        matches!(self.kernel, Kernel::Conv(_) | Kernel::Dense(_))
    }

    /// [`Self::run`] of pixels, if the layer [reads bytes](Self::reads_bytes).
    pub(crate) fn run_bytes(&self, input: &[u8], workspace: &mut Workspace, output: &mut [f32]) {
        match &self.kernel {
            Kernel::Conv(conv) => {
                workspace.planes.grow(conv.workspace());
                let images = input.chunks_exact(self.inputs());
                for (input, output) in images.zip(output.chunks_exact_mut(self.outputs())) {
                    conv.run(input, &mut workspace.planes, output);
                }
            }
            Kernel::Dense(dense) => dense.run(input, &mut workspace.nonzero, output),
            _ => unreachable!("{} reads no bytes", self.layer.name()),
        }
    }

    /// Computes a batch: `input` is `[image][channel][row][column]`, and so is `output`, as long as it must be.
    ///
    /// Of an [`Kind::Add`], `input` is the sum.
    pub fn run(&self, input: &[f32], workspace: &mut Workspace, output: &mut [f32]) {
        let Workspace { planes, channels_last, nonzero } = workspace;
        let planes_length = match &self.kernel {
            Kernel::Conv(conv) => conv.workspace(),
            Kernel::Matrix(conv) => conv.workspace(),
            Kernel::Winograd(conv) => conv.workspace(),
            Kernel::Depthwise(conv) => conv.workspace(),
            Kernel::Pool(_) | Kernel::Add | Kernel::Scale(_) | Kernel::Dense(_) => 0,
        };
        planes.grow(planes_length);
        let run_image: &mut dyn FnMut(&[f32], &mut [f32]) = match &self.kernel {
            Kernel::Conv(conv) => &mut |input, output| conv.run(input, planes, output),
            Kernel::Matrix(conv) => &mut |input, output| conv.run(input, planes, output),
            Kernel::Winograd(conv) => &mut |input, output| conv.run(input, planes, output),
            Kernel::Depthwise(conv) => &mut |input, output| conv.run(input, planes, output),
            Kernel::Scale(scale) => return scale.run(input, output),
            Kernel::Pool(pool) => return pool.run(input, output),
            Kernel::Add => {
                let activation = self.layer.kind().activation();
                return add(input, None, activation, self.instructions, output);
            }
            Kernel::Dense(dense) => return dense.run(input, nonzero, output),
        };
        let gives_last =
            matches!(self.kernel, Kernel::Matrix(_) | Kernel::Winograd(_) | Kernel::Depthwise(_));
        let images = input.chunks_exact(self.inputs());
        let outputs = output.chunks_exact_mut(self.outputs());
        if !gives_last || self.output_layout == Layout::ChannelsLast {
            for (input, output) in images.zip(outputs) {
                run_image(input, output);
            }
            return;
        }
        channels_last.set_length(self.outputs());
        for (input, output) in images.zip(outputs) {
            run_image(input, channels_last);
            channels_first(channels_last, self.layer.output()[0], output);
        }
    }

    /// The layer with these of its output channels alone; `None` of what is no convolution of one group.
    pub(crate) fn of_maps(&self, maps: Range<usize>) -> Option<(Layer, Affine)> {
        let Kind::Conv(conv @ Geometry { groups: 1, .. }) = self.layer.kind() else { return None };
        let kind = Kind::Conv(Geometry { maps: maps.len(), ..conv });
        let affine = self.affine();
        let fan_in = affine.fan_in();
        let weights = affine.weights[maps.start * fan_in..maps.end * fan_in].to_vec();
        let affine = Affine { weights, bias: affine.bias[maps].to_vec() };
        Some((Layer::alone(self.layer.input(), kind)?, affine))
    }

    /// The part of a dense layer's sums that comes from these channels of `shape`, in which its input comes, without bias
    /// and activation; `None` of another layer.
    pub(crate) fn of_channels(
        &self,
        channels: Range<usize>,
        [_, height, width]: Shape,
    ) -> Option<(Layer, Affine)> {
        let Kind::Dense { outputs, .. } = self.layer.kind() else { return None };
        let kind = Kind::Dense { outputs, activation: Activation::None };
        let layer = Layer::alone([channels.len(), height, width], kind)?;
        let inputs = channels.start * height * width..channels.end * height * width;
        let affine = self.affine();
        let weights = affine.rows().flat_map(|row| &row[inputs.clone()]).copied().collect();
        Some((layer, Affine { weights, bias: vec![0.0; outputs] }))
    }

    /// Adds the bias to the sums of all parts of a dense layer, and applies its activation.
    pub(crate) fn finish(&self, sums: &mut [f32]) {
        if let Kernel::Dense(dense) = &self.kernel {
            dense.finish(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_whole_numbers_are_exact() {
        // one that would be fastest by a kernel that is not exact
        let layer = Layer::alone([20, 12, 12], Kind::Conv(Geometry::new(50, [5, 5]))).unwrap();
        let whole = |index: usize| (index * 7919 % 255) as f32 - 127.0;
        let affine = Affine {
            weights: (0..layer.outputs() * layer.fan_in()).map(whole).collect(),
            bias: (0..layer.outputs()).map(whole).collect(),
        };
        let input: Vec<f32> = (0..20 * 12 * 12).map(|index| (index * 31 % 128) as f32).collect();
        let expected = layer.apply(&affine, &input);
        for instructions in Instructions::available() {
            let compiled = CompiledLayer::new(&layer, &affine, instructions);
            let mut output = vec![0.0; compiled.outputs()];
            compiled.run(&input, &mut Workspace::default(), &mut output);
            assert_eq!(output, expected, "{instructions}");
        }
    }
}
