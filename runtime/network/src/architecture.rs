//! Layers without their weights: kinds, shapes, names, parameters and multiplications.

mod kind;

use std::fmt;

use kind::write_steps;
pub use kind::{Activation, Conv, Kind, Padding, Pool, PoolMode};

/// `[channels, height, width]` of one image's values; a vector is `[length, 1, 1]`.
pub type Shape = [usize; 3];

/// Side and stride of the max-pooling that a convolution may end in.
pub const POOL: usize = 2;

/// One layer, with the shape of what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    name: String,
    source: usize,
    input: Shape,
    kind: Kind,
}

/// Layers in order, each taking what the one before it, or an earlier one, gives.
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

impl Layer {
    /// A layer by itself, whose input is value 0; `None` if its kernel is larger than what it takes.
    #[must_use]
    pub fn alone(input: Shape, kind: Kind) -> Option<Self> {
        Architecture::new(input, vec![kind]).ok()?.layers.pop()
    }

    /// A sum of two values of this shape by itself; `None` if they have no elements.
    #[must_use]
    pub fn adding(input: Shape, activation: Activation) -> Option<Self> {
        Self::alone(input, Kind::Add { other: 0, activation })
    }

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

    /// Index of the value that it takes: 0 is the network's input, and `n` what the `n`th layer gives, counted from 1.
    #[must_use]
    pub const fn source(&self) -> usize {
        self.source
    }

    /// Indices of all values that it takes, as [`Self::source`] counts them.
    pub fn sources(&self) -> impl Iterator<Item = usize> {
        let other = match self.kind {
            Kind::Add { other, .. } => Some(other),
            _ => None,
        };
        [self.source].into_iter().chain(other)
    }

    /// Shape of one image's values that go in.
    #[must_use]
    pub const fn input(&self) -> Shape {
        self.input
    }

    /// Shape of the accumulators, before a pooling that is part of the layer.
    ///
    /// # Panics
    /// Never: a layer fits its input.
    #[must_use]
    pub fn accumulators(&self) -> Shape {
        self.kind.accumulators(self.input).expect("a layer fits its input")
    }

    /// Shape of one image's values that come out.
    ///
    /// # Panics
    /// Never: a layer fits its input.
    #[must_use]
    pub fn output(&self) -> Shape {
        self.kind.output(self.input).expect("a layer fits its input")
    }

    /// Shape of the weights: `[out, in of its group, rows, columns]` or `[out, in]`; empty if there are none.
    #[must_use]
    pub fn weights(&self) -> Vec<usize> {
        match self.kind {
            Kind::Conv(Conv { maps, kernel: [rows, columns], groups, .. }) => {
                vec![maps, self.input[0] / groups, rows, columns]
            }
            Kind::Dense { outputs, .. } => vec![outputs, self.fan_in()],
            Kind::Pool(_) | Kind::Add { .. } => vec![],
        }
    }

    /// Output channels that have weights and a bias; 0 of a layer without weights.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        match self.kind {
            Kind::Conv(Conv { maps, .. }) => maps,
            Kind::Dense { outputs, .. } => outputs,
            Kind::Pool(_) | Kind::Add { .. } => 0,
        }
    }

    /// Weights of each output channel.
    #[must_use]
    pub const fn fan_in(&self) -> usize {
        let [channels, height, width] = self.input;
        match self.kind {
            Kind::Conv(Conv { kernel: [rows, columns], groups, .. }) => {
                channels / groups * rows * columns
            }
            Kind::Dense { .. } => channels * height * width,
            Kind::Pool(_) | Kind::Add { .. } => 0,
        }
    }

    /// Weights and biases.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        self.outputs() * (self.fan_in() + 1)
    }

    /// Multiply-accumulates for one image: of all accumulators, also of those that a pooling drops.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.accumulators().iter().product::<usize>() * self.fan_in()
    }
}

