//! The network in libtorch: tensors of each layer of an [`Architecture`], and the way through its layers.

mod layers;

use network::Kind as LayerKind;
use network::{Activation, Affine, Architecture, Layer, Network, Normalization, POOL, Topology};
use tch::{Device, Kind, Tensor};

use layers::{BatchNorm, Leaves, convolve, pool};

/// What happens to pixels before the first layer; the exported graph does the same.
pub const NORMALIZATION: Normalization = Normalization::CENTRED;

/// A network with its weights, while it is trained.
///
/// They lie in one tensor, so that the optimiser, the average and a checkpoint have one thing to treat. There,
/// kernels are `[out][row][column][in]`, the order in which libtorch convolves fastest on a CPU. The statistics of
/// batch normalisations come last: they are averaged and kept like weights, but have no gradient.
#[derive(Debug)]
pub struct Model {
    architecture: Architecture,
    /// Of each layer, whether a batch normalisation belongs to it.
    batch_norm: Vec<bool>,
    /// `float32 [parameters + statistics]`
    weights: Tensor,
    /// Of each layer, views of `weights`, each with a gradient; none of a layer without weights.
    leaves: Vec<Option<Leaves>>,
}

/// A weight or bias within [`Model::weights`], as a matrix: `start` and then row by row.
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
    /// The same, where outputs see nothing of each other's inputs, so that they are no matrix.
    Depthwise,
    /// Weights of the last layer.
    Last,
    /// Biases, and what a batch normalisation multiplies by.
    Bias,
}

impl Model {
    /// A network with weights drawn from libtorch's generator, which `tch::manual_seed` sets.
    ///
    /// As in PyTorch, weights and biases are uniform within ±1/√inputs, and a batch normalisation changes nothing.
    ///
    /// # Panics
    /// If `batch_norm` does not tell of each layer of `architecture`.
    #[must_use]
    pub fn new(architecture: Architecture, batch_norm: Vec<bool>, device: Device) -> Self {
        let mut initial = Vec::new();
        for (layer, &is_normalized) in weighted(&architecture, &batch_norm) {
            let limit = 1.0 / (layer.fan_in() as f64).sqrt();
            // on the CPU, so that a seed means the same weights on every device
            let cpu = (Kind::Float, Device::Cpu);
            initial.push(Tensor::empty([layer.parameters() as i64], cpu).uniform_(-limit, limit));
            if is_normalized {
                let outputs = layer.outputs() as i64;
                let drawn = initial.last().expect("it was pushed");
                let _ = drawn.narrow(0, layer.parameters() as i64 - outputs, outputs).zero_();
                initial.push(Tensor::ones([outputs], cpu));
            }
        }
        let statistics = statistics(&architecture, &batch_norm);
        initial.extend(statistics.iter().flat_map(|&outputs| {
            let cpu = (Kind::Float, Device::Cpu);
            [Tensor::zeros([outputs], cpu), Tensor::ones([outputs], cpu)]
        }));
        let initial = Tensor::cat(&initial, 0).to_device(device);
        Self::from_weights(&initial, architecture, batch_norm)
    }

    /// [`Self::new`] of a written network, for images of this shape.
    ///
    /// # Errors
    /// If it does not fit them.
    pub fn of_topology(
        topology: &Topology,
        input: [usize; 3],
        classes: usize,
        device: Device,
    ) -> Result<Self, network::TopologyError> {
        let architecture = topology.architecture(input, classes)?;
        Ok(Self::new(architecture, topology.batch_norm(), device))
    }

    /// A network of the same layers, with a copy of these [`Self::weights`].
    ///
    /// # Panics
    /// If they are not as many as the layers have.
    #[must_use]
    pub fn with_weights(&self, weights: &Tensor) -> Self {
        Self::from_weights(weights, self.architecture.clone(), self.batch_norm.clone())
    }

