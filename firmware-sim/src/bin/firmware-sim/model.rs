//! Reading models, and showing progress over images.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use firmware::Model;
use firmware::format::FormatError;
use firmware_sim::supported::{Supported, Takes, parse, read as read_supported};
use firmware_sim::{Error, identity};
use indicatif::{ProgressBar, ProgressStyle};
use network::onnx::{Graph, read_model};
use runtime::FloatInput;
use safe_io::SingleLine;

/// Maximum bytes of a `.q8` file: more than a microcontroller's flash by far.
const MAX_BYTES: u64 = 64 << 20;

/// An ONNX file that the firmware can run.
pub(crate) struct Onnx {
    pub(crate) bytes: Vec<u8>,
    pub(crate) graph: Graph,
    supported: Supported,
}

impl Onnx {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path, float_input: Option<FloatInput>) -> anyhow::Result<Self> {
        let bytes = read_model(path)?;
        Self::parse(bytes, float_input).with_context(|| SingleLine(path.display()).to_string())
    }

    /// The model that is built into this program.
    pub(crate) fn embedded() -> anyhow::Result<Self> {
        Self::parse(runtime::EMBEDDED_MODEL.to_vec(), None).context("embedded model")
    }

    fn parse(bytes: Vec<u8>, float_input: Option<FloatInput>) -> anyhow::Result<Self> {
        if runtime::Baked::is_baked(&bytes) {
            bail!(
                "a baked model, which cannot be quantised; give the ONNX file that it was baked from"
            );
        }
        let graph = parse(&bytes)?;
        let supported = read_supported(&graph, float_input).map_err(with_hint)?;
        Ok(Self { bytes, graph, supported })
    }

    /// `[channels, height, width]` of what goes in.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.supported.network.architecture().input()
    }

    /// What goes in.
    pub(crate) fn takes(&self) -> Takes {
        self.supported.takes
    }

    /// Outputs of the last layer.
    pub(crate) fn outputs(&self) -> usize {
        self.supported.network.architecture().outputs()
    }

    /// Refuses an int8 model that was made from another ONNX file.
    pub(crate) fn ensure_origin(&self, int8: Model<'_>) -> anyhow::Result<()> {
        let (stated, given) = (int8.header().identity, identity(&self.bytes));
        if stated == given { Ok(()) } else { Err(with_hint(Error::Origin { stated, given })) }
    }

    /// Names of the classes, if the model tells them.
    pub(crate) fn classes(&self) -> Option<Vec<String>> {
        self.graph.class_names().filter(|names| names.len() == self.outputs())
    }
}

/// Adds what a user of this command can do about it.
pub(crate) fn with_hint(error: Error) -> anyhow::Error {
    match error {
        Error::Origin { .. } => anyhow!("{error}: run `firmware-sim quantize` on this one"),
        Error::PixelsUnknown => {
            anyhow!(
                "{error}: --pixels 1 or --pixels 255, or --mean and --std, or --calibration FILE"
            )
        }
        Error::AlreadyPixels => anyhow!("{error}: leave out --pixels, --mean and --std"),
        Error::Input => anyhow!("{error}, by --pixels or --mean and --std"),
        error => error.into(),
    }
}

/// The int8 model that is in the bytes of a `.q8` file.
///
/// # Errors
/// What is wrong with them, after the file's name; and how to make such a file, if it is of another kind.
pub(crate) fn parse_q8(bytes: &[u8], name: impl Display) -> anyhow::Result<Model<'_>> {
    let parsed = Model::parse(bytes).map_err(|error| match error {
        FormatError::Magic(_) => {
            anyhow!("{error}: `firmware-sim quantize` makes one from an ONNX model")
        }
        error => error.into(),
    });
    parsed.with_context(|| name.to_string())
}

/// A `.q8` file as it is.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = SingleLine(path.display());
    read_bytes(path).with_context(|| format!("cannot read {name}"))
}

/// One byte more than a model has is enough to see that a file is none.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// On standard error, and only on a terminal.
pub(crate) fn progress_bar(count: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} {msg}, {eta} left")
        .expect("the template is constant and valid");
    ProgressBar::new(count as u64).with_style(style).with_message(what)
}
