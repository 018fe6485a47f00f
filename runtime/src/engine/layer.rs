//! One layer of a network, compiled for a set of instructions.

use std::ops::Range;

use network::{Activation, Affine, Conv as Geometry, Kind, Layer};

use crate::kernels::{Conv, Dense, Instructions, NonZeroInputs, Value, Winograd};

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
}

#[derive(Debug)]
enum Kernel {
    Conv(Conv),
    Winograd(Winograd),
    Dense(Dense),
}

/// Memory that layers work in; it grows to what the largest needs.
#[derive(Debug, Default)]
pub struct Workspace {
    planes: Vec<f32>,
    nonzero: NonZeroInputs,
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
        let kernel = match layer.kind() {
            Kind::Conv(_) => Kernel::Conv(Conv::new(layer, affine, instructions)),
            Kind::Dense { activation, .. } => {
                Kernel::Dense(Dense::new(affine, activation, instructions))
            }
            Kind::Pool(_) | Kind::Add { .. } => todo!(),
        };
        Self { layer: layer.clone(), kernel }
    }

    /// [`Self::new`] by the kernel that is the fastest: whole numbers are not exact, but within the error that
    /// [`Winograd`] states.
    pub(crate) fn fastest(layer: &Layer, affine: &Affine, instructions: Instructions) -> Self {
        if !Winograd::suits(layer, instructions) {
            return Self::new(layer, affine, instructions);
        }
        let kernel = Kernel::Winograd(Winograd::new(layer, affine, instructions));
        Self { layer: layer.clone(), kernel }
    }

    /// What it computes.
    #[must_use]
    pub const fn layer(&self) -> &Layer {
        &self.layer
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

    /// Computes a batch: `input` is `[image][channel][row][column]`, and so is `output`, as long as it must be.
    pub fn run(&self, input: &[f32], workspace: &mut Workspace, output: &mut [f32]) {
        self.run_values(input, workspace, output);
    }

    /// Whether [`Self::run_values`] takes bytes as well as floats.
    pub(crate) const fn reads_bytes(&self) -> bool {
        matches!(self.kernel, Kernel::Conv(_) | Kernel::Winograd(_) | Kernel::Dense(_))
    }

    /// Adds a batch of two values, of which the layer is an [`Kind::Add`].
    pub(crate) fn add(&self, input: &[f32], other: &[f32], output: &mut [f32]) {
        let _ = (input, other, output);
        todo!()
    }

    /// [`Self::run`] of pixels or floats.
    pub(crate) fn run_values<V: Value>(
        &self,
        input: &[V],
        workspace: &mut Workspace,
        output: &mut [f32],
    ) {
        match &self.kernel {
            Kernel::Conv(conv) => {
                workspace.planes.resize(conv.workspace().max(workspace.planes.len()), 0.0);
                let images = input.chunks_exact(self.inputs());
                for (input, output) in images.zip(output.chunks_exact_mut(self.outputs())) {
                    conv.run(input, &mut workspace.planes, output);
                }
            }
            Kernel::Winograd(conv) => {
                workspace.planes.resize(conv.workspace().max(workspace.planes.len()), 0.0);
                let images = input.chunks_exact(self.inputs());
                for (input, output) in images.zip(output.chunks_exact_mut(self.outputs())) {
                    conv.run(input, &mut workspace.planes, output);
                }
            }
            Kernel::Dense(dense) => dense.run(input, &mut workspace.nonzero, output),
        }
    }

    /// The layer with these of its output channels alone; `None` of a dense layer.
    pub(crate) fn of_maps(&self, maps: Range<usize>, instructions: Instructions) -> Option<Self> {
        let Kind::Conv(geometry) = self.layer.kind() else { return None };
        let kind = Kind::Conv(Geometry { maps: maps.len(), ..geometry });
        let part = Layer::alone(self.layer.input(), kind)?;
        match &self.kernel {
            Kernel::Conv(conv) => Some(Self::new(&part, &conv.weights_of_maps(maps), instructions)),
            Kernel::Winograd(conv) => {
                Some(Self::fastest(&part, &conv.weights_of_maps(maps), instructions))
            }
            Kernel::Dense(_) => None,
        }
    }

    /// The part of a dense layer's sums that comes from these inputs, without bias and ReLU; `None` of a convolution.
    pub(crate) fn of_inputs(&self, inputs: Range<usize>) -> Option<Self> {
        let Kernel::Dense(dense) = &self.kernel else { return None };
        let activation = Activation::None;
        let kind = Kind::Dense { outputs: self.layer.outputs(), activation };
        let layer = Layer::alone([inputs.len(), 1, 1], kind)?;
        Some(Self { layer, kernel: Kernel::Dense(dense.of_inputs(inputs)) })
    }

    /// Adds the bias to the sums of all parts of a dense layer, and applies its ReLU.
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
        // one that minimal filtering would suit
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
