//! Which networks the firmware takes, and all that keeps it from taking another.

use std::fmt;

use firmware::rows::format::{MAX_CHANNELS, MAX_LAYERS, MAX_OUTPUTS, MAX_SIDE};
use network::lowering::{Lowered, Operation, lower};
use network::onnx::Graph;
use network::{Activation, Architecture, Conv, Kind, Layer, Network, Pool, PoolMode};
use runtime::FloatInput;
use safe_io::SingleLine;

use super::error::Error;
use super::normalization;

/// Largest side of a convolution's kernel.
pub const MAX_KERNEL: usize = 11;
/// Maximum channels of a picture.
pub const MAX_PICTURE_CHANNELS: usize = 4;
/// Largest window and stride: they are bytes in the file.
const MAX_WINDOW: usize = 255;

/// What a network's input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Pixels, 0 to 255.
    Pixels,
    /// Numbers of any size, of which a unit is found by calibration.
    Numbers,
}

/// A network that the firmware takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Supported {
    /// Its layers; what happens to pixels before them is folded in, or their first.
    pub network: Network,
    /// What goes in.
    pub takes: Takes,
}

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
    /// Too many layers.
    Layers(usize),
    /// Too many outputs.
    Outputs(usize),
    /// A shape that is too large.
    Shape([usize; 3]),
    /// More channels than pictures have.
    PictureChannels(usize),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, fault } = self;
        if !layer.is_empty() {
            write!(f, "{layer} ")?;
        }
        let named = |activation: &Activation| match activation {
            Activation::Relu6 => "ReLU6",
            _ => "ReLU",
        };
        match fault {
            Fault::Operators(names) => write!(
                f,
                "is {}: only convolutions, dense layers, poolings, sums and ReLU run there, so leave it out or compute it outside",
                SingleLine(names)
            ),
            Fault::Reshaped => f.write_str(
                "a reshape makes another picture between two layers: leave it out, or follow it by dense layers alone",
            ),
            Fault::Kernel([rows, columns]) => write!(
                f,
                "has a kernel of {rows}x{columns}, at most {MAX_KERNEL}x{MAX_KERNEL} runs: use several smaller ones"
            ),
            Fault::Window([rows, columns]) => write!(
                f,
                "has a window or stride of {rows}x{columns}, at most {MAX_WINDOW} runs: use several smaller ones"
            ),
            Fault::Groups { groups, channels } => write!(
                f,
                "has {groups} groups of {channels} channels: use 1, or {channels} for a depthwise convolution"
            ),
            Fault::Padding => {
                f.write_str("is padded by as much as its kernel is large: use less padding")
            }
            Fault::AverageInside => f.write_str(
                "averages what is inside of windows that are padded: count the padding too, or leave it out",
            ),
            Fault::LastIsMaxPool => {
                f.write_str("is the last layer, which gives sums: let a dense layer follow")
            }
            Fault::LastIsActivated(activation) => write!(
                f,
                "is the last layer, which gives plain sums: leave out its {}",
                named(activation)
            ),
            Fault::ActivatedMaxPool(activation) => write!(
                f,
                "has a {} after max-pooling a value that other layers take: put it before the pooling",
                named(activation)
            ),
            Fault::Layers(found) => {
                write!(f, "has {found} layers, at most {MAX_LAYERS} run: use fewer")
            }
            Fault::Outputs(found) => {
                write!(f, "has {found} outputs, at most {MAX_OUTPUTS} fit: use fewer")
            }
            Fault::Shape([channels, height, width]) => write!(
                f,
                "has {channels} channels of {height}x{width}, at most {MAX_CHANNELS} channels of {MAX_SIDE}x{MAX_SIDE} fit: make pictures or layers smaller"
            ),
            Fault::PictureChannels(found) => write!(
                f,
                "takes pictures of {found} channels, at most {MAX_PICTURE_CHANNELS} fit: use fewer, or give numbers instead of pixels"
            ),
        }
    }
}

/// The network of `graph`, whose float input, if it has one, is made of pixels by `float_input`.
///
/// # Errors
/// [`Error::Unsupported`] with all that is in the way, or that `float_input` does not fit.
pub fn read(graph: &Graph, float_input: Option<FloatInput>) -> Result<Supported, Error> {
    let lowered = lower(graph)?;
    let mut reasons = operators(&lowered);
    let Some(whole) = lowered.network() else {
        if reasons.is_empty() {
            reasons.push(Reason { layer: String::new(), fault: Fault::Reshaped });
        }
        // what is no layer is not all that may be wrong
        for (name, step) in lowered.names().into_iter().zip(&lowered.steps) {
            if let Operation::Layer(layer, _) = &step.operation {
                reasons.extend(faults(layer).map(|fault| Reason { layer: name.clone(), fault }));
            }
        }
        return Err(Error::Unsupported { reasons });
    };
    let mut network = whole.network;
    let takes = match float_input {
        Some(_) if whole.takes_pixels => return Err(Error::AlreadyPixels),
        Some(float_input) => {
            network = normalization::of_pixels(network, float_input)?;
            Takes::Pixels
        }
        None if whole.takes_pixels => Takes::Pixels,
        None => Takes::Numbers,
    };
    let network = match activated_before_pooling(&network) {
        Ok(network) => network,
        Err(found) => {
            reasons.extend(found);
            network
        }
    };
    reasons.extend(of_network(&network, takes));
    if reasons.is_empty() {
        Ok(Supported { network, takes })
    } else {
        Err(Error::Unsupported { reasons })
    }
}

