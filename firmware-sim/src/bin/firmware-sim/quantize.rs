//! `firmware-sim quantize`: ONNX to an int8 model.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use dataset::idx::Part;
use firmware::Model;
use firmware_sim::quantize::{
    NEVER_AGREES, Options, is_classifier, max_disagreement_rate, min_margin_images,
    quantize_and_warn,
};
use firmware_sim::{onnx, source};
use safe_io::{SingleLine, output};

use crate::cli::{self, Form};
use crate::data::Wanted;
use crate::model::{Onnx, with_hint};
use crate::{c_folder, data, memory, model, provenance};

pub(crate) fn run(arguments: &cli::Quantize) -> anyhow::Result<()> {
    arguments.check_usage().unwrap_or_else(|error| error.exit());
    let name = SingleLine(arguments.model.display());
    let output_name = SingleLine(arguments.output.display());
    let unwritable = || format!("cannot write {output_name}");
    let given = arguments.given()?;
    let inputs = [vec![arguments.model.clone()], data::paths(&given, Part::Train)].concat();
    check(arguments, &inputs, arguments.force)?;
    let float_input = arguments.input.float_input()?;
    let float = Onnx::read(&arguments.model, float_input)?;
    let training = data::load(&given, Part::Train, &Wanted::of_onnx(&float))?;
    data::ensure_any(&training, given.path())?;
    // now that the pictures are known by name
    check(arguments, &training.paths, true)?;
    let calibration = training.content.calibration();
    let options = Options {
        range_estimator: arguments.range_estimator(),
        correct_bias: !arguments.plain_biases,
        float_input,
        layout: arguments.layout(),
    };
    let samples = training.content.samples();
    let bar = model::progress_bar(samples.len(), "images");
    let progress = |done: usize| bar.inc(done as u64);
    let made = quantize_and_warn(&float.bytes, calibration.samples(), samples, options, progress);
    bar.finish_and_clear();
    let (file, warnings) = made.map_err(with_hint).with_context(|| name.to_string())?;
    for warning in warnings {
        data::print_line(&format!("warning: {name}: {warning}"));
    }
    let int8 = Model::parse(&file).with_context(|| name.to_string())?;
    let bytes = match arguments.emit {
        Form::Q8 => file.clone(),
        Form::Onnx => onnx::emit(int8),
        Form::Rust => source::emit(int8).into_bytes(),
        Form::C => return c_folder::emit(arguments, int8, &float),
    };
    // once more: somebody may have changed the file meanwhile
    check(arguments, &[], arguments.force)?;
    output::write(&arguments.output, &bytes).with_context(unwritable)?;
    let inputs = float.shape().iter().product();
    let is_classifier = is_classifier(int8.outputs(), inputs, float.classes().is_some());
    let summary = format!(
        "{output_name}: {} bytes, were {}; calibrated on {} training images\n{}\n\n{}",
        bytes.len(),
        float.bytes.len(),
        calibration.samples().len(),
        agreement(int8, samples.len(), is_classifier),
        memory::text(int8)
    );
    if output::is_regular_or_absent(&arguments.output) {
        writeln!(io::stdout(), "{summary}")?;
    } else {
        let _ = writeln!(io::stderr(), "{summary}"); // the model may have gone to standard output
    }
    Ok(())
}

/// Whether what is to be written may be.
fn check(arguments: &cli::Quantize, inputs: &[PathBuf], force: bool) -> anyhow::Result<()> {
    match arguments.emit {
        Form::C => c_folder::check(&arguments.output, &arguments.name, inputs, force),
        _ => provenance::check(&arguments.output, inputs, force, provenance::is_our_model),
    }
}

/// What the agreement margin is, and how far it can be relied on.
fn agreement(model: Model<'_>, images: usize, is_classifier: bool) -> String {
    let margin = model.header().agreement_margin.get();
    if !is_classifier {
        return format!(
            "{} outputs are no classes: no answer says that it agrees with float",
            model.outputs()
        );
    }
    if margin == NEVER_AGREES {
        return format!(
            "no answer says that it agrees with float: that takes at least {} training images, and there are {images}",
            min_margin_images()
        );
    }
    let percent = max_disagreement_rate(images) * 100.0;
    format!(
        "answers agree with float from a margin of {margin} on, measured on {images} images: of images like these, at most \
         {percent:.3} % are said to agree and do not (95 % confidence)"
    )
}
