//! Which networks the firmware takes, and all that keeps it from taking another.

mod reason;

pub use reason::{Fault, Reason};

use firmware::format::{MAX_CHANNELS, MAX_LAYERS, MAX_OUTPUTS, MAX_SIDE};
use network::lowering::{Lowered, Operation, lower};
use network::onnx::Graph;
use network::{Activation, Architecture, Conv, Kind, Layer, Network, Pool, PoolMode};
use runtime::FloatInput;

use super::error::Error;
use super::{normalization, pooling};

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

/// Reads the bytes of an ONNX file.
///
/// # Errors
/// [`Error::Graph`] with all that keeps anyone from running it, or [`Error::Onnx`].
pub fn parse(onnx: &[u8]) -> Result<Graph, Error> {
    Graph::parse(onnx).map_err(|first| {
        let is_of_graph = matches!(first, network::Error::Graph(_));
        match Graph::diagnose(onnx, None) {
            Ok((_, faults)) if is_of_graph && faults.len() > 1 => Error::Graph { faults },
            _ => first.into(),
        }
    })
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
            network = normalization::of_pixels(&network, float_input)?;
            Takes::Pixels
        }
        None if whole.takes_pixels => Takes::Pixels,
        None => Takes::Numbers,
    };
    let network = match activated_before_pooling(&network, takes) {
        Ok(network) => pooling::separate(&network),
        Err(found) => {
            reasons.extend(found);
            network
        }
    };
    reasons.extend(of_network(&network, takes));
    let [_, height, width] = network.architecture().input();
    if !reasons.is_empty() && takes == Takes::Numbers && height.min(width) > 1 {
        reasons.push(Reason { layer: "the network".into(), fault: Fault::FloatInput });
    }
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
fn activated_before_pooling(network: &Network, takes: Takes) -> Result<Network, Vec<Reason>> {
    let layers = network.architecture().layers();
    let mut kinds: Vec<Kind> = layers.iter().map(Layer::kind).collect();
    let readers = |value: usize| {
        layers.iter().flat_map(Layer::sources).filter(|&source| source == value).count()
    };
    let mut reasons = vec![];
    // from the end, so that what is moved to another max-pooling moves on
    for (index, layer) in layers.iter().enumerate().rev() {
        let Kind::Pool(Pool { mode: PoolMode::Max, activation, window, .. }) = kinds[index] else {
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
            // pixels are not below 0
            None if takes == Takes::Pixels && activation == Activation::Relu => {}
            _ => {
                let fault = match before {
                    None => Fault::ActivatedInput(activation),
                    Some(_) if window == [1; 2] => Fault::ActivatedTwice(activation),
                    Some(_) => Fault::ActivatedMaxPool(activation),
                };
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