    fn from_weights(weights: &Tensor, architecture: Architecture, batch_norm: Vec<bool>) -> Self {
        assert_eq!(architecture.layers().len(), batch_norm.len(), "each layer is told of");
        let statistics = statistics(&architecture, &batch_norm);
        let parameters: i64 = weighted(&architecture, &batch_norm)
            .map(|(layer, &is_normalized)| {
                (layer.parameters() + if is_normalized { layer.outputs() } else { 0 }) as i64
            })
            .sum();
        let expected = parameters + 2 * statistics.iter().sum::<i64>();
        assert_eq!(weights.size(), [expected], "weights of {architecture}");
        let weights = weights.detach().copy();
        let mut start = 0;
        let mut part = |shape: &[i64]| {
            let count = shape.iter().product();
            let part = weights.narrow(0, start, count).view(shape).detach();
            start += count;
            part
        };
        let mut leaves: Vec<Option<Leaves>> = vec![];
        for (layer, &is_normalized) in architecture.layers().iter().zip(&batch_norm) {
            let outputs = layer.outputs() as i64;
            leaves.push((outputs > 0).then(|| {
                let weights = match lengths(layer)[..] {
                    [outputs, inputs, rows, columns] => {
                        part(&[outputs, rows, columns, inputs]).permute([0, 3, 1, 2])
                    }
                    ref shape => part(shape),
                };
                let bias = part(&[outputs]);
                let scale = is_normalized.then(|| part(&[outputs]));
                Leaves::new(weights, bias, scale)
            }));
        }
        for norm in leaves.iter_mut().flatten().filter_map(|leaves| leaves.norm.as_mut()) {
            let outputs = norm.scale.size()[0];
            norm.mean = part(&[outputs]);
            norm.variance = part(&[outputs]);
        }
        Self { architecture, batch_norm, weights, leaves }
    }

    /// The same network in libtorch; it has no batch normalisation.
    #[must_use]
    pub fn from_network(network: &Network) -> Self {
        let layers = network.layers().filter(|(layer, _)| layer.outputs() > 0);
        let flat = layers.flat_map(|(layer, affine)| {
            let weights = Tensor::from_slice(&affine.weights).view(&lengths(layer)[..]);
            let weights = if weights.dim() == 4 { weights.permute([0, 2, 3, 1]) } else { weights };
            [weights.reshape(-1), Tensor::from_slice(&affine.bias)]
        });
        let flat = Tensor::cat(&flat.collect::<Vec<_>>(), 0);
        let architecture = network.architecture().clone();
        let batch_norm = vec![false; architecture.layers().len()];
        Self::from_weights(&flat, architecture, batch_norm)
    }

    /// The layers without their weights.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Whether a layer has a batch normalisation, so that pictures of a batch change each other's values.
    #[must_use]
    pub fn has_batch_norm(&self) -> bool {
        self.batch_norm.contains(&true)
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

    /// All weights, biases and statistics, `float32 [parameters + statistics]`; changing them changes the network.
    pub fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// How [`Self::weights`] are made up, but for the statistics.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut start = 0;
        let count = self.architecture.layers().len();
        let layers = self.architecture.layers().iter().zip(&self.batch_norm).enumerate();
        for (index, (layer, &is_normalized)) in layers.filter(|(_, (layer, _))| layer.outputs() > 0)
        {
            let (rows, columns) = (layer.outputs() as i64, layer.fan_in() as i64);
            let role = match layer.kind() {
                _ if index + 1 == count => Role::Last,
                LayerKind::Conv(conv) if conv.groups > 1 => Role::Depthwise,
                _ => Role::Hidden,
            };
            blocks.push(Block { start, rows, columns, role });
            start += rows * columns;
            for _ in 0..if is_normalized { 2 } else { 1 } {
                blocks.push(Block { start, rows, columns: 1, role: Role::Bias });
                start += rows;
            }
        }
        blocks
    }

    /// The gradient in the order of [`Self::weights`], of all that was propagated back since the last call.
    pub fn take_gradient(&self) -> Tensor {
        let leaves = || self.leaves.iter().flatten().flat_map(Leaves::trained);
        let parts: Vec<Tensor> = leaves()
            .map(|leaf| {
                let gradient = leaf.grad();
                let gradient =
                    if leaf.dim() == 4 { gradient.permute([0, 2, 3, 1]) } else { gradient };
                gradient.reshape(-1)
            })
            .collect();
        let gradient = Tensor::cat(&parts, 0);
        for leaf in leaves() {
            leaf.shallow_clone().zero_grad();
        }
        gradient
    }

