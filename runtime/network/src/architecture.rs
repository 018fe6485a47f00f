//! Layers without their weights: kinds, shapes, names, parameters and multiplications.

use std::fmt;

/// `[channels, height, width]` of one image's values; a vector is `[length, 1, 1]`.
pub type Shape = [usize; 3];

/// Side and stride of the max-pooling that a convolution may end in.
pub const POOL: usize = 2;

/// What a layer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A convolution without padding, of stride 1.
    Conv {
        /// Output channels.
        maps: usize,
        /// Height and width.
        kernel: [usize; 2],
        /// Whether negative values become 0.
        relu: bool,
        /// Whether a max-pooling of [`POOL`]×[`POOL`] follows; it commutes with the ReLU.
        pool: bool,
    },
    /// A matrix product of all input values.
    Dense {
        /// Output values.
        outputs: usize,
        /// Whether negative values become 0.
        relu: bool,
    },
}

/// One layer, with the shape of what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    name: String,
    input: Shape,
    kind: Kind,
}

/// Layers in order, each taking what the one before it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    layers: Vec<Layer>,
}

/// Layers that do not fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeError {
    /// Index of the layer that does not fit.
    pub layer: usize,
    /// What it would take.
    pub input: Shape,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, input: [channels, height, width] } = self;
        write!(f, "layer {} cannot take {channels} channels of {height}x{width}", layer + 1)
    }
}

impl std::error::Error for ShapeError {}

impl Kind {
    /// Whether negative values become 0.
    #[must_use]
    pub const fn relu(self) -> bool {
        match self {
            Self::Conv { relu, .. } | Self::Dense { relu, .. } => relu,
        }
    }

    /// Whether a max-pooling follows.
    #[must_use]
    pub const fn pool(self) -> bool {
        matches!(self, Self::Conv { pool: true, .. })
    }
}

impl Layer {
    /// Such as `conv1` or `dense2`: the kind, and its number among the layers of that kind.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Shape of one image's values that go in.
    #[must_use]
    pub const fn input(&self) -> Shape {
        self.input
    }

    /// Shape of the accumulators, before a pooling.
    #[must_use]
    pub const fn accumulators(&self) -> Shape {
        let [_, height, width] = self.input;
        match self.kind {
            Kind::Conv { maps, kernel: [rows, columns], .. } => {
                [maps, height - rows + 1, width - columns + 1]
            }
            Kind::Dense { outputs, .. } => [outputs, 1, 1],
        }
    }

    /// Shape of one image's values that come out.
    #[must_use]
    pub const fn output(&self) -> Shape {
        let [maps, height, width] = self.accumulators();
        if self.kind.pool() { [maps, height / POOL, width / POOL] } else { [maps, height, width] }
    }

    /// Shape of the weights: `[out, in, rows, columns]` or `[out, in]`.
    #[must_use]
    pub fn weights(&self) -> Vec<usize> {
        match self.kind {
            Kind::Conv { maps, kernel: [rows, columns], .. } => {
                vec![maps, self.input[0], rows, columns]
            }
            Kind::Dense { outputs, .. } => vec![outputs, self.fan_in()],
        }
    }

    /// Output channels: each has a bias.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.accumulators()[0]
    }

    /// Weights of each output channel.
    #[must_use]
    pub const fn fan_in(&self) -> usize {
        let [channels, height, width] = self.input;
        match self.kind {
            Kind::Conv { kernel: [rows, columns], .. } => channels * rows * columns,
            Kind::Dense { .. } => channels * height * width,
        }
    }

    /// Weights and biases.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        self.outputs() * (self.fan_in() + 1)
    }

    /// Multiply-accumulates for one image: of all accumulators, also of those that a pooling drops.
    #[must_use]
    pub const fn macs(&self) -> usize {
        let [outputs, height, width] = self.accumulators();
        outputs * height * width * self.fan_in()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Conv { maps, kernel: [rows, columns], .. } => {
                write!(f, "Conv {rows}x{columns} {}→{maps}", self.input[0])?;
            }
            Kind::Dense { outputs, .. } => write!(f, "Dense {}→{outputs}", self.fan_in())?,
        }
        if self.kind.relu() {
            write!(f, " + ReLU")?;
        }
        if self.kind.pool() {
            write!(f, " + MaxPool {POOL}x{POOL}")?;
        }
        Ok(())
    }
}

