//! The network: LeNet with max-pooling, ReLU and one dropout.

use tch::{Device, Kind, Tensor};

/// Side of both convolutions' kernels; no padding.
pub const KERNEL: i64 = 5;
/// Side and stride of both poolings.
pub const POOL: i64 = 2;
/// Feature maps after the first and the second convolution.
pub const MAPS: [i64; 2] = [20, 50];
/// Features between the two dense layers.
pub const HIDDEN: i64 = 500;
/// Features that enter the first dense layer: 50 maps of 4×4.
pub const FLAT: i64 = MAPS[1] * pooled(pooled(SIDE)).pow(2);
const _: () = assert!(FLAT == 800);

const SIDE: i64 = runtime::IMAGE_SIDE as i64;

/// The middle of the pixel scale; `(pixel − PIXEL_HALF) · PIXEL_SCALE` lies in −1 to 1.
pub const PIXEL_HALF: f32 = 127.5;
/// See [`PIXEL_HALF`].
pub const PIXEL_SCALE: f32 = 1.0 / PIXEL_HALF;

/// Side of a map after one convolution and one pooling.
const fn pooled(side: i64) -> i64 {
    let convolved = side - KERNEL + 1;
    convolved / POOL
}

/// Names and shapes of weights and biases, in the order of the layers.
const fn layers(classes: i64) -> [(&'static str, &'static str, [i64; 4]); 4] {
    [
        ("conv1.weight", "conv1.bias", [MAPS[0], 1, KERNEL, KERNEL]),
        ("conv2.weight", "conv2.bias", [MAPS[1], MAPS[0], KERNEL, KERNEL]),
        ("dense1.weight", "dense1.bias", [HIDDEN, FLAT, 1, 1]),
        ("dense2.weight", "dense2.bias", [classes, HIDDEN, 1, 1]),
    ]
}

/// Names of weights and biases, in the order of the layers.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    layers(0).into_iter().flat_map(|(weight, bias, _)| [weight, bias])
}

/// The network with its weights.
///
/// They lie in one tensor, so that the optimiser, the average and a checkpoint have one thing to treat. There,
/// kernels are `[out][row][column][in]`, the order in which libtorch convolves fastest on a CPU.
#[derive(Debug)]
pub struct LeNet {
    classes: i64,
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

/// One weight or bias, as the ONNX file holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Such as `conv1.weight`.
    pub name: &'static str,
    /// `[out, in, rows, columns]`, `[out, in]` or `[out]`.
    pub shape: Vec<i64>,
    /// Row-major.
    pub values: Vec<f32>,
}

impl LeNet {
    /// A network with weights drawn from libtorch's generator, which `tch::manual_seed` sets.
    ///
    /// As in PyTorch, weights and biases are uniform within ±1/√inputs.
    #[must_use]
    pub fn new(classes: i64, device: Device) -> Self {
        let drawn = layers(classes).map(|(_, _, shape)| {
            let [outputs, inputs] = [shape[0], shape[1] * shape[2] * shape[3]];
            let limit = 1.0 / (inputs as f64).sqrt();
            // drawn on the CPU, so that a seed means the same weights on every device
            Tensor::empty([outputs * (inputs + 1)], (Kind::Float, Device::Cpu))
                .uniform_(-limit, limit)
        });
        Self::from_weights(&Tensor::cat(&drawn, 0).to_device(device), classes)
    }

    /// A network of its own with a copy of these [`Self::weights`].
    ///
    /// # Panics
    /// If they are not as many as this number of classes needs.
    #[must_use]
    pub fn from_weights(weights: &Tensor, classes: i64) -> Self {
        let weights = weights.detach().copy();
        let mut leaves = Vec::new();
        let mut start = 0;
        let mut leaf = |shape: &[i64]| {
            let count = shape.iter().product();
            let part = weights.narrow(0, start, count).view(shape).detach();
            start += count;
            part
        };
        for (_, _, [outputs, inputs, rows, columns]) in layers(classes) {
            leaves.push(if rows == 1 {
                leaf(&[outputs, inputs])
            } else {
                leaf(&[outputs, rows, columns, inputs]).permute([0, 3, 1, 2])
            });
            leaves.push(leaf(&[outputs]));
        }
        assert_eq!(start, weights.size()[0], "weights of a network with {classes} classes");
        let leaves = leaves.into_iter().map(|leaf| leaf.set_requires_grad(true)).collect();
        Self { classes, weights, leaves }
    }

