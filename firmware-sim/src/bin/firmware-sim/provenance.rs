//! Which files this program wrote: these may be replaced, another's may not.

use std::path::{Path, PathBuf};

use anyhow::Context;
use firmware::format::{MAGIC, VERSION};
use firmware_sim::source;
use network::onnx;
use safe_io::{SingleLine, output};

/// How our pages say what wrote them.
pub(crate) const GENERATOR: &str = concat!("firmware-sim ", env!("CARGO_PKG_VERSION"));

/// Maximum bytes before the mark in a page.
const MAX_HEAD_BYTES: usize = 1024;

/// Whether `bytes` are a model in one of the forms that `quantize` writes.
pub(crate) fn is_our_model(bytes: &[u8]) -> bool {
    is_q8(bytes)
        || source::is_emitted(bytes)
        || onnx::producer(bytes).is_some_and(|producer| producer == env!("CARGO_PKG_NAME"))
}

/// Whether `bytes` begin as a `.q8` file of any version so far: a text may begin with the same four letters.
fn is_q8(bytes: &[u8]) -> bool {
    let version = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.first_chunk());
    version.is_some_and(|version| u32::from_le_bytes(*version) <= VERSION)
}

/// Whether `bytes` are a page that `verify` writes.
pub(crate) fn is_our_page(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    let mark = b"name=\"generator\" content=\"firmware-sim ";
    head.windows(mark.len()).any(|window| window == mark)
}

/// Refuses to write over what is read, and over what another program wrote unless `force`.
pub(crate) fn check(
    path: &Path,
    inputs: &[PathBuf],
    force: bool,
    is_ours: fn(&[u8]) -> bool,
) -> anyhow::Result<()> {
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    output::check_not_input(path, &inputs)
        .with_context(|| format!("cannot write {}", SingleLine(path.display())))?;
    output::check_target(path, force, "--force", is_ours)
}
