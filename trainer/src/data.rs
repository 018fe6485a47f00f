//! Where the images come from: a folder with four IDX files, which is filled with MNIST only where that is wanted, or
//! [`pictures`].

mod folds;
mod mnist;
pub mod pictures;

pub use folds::Fold;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use dataset::idx::{self, Part, Split};
use dataset::{Image, MNIST_SHAPE};
use runtime::preprocess::Preparation;
use safe_io::SingleLine;
use sha2::{Digest, Sha256};

/// Maximum height and width of images.
pub const MAX_SIDE: usize = 128;
/// Maximum names that a refusal lists of a kind.
const MAX_LISTED: usize = 3;
/// Images for training and for the final report.
#[derive(Debug)]
pub struct Dataset {
    /// `MNIST`, or the name of the folder.
    pub name: String,
    /// SHA-256 of the plain file of training images.
    pub sha256: String,
    /// To learn from; validation is split off it, unless it is there.
    pub train: Split,
    /// What the dataset itself has for validation; mostly nothing.
    pub validation: Split,
    /// Only reported on.
    pub test: Split,
    /// Files of the test images, from the folder; empty if they are no pictures. Untrusted text.
    pub test_files: Vec<String>,
    /// Names of the classes, if the dataset has them.
    pub names: Option<Vec<String>>,
    /// How pictures become these images, if they were pictures.
    pub preparation: Option<Preparation>,
}

impl Dataset {
    /// Whether the training images are MNIST's, and so the labels are digits.
    #[must_use]
    pub fn is_mnist(&self) -> bool {
        self.sha256 == mnist::FILES[0].1
    }

    /// Channels, height and width of the images, which are all of one shape.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.train.images.first().map_or(MNIST_SHAPE, Image::shape)
    }

    /// Whether the images are drawings as MNIST's are: 28×28, ink is light, the background black.
    #[must_use]
    pub fn is_ink(&self) -> bool {
        self.preparation.is_none() && self.shape() == MNIST_SHAPE
    }

    /// Whether they are mostly black and white, as drawings and letters are: less than a fifth of the pixels lies between.
    ///
    /// Of MNIST's 8 % do, of Fashion-MNIST's 37 %.
    #[must_use]
    pub fn is_black_and_white(&self) -> bool {
        const BETWEEN: std::ops::Range<u8> = 32..224;
        let count = |image: &Image| image.pixels().iter().filter(|it| BETWEEN.contains(it)).count();
        let all: usize = self.train.images.iter().map(|image| image.pixels().len()).sum();
        5 * self.train.images.iter().map(count).sum::<usize>() < all
    }

    /// Classes by the largest label; at least two, since there is nothing to tell apart in one.
    #[must_use]
    pub fn classes(&self) -> usize {
        let labels = [&self.train, &self.validation, &self.test].map(|split| &split.labels);
        labels.into_iter().flatten().max().map_or(0, |&label| usize::from(label) + 1).max(2)
    }
}

/// Why there is no dataset to read in a folder, and what is there instead, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    folder: PathBuf,
    missing: Vec<&'static str>,
    /// None if there is no such folder.
    listing: Option<Listing>,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = SingleLine(self.folder.display());
        let Some(listing) = &self.listing else {
            return write!(f, "{folder} is no folder: nothing of that name is there");
        };
        if self.missing.len() == mnist::FILES.len() {
            write!(f, "{folder} holds no dataset: {listing}")?;
        } else {
            write!(f, "{folder} lacks {}: {listing}", self.missing.join(" and "))?;
        }
        let names = mnist::FILES.map(|(name, _)| name).join(", ");
        write!(f, "; expected are four IDX files, each plain or .gz: {names}")
    }
}

impl std::error::Error for Lacking {}

/// What is in a folder: counts, and the first names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Listing {
    folders: Names,
    files: Names,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    count: usize,
    first: BTreeSet<std::ffi::OsString>,
}

impl Names {
    fn add(&mut self, name: std::ffi::OsString) {
        self.count += 1;
        self.first.insert(name);
        if self.first.len() > MAX_LISTED {
            self.first.pop_last();
        }
    }

