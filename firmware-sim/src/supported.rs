//! Which networks the firmware engine takes: today one, whose sizes are compiled into it.

use dataset::{Image, MNIST_SHAPE};
use firmware::geometry::{CLASSES, HIDDEN, IMAGE_SIDE, KERNEL, MAPS1, MAPS2};
use network::lowering::{WholeNetwork, lower};
use network::onnx::Graph;
use network::{Activation, Architecture, Conv, Kind, Network};

use super::error::Error;

/// The network that the engine is compiled for.
///
/// # Panics
/// Never: the engine's sizes fit each other.
#[must_use]
pub fn architecture() -> Architecture {
    let conv = |maps| {
        let conv = Conv::new(maps, [KERNEL; 2]);
        Kind::Conv(Conv { activation: Activation::Relu, pool: true, ..conv })
    };
    let kinds = vec![
        conv(MAPS1),
        conv(MAPS2),
        Kind::Dense { outputs: HIDDEN, activation: Activation::Relu },
        Kind::Dense { outputs: CLASSES, activation: Activation::None },
    ];
    Architecture::new([1, IMAGE_SIDE, IMAGE_SIDE], kinds)
        .expect("the engine's sizes fit each other")
}

/// The network of `graph`, with the normalisation of its pixels folded into the first layer.
///
/// # Errors
/// What the engine would need to take it.
pub(super) fn read(graph: &Graph) -> Result<Network, Error> {
    let expected = architecture();
    let Some(WholeNetwork { network, takes_pixels }) = lower(graph)?.network() else {
        return Err(Error::Unsupported { expected, found: operators(graph) });
    };
    let found = network.architecture();
    if *found == expected {
        // the layers first: who mends the input should know that the rest fits
        let input = || Error::Input { found: graph.inputs[0].to_string() };
        return takes_pixels.then_some(network).ok_or_else(input);
    }
    let hidden = |architecture: &Architecture| {
        architecture.layers().split_last().map(|(_, hidden)| hidden.to_vec())
    };
    if hidden(found) == hidden(&expected) && found.outputs() != expected.outputs() {
        return Err(Error::Classes { found: found.outputs() });
    }
    Err(Error::Unsupported { found: found.to_string(), expected })
}

/// Refuses images that the engine does not take.
pub(super) fn check_images(images: &[Image]) -> Result<(), Error> {
    Ok(images.iter().try_for_each(|image| image.check_shape(MNIST_SHAPE))?)
}

/// The first operators of a graph.
fn operators(graph: &Graph) -> String {
    const LISTED: usize = 8;
    let operators = graph.nodes.iter().map(|node| node.op.as_str());
    let text = operators.take(LISTED).collect::<Vec<_>>().join(" → ");
    match graph.nodes.len() {
        all if all > LISTED => format!("{text} → … ({all} operators)"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use firmware::LayerId;
    use runtime::EMBEDDED_MODEL;

    use super::*;

    #[test]
    fn the_engine_takes_the_reference_case_under_the_same_names() {
        assert_eq!(architecture(), Architecture::lenet(CLASSES));
        let architecture = architecture();
        let names = architecture.layers().iter().map(network::Layer::name);
        assert!(names.eq(LayerId::ALL.map(LayerId::name)));
        assert!(read(&Graph::parse(EMBEDDED_MODEL).unwrap()).is_ok());
    }
}
