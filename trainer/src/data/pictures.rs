//! A folder of pictures per class, or a CSV file, as a [`Dataset`].

use std::path::Path;

use anyhow::{Context, bail};
use dataset::folder::{self, Subset};
use dataset::{Division, Split};
use runtime::labelled::{Summary, load, survey};
use runtime::picture::Limits;
use runtime::preprocess::{Color, Preparation, Preprocess};
use safe_io::SingleLine;
use sha2::{Digest, Sha256};

use super::{Dataset, MAX_SIDE};

/// Parts of the pictures that are held out for validation and for the test, where the folder has none of its own.
const HELD_OUT: [f64; 2] = [0.15, 0.15];

/// How pictures become images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Height and width; that which fits the pictures if none is given.
    pub size: Option<[usize; 2]>,
    /// Whether colours are kept; if most pictures have some if nothing is said.
    pub color: Option<Color>,
    /// What becomes of a picture of another aspect.
    pub fit: Preprocess,
    /// Decides which pictures are held out.
    pub seed: u64,
    /// Whether some are, for validation and test, where the folder has none of its own.
    pub divided: bool,
}

impl Default for Options {
    /// What fits the pictures, all of each.
    fn default() -> Self {
        Self { size: None, color: None, fit: Preprocess::Stretch, seed: 1, divided: true }
    }
}

/// Whether `path` is pictures to [`read`], and no IDX files.
#[must_use]
pub fn is_meant(path: &Path) -> bool {
    path.exists() && folder::is_meant(path)
}

/// Classes and pictures there, by their names; none is opened.
///
/// # Errors
/// What keeps the folder from being trained on.
pub fn count(path: &Path) -> anyhow::Result<[usize; 2]> {
    let listing = folder::list(path)?;
    listing.check_trainable()?;
    Ok([listing.classes.len(), listing.pictures.len()])
}

/// Reads and prepares all pictures; `progress` is told how many are done.
///
/// # Errors
/// If there are too few, of too few classes, or what keeps the folder from being read.
pub fn read(
    path: &Path,
    options: Options,
    progress: impl Fn(usize) + Sync,
) -> anyhow::Result<(Dataset, Summary)> {
    let limits = Limits::default();
    let shown = SingleLine(path.display());
    let listing = folder::list(path)?;
    let survey = survey(&listing, limits);
    let survey = survey.with_context(|| format!("none of the pictures in {shown} can be read"))?;
    let [height, width] = options.size.unwrap_or_else(|| survey.size());
    if height.max(width) > MAX_SIDE {
        bail!("--size {height}x{width}: at most {MAX_SIDE} to a side can be trained on");
    }
    let color = options.color.unwrap_or_else(|| survey.color());
    let channels = match color {
        Color::Grey => 1,
        Color::Rgb => 3,
    };
    let preparation = Preparation::new([channels, height, width], options.fit, color)?;
    let mut data = load(listing, &preparation, limits, progress);
    data.listing.check_trainable()?;
    if options.divided {
        let [validation, test] = HELD_OUT;
        data.divide(Division { seed: options.seed, validation, test });
    }
    let [train, validation, test] = Subset::ALL.map(|subset| data.split(subset));
    let name = path
        .file_name()
        .map_or_else(|| "unnamed".to_owned(), |name| SingleLine(name.display()).to_string());
    let of_the_test =
        data.listing.pictures.iter().filter(|picture| picture.subset == Some(Subset::Test));
    let dataset = Dataset {
        name,
        sha256: hash([&train, &validation, &test]),
        train,
        validation,
        test,
        test_files: of_the_test.map(|picture| picture.name.clone()).collect(),
        names: Some(data.listing.classes.clone()),
        preparation: Some(preparation),
    };
    Ok((dataset, Summary::of(&data)))
}

/// Of all images with their labels, as they were prepared and parted.
fn hash(splits: [&Split; 3]) -> String {
    let mut sha256 = Sha256::new();
    for split in splits {
        sha256.update((split.images.len() as u64).to_le_bytes());
        split.images.iter().for_each(|image| sha256.update(image.pixels()));
        sha256.update(&split.labels);
    }
    base16ct::lower::encode_string(&sha256.finalize())
}
