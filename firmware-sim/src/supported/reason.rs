//! What keeps the firmware from taking a network, in words.

use std::fmt;

use firmware::format::{MAX_CHANNELS, MAX_LAYERS, MAX_OUTPUTS, MAX_SIDE};
use network::Activation;
use safe_io::SingleLine;

use super::{MAX_KERNEL, MAX_PICTURE_CHANNELS, MAX_WINDOW};

/// Something that keeps the firmware from taking a network: where, what, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The layer's name; empty of the whole network.
    pub layer: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a layer or a network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Operators that are none of the firmware's layers.
    Operators(String),
    /// A reshape between two layers that both see pictures.
    Reshaped,
    /// A kernel of this height and width.
    Kernel([usize; 2]),
    /// A window of a pooling, or a stride.
    Window([usize; 2]),
    /// Groups of channels.
    Groups {
        /// How many.
        groups: usize,
        /// Of so many channels.
        channels: usize,
    },
    /// As much padding as the kernel is large, so that a window may see nothing else.
    Padding,
    /// A mean of what is inside the map, where a window is partly outside.
    AverageInside,
    /// A max-pooling is the last layer.
    LastIsMaxPool,
    /// The last layer has this activation.
    LastIsActivated(Activation),
    /// A max-pooling with this activation, of a value that other layers take too or that was activated otherwise.
    ActivatedMaxPool(Activation),
    /// An activation by itself, of such a value.
    ActivatedTwice(Activation),
    /// An activation of what goes in, which may be below 0 or above 6.
    ActivatedInput(Activation),
    /// Too many layers.
    Layers(usize),
    /// Too many outputs.
    Outputs(usize),
    /// A shape that is too large.
    Shape([usize; 3]),
    /// Numbers go in where pictures may be meant; only told beside other reasons.
    FloatInput,
    /// More channels than pictures have.
    PictureChannels(usize),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, fault } = self;
        if !layer.is_empty() {
            write!(f, "{layer} ")?;
        }
        fault.fmt(f)
    }
}

const fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::Relu6 => "ReLU6",
        _ => "ReLU",
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operators(names) => write!(
                f,
                "is {}: only convolutions, dense layers, poolings, sums and ReLU run there, so leave it out or compute it outside",
                SingleLine(names)
            ),
            Self::Reshaped => f.write_str(
                "a reshape makes another picture between two layers: leave it out, or follow it by dense layers alone",
            ),
            Self::Kernel([rows, columns]) => write!(
                f,
                "has a kernel of {rows}x{columns}, at most {MAX_KERNEL}x{MAX_KERNEL} runs: use several smaller ones"
            ),
            Self::Window([rows, columns]) => write!(
                f,
                "has a window or stride of {rows}x{columns}, at most {MAX_WINDOW} runs: use several smaller ones"
            ),
            Self::Groups { groups, channels } => write!(
                f,
                "has {groups} groups of {channels} channels: use 1, or {channels} for a depthwise convolution"
            ),
            Self::Padding => {
                f.write_str("is padded by as much as its kernel is large: use less padding")
            }
            Self::AverageInside => f.write_str(
                "averages what is inside of windows that are padded: count the padding too, or leave it out",
            ),
            Self::LastIsMaxPool => {
                f.write_str("is the last layer, which gives sums: let a dense layer follow")
            }
            Self::LastIsActivated(activation) => write!(
                f,
                "is the last layer, which gives plain sums: leave out its {}",
                name(*activation)
            ),
            Self::ActivatedMaxPool(activation) => write!(
                f,
                "has a {} after max-pooling a value that other layers take: put it before the pooling",
                name(*activation)
            ),
            Self::ActivatedTwice(activation) => write!(
                f,
                "is a {} of a value that other layers take without it: let all of them take it, or none",
                name(*activation)
            ),
            Self::ActivatedInput(activation) => write!(
                f,
                "is a {} of what goes into the model: leave it out and apply it outside, or let a convolution of 1x1 come before \
                 it; a ReLU of pixels, of which the options say what they become, may stay",
                name(*activation)
            ),
            Self::Layers(found) => {
                write!(f, "has {found} layers, at most {MAX_LAYERS} run: use fewer")
            }
            Self::Outputs(found) => {
                write!(f, "has {found} outputs, at most {MAX_OUTPUTS} fit: use fewer")
            }
            Self::Shape([channels, height, width]) => write!(
                f,
                "has {channels} channels of {height}x{width}, at most {MAX_CHANNELS} channels of {MAX_SIDE}x{MAX_SIDE} fit: make pictures or layers smaller"
            ),
            Self::FloatInput => f.write_str(
                "takes float32: for pictures, say what pixels are to become; for other numbers this is no fault",
            ),
            Self::PictureChannels(found) => write!(
                f,
                "takes pictures of {found} channels, at most {MAX_PICTURE_CHANNELS} fit: use fewer, or give numbers instead of pixels"
            ),
        }
    }
}
