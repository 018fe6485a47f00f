//! Reading int8 models and datasets, and showing progress over images.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use dataset::MNIST_SHAPE;
use dataset::idx::{self, Part, Split};
use firmware::format::{self, File, FormatError};
use indicatif::{ProgressBar, ProgressStyle};
use network::onnx::read_model;
use safe_io::SingleLine;
use zerocopy::{FromZeros, IntoBytes};

/// The bytes of an ONNX file.
pub(crate) fn read_onnx(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read_model(path)?;
    if runtime::Baked::is_baked(&bytes) {
        let name = SingleLine(path.display());
        bail!(
            "{name}: a baked model, which cannot be quantised; give the ONNX file that it was baked from"
        );
    }
    Ok(bytes)
}

/// A file as it is, of the right length.
pub(crate) fn read(path: &Path) -> anyhow::Result<Box<File>> {
    let name = SingleLine(path.display());
    let bytes = read_bytes(path).with_context(|| format!("cannot read {name}"))?;
    if bytes.len() != format::LEN {
        // what kind of file it is comes before its length: it makes the better message
        let error = firmware::Model::parse(&bytes).err();
        return Err(error.unwrap_or(FormatError::Length(bytes.len())))
            .with_context(|| name.to_string());
    }
    let mut file = File::new_box_zeroed().map_err(|_| anyhow::anyhow!("out of memory"))?;
    ensure!(size_of_val(&*file) == bytes.len());
    file.as_mut_bytes().copy_from_slice(&bytes);
    Ok(file)
}

/// One byte more than a model has is enough to see that a file is none.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(format::LEN + 1);
    fs::File::open(path)?.take(format::LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One part of the dataset in `folder`.
pub(crate) fn load_data(folder: &Path, part: Part) -> anyhow::Result<Split> {
    idx::load_of_shape(folder, part, MNIST_SHAPE).map_err(|error| match error {
        dataset::Error::Missing { .. } => anyhow!(
            "{error}: run trainer/run once, or copy the four IDX files there, or pass --data DIR"
        ),
        error => error.into(),
    })
}

/// On standard error, and only on a terminal.
pub(crate) fn progress_bar(count: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} {msg}, {eta} left")
        .expect("the template is constant and valid");
    ProgressBar::new(count as u64).with_style(style).with_message(what)
}
