//! Layers without their weights: kinds, shapes, names, parameters and multiplications.

use std::fmt;

/// `[channels, height, width]` of one image's values; a vector is `[length, 1, 1]`.
pub type Shape = [usize; 3];

/// Side and stride of the max-pooling that a convolution may end in.
pub const POOL: usize = 2;

/// Function of each value that a layer gives, clamping it to a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// Negative values become 0.
    Relu,
    /// Values are clamped to 0 to 6.
    Relu6,
}

/// A convolution: each output channel is a weighted sum over the kernel's window of its group's input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Output channels, a multiple of the groups.
    pub maps: usize,
    /// Height and width.
    pub kernel: [usize; 2],
    /// Steps down and to the right from one window to the next.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Groups of channels that see nothing of each other; as many as input channels in a depthwise convolution.
    pub groups: usize,
    /// What happens to the sums.
    pub activation: Activation,
    /// Whether a max-pooling of [`POOL`]×[`POOL`] with that stride follows; it commutes with the activation.
    pub pool: bool,
}

/// A pooling: one value for each window of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// What is computed of the window.
    pub mode: PoolMode,
    /// Height and width.
    pub window: [usize; 2],
    /// Steps down and to the right from one window to the next.
    pub stride: [usize; 2],
    /// Room around the input.
    pub padding: Padding,
    /// What happens to the result.
    pub activation: Activation,
}

/// What a pooling computes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// The largest value; padding has none.
    Max,
    /// The mean of the values; padding has none.
    Average,
    /// The mean, where padding counts as zeros.
    AverageWithPadding,
}

/// Rows and columns around a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns on the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns on the right.
    pub right: usize,
}

/// What a layer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A convolution.
    Conv(Conv),
    /// A pooling that is no part of a convolution.
    Pool(Pool),
    /// The sum of the layer's input and an earlier value of the same shape.
    Add {
        /// The other value's index, see [`Layer::source`].
        other: usize,
        /// What happens to the sums.
        activation: Activation,
    },
    /// A matrix product of all input values.
    Dense {
        /// Output values.
        outputs: usize,
        /// What happens to the sums.
        activation: Activation,
    },
}

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

impl Activation {
    /// Smallest and largest value that it lets through.
    #[must_use]
    pub const fn range(self) -> [f32; 2] {
        match self {
            Self::None => [f32::NEG_INFINITY, f32::INFINITY],
            Self::Relu => [0.0, f32::INFINITY],
            Self::Relu6 => [0.0, 6.0],
        }
    }

    /// Clamps one value; a NaN stays one, so that whoever looks for it sees it.
    #[must_use]
    pub fn apply(self, value: f32) -> f32 {
        let [floor, ceiling] = self.range();
        value.clamp(floor, ceiling)
    }
}

impl Padding {
    /// The same on all four sides.
    #[must_use]
    pub const fn even(side: usize) -> Self {
        Self { top: side, left: side, bottom: side, right: side }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(self) -> bool {
        matches!(self, Self { top: 0, left: 0, bottom: 0, right: 0 })
    }
}

impl Conv {
    /// Without padding, groups, activation and pooling, of stride 1.
    #[must_use]
    pub const fn new(maps: usize, kernel: [usize; 2]) -> Self {
        Self {
            maps,
            kernel,
            stride: [1; 2],
            padding: Padding { top: 0, left: 0, bottom: 0, right: 0 },
            groups: 1,
            activation: Activation::None,
            pool: false,
        }
    }