impl fmt::Display for Layer {
    /// In one line, such as `Conv 3x3 16→32 stride 2 pad 1 + ReLU`; uneven padding is top, left, bottom, right.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Conv(conv) => {
                let Conv { maps, kernel: [rows, columns], groups, .. } = conv;
                write!(f, "Conv {rows}x{columns} {}→{maps}", self.input[0])?;
                if groups > 1 {
                    write!(f, " groups {groups}")?;
                }
                write_steps(f, conv.stride, [1; 2], conv.padding)?;
            }
            Kind::Pool(pool) => {
                let [rows, columns] = pool.window;
                let name = match pool.mode {
                    PoolMode::Max => "MaxPool",
                    PoolMode::Average | PoolMode::AverageWithPadding => "AveragePool",
                };
                write!(f, "{name} {rows}x{columns}")?;
                // the step of a window that is alone says nothing
                let [_, height, width] = self.output();
                let usual = if [height, width] == [1; 2] { pool.stride } else { pool.window };
                write_steps(f, pool.stride, usual, pool.padding)?;
            }
            Kind::Add { .. } => write!(f, "Add")?,
            Kind::Dense { outputs, .. } => write!(f, "Dense {}→{outputs}", self.fan_in())?,
        }
        write!(f, "{}", self.kind.activation())?;
        if self.kind.pool() {
            write!(f, " + MaxPool {POOL}x{POOL}")?;
        }
        Ok(())
    }
}

impl Architecture {
    /// Layers of these kinds, each taking what the one before it gives; the first takes images of `input`.
    ///
    /// # Errors
    /// The first layer whose kernel, or the pooling after it, is larger than what it takes, that adds a value that is
    /// not there or has another shape, or that gives no value.
    pub fn new(input: Shape, kinds: Vec<Kind>) -> Result<Self, ShapeError> {
        Self::connected(input, kinds.into_iter().enumerate())
    }

    /// Layers of these kinds, each with the index of the value that it takes, as [`Layer::source`] counts them.
    ///
    /// # Errors
    /// As [`Self::new`], and a layer that takes a value that no layer before it gives.
    pub fn connected(
        input: Shape,
        kinds: impl IntoIterator<Item = (usize, Kind)>,
    ) -> Result<Self, ShapeError> {
        let mut counts = [0; 4];
        let mut shapes = vec![input];
        let mut layers = vec![];
        for (source, kind) in kinds {
            let number = match kind {
                Kind::Conv(_) => 0,
                Kind::Pool(_) => 1,
                Kind::Add { .. } => 2,
                Kind::Dense { .. } => 3,
            };
            counts[number] += 1;
            let error = ShapeError {
                layer: layers.len(),
                input: shapes.get(source).copied().unwrap_or_default(),
            };
            let input = *shapes.get(source).ok_or(error)?;
            if let Kind::Add { other, .. } = kind
                && shapes.get(other) != Some(&input)
            {
                return Err(error);
            }
            shapes.push(kind.output(input).ok_or(error)?);
            let name = format!("{}{}", kind.name(), counts[number]);
            layers.push(Layer { name, source, input, kind });
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
        let relu = Activation::Relu;
        let conv =
            |maps| Kind::Conv(Conv { activation: relu, pool: true, ..Conv::new(maps, [5, 5]) });
        let hidden = Kind::Dense { outputs: 500, activation: relu };
        let last = Kind::Dense { outputs: classes, activation: Activation::None };
        Self::new([1, 28, 28], vec![conv(20), conv(50), hidden, last])
            .expect("28×28 images have room for both convolutions, and there are classes")
    }

    /// Whether each layer takes what the one before it gives, and nothing else.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        self.layers.iter().enumerate().all(|(index, layer)| layer.sources().eq([index]))
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
        let conv = |kernel, pool| Kind::Conv(Conv { pool, ..Conv::new(3, kernel) });
        let refused = |input, kinds| Architecture::new(input, kinds).unwrap_err();
        assert_eq!(refused([1, 4, 9], vec![conv([5, 5], false)]).layer, 0);
        assert_eq!(refused([1, 9, 9], vec![conv([0, 1], false)]).layer, 0);
        let error = refused([1, 9, 9], vec![conv([8, 9], false), conv([2, 1], true)]);
        assert_eq!(error.to_string(), "layer 2 cannot take 3 channels of 2x1");
        assert!(Architecture::new([0, 9, 9], vec![conv([1, 1], false)]).is_err());
        let dense = |outputs| Kind::Dense { outputs, activation: Activation::Relu };
        assert!(Architecture::new([1, 1, 1], vec![dense(0)]).is_err());
        let grouped = |groups| Kind::Conv(Conv { groups, ..Conv::new(4, [1, 1]) });
        assert!(Architecture::new([6, 2, 2], vec![grouped(2)]).is_ok());
        for groups in [0, 3, 4] {
            assert!(Architecture::new([6, 2, 2], vec![grouped(groups)]).is_err(), "{groups}");
        }
        let stride = Kind::Conv(Conv { stride: [1, 0], ..Conv::new(1, [1, 1]) });
        assert!(Architecture::new([1, 2, 2], vec![stride]).is_err());
    }