impl Architecture {
    /// Layers of these kinds, the first of which takes images of `input`.
    ///
    /// # Errors
    /// The first layer whose kernel, or the pooling after it, is larger than what it takes, or that gives no value.
    pub fn new(input: Shape, kinds: Vec<Kind>) -> Result<Self, ShapeError> {
        let (mut convolutions, mut dense, mut input) = (0, 0, input);
        let mut layers = Vec::with_capacity(kinds.len());
        for (index, kind) in kinds.into_iter().enumerate() {
            let (name, number) = match kind {
                Kind::Conv { .. } => ("conv", &mut convolutions),
                Kind::Dense { .. } => ("dense", &mut dense),
            };
            *number += 1;
            let layer = Layer { name: format!("{name}{number}"), input, kind };
            let fits = match kind {
                Kind::Conv { kernel: [rows, columns], .. } => {
                    (1..=input[1]).contains(&rows) && (1..=input[2]).contains(&columns)
                }
                Kind::Dense { .. } => true,
            };
            if !fits || layer.fan_in() == 0 || layer.output().contains(&0) {
                return Err(ShapeError { layer: index, input });
            }
            input = layer.output();
            layers.push(layer);
        }
        Ok(Self { layers })
    }

    /// The project's reference case: LeNet with max-pooling and ReLU, on 28×28 images of one channel.
    ///
    /// Source: Y. Lecun et al. 1998, "Gradient-based learning applied to document recognition", in Caffe's variant with
    /// 20 and 50 maps and 500 hidden values.
    ///
    /// # Panics
    /// If there are no classes.
    #[must_use]
    pub fn lenet(classes: usize) -> Self {
        let conv = |maps| Kind::Conv { maps, kernel: [5, 5], relu: true, pool: true };
        let hidden = Kind::Dense { outputs: 500, relu: true };
        let last = Kind::Dense { outputs: classes, relu: false };
        Self::new([1, 28, 28], vec![conv(20), conv(50), hidden, last])
            .expect("28×28 images have room for both convolutions, and there are classes")
    }

    /// The layers in order.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Shape of one image's values that go in; of no layers, nothing.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.layers.first().map_or([0; 3], Layer::input)
    }

    /// Values of one image that come out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.output().iter().product())
    }

    /// Weights and biases of all layers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(Layer::parameters).sum()
    }

    /// Multiply-accumulates for one image.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.layers.iter().map(Layer::macs).sum()
    }
}

impl fmt::Display for Architecture {
    /// In one line, such as `1x28x28: Conv 5x5 1→20 + ReLU, Dense 11520→10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, height, width] = self.input();
        write!(f, "{channels}x{height}x{width}:")?;
        for (index, layer) in self.layers.iter().enumerate() {
            write!(f, "{} {layer}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenet_has_the_shapes_parameters_and_multiplications_that_the_literature_counts() {
        let lenet = Architecture::lenet(10);
        let outputs: Vec<Shape> = lenet.layers().iter().map(Layer::output).collect();
        assert_eq!(outputs, [[20, 12, 12], [50, 4, 4], [500, 1, 1], [10, 1, 1]]);
        let names: Vec<&str> = lenet.layers().iter().map(Layer::name).collect();
        assert_eq!(names, ["conv1", "conv2", "dense1", "dense2"]);
        let macs: Vec<usize> = lenet.layers().iter().map(Layer::macs).collect();
        assert_eq!(macs, [288_000, 1_600_000, 400_000, 5_000]);
        assert_eq!(lenet.layers()[1].weights(), [50, 20, 5, 5]);
        assert_eq!(lenet.layers()[2].weights(), [500, 800]);
        assert_eq!(lenet.outputs(), 10);
    }

    #[test]
    fn layers_that_do_not_fit_are_refused() {
        let conv = |kernel, pool| Kind::Conv { maps: 3, kernel, relu: false, pool };
        let refused = |input, kinds| Architecture::new(input, kinds).unwrap_err();
        assert_eq!(refused([1, 4, 9], vec![conv([5, 5], false)]).layer, 0);
        assert_eq!(refused([1, 9, 9], vec![conv([0, 1], false)]).layer, 0);
        let error = refused([1, 9, 9], vec![conv([8, 9], false), conv([2, 1], true)]);
        assert_eq!(error.to_string(), "layer 2 cannot take 3 channels of 2x1");
        assert!(Architecture::new([0, 9, 9], vec![conv([1, 1], false)]).is_err());
        assert!(
            Architecture::new([1, 1, 1], vec![Kind::Dense { outputs: 0, relu: true }]).is_err()
        );
    }

    #[test]
    fn a_network_is_told_in_one_line() {
        let conv = Kind::Conv { maps: 7, kernel: [3, 4], relu: true, pool: false };
        let dense = Kind::Dense { outputs: 2, relu: false };
        let network = Architecture::new([3, 5, 6], vec![conv, dense]).unwrap();
        assert_eq!(network.to_string(), "3x5x6: Conv 3x4 3→7 + ReLU, Dense 63→2");
    }
}
