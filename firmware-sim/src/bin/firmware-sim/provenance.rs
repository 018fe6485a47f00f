//! Which files this program wrote: these may be replaced, another's may not.
//!
//! The rule is one for all of them: a file is ours if a hash in it is that of all else in it, so one that somebody changed
//! since is not. Where the hash is depends on the form.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, ensure};
use firmware::format::{MAGIC, VERSION, checksum};
use firmware_sim::{onnx, sha256, source};
use safe_io::{SingleLine, output};

/// How our pages say what wrote them.
pub(crate) const GENERATOR: &str = concat!("firmware-sim ", env!("CARGO_PKG_VERSION"));

/// What is before the hash of a page, in its last line.
const BEFORE_HASH: &str = "<!-- All before this line has the SHA-256 ";

/// Whether `bytes` are a model in one of the forms that `quantize` writes.
pub(crate) fn is_our_model(bytes: &[u8]) -> bool {
    is_q8(bytes) || source::is_emitted(bytes) || onnx::is_emitted(bytes)
}

/// Whether `bytes` are a `.q8` file of any version so far: all have their checksum at the end.
fn is_q8(bytes: &[u8]) -> bool {
    let version = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.first_chunk());
    let is_whole =
        |(content, stated): (&[u8], &[u8; 4])| u32::from_le_bytes(*stated) == checksum(content);
    version.is_some_and(|version| u32::from_le_bytes(*version) <= VERSION)
        && bytes.split_last_chunk().is_some_and(is_whole)
}

/// A page with a last line by which [`is_our_page`] knows it.
pub(crate) fn sealed_page(page: &str) -> String {
    let hash = sha256(page.as_bytes());
    format!("{page}\n{BEFORE_HASH}{hash} -->\n")
}

/// Whether `bytes` are a page that `verify` wrote.
pub(crate) fn is_our_page(bytes: &[u8]) -> bool {
    let page = str::from_utf8(bytes).ok();
    let page = page.and_then(|text| text.rsplit_once(BEFORE_HASH)?.0.strip_suffix('\n'));
    page.is_some_and(|page| sealed_page(page).as_bytes() == bytes)
}

/// What is before the hash within a text that has a place for it.
pub(crate) const SEAL: &str = "firmware-sim seal ";

/// A text of which the last [`SEAL`] is followed by the hash of all else in it, by which [`is_sealed`] knows it.
pub(crate) fn sealed(text: &str) -> String {
    let (before, after) = text.rsplit_once(SEAL).unwrap_or((text, ""));
    let hash = sha256([before, SEAL, after].concat().as_bytes());
    [before, SEAL, &hash, after].concat()
}

/// Whether `bytes` are a text that [`sealed`] gave.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    let Some((before, after)) = str::from_utf8(bytes).ok().and_then(|it| it.rsplit_once(SEAL))
    else {
        return false;
    };
    let after = after.get(sha256(&[]).len()..);
    after.is_some_and(|after| sealed(&[before, SEAL, after].concat()).as_bytes() == bytes)
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
    check_is_file(path)?;
    output::check_target(path, force, "--force", is_ours)
}

/// Refuses, before any work, a folder that cannot be written; gives whether it is there. `what` is what it will be.
pub(crate) fn check_folder(folder: &Path, what: &str) -> anyhow::Result<bool> {
    let shown = SingleLine(folder.display());
    if let Ok(there) = fs::metadata(folder) {
        ensure!(
            there.is_dir(),
            "cannot write {shown}: it is no folder, and {what} is a folder: name another"
        );
        return Ok(true);
    }
    ensure!(
        folder.symlink_metadata().is_err(),
        "cannot write {shown}: it is a link to what is not there: name another folder"
    );
    let parent = folder.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    let unwritable = || format!("cannot write {shown}");
    fs::read_dir(parent).with_context(unwritable)?;
    // gone at once: only to see whether there may be one; its own error has a name that nobody knows
    let trial = tempfile::tempdir_in(parent).map_err(|error| io::Error::from(error.kind()));
    trial.with_context(unwritable)?;
    Ok(false)
}

/// Refuses what stands where a file of a folder is to be, and is none: a pipe would be waited for.
pub(crate) fn check_is_file(path: &Path) -> anyhow::Result<()> {
    let is_file = fs::metadata(path).map_or(true, |there| there.is_file());
    ensure!(is_file, "cannot write {}: it is no file: name another", SingleLine(path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_ours_until_somebody_changes_it() {
        let text = sealed(&format!("{{\"{SEAL}\": 1, \"seal\": \"{SEAL}\"}}\n"));
        assert!(is_sealed(text.as_bytes()));
        let shorter = &text[..text.len() - 4];
        for other in [&text.replace(": 1", ": 2"), &text.replace('}', ""), shorter, SEAL, ""] {
            assert!(!is_sealed(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_page_is_ours_until_somebody_changes_it() {
        let page = sealed_page("<html>a page</html>");
        assert!(is_our_page(page.as_bytes()));
        for other in [
            page.replace("a page", "my page"),
            page.clone() + "mine",
            format!("mine\n{page}"),
            page.replace(" -->", ""),
            "<html><meta name=\"generator\" content=\"firmware-sim 0\">".into(),
            String::new(),
        ] {
            assert!(!is_our_page(other.as_bytes()), "{other}");
        }
    }
}
