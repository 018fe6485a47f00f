//! Kinds of layers: what each computes, and the shape that comes of it.

use std::fmt;

use super::{POOL, Shape};

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
        /// The other value's index, see [`Layer::source`](super::Layer::source).
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
    pub(super) fn accumulators(self, input: Shape) -> Option<Shape> {
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
pub(super) fn write_steps(
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
