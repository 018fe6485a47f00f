//! Pictures in a folder per class, or listed in a CSV file: what is there by name, before anything is decoded.
//!
//! ```text
//! photos/              photos/                   photos.csv
//!   cat/  a.jpg …        train/  cat/  dog/      path,label,split
//!   dog/  b.png …        valid/  cat/  dog/      x/a.jpg,cat,train
//!                        test/   cat/  dog/      x/b.png,dog,test
//! ```
//!
//! **Classes** are the names of the folders, or the labels of the CSV file, in any script. Whole numbers come first, by
//! their value (`2`, `9`, `10`); then all other names by their Unicode code points. The number of a class is its place in
//! this order.
//!
//! **Subsets** are folders above those of the classes, of any case: `train` or `training`; `valid`, `validation` or `val`;
//! `test` or `testing`. A folder of such a name without folders in it is a class like others. Where there are subsets,
//! other folders beside them are refused.
//!
//! **A CSV file** (RFC 4180: commas, quotes; semicolons or tabs do too) has the columns `path`, `label` and at will `split`, whose values are the names
//! of subsets or empty, and `source`, who made the picture. A first line with `path` and `label` in it names the columns, in
//! any order, and columns of other names are left alone; without one, they are path, label and split. Paths are from the
//! CSV file's folder.
//!
//! **What is not taken** is a [`Refused`] with its name and [`Reason`]: hidden files, files whose names do not end as a
//! picture's, files and folders in the wrong place, pipes and devices, links to nowhere. Links to files and folders are
//! followed; nothing is read deeper than the folders above, so that no link leads in circles. Nothing is ever written.

mod class_order;
mod csv_list;
mod entry;
mod fault;
mod reason;
mod tree;

use std::path::{Path, PathBuf};

pub use fault::FolderFault;
pub use reason::{Reason, Refused};

use crate::error::Error;
use crate::idx::{self, Part};

/// Endings of the names of picture files, in lower case; they count in any case.
pub const PICTURE_ENDINGS: [&str; 11] =
    ["png", "jpg", "jpeg", "gif", "bmp", "webp", "pnm", "pbm", "pgm", "ppm", "pam"];

/// Maximum number of classes: a label is a byte.
pub const MAX_CLASSES: usize = 256;

/// Maximum number of pictures, and of refused files.
pub const MAX_PICTURES: usize = 200_000;

/// Minimum number of pictures to train on.
pub const MIN_PICTURES: usize = 20;

/// Minimum number of pictures in a class to train on: one to learn from, and one to see whether it was learnt.
pub const MIN_CLASS_PICTURES: usize = 2;

/// What pictures are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subset {
    /// To learn from.
    Train,
    /// To choose by: when to stop, which thresholds.
    Validation,
    /// Never used to choose anything.
    Test,
}

impl Subset {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// `train`, `validation` or `test`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The subset of this name, in any of its spellings and in any case.
    ///
    /// ```
    /// use dataset::folder::Subset;
    ///
    /// assert_eq!(Subset::named("Val"), Some(Subset::Validation));
    /// assert_eq!(Subset::named("cat"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "valid" | "validation" | "val" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

/// A picture file, with what its place says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Where it is.
    pub path: PathBuf,
    /// From the folder with `/` between, or as the CSV file has it. Untrusted text.
    pub name: String,
    /// Number of its class in [`Listing::classes`].
    pub label: u8,
    /// What it is for; `None` where the folder or the CSV file does not say.
    pub subset: Option<Subset>,
    /// Who made it; empty where that is not said.
    pub source: String,
}

/// The label of pictures of no class, unless a class has this name: blank, several digits, something else.
pub const OF_NO_CLASS: &str = "none";

/// What is in a folder or a CSV file of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The folder or the CSV file.
    pub root: PathBuf,
    /// Names of the classes that have pictures, in the order of their numbers. Untrusted text.
    pub classes: Vec<String>,
    /// By subset, class and name; of a CSV file in its order.
    pub pictures: Vec<Picture>,
    /// What was not taken, by name.
    pub refused: Vec<Refused>,
}

/// Lists a folder per class, or a CSV file; the content of pictures is not read.
///
/// # Errors
/// [`Error::Read`] if the folder, one of its folders or the file cannot be read; [`Error::Folder`] if there are no
/// classes with pictures, too many, or two that differ by case alone, and for what is wrong in a CSV file.
pub fn list(path: &Path) -> Result<Listing, Error> {
    if path.is_dir() { tree::list(path) } else { csv_list::list(path) }
}

/// Whether [`list`] is meant by a path: a CSV file, or a folder with anything in it but no IDX file. Of a folder that may
/// not be read, [`list`] says so.
#[must_use]
pub fn is_meant(path: &Path) -> bool {
    if !path.is_dir() {
        return path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    }
    let idx = [Part::Train, Part::Test].into_iter().flat_map(|part| idx::paths(path, part));
    let is_idx = idx.into_iter().any(|path| path.symlink_metadata().is_ok());
    !is_idx && !is_empty(path)
}

/// Whether there is a folder with nothing in it: [`list`] says what should be there.
#[must_use]
pub fn is_empty(path: &Path) -> bool {
    path.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether the name ends as that of a picture file.
#[must_use]
pub fn is_picture_name(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| PICTURE_ENDINGS.contains(&ending.as_str()))
}

impl Listing {
    /// Whether any picture is said to be in this subset.
    #[must_use]
    pub fn has(&self, subset: Subset) -> bool {
        self.pictures.iter().any(|picture| picture.subset == Some(subset))
    }

    /// Keeps the pictures of one subset; the classes keep their numbers. Pictures of no subset count as `train`.
    pub fn keep(&mut self, subset: Subset) {
        self.pictures.retain(|picture| picture.subset.unwrap_or(Subset::Train) == subset);
    }