    #[test]
    fn windows_of_padding_alone_are_refused() {
        let pool = |window: usize, stride: usize, padding| {
            let pool = Pool::new(PoolMode::Max, [window; 2]);
            Kind::Pool(Pool { stride: [stride; 2], padding, ..pool })
        };
        let new = |kind| Architecture::new([1, 5, 5], vec![kind]);
        assert!(new(pool(2, 2, Padding::even(1))).is_ok());
        assert!(new(pool(2, 2, Padding::even(2))).is_err());
        // windows of one row, at 0, 3 and 6
        assert!(new(pool(2, 3, Padding { bottom: 3, ..Padding::default() })).is_err());
    }

    #[test]
    fn a_layer_takes_what_an_earlier_one_gives() {
        let conv = |stride| {
            let conv =
                Conv { stride: [stride; 2], padding: Padding::even(1), ..Conv::new(4, [3, 3]) };
            Kind::Conv(conv)
        };
        let add = |other| Kind::Add { other, activation: Activation::Relu };
        let kinds = [(0, conv(1)), (1, conv(2)), (1, conv(2)), (3, add(2))];
        let network = Architecture::connected([3, 7, 6], kinds).unwrap();
        let outputs: Vec<Shape> = network.layers().iter().map(Layer::output).collect();
        assert_eq!(outputs, [[4, 7, 6], [4, 4, 3], [4, 4, 3], [4, 4, 3]]);
        assert!(!network.is_sequential());
        assert!(Architecture::lenet(10).is_sequential());
        let refused = |kinds: &[(usize, Kind)]| {
            Architecture::connected([3, 7, 6], kinds.iter().copied()).unwrap_err().layer
        };
        assert_eq!(refused(&[(0, conv(1)), (2, conv(1))]), 1, "there is no value 2");
        assert_eq!(refused(&[(0, conv(1)), (1, add(0))]), 1, "of another shape");
    }

    #[test]
    fn a_network_is_told_in_one_line() {
        let relu = Activation::Relu;
        let conv = Conv { activation: relu, ..Conv::new(7, [3, 4]) };
        let dense = Kind::Dense { outputs: 2, activation: Activation::None };
        let network = Architecture::new([3, 5, 6], vec![Kind::Conv(conv), dense]).unwrap();
        assert_eq!(network.to_string(), "3x5x6: Conv 3x4 3→7 + ReLU, Dense 63→2");
        let depthwise = Conv {
            stride: [2, 2],
            padding: Padding { bottom: 1, right: 1, ..Padding::default() },
            groups: 4,
            activation: Activation::Relu6,
            ..Conv::new(4, [3, 3])
        };
        let pool = |mode, window| Kind::Pool(Pool { stride: [1, 2], ..Pool::new(mode, window) });
        let add = Kind::Add { other: 2, activation: relu };
        let kinds = vec![
            Kind::Conv(depthwise),
            pool(PoolMode::Max, [2, 2]),
            add,
            pool(PoolMode::Average, [3, 2]),
        ];
        assert_eq!(
            Architecture::new([4, 8, 8], kinds).unwrap().to_string(),
            "4x8x8: Conv 3x3 4→4 groups 4 stride 2 pad 0,0,1,1 + ReLU6, MaxPool 2x2 stride 1x2, \
             Add + ReLU, AveragePool 3x2"
        );
    }
}
