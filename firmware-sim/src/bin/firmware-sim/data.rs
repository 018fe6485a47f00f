//! What models are calibrated on and compared on: IDX files, pictures in a folder per class or a CSV file, or arrays of
//! numbers.

mod selection;

pub(crate) use selection::evenly_spaced;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, ensure};
use dataset::folder::{self, OF_NO_CLASS, Subset};
use dataset::idx::{self, Part};
use dataset::{Dimensions, Image, ImageError};
use firmware::Model;
use firmware_sim::quantize::calibration_images;
use firmware_sim::supported::Takes;
use firmware_sim::{Samples, samples};
use runtime::labelled;
use runtime::picture::Limits;
use runtime::preprocess::Preparation;
use safe_io::SingleLine;
use sha2::{Digest, Sha256};

use crate::cli::Given;
use crate::model::Onnx;

/// Maximum number of files that were not taken and are named.
const MAX_REFUSED: usize = 10;

/// What data are wanted for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// `[channels, height, width]` of what goes in.
    shape: [usize; 3],
    /// Whether the model takes numbers, since nobody said what pixels become.
    takes: Takes,
    /// Outputs of the last layer.
    outputs: usize,
    /// Names of the classes, if they are known.
    classes: Option<Vec<String>>,
    /// What an ONNX file says, of which some is about the preparation of pictures.
    metadata: BTreeMap<String, String>,
    /// Whether files that cannot be read are to be named.
    names_refused: bool,
    /// The flag that arrays of numbers are given by.
    arrays_by: &'static str,
}

impl Wanted {
    /// For an ONNX file.
    pub(crate) fn of_onnx(onnx: &Onnx) -> Self {
        Self {
            shape: onnx.shape(),
            takes: onnx.takes(),
            outputs: onnx.outputs(),
            classes: onnx.classes(),
            metadata: onnx.graph.metadata.clone(),
            names_refused: true,
            arrays_by: "--calibration",
        }
    }

    /// For a `.q8` file, which names no classes.
    pub(crate) fn of_model(model: Model<'_>) -> Self {
        Self {
            shape: model.header().input.shape(),
            takes: samples::takes(model),
            outputs: model.outputs(),
            classes: None,
            metadata: BTreeMap::new(),
            names_refused: true,
            arrays_by: "--calibration",
        }
    }

    /// The same, for a command that takes arrays by `--data` alone.
    pub(crate) fn arrays_by_data(self) -> Self {
        Self { arrays_by: "--data", ..self }
    }

    /// Whether the classes have names.
    pub(crate) const fn has_names(&self) -> bool {
        self.classes.is_some()
    }

    /// What to give instead of pictures of another shape, or of none.
    fn instead(&self) -> String {
        let Self { takes, arrays_by, .. } = self;
        match takes {
            Takes::Pixels => {
                "give --data with a folder of pictures for each class or an IDX file of that shape"
                    .into()
            }
            Takes::Numbers => format!(
                "give {arrays_by} FILE, an IDX file of arrays of that shape; or, if they are pictures, --data, and --pixels or \
                 --mean and --std"
            ),
        }
    }

    /// The same, for data whose refused files were named already.
    pub(crate) fn silently(self) -> Self {
        Self { names_refused: false, ..self }
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
    /// What they lie in.
    pub(crate) source: Source,
    /// Pictures that are of no class: of them, the device should say so.
    pub(crate) of_no_class: Vec<Image>,
}

/// What samples lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The IDX files of training and test images.
    Idx,
    /// An IDX file of arrays without labels.
    Arrays,
    /// A folder for each class, or a CSV file, by class.
    Pictures {
        /// Whether it says which are for training or for the test.
        is_divided: bool,
    },
}