    /// The network of these [`Self::parameters`].
    ///
    /// # Panics
    /// If they are not all of them, in the order of the layers.
    #[must_use]
    pub fn from_parameters(parameters: &[Parameter]) -> Self {
        let classes = parameters.last().map_or(0, |bias| bias.shape[0]);
        assert!(names().eq(parameters.iter().map(|parameter| parameter.name)), "of all layers");
        let flat = parameters.iter().map(|Parameter { shape, values, .. }| {
            let tensor = Tensor::from_slice(values).view(&shape[..]);
            let tensor = if shape.len() == 4 { tensor.permute([0, 2, 3, 1]) } else { tensor };
            tensor.reshape(-1)
        });
        Self::from_weights(&Tensor::cat(&flat.collect::<Vec<_>>(), 0), classes)
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> i64 {
        self.classes
    }

    /// All weights and biases, `float32 [parameters]`; changing them changes the network.
    pub fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// How [`Self::weights`] are made up.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut start = 0;
        let layers = layers(self.classes);
        for (layer, (_, _, [rows, inputs, down, across])) in layers.into_iter().enumerate() {
            let columns = inputs * down * across;
            let role = if layer + 1 == layers.len() { Role::Last } else { Role::Hidden };
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

    /// Logits `[batch, classes]` of `[batch, 1, 28, 28]` pixels, 0 to 255, of any type.
    pub fn logits(&self, pixels: &Tensor) -> Tensor {
        tch::no_grad(|| self.forward(pixels, None))
    }

    /// [`Self::logits`] to propagate back; `dropout` multiplies the hidden features, `[batch, 500]`.
    pub fn forward(&self, pixels: &Tensor, dropout: Option<&Tensor>) -> Tensor {
        let parameter = |index: usize| &self.leaves[index];
        // ReLU after the pooling gives the same as before it, with a quarter of the work
        let stage = |input: &Tensor, layer: usize| {
            let (weight, bias) = (parameter(layer), parameter(layer + 1));
            let maps = input.conv2d(weight, Some(bias), [1, 1], [0, 0], [1, 1], 1);
            maps.max_pool2d_default(POOL).relu()
        };
        let dense = |input: &Tensor, layer: usize| {
            input.linear(parameter(layer), Some(parameter(layer + 1)))
        };
        let pixels = pixels.to_kind(Kind::Float).contiguous();
        let normalized = (pixels - f64::from(PIXEL_HALF)) * f64::from(PIXEL_SCALE);
        // the same single channel, said to be innermost: libtorch then keeps the channels innermost
        let normalized = normalized.as_strided(normalized.size(), [SIDE * SIDE, 1, SIDE, 1], None);
        let maps = stage(&stage(&normalized, 0), 2);
        let hidden = dense(&maps.flatten(1, -1), 4).relu();
        dense(&dropout.map_or(hidden.shallow_clone(), |factors| hidden * factors), 6)
    }

    /// Copies of all weights and biases, in the order of the layers.
    ///
    /// # Panics
    /// Never: every one is float32.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        names()
            .zip(&self.leaves)
            .map(|(name, leaf)| Parameter {
                name,
                shape: leaf.size(),
                values: Vec::try_from(
                    leaf.detach().to_device(Device::Cpu).contiguous().flatten(0, -1),
                )
                .expect("weights are float32 of one axis here"),
            })
            .collect()
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
        let parameters = network.parameters();
        assert_eq!(parameters.iter().map(|p| p.values.len()).sum::<usize>(), 431_080);
        // the network again, from what is exported
        let tensors: Vec<Tensor> =
            parameters.iter().map(|p| Tensor::from_slice(&p.values).view(&p.shape[..])).collect();
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