    /// Pictures in each class.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for picture in &self.pictures {
            counts[usize::from(picture.label)] += 1;
        }
        counts
    }

    /// For each of the classes its number among `names`, those of a model's classes.
    ///
    /// # Errors
    /// [`Error::Folder`] with [`FolderFault::UnknownClasses`] if `names` lacks some.
    pub fn numbers_in(&self, names: &[String]) -> Result<Vec<usize>, Error> {
        let place = |class: &String| names.iter().position(|name| name == class);
        let unknown = |class: &&String| place(class).is_none();
        let unknown: Vec<String> = self.classes.iter().filter(unknown).cloned().collect();
        if unknown.is_empty() {
            return Ok(self.classes.iter().filter_map(place).collect());
        }
        Err(self.fault(FolderFault::UnknownClasses { unknown, known: names.to_vec() }))
    }

    /// Refuses what nothing can be learnt from.
    ///
    /// # Errors
    /// [`Error::Folder`] if there is one class, a class of one picture or of none to train on, or fewer pictures than
    /// [`MIN_PICTURES`].
    pub fn check_trainable(&self) -> Result<(), Error> {
        let counts = self.counts();
        let is_for_training =
            |picture: &&Picture| picture.subset.is_none_or(|it| it == Subset::Train);
        let mut is_trained = vec![false; self.classes.len()];
        for picture in self.pictures.iter().filter(is_for_training) {
            is_trained[usize::from(picture.label)] = true;
        }
        let name = |class: usize| self.classes[class].clone();
        let small = counts.iter().position(|&count| count < MIN_CLASS_PICTURES);
        let untrained = is_trained.iter().position(|is_trained| !is_trained);
        let fault = if self.pictures.is_empty() {
            FolderFault::NoPictures
        } else if let [only] = &self.classes[..] {
            FolderFault::OneClass { name: only.clone() }
        } else if let Some(class) = small {
            FolderFault::SmallClass { name: name(class), pictures: counts[class] }
        } else if self.pictures.len() < MIN_PICTURES {
            FolderFault::FewPictures { pictures: self.pictures.len() }
        } else if let Some(class) = untrained {
            FolderFault::Untrained { name: name(class) }
        } else {
            return Ok(());
        };
        Err(self.fault(fault))
    }

    fn fault(&self, fault: FolderFault) -> Error {
        Error::Folder { path: self.root.clone(), fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(pictures: &[(u8, Option<Subset>, usize)], classes: &[&str]) -> Listing {
        let picture = |label, subset, number| Picture {
            path: format!("{label}/{number}.png").into(),
            name: format!("{label}/{number}.png"),
            label,
            subset,
            source: String::new(),
        };
        let pictures = pictures
            .iter()
            .flat_map(|&(label, subset, count)| (0..count).map(move |n| picture(label, subset, n)));
        Listing {
            root: "photos".into(),
            classes: classes.iter().map(|&name| name.to_owned()).collect(),
            pictures: pictures.collect(),
            refused: vec![],
        }
    }

    #[test]
    fn what_nothing_can_be_learnt_from_is_refused_in_a_sentence() {
        let (train, test) = (Some(Subset::Train), Some(Subset::Test));
        for (pictures, classes, expected) in [
            (&[][..], &[][..], "photos: none of its pictures can be read"),
            (&[(0, None, 30)], &["cat"], "photos: the only class is `cat`"),
            (&[(0, None, 30), (1, None, 1)], &["cat", "dog\n"], "class `dog\\n` has 1 picture"),
            (&[(0, None, 30)], &["cat", "dog"], "class `dog` has 0 pictures"),
            (&[(0, None, 9), (1, None, 9)], &["cat", "dog"], "18 pictures"),
            (
                &[(0, train, 30), (1, test, 30)],
                &["cat", "dog"],
                "class `dog` has no picture to train",
            ),
        ] {
            let refused = listing(pictures, classes).check_trainable();
            let refused = refused.map_err(|error| error.to_string()).unwrap_err();
            assert!(refused.starts_with("photos: ") && refused.contains(expected), "{refused}");
        }
        let good = listing(&[(0, None, 10), (1, train, 10), (1, test, 3)], &["cat", "dog"]);
        assert!(good.check_trainable().is_ok());
        assert_eq!(good.counts(), [10, 13]);
        assert!(good.has(Subset::Test) && !good.has(Subset::Validation));
        let mut kept = good.clone();
        kept.keep(Subset::Train);
        assert_eq!(kept.counts(), [10, 10], "those of no subset are to train on");
    }

    #[test]
    fn a_folder_with_idx_files_is_no_folder_of_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(!is_meant(folder.path()) && is_empty(folder.path()));
        std::fs::create_dir(at("cat")).unwrap();
        assert!(is_meant(folder.path()) && is_meant(&at("list.CSV")) && !is_meant(&at("list")));
        std::fs::write(at("t10k-images.idx3-ubyte.gz"), "").unwrap();
        assert!(!is_meant(folder.path()));
    }

    #[test]
    fn classes_are_matched_by_name_and_all_that_do_not_match_are_named() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let listing = listing(&[], &["1", "Cat", "dog"]);
        assert_eq!(listing.numbers_in(&names(&["dog", "Cat", "x", "1"])).unwrap(), [3, 1, 0]);
        let refused = listing.numbers_in(&names(&["dog", "cat"])).unwrap_err().to_string();
        assert_eq!(
            refused,
            "photos: the model has no classes `1`, `Cat`: its 2 are dog, cat; `Cat` differs from `cat` by case alone"
        );
    }
}
