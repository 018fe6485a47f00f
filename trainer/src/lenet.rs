//! The network in libtorch: a tensor per weight and bias of an [`Architecture`], and the way through its layers.

use network::{
    Activation, Affine, Architecture, Conv, Kind as LayerKind, Layer, Network, Normalization, POOL,
};
use tch::{Device, Kind, Tensor};

/// What happens to pixels before the first layer; the exported graph does the same.
pub const NORMALIZATION: Normalization = Normalization::CENTRED;

/// The network with its weights.
///
/// They lie in one tensor, so that the optimiser, the average and a checkpoint have one thing to treat. There,
/// kernels are `[out][row][column][in]`, the order in which libtorch convolves fastest on a CPU.
#[derive(Debug)]
pub struct LeNet {
    architecture: Architecture,
    /// `float32 [parameters]`
    weights: Tensor,
    /// Weight and bias of each layer: views of `weights`, each with a gradient.
    leaves: Vec<Tensor>,
}

/// A weight or bias within [`LeNet::weights`], as a matrix: `start` and then row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) start: i64,
    /// Outputs.
    pub(crate) rows: i64,
    /// Inputs; of a bias one.
    pub(crate) columns: i64,
    pub(crate) role: Role,
}

/// What a block does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Weights of a layer before the last.
    Hidden,
    /// Weights of the last layer.
    Last,
    Bias,
}

impl LeNet {
    /// A network with weights drawn from libtorch's generator, which `tch::manual_seed` sets.
    ///
    /// As in PyTorch, weights and biases are uniform within ±1/√inputs.
    #[must_use]
    pub fn new(classes: i64, device: Device) -> Self {
        let architecture = Architecture::lenet(classes as usize);
        let initial = architecture.layers().iter().map(|layer| {
            let limit = 1.0 / (layer.fan_in() as f64).sqrt();
            // on the CPU, so that a seed means the same weights on every device
            Tensor::empty([layer.parameters() as i64], (Kind::Float, Device::Cpu))
                .uniform_(-limit, limit)
        });
        let initial = Tensor::cat(&initial.collect::<Vec<_>>(), 0);
        Self::from_weights(&initial.to_device(device), architecture)
    }

    /// A network of its own with a copy of these [`Self::weights`].
    ///
    /// # Panics
    /// If they are not as many as `architecture` has.
    #[must_use]
    pub fn from_weights(weights: &Tensor, architecture: Architecture) -> Self {
        assert_eq!(weights.size(), [architecture.parameters() as i64], "weights of {architecture}");
        let weights = weights.detach().copy();
        let mut leaves = Vec::new();
        let mut start = 0;
        let mut leaf = |shape: &[i64]| {
            let count = shape.iter().product();
            let part = weights.narrow(0, start, count).view(shape).detach();
            start += count;
            part
        };
        for layer in architecture.layers() {
            leaves.push(match lengths(layer)[..] {
                [outputs, inputs, rows, columns] => {
                    leaf(&[outputs, rows, columns, inputs]).permute([0, 3, 1, 2])
                }
                ref shape => leaf(shape),
            });
            leaves.push(leaf(&[layer.outputs() as i64]));
        }
        let leaves = leaves.into_iter().map(|leaf| leaf.set_requires_grad(true)).collect();
        Self { architecture, weights, leaves }
    }

    /// The same network in libtorch.
    #[must_use]
    pub fn from_network(network: &Network) -> Self {
        let flat = network.layers().flat_map(|(layer, affine)| {
            let weights = Tensor::from_slice(&affine.weights).view(&lengths(layer)[..]);
            let weights = if weights.dim() == 4 { weights.permute([0, 2, 3, 1]) } else { weights };
            [weights.reshape(-1), Tensor::from_slice(&affine.bias)]
        });
        let flat = Tensor::cat(&flat.collect::<Vec<_>>(), 0);
        Self::from_weights(&flat, network.architecture().clone())
    }