    /// Such as `4 files (a, b, c, …)`.
    fn describe(&self, noun: &str) -> String {
        let mut names: Vec<String> =
            self.first.iter().map(|name| SingleLine(name.display()).to_string()).collect();
        if self.count > names.len() {
            names.push("…".into());
        }
        let plural = if self.count == 1 { "" } else { "s" };
        format!("{} {noun}{plural} ({})", self.count, names.join(", "))
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folders, files) = (self.folders.describe("subfolder"), self.files.describe("file"));
        match (self.folders.count, self.files.count) {
            (0, 0) => f.write_str("it is empty"),
            (0, _) => write!(f, "in it are {files}"),
            (_, 0) => write!(f, "in it are {folders}"),
            _ => write!(f, "in it are {folders} and {files}"),
        }
    }
}

impl Listing {
    fn of(folder: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let names =
                if entry.path().is_dir() { &mut listing.folders } else { &mut listing.files };
            names.add(entry.file_name());
        }
        Ok(listing)
    }
}

/// Reads the dataset in `folder`; nothing is fetched.
///
/// # Errors
/// [`Lacking`] if there is none, or the reason why a file cannot be read.
pub fn load(folder: &Path) -> anyhow::Result<Dataset> {
    let missing = missing_files(folder)?;
    if missing.is_empty() { read(folder) } else { Err(lacking(folder, missing)?.into()) }
}

/// Reads the dataset in `folder`; where files are missing, MNIST's are fetched into it first.
///
/// # Errors
/// If a file there is broken, or of another dataset that MNIST cannot complete, or if MNIST cannot be had: then with
/// what to do by hand.
pub fn load_or_fetch(folder: &Path) -> anyhow::Result<Dataset> {
    let missing = check_fetchable(folder)?;
    if !missing.is_empty() {
        mnist::fetch(folder, &missing)?;
    }
    read(folder)
}

/// The files that [`load_or_fetch`] would fetch.
///
/// # Errors
/// If a file there is of another dataset, which MNIST cannot complete.
pub fn check_fetchable(folder: &Path) -> anyhow::Result<Vec<&'static str>> {
    let missing = missing_files(folder)?;
    if !missing.is_empty() {
        mnist::check_completable(folder, &missing, |name| find(folder, name))?;
    }
    Ok(missing)
}

fn read(folder: &Path) -> anyhow::Result<Dataset> {
    let train = idx::load(folder, Part::Train)?;
    let shape = train.images.first().map_or(MNIST_SHAPE, Image::shape);
    let [_, height, width] = shape;
    ensure!(
        height.max(width) <= MAX_SIDE,
        "the images in {} are {height}x{width}: at most {MAX_SIDE} to a side can be trained on",
        SingleLine(folder.display())
    );
    let test = idx::load_of_shape(folder, Part::Test, shape)?;
    let sha256 = hash(&idx::emit_images(&train.images));
    let name = if sha256 == mnist::FILES[0].1 {
        "MNIST".to_owned()
    } else {
        folder
            .file_name()
            .map_or_else(|| "unnamed".to_owned(), |name| SingleLine(name.display()).to_string())
    };
    let validation = Split { images: vec![], labels: vec![] };
    Ok(Dataset {
        name,
        sha256,
        train,
        validation,
        test,
        test_files: vec![],
        names: None,
        preparation: None,
    })
}

/// Those of the four files that are not in `folder`, which may be missing itself.
fn missing_files(folder: &Path) -> anyhow::Result<Vec<&'static str>> {
    ensure!(is_absent(folder) || folder.is_dir(), "{} is no folder", SingleLine(folder.display()));
    let names = mnist::FILES.into_iter().map(|(name, _)| name);
    Ok(names.filter(|name| find(folder, name).is_none()).collect())
}

fn is_absent(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Where the file of this name is, in any spelling; also a link to nowhere, which is not to be replaced.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let part = [Part::Train, Part::Test].into_iter().find(|part| part.image_file() == name);
    let names = [Some(name), part.map(Part::colour_image_file)].into_iter().flatten();
    let mut paths = names.flat_map(idx::spellings).map(|name| folder.join(name));
    paths.find(|path| path.symlink_metadata().is_ok() && !path.is_dir())
}

fn lacking(folder: &Path, missing: Vec<&'static str>) -> io::Result<Lacking> {
    let listing = if is_absent(folder) { None } else { Some(Listing::of(folder)?) };
    Ok(Lacking { folder: folder.to_owned(), missing, listing })
}

