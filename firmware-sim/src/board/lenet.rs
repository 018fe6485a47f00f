//! Version 3 of the one network that the boards' programs run so far, LeNet, as version 2, which they read.

use firmware::format::{Channel, File, Model, Packed, Scales, words};
use firmware::rows;
use network::Architecture;
use zerocopy::FromZeros;

use super::BoardError;
use crate::int8::{Encoding, Int8Layer, Int8Network};

/// The same weights, biases, multipliers and scales in a file of version 2.
///
/// # Errors
/// [`BoardError::Network`] if it is another network.
pub fn version_2(model: rows::Model<'_>) -> Result<Box<File>, BoardError> {
    let network = Int8Network::of(model);
    let lenet = Architecture::lenet(firmware::geometry::CLASSES);
    let layers = network.layers.iter().map(|int8| &int8.layer);
    if network.input != Encoding::PIXEL || !layers.eq(lenet.layers()) {
        return Err(BoardError::Network);
    }
    let [conv1, conv2, dense1, dense2] = &network.layers[..] else {
        return Err(BoardError::Network);
    };
    let mut file = File::new_box_zeroed().map_err(|_| BoardError::Network)?;
    let [stage1, stage2, hidden, logits] =
        [conv1, conv2, dense1, dense2].map(|int8| int8.output.scale.to_bits().into());
    file.identity = model.header().identity;
    file.scales = Scales { stage1, stage2, hidden, logits };
    file.calibration_images = model.header().calibration_images;
    file.confidence_margin = model.header().confidence_margin;
    pack(conv1, &mut file.conv1);
    pack(conv2, &mut file.conv2);
    pack(dense1, &mut file.dense1);
    pack(dense2, &mut file.dense2);
    file.seal();
    Model::new(&file)?;
    Ok(file)
}

fn pack(int8: &Int8Layer, layer: &mut impl Packed) {
    let fan_in = int8.affine.fan_in();
    let weight = |output: usize, input: Option<usize>| {
        input.map_or(0, |input| int8.affine.weights[output * fan_in + input] as i8)
    };
    for outputs in 0..layer.channels().len() {
        for (word, inputs) in layer.words_mut(outputs) {
            *word = words::pack(
                inputs.map(|input| [weight(2 * outputs, input), weight(2 * outputs + 1, input)]),
            );
        }
    }
    let channels = layer.channels_mut().as_flattened_mut();
    for (channel, of) in channels.iter_mut().zip(&int8.channels) {
        *channel = Channel::new(of.bias.get(), of.multiplier(), of.bound.get());
    }
}