/// What tract would have to run.
fn operators(lowered: &Lowered) -> Vec<Reason> {
    let steps = lowered.names().into_iter().zip(&lowered.steps);
    let others = steps.filter(|(_, step)| matches!(step.operation, Operation::Plan(_)));
    let reason = |(number, (_, step)): (usize, (String, &network::lowering::Step))| Reason {
        layer: format!("part {}", number + 1),
        fault: Fault::Operators(step.to_string()),
    };
    others.enumerate().map(reason).collect()
}

/// What is wrong with one layer by itself.
fn faults(layer: &Layer) -> impl Iterator<Item = Fault> {
    let channels = layer.input()[0];
    let mut faults = vec![];
    let is_long = |sides: [usize; 2], limit: usize| sides.iter().any(|&side| side > limit);
    match layer.kind() {
        Kind::Conv(Conv { kernel, stride, padding, groups, .. }) => {
            if is_long(kernel, MAX_KERNEL) {
                faults.push(Fault::Kernel(kernel));
            }
            if is_long(stride, MAX_WINDOW) {
                faults.push(Fault::Window(stride));
            }
            if groups != 1 && groups != channels {
                faults.push(Fault::Groups { groups, channels });
            }
            if padding.top.max(padding.bottom) >= kernel[0]
                || padding.left.max(padding.right) >= kernel[1]
            {
                faults.push(Fault::Padding);
            }
        }
        Kind::Pool(Pool { mode, window, stride, padding, .. }) => {
            for sides in [window, stride] {
                if is_long(sides, MAX_WINDOW) {
                    faults.push(Fault::Window(sides));
                }
            }
            if mode == PoolMode::Average && !padding.is_none() {
                faults.push(Fault::AverageInside);
            }
        }
        Kind::Add { .. } | Kind::Dense { .. } => {}
    }
    faults.extend(shape(layer.output()));
    faults.into_iter()
}

/// What is wrong with a value's shape.
fn shape(shape: [usize; 3]) -> Option<Fault> {
    let [channels, height, width] = shape;
    let fits = channels <= MAX_CHANNELS.into() && height.max(width) <= MAX_SIDE.into();
    (!fits).then_some(Fault::Shape(shape))
}

/// All that is wrong with a network of layers.
fn of_network(network: &Network, takes: Takes) -> Vec<Reason> {
    let architecture = network.architecture();
    let layers = architecture.layers();
    let mut reasons = vec![];
    let mut whole = |fault| reasons.push(Reason { layer: "the network".into(), fault });
    if let Some(fault) = shape(architecture.input()) {
        whole(fault);
    }
    if takes == Takes::Pixels && architecture.input()[0] > MAX_PICTURE_CHANNELS {
        whole(Fault::PictureChannels(architecture.input()[0]));
    }
    if layers.len() > MAX_LAYERS {
        whole(Fault::Layers(layers.len()));
    }
    if architecture.outputs() > MAX_OUTPUTS {
        whole(Fault::Outputs(architecture.outputs()));
    }
    for layer in layers {
        let reason = |fault| Reason { layer: layer.name().to_owned(), fault };
        reasons.extend(faults(layer).map(reason));
    }
    if let Some(last) = layers.last() {
        let reason = |fault| Reason { layer: last.name().to_owned(), fault };
        match last.kind() {
            Kind::Pool(Pool { mode: PoolMode::Max, .. }) => {
                reasons.push(reason(Fault::LastIsMaxPool));
            }
            kind if kind.activation() != Activation::None => {
                reasons.push(reason(Fault::LastIsActivated(kind.activation())));
            }
            _ => {}
        }
    }
    reasons
}

/// The same network, in which no max-pooling has an activation: it is moved before it, where it gives the same.
///
/// What cannot be moved is told.
fn activated_before_pooling(network: &Network) -> Result<Network, Vec<Reason>> {
    let layers = network.architecture().layers();
    let mut kinds: Vec<Kind> = layers.iter().map(Layer::kind).collect();
    let readers = |value: usize| {
        layers.iter().flat_map(Layer::sources).filter(|&source| source == value).count()
    };
    let mut reasons = vec![];
    // from the end, so that what is moved to another max-pooling moves on
    for (index, layer) in layers.iter().enumerate().rev() {
        let Kind::Pool(Pool { mode: PoolMode::Max, activation, .. }) = kinds[index] else {
            continue;
        };
        if activation == Activation::None {
            continue;
        }
        let before = layer.source().checked_sub(1).map(|producer| kinds[producer].activation());
        match before {
            // a ReLU of what a ReLU gave changes nothing
            Some(before)
                if before == activation
                    || activation == Activation::Relu && before == Activation::Relu6 => {}
            Some(_) if readers(layer.source()) == 1 => {
                kinds[layer.source() - 1] = kinds[layer.source() - 1].with_activation(activation);
            }
            _ => {
                let fault = Fault::ActivatedMaxPool(activation);
                reasons.push(Reason { layer: layer.name().to_owned(), fault });
                continue;
            }
        }
        kinds[index] = kinds[index].with_activation(Activation::None);
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let kinds = layers.iter().map(Layer::source).zip(kinds);
    let architecture = Architecture::connected(network.architecture().input(), kinds)
        .expect("activations change no shapes");
    Ok(Network::new(architecture, network.affine().to_vec()))
}
