//! The folder of C source that `quantize --emit c` writes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use firmware_sim::c_source::{PATHS, Source, is_emitted, package_paths};
use safe_io::{SingleLine, output};

use crate::provenance;

/// Refuses, before any work, a folder that cannot be written, or in which a `model.h` or `model.c` is another's or an input.
///
/// Files for build systems that are another's, or that somebody has changed, are left as they are instead.
pub(crate) fn check(folder: &Path, inputs: &[PathBuf], force: bool) -> anyhow::Result<()> {
    let shown = SingleLine(folder.display());
    match fs::metadata(folder) {
        Ok(there) if !there.is_dir() => {
            bail!("cannot write {shown}: it is a file, and C source is a folder: name another")
        }
        Ok(_) => {}
        Err(_) => {
            let parent = folder.parent().filter(|parent| *parent != Path::new(""));
            let parent = parent.unwrap_or(Path::new("."));
            fs::read_dir(parent).with_context(|| format!("cannot write {shown}"))?;
            return Ok(());
        }
    }
    for path in PATHS {
        provenance::check(&folder.join(path), inputs, force, is_emitted)?;
    }
    let written = package_paths().map(|path| folder.join(path)).filter(|path| path.exists());
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    for path in written {
        output::check_not_input(&path, &inputs)
            .with_context(|| format!("cannot write {}", SingleLine(path.display())))?;
    }
    Ok(())
}

/// Writes the files, each whole; gives the paths of those that were left as they are.
pub(crate) fn write(folder: &Path, source: &Source, force: bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut kept = vec![];
    for file in &source.files {
        let path = folder.join(file.path);
        let unwritable = || format!("cannot write {}", SingleLine(path.display()));
        let is_package = !PATHS.contains(&file.path);
        if is_package && output::check_replaceable(&path, force, is_emitted).is_err() {
            kept.push(path);
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(unwritable)?;
        output::write(&path, file.text.as_bytes()).with_context(unwritable)?;
    }
    Ok(kept)
}