    /// Mean and variance of each normalised channel over the pictures that [`Self::forward`] trained on last, in the
    /// order of the statistics in [`Self::weights`]; none without batch normalisation.
    pub(crate) fn batch_statistics(&self) -> Option<Tensor> {
        let norms = self.leaves.iter().flatten().filter_map(|leaves| leaves.norm.as_ref());
        let statistics: Vec<&Tensor> = norms.flat_map(BatchNorm::of_batch).collect();
        (!statistics.is_empty()).then(|| Tensor::cat(&statistics, 0))
    }

    /// Moves the statistics towards [`Self::batch_statistics`] of a step.
    pub(crate) fn update_statistics(&self, of_batch: &Tensor) {
        /// Part of the new ones, as in PyTorch.
        const MOMENTUM: f64 = 0.1;
        let count = of_batch.size()[0];
        let start = self.weights.size()[0] - count;
        let _ = tch::no_grad(|| self.weights.narrow(0, start, count).lerp_(of_batch, MOMENTUM));
    }

    /// Logits `[batch, classes]` of `[batch, channels, height, width]` pixels, 0 to 255, of any type.
    pub fn logits(&self, pixels: &Tensor) -> Tensor {
        tch::no_grad(|| self.forward(pixels, None))
    }

    /// [`Self::logits`] to propagate back; `dropout` multiplies what goes into the last layer, `[batch, hidden]`.
    ///
    /// With dropout it is trained: a batch normalisation takes mean and variance of these pictures.
    ///
    /// # Panics
    /// If a layer is none that a [`Topology`] has.
    pub fn forward(&self, pixels: &Tensor, dropout: Option<&Tensor>) -> Tensor {
        let pixels = pixels.to_kind(Kind::Float).contiguous();
        let Normalization { offset, scale } = NORMALIZATION;
        let mut values = channels_last(&((pixels - f64::from(offset)) * f64::from(scale)));
        let layers = self.architecture.layers();
        for (index, (layer, leaves)) in layers.iter().zip(&self.leaves).enumerate() {
            values = match (layer.kind(), leaves) {
                (LayerKind::Conv(conv), Some(leaves)) => {
                    convolve(&values, leaves, conv, dropout.is_some())
                }
                (LayerKind::Dense { .. }, Some(leaves)) => {
                    let values = if values.dim() == 4 { values.flatten(1, -1) } else { values };
                    let is_trained = dropout.is_some();
                    let dropout = dropout.filter(|_| index + 1 == layers.len());
                    let values = dropout.map_or(values.shallow_clone(), |factors| values * factors);
                    leaves.dense(&values, is_trained)
                }
                (LayerKind::Pool(of), _) => pool(&values, of),
                (other, _) => unreachable!("{other:?} is in no written network"),
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

    /// A copy of the network with its weights, out of libtorch; batch normalisations are folded into them.
    #[must_use]
    pub fn network(&self) -> Network {
        let affine = self.leaves.iter().map(|leaves| {
            leaves.as_ref().map_or(Affine { weights: vec![], bias: vec![] }, Leaves::affine)
        });
        Network::new(self.architecture.clone(), affine.collect())
    }
}

/// Layers that have weights, each with whether it is normalised.
fn weighted<'a>(
    architecture: &'a Architecture,
    batch_norm: &'a [bool],
) -> impl Iterator<Item = (&'a Layer, &'a bool)> {
    architecture.layers().iter().zip(batch_norm).filter(|(layer, _)| layer.outputs() > 0)
}

/// Channels of each layer that is normalised.
fn statistics(architecture: &Architecture, batch_norm: &[bool]) -> Vec<i64> {
    let normalized =
        weighted(architecture, batch_norm).filter(|(_, is_normalized)| **is_normalized);
    normalized.map(|(layer, _)| layer.outputs() as i64).collect()
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
        _ => images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
    }
}

#[cfg(test)]
pub(crate) mod tests;