    /// The sums alone: without activation and pooling.
    #[must_use]
    pub const fn sums(self) -> Self {
        Self { activation: Activation::None, pool: false, ..self }
    }
}

impl Pool {
    /// Windows side by side, without padding and activation.
    #[must_use]
    pub const fn new(mode: PoolMode, window: [usize; 2]) -> Self {
        let padding = Padding { top: 0, left: 0, bottom: 0, right: 0 };
        Self { mode, window, stride: window, padding, activation: Activation::None }
    }
}

/// Windows along both axes; `None` if there is no room for one, or a step is 0.
fn windows(
    [height, width]: [usize; 2],
    [rows, columns]: [usize; 2],
    [down, right]: [usize; 2],
    padding: Padding,
) -> Option<[usize; 2]> {
    let along = |length: usize, before: usize, after: usize, window: usize, step: usize| {
        let room = length.checked_add(before)?.checked_add(after)?.checked_sub(window)?;
        (window > 0).then_some(room.checked_div(step)? + 1)
    };
    Some([
        along(height, padding.top, padding.bottom, rows, down)?,
        along(width, padding.left, padding.right, columns, right)?,
    ])
}

impl Kind {
    /// What layers of this kind are called, before their number.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::Pool(_) => "pool",
            Self::Add { .. } => "add",
            Self::Dense { .. } => "dense",
        }
    }

    /// What happens to the results.
    #[must_use]
    pub const fn activation(self) -> Activation {
        match self {
            Self::Conv(Conv { activation, .. })
            | Self::Pool(Pool { activation, .. })
            | Self::Add { activation, .. }
            | Self::Dense { activation, .. } => activation,
        }
    }

    /// The same with another activation.
    #[must_use]
    pub const fn with_activation(self, activation: Activation) -> Self {
        match self {
            Self::Conv(conv) => Self::Conv(Conv { activation, ..conv }),
            Self::Pool(pool) => Self::Pool(Pool { activation, ..pool }),
            Self::Add { other, .. } => Self::Add { other, activation },
            Self::Dense { outputs, .. } => Self::Dense { outputs, activation },
        }
    }

    /// Whether a max-pooling is part of it.
    #[must_use]
    pub const fn pool(self) -> bool {
        matches!(self, Self::Conv(Conv { pool: true, .. }))
    }

    /// Shape of the sums, before a pooling that is part of it; `None` if it cannot take `input`.
    fn accumulators(self, input: Shape) -> Option<Shape> {
        let [channels, height, width] = input;
        match self {
            Self::Conv(conv) => {
                let [rows, columns] =
                    windows([height, width], conv.kernel, conv.stride, conv.padding)?;
                let grouped = conv.groups > 0
                    && channels.is_multiple_of(conv.groups)
                    && conv.maps.is_multiple_of(conv.groups);
                grouped.then_some([conv.maps, rows, columns])
            }
            Self::Pool(pool) => {
                let Padding { top, left, bottom, right } = pool.padding;
                // so that each window sees a value
                let inside = top.max(bottom) < pool.window[0] && left.max(right) < pool.window[1];
                let [rows, columns] =
                    windows([height, width], pool.window, pool.stride, pool.padding)?;
                let last = |windows: usize, step: usize, before: usize| {
                    (windows - 1).checked_mul(step).map(|at| at.saturating_sub(before))
                };
                let sees = last(rows, pool.stride[0], top)? < height
                    && last(columns, pool.stride[1], left)? < width;
                (inside && sees).then_some([channels, rows, columns])
            }
            Self::Add { .. } => Some(input),
            Self::Dense { outputs, .. } => Some([outputs, 1, 1]),
        }
    }

    /// Shape of what it gives; `None` if it cannot take `input`, or gives no value.
    #[must_use]
    pub fn output(self, input: Shape) -> Option<Shape> {
        let [maps, height, width] = self.accumulators(input)?;
        let output =
            if self.pool() { [maps, height / POOL, width / POOL] } else { [maps, height, width] };
        (!output.contains(&0) && !input.contains(&0)).then_some(output)
    }
}

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

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Relu => " + ReLU",
            Self::Relu6 => " + ReLU6",
        })
    }
}

/// What is unusual about windows: their stride and padding.
fn write_steps(
    f: &mut fmt::Formatter<'_>,
    stride: [usize; 2],
    usual: [usize; 2],
    padding: Padding,
) -> fmt::Result {
    match stride {
        stride if stride == usual => {}
        [down, right] if down == right => write!(f, " stride {down}")?,
        [down, right] => write!(f, " stride {down}x{right}")?,
    }
    let Padding { top, left, bottom, right } = padding;
    match padding {
        _ if padding.is_none() => Ok(()),
        _ if padding == Padding::even(top) => write!(f, " pad {top}"),
        _ => write!(f, " pad {top},{left},{bottom},{right}"),
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
