//! `firmware-sim quantize`: ONNX to an int8 model.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use atomic_write_file::AtomicWriteFile;
use firmware_sim::Model;
use firmware_sim::host::quantize::{Options, calibration_images, quantize_with};
use firmware_sim::host::{onnx, source};
use runtime::idx::{self, Part};
use runtime::read_model;
use zerocopy::IntoBytes;

use crate::cli::{self, Form};

pub(crate) fn run(arguments: &cli::Quantize) -> anyhow::Result<()> {
    let float = read_model(&arguments.model)?;
    let training = idx::load(&arguments.data.folder()?, Part::Train)?;
    let calibration = calibration_images(&training.images);
    let options =
        Options { calibration: arguments.calibration, correct_bias: !arguments.plain_biases };
    let file = quantize_with(&float, &calibration, &training.images, options)
        .with_context(|| arguments.model.display().to_string())?;
    let model = Model::new(&file).with_context(|| arguments.model.display().to_string())?;
    let bytes = match arguments.emit {
        Form::Q8 => file.as_bytes().to_vec(),
        Form::Onnx => onnx::emit(model),
        Form::Rust => source::emit(model).into_bytes(),
    };
    write(&arguments.output, &bytes)
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    writeln!(
        io::stdout(),
        "{}: {} bytes, were {}; calibrated on {} training images; confident from a margin of {} on",
        arguments.output.display(),
        bytes.len(),
        float.len(),
        calibration.len(),
        file.guard,
    )?;
    Ok(())
}

/// All or nothing: what was there before stays until the new file is whole. A device or a pipe is written to as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(bytes)?;
    file.commit()
}
