//! `firmware-sim quantize`: ONNX to an int8 model.

use std::io::{self, Write};

use anyhow::Context;
use dataset::idx;
use dataset::idx::Part;
use firmware::Model;
use firmware_sim::quantize::{Options, calibration_images, quantize_with};
use firmware_sim::{onnx, source};
use network::onnx::read_model;
use safe_io::{SingleLine, output};
use zerocopy::IntoBytes;

use crate::cli::{self, Form};

pub(crate) fn run(arguments: &cli::Quantize) -> anyhow::Result<()> {
    let name = SingleLine(arguments.model.display());
    let output_name = SingleLine(arguments.output.display());
    let unwritable = || format!("cannot write {output_name}");
    output::check_not_input(&arguments.output, &[&arguments.model]).with_context(unwritable)?;
    let float = read_model(&arguments.model)?;
    let training = idx::load(&arguments.data.folder()?, Part::Train)?;
    let calibration = calibration_images(&training.images);
    let options =
        Options { range_estimator: arguments.calibration, correct_bias: !arguments.plain_biases };
    let file = quantize_with(&float, &calibration, &training.images, options)
        .with_context(|| name.to_string())?;
    let model = Model::new(&file).with_context(|| name.to_string())?;
    let bytes = match arguments.emit {
        Form::Q8 => file.as_bytes().to_vec(),
        Form::Onnx => onnx::emit(model),
        Form::Rust => source::emit(model).into_bytes(),
    };
    output::write(&arguments.output, &bytes).with_context(unwritable)?;
    writeln!(
        io::stdout(),
        "{output_name}: {} bytes, were {}; calibrated on {} training images; confident from a margin of {}",
        bytes.len(),
        float.len(),
        calibration.len(),
        file.confidence_margin,
    )?;
    Ok(())
}
