//! `firmware-sim quantize`: ONNX to `.q8`.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use atomic_write_file::AtomicWriteFile;
use firmware_sim::host::quantize::{calibration_images, quantize};
use runtime::idx::{self, Part};
use runtime::read_model;
use zerocopy::IntoBytes;

use crate::cli;

pub(crate) fn run(arguments: &cli::Quantize) -> anyhow::Result<()> {
    let onnx = read_model(&arguments.model)?;
    let training = idx::load(&arguments.data.folder()?, Part::Train)?;
    let calibration = calibration_images(&training.images);
    let file = quantize(&onnx, &calibration, &training.images)
        .with_context(|| arguments.model.display().to_string())?;
    write(&arguments.output, file.as_bytes())
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    writeln!(
        io::stdout(),
        "{}: {} bytes, were {}; calibrated on {} training images; confident from a margin of {} on",
        arguments.output.display(),
        file.as_bytes().len(),
        onnx.len(),
        calibration.len(),
        file.guard,
    )?;
    Ok(())
}

/// All or nothing: what was there before stays until the new file is whole.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(bytes)?;
    file.commit()
}
