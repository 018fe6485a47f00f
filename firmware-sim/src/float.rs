//! The float network that an int8 one is made of, in fast kernels, with what every layer gives.

use network::{Kind, Network};
use runtime::evaluate::BATCH;
use runtime::{CompiledLayer, Instructions, Workspace};

/// Maximum values of all images of a batch that are held at once: 16 MB of them.
const BATCH_VALUES: usize = 1 << 22;

/// A float network ready to run.
#[derive(Debug)]
pub struct FloatNetwork {
    network: Network,
    layers: Vec<CompiledLayer>,
}

impl FloatNetwork {
    /// Compiles the layers for the fastest instructions of this machine.
    #[must_use]
    pub fn new(network: Network) -> Self {
        let compile = |(layer, affine)| CompiledLayer::new(layer, affine, Instructions::default());
        let layers = network.layers().map(compile).collect();
        Self { network, layers }
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Outputs of the last layer.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.network.architecture().outputs()
    }

    /// Images that are worked on at once.
    pub(crate) fn batch(&self) -> usize {
        let values: usize = self.layers.iter().map(CompiledLayer::outputs).sum();
        (BATCH_VALUES / values.max(1)).clamp(1, BATCH)
    }

    /// What each layer gives of one input, `[channel][row][column]`.
    pub(crate) fn activations(&self, input: &[f32], workspace: &mut Workspace) -> Vec<Vec<f32>> {
        let mut activations: Vec<Vec<f32>> = vec![];
        for compiled in &self.layers {
            let layer = compiled.layer();
            let value = |number: usize| match number.checked_sub(1) {
                None => input,
                Some(layer) => &activations[layer],
            };
            let mut output = vec![0.0; compiled.outputs()];
            match layer.kind() {
                Kind::Add { other, .. } => {
                    let pairs = value(layer.source()).iter().zip(value(other));
                    let sum: Vec<f32> = pairs.map(|(a, b)| a + b).collect();
                    compiled.run(&sum, workspace, &mut output);
                }
                _ => compiled.run(value(layer.source()), workspace, &mut output),
            }
            activations.push(output);
        }
        activations
    }
}

/// The last of the layers' activations.
pub(crate) fn logits(activations: &[Vec<f32>]) -> &[f32] {
    activations.last().map_or(&[], Vec::as_slice)
}
