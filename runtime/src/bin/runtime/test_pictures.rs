//! Labelled pictures to evaluate a model on, with its classes for their labels.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::anyhow;
use dataset::folder::{self, FolderFault, Listing, OF_NO_CLASS, Picture, Refused, Subset};
use safe_io::SingleLine;

use crate::note;

/// Maximum number of refused files that a note names.
const MAX_NAMES: usize = 3;

/// Bytes of the files that are not taken up to which they are read all the same, to find those that are equal to one that is.
const MAX_OTHER_BYTES: u64 = 256 << 20;

/// What is there, and which of it is to be evaluated.
#[derive(Debug)]
pub(crate) struct TestPictures {
    /// All pictures that are to be read.
    pub(crate) listing: Listing,
    /// The model's class for each class of the listing; `None` for that of no class.
    labels: Vec<Option<usize>>,
    /// Of which subset pictures are taken; `None` for all.
    taken: Option<Subset>,
}

impl TestPictures {
    /// Whether a picture is to be evaluated.
    pub(crate) fn takes(&self, picture: &Picture) -> bool {
        self.taken.is_none_or(|taken| picture.subset == Some(taken))
    }

    /// Its class among the model's; `None` if it is of none.
    pub(crate) fn label(&self, picture: &Picture) -> Option<usize> {
        self.labels[usize::from(picture.label)]
    }

    /// The pictures that are taken and of a class, with that.
    pub(crate) fn of_classes(&self) -> impl Iterator<Item = (&Picture, usize)> {
        let taken = self.listing.pictures.iter().filter(|picture| self.takes(picture));
        taken.filter_map(|picture| Some((picture, self.label(picture)?)))
    }

    /// Names the first of the files that are not taken, if there are any.
    pub(crate) fn note_refused(&self) {
        let Listing { root, refused, .. } = &self.listing;
        if !refused.is_empty() {
            let name = SingleLine(root.display());
            note::print(format_args!("{name}: not taken: {}", NotTaken(refused)));
        }
    }
}

/// Lists a folder per class or a CSV file, of which those for the test are taken if any are said to be, else those for
/// validation, else all.
///
/// A label is the name of one of `classes`, or else the number of one, or else `none`.
pub(crate) fn load(path: &Path, classes: &[String]) -> anyhow::Result<TestPictures> {
    let listing = folder::list(path)?;
    let labels = labels(&listing, classes)?;
    let taken = [Subset::Test, Subset::Validation].into_iter().find(|&it| listing.has(it));
    let mut found = TestPictures { listing, labels, taken };
    let Some(subset) = taken else { return Ok(found) };
    let all = found.listing.pictures.len();
    let others: Vec<&Picture> =
        found.listing.pictures.iter().filter(|picture| !found.takes(picture)).collect();
    if others.is_empty() {
        return Ok(found);
    }
    let (name, kept, subset_name) = (SingleLine(path.display()), all - others.len(), subset.name());
    let bytes = |picture: &&Picture| fs::metadata(&picture.path).map_or(0, |it| it.len());
    let mut read = 0_u64;
    let is_much = others.iter().any(|picture| {
        read = read.saturating_add(bytes(picture));
        read > MAX_OTHER_BYTES
    });
    if is_much {
        found.listing.keep(subset);
    }
    let unread = if is_much { "; the others are too much to look for equal ones in" } else { "" };
    note::print(format_args!(
        "{name}: of {all} pictures those for {subset_name} are taken, {kept}{unread}"
    ));
    Ok(found)
}