    /// The layers without their weights.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> i64 {
        self.architecture.outputs() as i64
    }

    /// Values that dropout is applied to: what goes into the last layer.
    #[must_use]
    pub fn hidden(&self) -> i64 {
        self.architecture.layers().last().map_or(0, |layer| layer.fan_in() as i64)
    }

    /// All weights and biases, `float32 [parameters]`; changing them changes the network.
    pub fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// How [`Self::weights`] are made up.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut start = 0;
        let layers = self.architecture.layers();
        for (index, layer) in layers.iter().enumerate() {
            let (rows, columns) = (layer.outputs() as i64, layer.fan_in() as i64);
            let role = if index + 1 == layers.len() { Role::Last } else { Role::Hidden };
            blocks.push(Block { start, rows, columns, role });
            start += rows * columns;
            blocks.push(Block { start, rows, columns: 1, role: Role::Bias });
            start += rows;
        }
        blocks
    }

    /// The gradient in the order of [`Self::weights`], of all that was propagated back since the last call.
    pub fn take_gradient(&self) -> Tensor {
        let parts: Vec<Tensor> = self
            .leaves
            .iter()
            .map(|leaf| {
                let gradient = leaf.grad();
                let gradient =
                    if leaf.dim() == 4 { gradient.permute([0, 2, 3, 1]) } else { gradient };
                gradient.reshape(-1)
            })
            .collect();
        let gradient = Tensor::cat(&parts, 0);
        for leaf in &self.leaves {
            leaf.shallow_clone().zero_grad();
        }
        gradient
    }

    /// Logits `[batch, classes]` of `[batch, channels, height, width]` pixels, 0 to 255, of any type.
    pub fn logits(&self, pixels: &Tensor) -> Tensor {
        tch::no_grad(|| self.forward(pixels, None))
    }

    /// [`Self::logits`] to propagate back; `dropout` multiplies what goes into the last layer, `[batch, hidden]`.
    ///
    /// # Panics
    /// If a layer is none of LeNet's.
    pub fn forward(&self, pixels: &Tensor, dropout: Option<&Tensor>) -> Tensor {
        let pixels = pixels.to_kind(Kind::Float).contiguous();
        let Normalization { offset, scale } = NORMALIZATION;
        let mut values = channels_last(&((pixels - f64::from(offset)) * f64::from(scale)));
        let layers = self.architecture.layers();
        for (index, (layer, parameters)) in layers.iter().zip(self.leaves.chunks(2)).enumerate() {
            let [weights, bias] = parameters else { continue };
            values = match layer.kind() {
                LayerKind::Conv(conv) => {
                    assert_eq!(conv.sums(), Conv::new(conv.maps, conv.kernel), "LeNet's layers");
                    values.conv2d(weights, Some(bias), [1, 1], [0, 0], [1, 1], 1)
                }
                LayerKind::Pool(_) | LayerKind::Add { .. } => unreachable!("LeNet has none"),
                LayerKind::Dense { .. } => {
                    let values = if values.dim() == 4 { values.flatten(1, -1) } else { values };
                    let dropout = dropout.filter(|_| index + 1 == layers.len());
                    let values = dropout.map_or(values.shallow_clone(), |factors| values * factors);
                    values.linear(weights, Some(bias))
                }
            };
            // ReLU after the pooling gives the same as before it, with a quarter of the work
            if layer.kind().pool() {
                values = values.max_pool2d_default(POOL as i64);
            }
            if layer.kind().activation() == Activation::Relu {
                values = values.relu();
            }
        }
        values
    }

    /// A copy of the network with its weights, out of libtorch.
    ///
    /// # Panics
    /// Never: every weight is float32.
    #[must_use]
    pub fn network(&self) -> Network {
        let values = |leaf: &Tensor| -> Vec<f32> {
            Vec::try_from(leaf.detach().to_device(Device::Cpu).contiguous().flatten(0, -1))
                .expect("weights are float32 of one axis here")
        };
        let affine = self.leaves.chunks_exact(2).map(|parameters| Affine {
            weights: values(&parameters[0]),
            bias: values(&parameters[1]),
        });
        Network::new(self.architecture.clone(), affine.collect())
    }
}

/// Shape of the weights, as libtorch wants it.
fn lengths(layer: &Layer) -> Vec<i64> {
    layer.weights().into_iter().map(|length| length as i64).collect()
}

/// The same values, of which libtorch then keeps the channels innermost.
///
/// Of a single channel it cannot tell in which order they are, so it has to be told.
fn channels_last(images: &Tensor) -> Tensor {
    match images.size()[..] {
        [_, 1, height, width] => {
            images.as_strided(images.size(), [height * width, 1, width, 1], None)
        }
        _ => images.contiguous(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_gradient_are_in_the_order_that_the_network_uses() {
        let _rng = crate::seeding::lock_rng(1);
        let network = LeNet::new(10, Device::Cpu);
        let pixels = Tensor::randint(256, [3, 1, 28, 28], (Kind::Float, Device::Cpu));
        let exported = network.network();
        assert_eq!(exported.architecture().parameters(), 431_080);
        // the network again, from what is exported
        let tensors: Vec<Tensor> = exported
            .layers()
            .flat_map(|(layer, affine)| {
                let weights = Tensor::from_slice(&affine.weights).view(&lengths(layer)[..]);
                [weights, Tensor::from_slice(&affine.bias)]
            })
            .collect();
        let stage = |input: &Tensor, at: usize| {
            let maps =
                input.conv2d(&tensors[at], Some(&tensors[at + 1]), [1, 1], [0, 0], [1, 1], 1);
            maps.relu().max_pool2d_default(2)
        };
        let normalized: Tensor = (&pixels - 127.5) / 127.5;
        let flat = stage(&stage(&normalized, 0), 2).flatten(1, -1);
        let hidden = flat.linear(&tensors[4], Some(&tensors[5])).relu();
        let expected = hidden.linear(&tensors[6], Some(&tensors[7]));
        let found = network.forward(&pixels, None);
        assert!((&found - expected).abs().max().double_value(&[]) < 1e-5);

        // a small step against the gradient lowers the sum by its squared length
        let before = found.sum(Kind::Double);
        before.backward();
        let gradient = network.take_gradient();
        let length = gradient.square().sum(Kind::Double).double_value(&[]);
        let step = 1e-3 / length.sqrt();
        let _ = tch::no_grad(|| network.weights().shallow_clone().subtract_(&(gradient * step)));
        let fell =
            before.double_value(&[]) - network.logits(&pixels).sum(Kind::Double).double_value(&[]);
        assert!((fell / (step * length) - 1.0).abs() < 0.05, "{fell} for {}", step * length);
        assert!(network.take_gradient().abs().max().double_value(&[]) < f64::EPSILON);
    }
}
