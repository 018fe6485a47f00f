//! What went into a dossier: tools and files with their versions and hashes, and where the model and the data come from.

use std::fs;
use std::path::Path;
use std::process::Command;

use firmware_sim::board::BoardBuilder;
use firmware_sim::sha256;
use maud::html;
use serde_json::{Map, Value, json};

use super::Subject;
use super::evidence::{Evidence, Finding};
use crate::data::Source;
use crate::verify::origin::last_part;
use crate::verify::page::{facts, sources};

/// Maximum number of data files that are named one by one.
const MAX_FILES: usize = 12;

/// Programs that a dossier relies on, and how each says its version.
const TOOLS: [(&str, &str); 5] = [
    ("rustc", "--version"),
    ("cargo", "--version"),
    ("gcc", "--version"),
    ("qemu-system-arm", "--version"),
    ("qemu-system-riscv32", "--version"),
];

/// What a program calls its version, in its first line; where boards are built, since `rustc` may be another elsewhere.
pub(super) fn version(program: &str, option: &str) -> Option<String> {
    let mut command = Command::new(program);
    let sources = BoardBuilder::of_this_build().sources;
    if sources.is_dir() {
        command.current_dir(sources);
    }
    let output = command.arg(option).output().ok().filter(|it| it.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned())
}

pub(super) fn evidence(subject: &Subject) -> Evidence {
    let mut tools: Vec<(&str, String)> = TOOLS
        .iter()
        .map(|&(name, option)| (name, version(name, option).unwrap_or_else(|| "not here".into())))
        .collect();
    let lock = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        fs::read(path).map_or_else(|_| "not here".into(), |bytes| sha256(&bytes))
    };
    tools.push(("Cargo.lock, SHA-256", lock("../Cargo.lock")));
    tools.push(("firmware-sim/boards/Cargo.lock, SHA-256", lock("boards/Cargo.lock")));
    // of IDX files, all names are there that they may have
    let paths: Vec<_> = subject.test.paths.iter().filter(|path| path.is_file()).collect();
    let is_few = paths.len() <= MAX_FILES;
    let hashed = |path: &&std::path::PathBuf| {
        (
            last_part(path),
            fs::read(path).map_or_else(|_| "not readable".into(), |bytes| sha256(&bytes)),
        )
    };
    let files: Vec<(String, String)> =
        if is_few { paths.iter().map(hashed).collect() } else { vec![] };
    let html = html! {
        (sources(subject.report))
        @if is_few {
            p { "Files of the data, as they lie on disk, with their SHA-256:" }
            (facts(&files))
        } @else {
            p { "The data are " (paths.len()) " files; the SHA-256 above is of their pixels and labels." }
        }
        p { "Tools, as they are found now:" }
        (facts(&tools))
    };
    let named = |pairs: Vec<(String, String)>| -> Map<String, Value> {
        pairs.into_iter().map(|(name, value)| (name, value.into())).collect()
    };
    let tools = tools.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let report = subject.report;
    let source = |it: &crate::verify::Source| json!({ "file": it.name(), "sha256": it.hex() });
    let json = json!({
        "float": source(&report.onnx), "int8": source(&report.q8), "data": source(&report.data),
        "data_files": named(files), "tools": named(tools),
    });
    Finding::new(html, json)
        .limit("That this program was built from the commit it names: it is that of the sources as they are now; the program's own SHA-256 says which program it was")
        .limit("By which compiler this program was built: the one that is named is the one that is found now, which builds the boards")
        .into()
}

/// Where the model and the data come from, as its metadata say.
pub(super) fn provenance(subject: &Subject) -> Evidence {
    let metadata: Vec<(String, String)> = subject
        .onnx
        .graph
        .metadata
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let report = subject.report;
    let header = report.int8.header();
    let images = subject.test.content.samples().len();
    let split = match subject.test.source {
        Source::Idx => {
            "the test part of a data set in IDX files, which has a training part of its own"
        }
        Source::Pictures { is_divided: true } => {
            "the test part of a folder or list of pictures that says which are for the test"
        }
        Source::Pictures { is_divided: false } => {
            "all of a folder or list of pictures, none of which is said to be for the test"
        }
        Source::Arrays => "all arrays of a file, without labels",
    };
    let overlap = match (report.trained_on, report.training_images) {
        (Some(trained_on), _) => trained_on.to_string(),
        (None, Some(training)) => format!(
            "none of the {images} test images is one of the {training} training images, pixel by pixel"
        ),
        (None, None) => "not looked for: no training images could be read with these data".into(),
    };
    let rows = vec![
        ("compared on", format!("{images} samples: {split}")),
        ("overlap with training", overlap.clone()),
        (
            "calibrated on",
            format!("{} images; which, the file does not say", header.calibration_images.get()),
        ),
        ("made from", "the ONNX file above: its SHA-256 is in the .q8 and was compared".to_owned()),
    ];
    let html = html! {
        (facts(&rows))
        @if metadata.is_empty() {
            p { "The ONNX file says nothing of how it was made." }
        } @else {
            p { "What the ONNX file says of how it was made:" }
            (facts(&metadata))
        }
    };
    let named: Map<String, Value> =
        metadata.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let json = json!({
        "metadata": named, "samples": images, "split": split, "overlap": overlap,
        "calibration_images": header.calibration_images.get(),
    });
    let mut finding = Finding::new(html, json);
    if metadata.is_empty() {
        finding =
            finding.limit("How and on what the model was trained: the ONNX file has no metadata");
    } else {
        finding = finding.limit("That the metadata are true: they are what the trainer wrote, and any program can write others");
    }
    if report.training_images.is_none() {
        finding = finding.limit(
            "That no test image was trained on: there were no training images to compare with",
        );
    }
    finding
        .limit("That the int8 model was not calibrated on test images: the .q8 says on how many images it was, not on which")
        .limit("Likeness of test and training images that are not equal in every pixel, such as two photographs of one thing")
        .into()
}