impl Source {
    /// What is compared, when the part of the test was asked for.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Idx | Self::Pictures { is_divided: true } => "test images",
            Self::Pictures { is_divided: false } => {
                "images, none of which is said to be for the test"
            }
            Self::Arrays => "arrays",
        }
    }
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

    /// Those of these numbers.
    ///
    /// # Panics
    /// If there are none of these numbers.
    pub(crate) fn chosen(&self, numbers: &[usize]) -> Self {
        match self {
            Self::Images(images) => {
                Self::Images(numbers.iter().map(|&number| images[number].clone()).collect())
            }
            Self::Signals(signals) => {
                Self::Signals(numbers.iter().map(|&number| signals[number].clone()).collect())
            }
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

/// The files that [`load`] would read, as far as their names are known.
pub(crate) fn paths(given: &Given, part: Part) -> Vec<PathBuf> {
    let path = given.path();
    if path.is_dir() { idx::paths(path, part) } else { vec![path.to_owned()] }
}

/// One part of the data: the IDX files of the part; pictures in a folder per class or a CSV file, which may be divided
/// into training and test; or all arrays of an IDX file.
pub(crate) fn load(given: &Given, part: Part, wanted: &Wanted) -> anyhow::Result<Data> {
    let path = match given {
        Given::Data(path) => path,
        Given::Calibration(path) => return numbers(path, wanted),
    };
    if folder::is_meant(path) {
        return pictures(path, part, wanted);
    }
    if path.is_file() {
        return numbers(path, wanted);
    }
    match idx::load_of_shape(path, part, wanted.shape) {
        Ok(split) => Ok(Data {
            content: Content::Images(split.images),
            labels: split.labels,
            paths: idx::paths(path, part),
            assumed_classes: None,
            source: Source::Idx,
            of_no_class: vec![],
        }),
        Err(dataset::Error::Shape { fault: ImageError::OtherShape { found, .. }, .. }) => {
            Err(other_shape(path, found, wanted))
        }
        Err(error @ dataset::Error::Missing { .. }) => Err(match wanted.takes {
            Takes::Pixels => anyhow!(
                "{error}: run trainer/run once, or copy the four IDX files there, or pass --data DIR"
            ),
            Takes::Numbers => anyhow!(
                "{error}, and the model takes {} as numbers: {}",
                Dimensions(wanted.shape),
                wanted.instead()
            ),
        }),
        Err(error) => Err(error.into()),
    }
}

/// That the images are not such as the model takes, and what would be.
fn other_shape(path: &Path, found: [usize; 3], wanted: &Wanted) -> anyhow::Error {
    anyhow!(
        "{} holds pictures of {}, and the model takes {}: {}",
        SingleLine(path.display()),
        Dimensions(found),
        Dimensions(wanted.shape),
        wanted.instead()
    )
}

/// Arrays of numbers without labels, from an IDX file: of the model's shape, or in a row where that says which is which.
fn numbers(path: &Path, wanted: &Wanted) -> anyhow::Result<Data> {
    let tensors = idx::load_tensors(path)?;
    let is_row = |shape: [usize; 3]| shape.iter().filter(|&&length| length > 1).count() <= 1;
    let has_one_order = wanted.shape[0] == 1 || is_row(wanted.shape);
    ensure!(
        tensors.shape == wanted.shape || is_row(tensors.shape) && has_one_order,
        "{} holds arrays of {}, and the model takes {}: write them as [item][row][column][channel]",
        SingleLine(path.display()),
        Dimensions(tensors.shape),
        Dimensions(wanted.shape)
    );
    Ok(Data {
        content: Content::Signals(tensors.items),
        labels: vec![],
        paths: vec![path.to_owned()],
        assumed_classes: None,
        source: Source::Arrays,
        of_no_class: vec![],
    })
}

/// The pictures in a folder for each class, or in a CSV file, and those of [`OF_NO_CLASS`] apart: of those that are said to be
/// for training or for the test those of `part`, else all. What cannot be read is named on standard error.
fn pictures(path: &Path, part: Part, wanted: &Wanted) -> anyhow::Result<Data> {
    let mut listing = folder::list(path)?;
    let is_divided = [Subset::Test, Subset::Validation].into_iter().any(|it| listing.has(it));
    let subsets: &[Subset] = match part {
        Part::Train => &[Subset::Train],
        Part::Test => &[Subset::Test, Subset::Validation],
    };
    if let Some(&subset) = subsets.iter().find(|&&subset| listing.has(subset)) {
        listing.keep(subset);
    }
    let numbers = match &wanted.classes {
        Some(names) => {
            // what is of no class gets the number after the last
            let has_none = names.iter().any(|name| name == OF_NO_CLASS);
            let none = if has_none { vec![] } else { vec![OF_NO_CLASS.to_owned()] };
            let numbers = listing.numbers_in(&[&names[..], &none].concat());
            numbers.or_else(|_| {
                listing.classes.retain(|class| class != OF_NO_CLASS);
                listing.numbers_in(names)
            })?
        }
        None if listing.classes.len() == wanted.outputs => (0..wanted.outputs).collect(),
        None => bail!(
            "{} has pictures of {} classes, and the model {} classes without names: without names there must be one for each",
            SingleLine(path.display()),
            listing.classes.len(),
            wanted.outputs
        ),
    };
    let preparation = Preparation::parse(wanted.shape, &wanted.metadata)?;
    let assumed_classes = wanted.classes.is_none().then(|| listing.classes.clone());
    let read = labelled::load(listing, &preparation, Limits::default(), |_| ());
    let refused = if wanted.names_refused { &read.listing.refused[..] } else { &[] };
    for refused in refused.iter().take(MAX_REFUSED) {
        print_line(&format!("warning: {}: {refused}", SingleLine(path.display())));
    }
    if refused.len() > MAX_REFUSED {
        let more = refused.len() - MAX_REFUSED;
        print_line(&format!("warning: {more} more files are not taken"));
    }
    let (mut images, mut labels, mut paths, mut of_no_class) = (vec![], vec![], vec![], vec![]);
    for (picture, image) in read.listing.pictures.into_iter().zip(read.images) {
        paths.push(picture.path);
        match numbers[usize::from(picture.label)] {
            class if class < wanted.outputs => {
                images.push(image);
                labels.push(u8::try_from(class)?);
            }
            _ => of_no_class.push(image),
        }
    }
    let source = Source::Pictures { is_divided };
    let content = Content::Images(images);
    Ok(Data { content, labels, paths, assumed_classes, source, of_no_class })
}

/// A line on standard error; one that is closed changes nothing.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
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
    if !data.of_no_class.is_empty() {
        hash.update(idx::emit_images(&data.of_no_class));
    }
    hash.finalize().into()
}

/// Refuses what is empty.
pub(crate) fn ensure_any(data: &Data, path: &Path) -> anyhow::Result<()> {
    ensure!(!data.content.samples().is_empty(), "{} holds no images", SingleLine(path.display()));
    Ok(())
}
