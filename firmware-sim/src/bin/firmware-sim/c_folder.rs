//! The folder of C source that `quantize --emit c` writes.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use firmware::Model;
use firmware_sim::c_source::{self, Name, Source, is_emitted, package_paths, paths};
use safe_io::{SingleLine, output};

use crate::cli::Quantize;
use crate::model::Onnx;
use crate::{data, provenance};

/// Refuses, before any work, a folder that cannot be written, or in which the model's header or source is another's or an
/// input.
///
/// Files for build systems that are another's, or that somebody has changed, are left as they are instead.
pub(crate) fn check(
    folder: &Path,
    name: &Name,
    inputs: &[PathBuf],
    force: bool,
) -> anyhow::Result<()> {
    if !provenance::check_folder(folder, "C source")? {
        return Ok(());
    }
    let shown = SingleLine(folder.display());
    let paths = paths(name);
    let all = paths.iter().cloned().chain(package_paths().map(String::from));
    for path in all.map(|path| folder.join(path)) {
        let mut parents = path.ancestors().skip(1).take_while(|parent| *parent != folder);
        if let Some(parent) = parents.find(|parent| parent.is_file()) {
            bail!(
                "cannot write {shown}: {} is a file, and a folder is wanted there: name another folder",
                SingleLine(parent.display())
            );
        }
        provenance::check_is_file(&path)?;
    }
    if !force && let Some(other) = other_model(folder, &paths)? {
        bail!(
            "cannot write {shown}: {} is of another model, and the files for build systems are of one: name another \
             folder, or take --force",
            SingleLine(other.display())
        );
    }
    for path in paths {
        provenance::check(&folder.join(path), inputs, force, is_emitted)?;
    }
    let written = package_paths()
        .map(|path| folder.join(path))
        .filter(|path| path.exists() && output::check_replaceable(path, force, is_emitted).is_ok());
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    for path in written {
        output::check_not_input(&path, &inputs)
            .with_context(|| format!("cannot write {}", SingleLine(path.display())))?;
    }
    Ok(())
}

/// The source of a model that is called otherwise, if the folder has it.
fn other_model(folder: &Path, ours: &[String; 2]) -> anyhow::Result<Option<PathBuf>> {
    let unreadable = || format!("cannot read {}", SingleLine(folder.display()));
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let is_source = path.extension().is_some_and(|ending| ending == "c") && path.is_file();
        let is_other = ours.iter().all(|our| folder.join(our) != path);
        if is_source && is_other && fs::read(&path).is_ok_and(|bytes| is_emitted(&bytes)) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Writes the folder, and says what was written.
pub(crate) fn emit(arguments: &Quantize, int8: Model<'_>, float: &Onnx) -> anyhow::Result<()> {
    let classes = float.classes().unwrap_or_default();
    let source = c_source::emit(int8, &classes, &arguments.name)
        .with_context(|| SingleLine(arguments.model.display()).to_string())?;
    // once more: somebody may have changed a file meanwhile
    let Quantize { output: folder, name, force, .. } = arguments;
    check(folder, name, &[], *force)?;
    for path in write(folder, &source, &paths(name), *force)? {
        let path = SingleLine(path.display());
        data::print_line(&format!("{path}: left as it is, since it is not as it was written"));
    }
    let Source { memory_bytes, constant_bytes, .. } = source;
    writeln!(
        io::stdout(),
        "{}: C source, made of a model of {} bytes; calibrated on {} training images\n\n\
         RAM    {memory_bytes} bytes, besides stack\nflash  {constant_bytes} bytes, besides code",
        SingleLine(arguments.output.display()),
        float.bytes.len(),
        int8.header().calibration_images.get()
    )?;
    Ok(())
}

/// Writes the files, each whole; gives the paths of those that were left as they are.
fn write(
    folder: &Path,
    source: &Source,
    model: &[String; 2],
    force: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut kept = vec![];
    for file in &source.files {
        let path = folder.join(&file.path);
        let unwritable = || format!("cannot write {}", SingleLine(path.display()));
        let is_package = !model.contains(&file.path);
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
