//! One layer of a network, compiled for a set of instructions.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;

use network::plan::{LayerKernel, Values};
use network::{Affine, Architecture, Kind, Layer};

use crate::kernels::{Conv, Dense, Instructions, NonZeroInputs, Value};

/// One layer with its weights packed for a set of instructions, for who needs what each layer gives.
///
/// ```
/// use network::{Affine, Architecture, Kind};
/// use runtime::{CompiledLayer, Instructions, Workspace};
///
/// let network = Architecture::new([2, 1, 1], vec![Kind::Dense { outputs: 1, relu: true }])?;
/// let affine = Affine { weights: vec![1.0, -1.0], bias: vec![0.5] };
/// let layer = CompiledLayer::new(&network.layers()[0], &affine, Instructions::default());
/// let mut output = [0.0; 2];
/// layer.run(&[3.0, 1.0, 1.0, 3.0], &mut Workspace::default(), &mut output);
/// assert_eq!(output, [2.5, 0.0]);
/// # Ok::<(), network::ShapeError>(())
/// ```
#[derive(Debug)]
pub struct CompiledLayer {
    layer: Layer,
    kernel: Kernel,
}

#[derive(Debug)]
enum Kernel {
    Conv(Conv),
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
    /// # Panics
    /// If `affine` has not as many as `layer`.
    #[must_use]
    pub fn new(layer: &Layer, affine: &Affine, instructions: Instructions) -> Self {
        let kernel = match layer.kind() {
            Kind::Conv { .. } => Kernel::Conv(Conv::new(layer, affine, instructions)),
            Kind::Dense { relu, .. } => Kernel::Dense(Dense::new(affine, relu, instructions)),
        };
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
            Kernel::Dense(dense) => dense.run(input, &mut workspace.nonzero, output),
        }
    }

    /// The layer with these of its output channels alone; `None` of a dense layer.
    pub(crate) fn of_maps(&self, maps: Range<usize>, instructions: Instructions) -> Option<Self> {
        let (Kernel::Conv(conv), Kind::Conv { kernel, relu, pool, .. }) =
            (&self.kernel, self.layer.kind())
        else {
            return None;
        };
        let kind = Kind::Conv { maps: maps.len(), kernel, relu, pool };
        let part = Architecture::new(self.layer.input(), vec![kind]).ok()?;
        Some(Self::new(part.layers().first()?, &conv.weights_of_maps(maps), instructions))
    }

    /// The part of a dense layer's sums that comes from these inputs, without bias and ReLU; `None` of a convolution.
    pub(crate) fn of_inputs(&self, inputs: Range<usize>) -> Option<Self> {
        let Kernel::Dense(dense) = &self.kernel else { return None };
        let kind = Kind::Dense { outputs: self.layer.outputs(), relu: false };
        let part = Architecture::new([inputs.len(), 1, 1], vec![kind]).ok()?;
        let layer = part.layers().first()?.clone();
        Some(Self { layer, kernel: Kernel::Dense(dense.of_inputs(inputs)) })
    }

    /// Adds the bias to the sums of all parts of a dense layer, and applies its ReLU.
    pub(crate) fn finish(&self, sums: &mut [f32]) {
        if let Kernel::Dense(dense) = &self.kernel {
            dense.finish(sums);
        }
    }
}

/// A compiled layer within a plan, with memory of its own.
#[derive(Debug)]
pub(crate) struct PlannedLayer {
    layer: CompiledLayer,
    /// Memory that no run is using.
    idle: Mutex<Vec<Workspace>>,
}

impl PlannedLayer {
    pub(crate) fn new(layer: CompiledLayer) -> Self {
        Self { layer, idle: Mutex::default() }
    }
}

impl LayerKernel for PlannedLayer {
    fn run(&self, input: Values<'_>, output: &mut [f32]) {
        // a workspace holds nothing that a panic could leave half done
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = idle().pop().unwrap_or_default();
        match input {
            Values::Bytes(bytes) => self.layer.run_values(bytes, &mut workspace, output),
            Values::Floats(values) => self.layer.run(values, &mut workspace, output),
        }
        idle().push(workspace);
    }
}
