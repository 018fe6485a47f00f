//! The network: LeNet with max-pooling, ReLU and one dropout.

use tch::nn::{self, ModuleT};
use tch::{Device, Kind, Tensor};

/// Classes it tells apart.
pub const CLASSES: i64 = 10;
/// Side of both convolutions' kernels; no padding.
pub const KERNEL: i64 = 5;
/// Side and stride of both poolings.
pub const POOL: i64 = 2;
/// Feature maps after the first and the second convolution.
pub const MAPS: [i64; 2] = [20, 50];
/// Features between the two dense layers.
pub const HIDDEN: i64 = 500;
/// Features that enter the first dense layer: 50 maps of 4×4.
pub const FLAT: i64 = MAPS[1] * pooled(pooled(runtime::IMAGE_SIDE as i64)).pow(2);
const _: () = assert!(FLAT == 800);

/// Probability that a hidden feature is left out of a training step.
const DROPOUT: f64 = 0.5;

/// The middle of the pixel scale; `(pixel − PIXEL_HALF) · PIXEL_SCALE` lies in −1 to 1.
pub const PIXEL_HALF: f32 = 127.5;
/// See [`PIXEL_HALF`].
pub const PIXEL_SCALE: f32 = 1.0 / PIXEL_HALF;

/// Side of a map after one convolution and one pooling.
const fn pooled(side: i64) -> i64 {
    let convolved = side - KERNEL + 1;
    convolved / POOL
}

/// The network with its weights.
#[derive(Debug)]
pub struct LeNet {
    variables: nn::VarStore,
    conv1: nn::Conv2D,
    conv2: nn::Conv2D,
    dense1: nn::Linear,
    dense2: nn::Linear,
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
    #[must_use]
    pub fn new(device: Device) -> Self {
        let variables = nn::VarStore::new(device);
        let root = variables.root();
        let convolution =
            |name, from, to| nn::conv2d(&root / name, from, to, KERNEL, nn::ConvConfig::default());
        let dense =
            |name, from, to| nn::linear(&root / name, from, to, nn::LinearConfig::default());
        Self {
            conv1: convolution("conv1", 1, MAPS[0]),
            conv2: convolution("conv2", MAPS[0], MAPS[1]),
            dense1: dense("dense1", FLAT, HIDDEN),
            dense2: dense("dense2", HIDDEN, CLASSES),
            variables,
        }
    }

    /// Logits `[batch, 10]` of `uint8 [batch, 1, 28, 28]`.
    pub fn logits(&self, pixels: &Tensor) -> Tensor {
        tch::no_grad(|| self.forward_t(pixels, false))
    }

    /// What the optimiser changes.
    #[must_use]
    pub fn variables(&self) -> &nn::VarStore {
        &self.variables
    }

    /// Copies of all weights and biases, in the order of the layers.
    ///
    /// # Panics
    /// Never: both layers of each kind are made with a bias.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        const BIAS: &str = "the default configuration has a bias";
        let tensors: [(&'static str, &Tensor); 8] = [
            ("conv1.weight", &self.conv1.ws),
            ("conv1.bias", self.conv1.bs.as_ref().expect(BIAS)),
            ("conv2.weight", &self.conv2.ws),
            ("conv2.bias", self.conv2.bs.as_ref().expect(BIAS)),
            ("dense1.weight", &self.dense1.ws),
            ("dense1.bias", self.dense1.bs.as_ref().expect(BIAS)),
            ("dense2.weight", &self.dense2.ws),
            ("dense2.bias", self.dense2.bs.as_ref().expect(BIAS)),
        ];
        tensors
            .map(|(name, tensor)| Parameter {
                name,
                shape: tensor.size(),
                values: Vec::try_from(tensor.detach().to_device(Device::Cpu).flatten(0, -1))
                    .expect("weights are float32 of one axis here"),
            })
            .into()
    }
}

impl ModuleT for LeNet {
    fn forward_t(&self, pixels: &Tensor, train: bool) -> Tensor {
        let stage = |input: &Tensor, convolution: &nn::Conv2D| {
            input.apply(convolution).relu().max_pool2d_default(POOL)
        };
        let normalized =
            (pixels.to_kind(Kind::Float) - f64::from(PIXEL_HALF)) * f64::from(PIXEL_SCALE);
        let maps = stage(&stage(&normalized, &self.conv1), &self.conv2);
        maps.flatten(1, -1).apply(&self.dense1).relu().dropout(DROPOUT, train).apply(&self.dense2)
    }
}
