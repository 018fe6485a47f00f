//! What models are calibrated on and compared on: IDX files, a folder of pictures for each class, or arrays of numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use dataset::Image;
use dataset::idx::{self, Part};
use firmware::Model;
use firmware_sim::Samples;
use firmware_sim::quantize::calibration_images;
use rayon::prelude::*;
use runtime::picture::{self, Limits};
use runtime::preprocess::Preparation;
use safe_io::SingleLine;
use sha2::{Digest, Sha256};

use crate::model::Onnx;

/// Endings of the files that are taken for pictures.
const ENDINGS: [&str; 11] =
    ["png", "jpg", "jpeg", "gif", "bmp", "webp", "pnm", "pbm", "pgm", "ppm", "pam"];

/// What data are wanted for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// `[channels, height, width]` of what goes in.
    shape: [usize; 3],
    /// Outputs of the last layer.
    outputs: usize,
    /// Names of the classes, if they are known.
    classes: Option<Vec<String>>,
    /// What an ONNX file says, of which some is about the preparation of pictures.
    metadata: BTreeMap<String, String>,
}

impl Wanted {
    /// For an ONNX file.
    pub(crate) fn of_onnx(onnx: &Onnx) -> Self {
        Self {
            shape: onnx.shape(),
            outputs: onnx.outputs(),
            classes: onnx.classes(),
            metadata: onnx.graph.metadata.clone(),
        }
    }

    /// For a `.q8` file, which names no classes.
    pub(crate) fn of_model(model: Model<'_>) -> Self {
        Self {
            shape: model.header().input.shape(),
            outputs: model.outputs(),
            classes: None,
            metadata: BTreeMap::new(),
        }
    }
}

/// Samples and their labels.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) content: Content,
    /// One for each sample, or none.
    pub(crate) labels: Vec<u8>,
    /// What was read to get them.
    pub(crate) paths: Vec<PathBuf>,
    /// Folders that were taken for the classes in this order, since nothing says which is which.
    pub(crate) assumed_classes: Option<Vec<String>>,
}

#[derive(Debug)]
pub(crate) enum Content {
    Images(Vec<Image>),
    Signals(Vec<Vec<f32>>),
}

impl Content {
    pub(crate) fn samples(&self) -> Samples<'_> {
        match self {
            Self::Images(images) => Samples::Images(images),
            Self::Signals(signals) => Samples::Signals(signals),
        }
    }

    /// Those to calibrate on.
    pub(crate) fn calibration(&self) -> Self {
        match self {
            Self::Images(images) => Self::Images(calibration_images(images)),
            Self::Signals(signals) => Self::Signals(calibration_images(signals)),
        }
    }

    /// One of them as a picture, if it is one.
    pub(crate) fn image(&self, index: usize) -> Option<&Image> {
        match self {
            Self::Images(images) => images.get(index),
            Self::Signals(_) => None,
        }
    }
}

/// The files that [`load`] would read at `path`, as far as their names are known.
pub(crate) fn paths(path: &Path, part: Part) -> Vec<PathBuf> {
    if path.is_dir() { idx::paths(path, part) } else { vec![path.to_owned()] }
}

/// One part of the data at `path`: of a folder the IDX files of the part or else a folder of pictures for each class, which
/// may be parted into `train` and `test`; of a file all its arrays.
pub(crate) fn load(path: &Path, part: Part, wanted: &Wanted) -> anyhow::Result<Data> {
    if path.is_file() {
        return numbers(path);
    }
    match idx::load_of_shape(path, part, wanted.shape) {
        Ok(split) => Ok(Data {
            content: Content::Images(split.images),
            labels: split.labels,
            paths: idx::paths(path, part),
            assumed_classes: None,
        }),
        Err(error @ dataset::Error::Missing { .. }) => match pictures(path, part, wanted)? {
            Some(data) => Ok(data),
            None => Err(anyhow!(
                "{error}: run trainer/run once, or copy the four IDX files there, or pass --data DIR"
            )),
        },
        Err(error) => Err(error.into()),
    }
}

/// Arrays of numbers without labels, from an IDX file.
pub(crate) fn numbers(path: &Path) -> anyhow::Result<Data> {
    let tensors = idx::load_tensors(path)?;
    Ok(Data {
        content: Content::Signals(tensors.items),
        labels: vec![],
        paths: vec![path.to_owned()],
        assumed_classes: None,
    })
}

/// The pictures in a folder for each class; `None` if there are none.
fn pictures(folder: &Path, part: Part, wanted: &Wanted) -> anyhow::Result<Option<Data>> {
    let half = folder.join(match part {
        Part::Train => "train",
        Part::Test => "test",
    });
    let folder = if half.is_dir() { &half } else { folder };
    let classes = classes(folder);
    if classes.iter().all(|(_, pictures)| pictures.is_empty()) {
        return Ok(None);
    }
    let shown = SingleLine(folder.display());
    let names: Vec<&str> = classes.iter().map(|(name, _)| name.as_str()).collect();
    let label = |name: &str, index: usize| -> anyhow::Result<usize> {
        match &wanted.classes {
            Some(known) => known.iter().position(|class| class == name).with_context(|| {
                format!(
                    "{shown} has a folder {}, which is none of the model's classes: {}",
                    SingleLine(name),
                    SingleLine(known.join(", "))
                )
            }),
            None if names.len() == wanted.outputs => Ok(index),
            None => bail!(
                "{shown} has {} folders, and the model {} classes without names: without names there must be one for each",
                names.len(),
                wanted.outputs
            ),
        }
    };
    let mut files = vec![];
    for (index, (name, pictures)) in classes.iter().enumerate().filter(|(_, it)| !it.1.is_empty()) {
        let label = u8::try_from(label(name, index)?).context("more classes than 256")?;
        files.extend(pictures.iter().map(|path| (path.clone(), label)));
    }
    let preparation = Preparation::parse(wanted.shape, &wanted.metadata)?;
    let image = |(path, _): &(PathBuf, u8)| -> anyhow::Result<Image> {
        let picture = picture::load(path, Limits::default())?;
        Ok(preparation.prepare(&picture).image)
    };
    let images: Vec<Image> = files.par_iter().map(image).collect::<anyhow::Result<_>>()?;
    let (paths, labels) = files.into_iter().unzip();
    let assumed_classes =
        wanted.classes.is_none().then(|| names.into_iter().map(str::to_owned).collect());
    Ok(Some(Data { content: Content::Images(images), labels, paths, assumed_classes }))
}

/// Folders of pictures by name, with the pictures in them; both sorted.
fn classes(folder: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let sorted = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        path.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    sorted(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .map(|path| (name(&path), sorted(&path).into_iter().filter(is_picture).collect()))
        .collect()
}

/// SHA-256 of the samples and the labels after them, unpacked: of pictures that of their IDX files.
pub(crate) fn hash(data: &Data) -> [u8; 32] {
    let mut hash = Sha256::new();
    match &data.content {
        Content::Images(images) => hash.update(idx::emit_images(images)),
        Content::Signals(signals) => {
            signals.iter().flatten().for_each(|value| hash.update(value.to_be_bytes()));
        }
    }
    if !data.labels.is_empty() {
        hash.update(idx::emit_labels(&data.labels));
    }
    hash.finalize().into()
}

/// Refuses what is empty.
pub(crate) fn ensure_any(data: &Data, path: &Path) -> anyhow::Result<()> {
    ensure!(!data.content.samples().is_empty(), "{} holds no images", SingleLine(path.display()));
    Ok(())
}
