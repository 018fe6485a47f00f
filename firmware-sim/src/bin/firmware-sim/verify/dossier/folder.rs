//! The folder that a dossier is written to.
//!
//! Each file is replaced as a whole, `dossier.json` last: it has the hashes of the others, so a kill in between is seen. A
//! file with one of these names that is another's, or that somebody changed, is replaced by `--force` only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use safe_io::{SingleLine, output};

use crate::provenance;

/// All files that a dossier may have.
const NAMES: [&str; 4] = ["dossier.html", "dossier.json", "proofs.txt", "sbom.cdx.json"];

fn is_ours(bytes: &[u8]) -> bool {
    provenance::is_our_page(bytes) || provenance::is_sealed(bytes)
}

/// Refuses, before any work, a folder that cannot be written, or in which one of the files is another's or an input.
pub(in super::super) fn check(
    folder: &Path,
    inputs: &[PathBuf],
    force: bool,
) -> anyhow::Result<()> {
    if !provenance::check_folder(folder, "a dossier")? {
        return Ok(());
    }
    NAMES.into_iter().map(|name| folder.join(name)).try_for_each(|path| {
        provenance::check_is_file(&path)?;
        provenance::check(&path, inputs, force, is_ours)
    })
}

/// Writes the files, the last of them last, and takes away those of an earlier dossier that this one has not.
pub(super) fn write(folder: &Path, files: &[(String, String)], force: bool) -> anyhow::Result<()> {
    // once more: somebody may have changed a file meanwhile
    check(folder, &[], force)?;
    let unwritable = |path: &Path| format!("cannot write {}", SingleLine(path.display()));
    if !folder.is_dir() {
        fs::create_dir(folder).with_context(|| unwritable(folder))?;
    }
    for (name, text) in files {
        debug_assert!(NAMES.contains(&name.as_str()), "{name}");
        let path = folder.join(name);
        output::write(&path, text.as_bytes()).with_context(|| unwritable(&path))?;
    }
    for name in NAMES.into_iter().filter(|name| files.iter().all(|(written, _)| written != name)) {
        let path = folder.join(name);
        // `check` has seen that it is ours; of a link only the link goes
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).with_context(|| unwritable(&path))?;
        }
    }
    Ok(())
}
