//! `firmware-sim quantize`: ONNX to an int8 model.

use std::io::{self, Write};

use anyhow::Context;
use dataset::idx;
use dataset::idx::Part;
use firmware::Model;
use firmware_sim::quantize::{
    MAX_CONFIDENT_DISAGREEMENTS, NEVER_CONFIDENT, Options, calibration_images,
    max_disagreement_rate, quantize_with,
};
use firmware_sim::{onnx, source};
use safe_io::{SingleLine, output};
use zerocopy::IntoBytes;

use crate::cli::{self, Form};
use crate::{model, provenance};

pub(crate) fn run(arguments: &cli::Quantize) -> anyhow::Result<()> {
    let name = SingleLine(arguments.model.display());
    let output_name = SingleLine(arguments.output.display());
    let unwritable = || format!("cannot write {output_name}");
    let folder = arguments.data.folder()?;
    let inputs = [vec![arguments.model.clone()], idx::paths(&folder, Part::Train)].concat();
    provenance::check(&arguments.output, &inputs, arguments.force, provenance::is_our_model)?;
    let float = model::read_onnx(&arguments.model)?;
    let training = model::load_data(&folder, Part::Train)?;
    let calibration = calibration_images(&training.images);
    let options =
        Options { range_estimator: arguments.calibration, correct_bias: !arguments.plain_biases };
    let bar = model::progress_bar(training.images.len(), "images");
    let progress = |done: usize| bar.inc(done as u64);
    let file = quantize_with(&float, &calibration, &training.images, options, progress);
    bar.finish_and_clear();
    let file = file.with_context(|| name.to_string())?;
    let int8 = Model::new(&file).with_context(|| name.to_string())?;
    let bytes = match arguments.emit {
        Form::Q8 => file.as_bytes().to_vec(),
        Form::Onnx => onnx::emit(int8),
        Form::Rust => source::emit(int8).into_bytes(),
    };
    output::write(&arguments.output, &bytes).with_context(unwritable)?;
    let summary = format!(
        "{output_name}: {} bytes, were {}; calibrated on {} training images\n{}",
        bytes.len(),
        float.len(),
        calibration.len(),
        confidence(file.confidence_margin.get(), training.images.len())
    );
    if output::is_regular_or_absent(&arguments.output) {
        writeln!(io::stdout(), "{summary}")?;
    } else {
        let _ = writeln!(io::stderr(), "{summary}"); // the model may have gone to standard output
    }
    Ok(())
}

/// What the confidence margin is, and how far it can be relied on.
fn confidence(margin: u32, images: usize) -> String {
    let percent = max_disagreement_rate(images) * 100.0;
    if margin == NEVER_CONFIDENT {
        let needed = MAX_CONFIDENT_DISAGREEMENTS * 100.0;
        return format!(
            "never confident: {images} images only show that at most {percent:.2} % of confident answers would differ from float's (95 % confidence), and {needed:.2} % is asked for; give --data more training images"
        );
    }
    format!(
        "confident from a margin of {margin} on: at most {percent:.3} % of images like the {images} it was measured on get a confident answer that differs from float's (95 % confidence)"
    )
}