fn hash(content: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::Image;

    fn write_dataset(folder: &Path) {
        let images = idx::emit_images(&vec![Image::mnist([0; runtime::PIXELS]); 3]);
        for part in [Part::Train, Part::Test] {
            fs::write(folder.join(part.image_file()), &images).unwrap();
            fs::write(folder.join(part.label_file()), idx::emit_labels(&[0, 1, 2])).unwrap();
        }
    }

    #[test]
    fn a_complete_folder_is_read_as_it_is_and_named_after_itself() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("my-digits");
        fs::create_dir(&own).unwrap();
        write_dataset(&own);
        let dataset = load(&own).unwrap();
        assert_eq!((dataset.name.as_str(), dataset.train.labels.len()), ("my-digits", 3));
        assert_eq!(dataset.sha256.len(), 64);
    }

    #[test]
    fn images_of_any_shape_and_in_colour_are_read_and_those_of_the_test_must_be_alike() {
        let folder = tempfile::tempdir().unwrap();
        let images =
            |[c, h, w]: [usize; 3]| vec![Image::new([c, h, w], vec![9; c * h * w]).unwrap(); 3];
        let write = |part: Part, name: &str, shape| {
            fs::write(folder.path().join(name), idx::emit_images(&images(shape))).unwrap();
            let labels = idx::emit_labels(&[0, 1, 4]);
            fs::write(folder.path().join(part.label_file()), labels).unwrap();
        };
        write(Part::Train, Part::Train.colour_image_file(), [3, 32, 20]);
        write(Part::Test, Part::Test.colour_image_file(), [3, 32, 20]);
        let dataset = load(folder.path()).unwrap();
        assert_eq!((dataset.shape(), dataset.classes()), ([3, 32, 20], 5));
        assert!(!dataset.is_ink());
        write(Part::Test, Part::Test.colour_image_file(), [3, 32, 21]);
        let refusal = format!("{:#}", load(folder.path()).unwrap_err());
        assert!(refusal.contains("21 columns"), "{refusal}");
        write(Part::Train, Part::Train.image_file(), [1, 200, 20]);
        let refusal = format!("{:#}", load(folder.path()).unwrap_err());
        assert!(refusal.contains("are 200x20: at most 128 to a side"), "{refusal}");
    }

    #[test]
    fn images_of_mostly_black_and_white_are_told_from_those_with_all_greys() {
        let folder = tempfile::tempdir().unwrap();
        write_dataset(folder.path());
        let mut dataset = load(folder.path()).unwrap();
        // of 256 values 192 lie between
        for (greys, expected) in [(0, true), (158, true), (200, false), (784, false)] {
            let pixels = std::array::from_fn(|at| if at < greys { at as u8 } else { 255 });
            dataset.train.images = vec![Image::mnist(pixels); 2];
            assert_eq!(dataset.is_black_and_white(), expected, "{greys} of 784 pixels");
        }
    }

    #[test]
    fn a_dataset_of_ones_own_is_never_completed_with_mnist() {
        let folder = tempfile::tempdir().unwrap();
        write_dataset(folder.path());
        fs::remove_file(folder.path().join(Part::Test.label_file())).unwrap();
        let refusal = load_or_fetch(folder.path()).unwrap_err().to_string();
        assert!(refusal.contains("is not MNIST's"), "{refusal}");
        let refusal = load(folder.path()).unwrap_err().to_string();
        assert!(refusal.contains("lacks t10k-labels-idx1-ubyte: in it are 3 files"), "{refusal}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write_dataset(folder.path());
        let broken = folder.path().join(Part::Train.image_file());
        fs::write(&broken, b"not images").unwrap();
        let refusal = format!("{:#}", load(folder.path()).unwrap_err());
        assert!(refusal.contains(&broken.display().to_string()), "{refusal}");
    }

    /// Why `folder` holds no dataset.
    fn refusal(folder: &Path) -> String {
        let error = load(folder).unwrap_err();
        assert!(error.is::<Lacking>(), "{error:#}");
        error.to_string()
    }

    #[test]
    fn what_is_in_a_folder_without_a_dataset_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(refusal(folder.path()).contains("it is empty; expected are four IDX files"));
        assert!(refusal(&at("nope")).contains("nope is no folder"));
        for name in ["e", "d", "c", "b\n"] {
            fs::write(at(name), "").unwrap();
        }
        let told = refusal(folder.path());
        assert!(told.contains("holds no dataset: in it are 4 files (b\\n, c, d, …);"), "{told}");
        assert!(!told.contains("per class") && !told.contains('\n'), "{told}");
        fs::create_dir(at("a")).unwrap();
        assert!(refusal(folder.path()).contains("1 subfolder (a) and 4 files"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
    }
}