/// The model's class for each class of the listing; `None` for that of no class.
fn labels(listing: &Listing, classes: &[String]) -> anyhow::Result<Vec<Option<usize>>> {
    let mut found = vec![];
    let mut unknown = vec![];
    for label in &listing.classes {
        match class(label, classes) {
            Ok(class) => found.push(class),
            Err(label) => unknown.push(label.to_owned()),
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    let fault = FolderFault::UnknownClasses { unknown, known: classes.to_vec() };
    let error = dataset::Error::Folder { path: listing.root.clone(), fault };
    Err(anyhow!(
        "{error}; --classes gives the model's classes other names, and the label {OF_NO_CLASS} is for pictures of no class"
    ))
}

/// The class that a label means, `None` for that of no class; the label itself as the error if it means nothing.
fn class<'a>(label: &'a str, classes: &[String]) -> Result<Option<usize>, &'a str> {
    let by_name = classes.iter().position(|class| class == label);
    let by_number = || label.parse().ok().filter(|&class| class < classes.len());
    let class = by_name.or_else(by_number);
    if class.is_some() || label == OF_NO_CLASS { Ok(class) } else { Err(label) }
}

/// The first of the files that were not taken.
struct NotTaken<'a>(&'a [Refused]);

impl fmt::Display for NotTaken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Refused { name, reason }) in self.0.iter().take(MAX_NAMES).enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{} ({reason})", SingleLine(name))?;
        }
        match self.0.len().saturating_sub(MAX_NAMES) {
            0 => Ok(()),
            more => write!(f, ", and {more} more, which --json lists"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these empty files.
    fn tree(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    fn found(listed: &TestPictures) -> Vec<(&str, Option<usize>)> {
        let taken = listed.listing.pictures.iter().filter(|picture| listed.takes(picture));
        taken.map(|picture| (picture.name.as_str(), listed.label(picture))).collect()
    }

    #[test]
    fn a_name_comes_before_a_number_and_both_before_none() {
        let classes = ["1", "none", "0"].map(str::to_owned);
        let found = ["1", "none", "2", "3"].map(|label| class(label, &classes));
        assert_eq!(found, [Ok(Some(0)), Ok(Some(1)), Ok(Some(2)), Err("3")]);
        assert_eq!(class("none", &classes[..1]), Ok(None));
    }

    #[test]
    fn folders_are_labels_and_all_that_mean_nothing_are_named() {
        let folder = tree(&["dog/b.png", "dog/a.jpg", "none/c.png", "1/d.png", "dog/x.txt"]);
        let classes = ["cat", "dog"].map(str::to_owned);
        let listed = load(folder.path(), &classes).unwrap();
        let dog = Some(1);
        assert_eq!(
            found(&listed),
            [("1/d.png", dog), ("dog/a.jpg", dog), ("dog/b.png", dog), ("none/c.png", None)]
        );
        assert_eq!(
            NotTaken(&listed.listing.refused).to_string(),
            "dog/x.txt (its name does not end as a picture's)"
        );
        for class in ["horse", "Cat"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            std::fs::write(folder.path().join(class).join("a.png"), "").unwrap();
        }
        let refused = load(folder.path(), &classes).unwrap_err().to_string();
        assert!(
            refused.contains(
                "the model has no classes `Cat`, `horse`: its 2 are cat, dog; `Cat` differs from `cat` by case alone; --classes"
            ),
            "{refused}"
        );
    }

    #[test]
    fn of_a_divided_folder_those_for_the_test_are_taken() {
        let folder = tree(&["train/cat/a.png", "val/cat/b.png"]);
        let classes = ["cat".to_owned()];
        assert_eq!(found(&load(folder.path(), &classes).unwrap()), [("val/cat/b.png", Some(0))]);
        let test = folder.path().join("test/cat");
        std::fs::create_dir_all(&test).unwrap();
        std::fs::write(test.join("c.png"), "").unwrap();
        assert_eq!(found(&load(folder.path(), &classes).unwrap()), [("test/cat/c.png", Some(0))]);
    }

    #[test]
    fn the_first_of_many_files_that_are_not_taken_are_named() {
        let folder = tree(&["cat/a.png", "cat/1", "cat/2", "cat/3\n", "cat/4", "cat/5"]);
        let listed = load(folder.path(), &["cat".to_owned()]).unwrap();
        let text = NotTaken(&listed.listing.refused).to_string();
        assert!(text.starts_with("cat/1 (its name does") && text.contains("cat/3\\n ("), "{text}");
        assert!(text.ends_with(", and 2 more, which --json lists"), "{text}");
    }
}
