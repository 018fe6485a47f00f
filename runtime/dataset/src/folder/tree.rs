//! A folder per class, with or without folders of subsets above them.

use std::fs;
use std::path::Path;

use safe_io::read::ReadError;

use super::entry::{Entry, Kind};
use super::{
    FolderFault, Listing, MAX_CLASSES, MAX_PICTURES, Picture, Reason, Refused, Subset, class_order,
};
use crate::error::Error;

/// Lists the folder.
pub(super) fn list(root: &Path) -> Result<Listing, Error> {
    let mut tree = Tree { root, classes: vec![], pictures: vec![], refused: vec![] };
    let top = tree.entries(root)?;
    let mut halves: Vec<(Subset, Entry, Vec<Entry>)> = vec![];
    let mut others = vec![];
    for entry in top {
        let subset = Subset::named(&entry.shown()).filter(|_| matches!(entry.kind, Kind::Folder));
        let Some(subset) = subset else {
            others.push(entry);
            continue;
        };
        let inner = tree.entries(&entry.path)?;
        if !inner.iter().any(Entry::is_visible_folder) {
            others.push(entry);
        } else if let Some((_, first, _)) = halves.iter().find(|(other, ..)| *other == subset) {
            return Err(tree
                .fault(FolderFault::SubsetTwice { first: first.shown(), second: entry.shown() }));
        } else {
            halves.push((subset, entry, inner));
        }
    }
    if halves.is_empty() {
        tree.add_classes(None, "", others)?;
    } else {
        halves.sort_by_key(|(subset, ..)| *subset);
        for (subset, half, inner) in halves {
            tree.add_classes(Some(subset), &format!("{}/", half.shown()), inner)?;
        }
        for entry in others {
            let name = entry.shown();
            let reason = match entry.kind {
                Kind::Folder if !entry.is_hidden() => Reason::OutsideSubset,
                _ => entry.reason(Reason::OutsideClass),
            };
            tree.refuse(name, reason)?;
        }
    }
    tree.finish()
}

/// What was found so far.
struct Tree<'a> {
    root: &'a Path,
    /// In the order in which they were met, which the labels of `pictures` count.
    classes: Vec<String>,
    pictures: Vec<(Picture, usize)>,
    refused: Vec<Refused>,
}

impl Tree<'_> {
    /// What is in a folder, by name.
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, Error> {
        let unreadable = |source| ReadError::Unreadable { path: folder.to_owned(), source };
        let mut entries = vec![];
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            entries.push(entry.and_then(|entry| Entry::of(&entry)).map_err(unreadable)?);
            if entries.len() > 2 * MAX_PICTURES {
                return Err(self.fault(FolderFault::ManyFiles));
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// The folders of classes among `entries`, whose names are shown after `above`.
    fn add_classes(
        &mut self,
        subset: Option<Subset>,
        above: &str,
        entries: Vec<Entry>,
    ) -> Result<(), Error> {
        let found = entries.iter().filter(|entry| entry.is_visible_folder()).count();
        if found > MAX_CLASSES {
            return Err(self.fault(FolderFault::ManyClasses { found }));
        }
        for entry in entries {
            if entry.is_visible_folder() {
                self.add_class(subset, above, &entry)?;
            } else {
                let name = format!("{above}{}", entry.shown());
                self.refuse(name, entry.reason(Reason::OutsideClass))?;
            }
        }
        Ok(())
    }

    fn add_class(
        &mut self,
        subset: Option<Subset>,
        above: &str,
        folder: &Entry,
    ) -> Result<(), Error> {
        let name = format!("{above}{}", folder.shown());
        let mut pictures = vec![];
        for entry in self.entries(&folder.path)? {
            let name = format!("{name}/{}", entry.shown());
            if entry.is_visible_picture() {
                pictures.push((name, entry.path));
            } else {
                self.refuse(name, entry.reason(Reason::Nested))?;
            }
        }
        if pictures.is_empty() {
            return self.refuse(name, Reason::NoPictures);
        }
        let Some(class) = folder.name.to_str() else {
            return Err(self.fault(FolderFault::NotUnicode { name: folder.shown() }));
        };
        let known = self.classes.iter().position(|known| known == class);
        let class = known.unwrap_or_else(|| {
            self.classes.push(class.to_owned());
            self.classes.len() - 1
        });
        for (name, path) in pictures {
            let picture = Picture { path, name, label: 0, subset, source: String::new() };
            self.pictures.push((picture, class));
        }
        self.check_count(self.pictures.len())
    }

    fn refuse(&mut self, name: String, reason: Reason) -> Result<(), Error> {
        self.refused.push(Refused { name, reason });
        self.check_count(self.refused.len())
    }

    fn check_count(&self, count: usize) -> Result<(), Error> {
        if count > MAX_PICTURES { Err(self.fault(FolderFault::ManyFiles)) } else { Ok(()) }
    }

    fn fault(&self, fault: FolderFault) -> Error {
        Error::Folder { path: self.root.to_owned(), fault }
    }

    fn finish(mut self) -> Result<Listing, Error> {
        if self.classes.is_empty() {
            let outside = |refused: &&Refused| refused.reason == Reason::OutsideClass;
            let pictures = self.refused.iter().filter(outside).count();
            return Err(self.fault(FolderFault::NoClasses { pictures }));
        }
        let root = self.root.to_owned();
        let (classes, numbers) = class_order::numbered(&root, &self.classes)?;
        for (picture, class) in &mut self.pictures {
            picture.label = numbers[*class];
        }
        let mut pictures: Vec<Picture> =
            self.pictures.into_iter().map(|(picture, _)| picture).collect();
        // within a class they are sorted by name already
        pictures.sort_by_key(|picture| (picture.subset, picture.label));
        self.refused.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Listing { root, classes, pictures, refused: self.refused })
    }
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::*;

    /// A folder with these empty files in it; a name that ends in `/` is a folder.
    fn tree(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        }
        folder
    }

    fn names(listing: &Listing) -> Vec<(&str, u8)> {
        listing.pictures.iter().map(|it| (it.name.as_str(), it.label)).collect()
    }

    fn refusal(names: &[&str]) -> String {
        list(tree(names).path()).unwrap_err().to_string()
    }

    #[test]
    fn folders_are_classes_in_their_order() {
        let folder = tree(&["nan/b.png", "10/a.JPG", "9/a.gif", "nan/a.png", "七/a.webp"]);
        let listing = list(folder.path()).unwrap();
        assert_eq!(listing.classes, ["9", "10", "nan", "七"]);
        assert_eq!(
            names(&listing),
            [("9/a.gif", 0), ("10/a.JPG", 1), ("nan/a.png", 2), ("nan/b.png", 2), ("七/a.webp", 3)]
        );
        assert!(listing.pictures.iter().all(|picture| picture.subset.is_none()));
        assert!(listing.refused.is_empty());
    }

    #[test]
    fn what_is_not_taken_is_named_with_its_reason() {
        let folder = tree(&[
            "README.md",
            ".git/config",
            "loose.png",
            "cat/a.png",
            "cat/.DS_Store",
            "cat/.b.png",
            "cat/notes.txt",
            "cat/more/a.png",
            "dog/a.png",
            "horse/",
            "cow/scan.tiff",
        ]);
        let listing = list(folder.path()).unwrap();
        assert_eq!(names(&listing), [("cat/a.png", 0), ("dog/a.png", 1)]);
        let refused: Vec<String> = listing.refused.iter().map(ToString::to_string).collect();
        assert_eq!(
            refused,
            [
                ".git: hidden",
                "README.md: its name does not end as a picture's",
                "cat/.DS_Store: hidden",
                "cat/.b.png: hidden",
                "cat/more: a folder in the folder of a class",
                "cat/notes.txt: its name does not end as a picture's",
                "cow: a folder without pictures",
                "cow/scan.tiff: its name does not end as a picture's",
                "horse: a folder without pictures",
                "loose.png: not in the folder of a class",
            ]
        );
    }

    #[test]
    fn subsets_stand_above_classes_in_any_spelling() {
        let folder = tree(&[
            "Training/cat/a.png",
            "Training/dog/a.png",
            "val/dog/b.png",
            "testing/bee/c.png",
            "extra/cat/a.png",
            "test.txt",
            "Training/loose.png",
        ]);
        let listing = list(folder.path()).unwrap();
        assert_eq!(listing.classes, ["bee", "cat", "dog"]);
        assert_eq!(
            names(&listing),
            [
                ("Training/cat/a.png", 1),
                ("Training/dog/a.png", 2),
                ("val/dog/b.png", 2),
                ("testing/bee/c.png", 0)
            ]
        );
        let subsets: Vec<_> =
            listing.pictures.iter().filter_map(|picture| picture.subset).collect();
        assert_eq!(subsets, [Subset::Train, Subset::Train, Subset::Validation, Subset::Test]);
        let refused: Vec<String> = listing.refused.iter().map(ToString::to_string).collect();
        assert_eq!(
            refused,
            [
                "Training/loose.png: not in the folder of a class",
                "extra: a folder beside those of train, validation and test",
                "test.txt: its name does not end as a picture's",
            ]
        );
    }

    #[test]
    fn a_class_may_be_called_test() {
        let folder = tree(&["test/a.png", "rest/a.png"]);
        assert_eq!(list(folder.path()).unwrap().classes, ["rest", "test"]);
    }

    #[test]
    fn what_is_wrong_with_the_whole_is_a_sentence() {
        for (names, expected) in [
            (&[][..], "holds no folders of pictures: put"),
            (
                &["a.png", "b.png", "c.txt"],
                "no folders of pictures, but 2 pictures of no class: put",
            ),
            (&["cat/", "dog/"], "holds no folders of pictures: put"),
            (&["Cat/a.png", "cat/b.png"], "classes `Cat` and `cat` differ by case alone"),
            (&["train/É/a.png", "val/é/b.png"], "classes `É` and `é` differ by case alone"),
            (&["val/a/a.png", "valid/a/a.png"], "folders `val` and `valid` are for the same"),
        ] {
            let refusal = refusal(names);
            assert!(refusal.contains(expected) && !refusal.contains('\n'), "{refusal}");
        }
        let many: Vec<String> = (0..300).map(|class| format!("{class}/")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(refusal(&many).contains("300 classes or more, of which at most 256"));
        let refusal = list(&tree(&[]).path().join("nowhere")).unwrap_err().to_string();
        assert!(refusal.starts_with("cannot read ") && refusal.ends_with("nowhere"), "{refusal}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_what_is_no_file_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;

        let folder = tree(&["cat/a.png", "dog/a.png"]);
        let at = |name: &str| folder.path().join(name);
        symlink(at("cat/a.png"), at("dog/link.png")).unwrap();
        symlink("nowhere.png", at("dog/broken.png")).unwrap();
        symlink("loop.png", at("dog/loop.png")).unwrap();
        symlink("/dev/zero", at("dog/zero.png")).unwrap();
        symlink(at("dog"), at("bee")).unwrap();
        symlink(folder.path(), at("cat/circle")).unwrap();
        let listing = list(folder.path()).unwrap();
        assert_eq!(
            names(&listing),
            [
                ("bee/a.png", 0),
                ("bee/link.png", 0),
                ("cat/a.png", 1),
                ("dog/a.png", 2),
                ("dog/link.png", 2)
            ]
        );
        let refused: Vec<String> = listing.refused.iter().map(ToString::to_string).collect();
        let refused = refused.join("\n");
        for expected in [
            "cat/circle: a folder in the folder of a class",
            "dog/broken.png: a link to a file that is not there",
            "dog/loop.png: cannot be read: Too many levels of symbolic links",
            "dog/zero.png: a pipe or a device",
        ] {
            assert!(refused.contains(expected), "{refused}");
        }
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("a.png"), "").unwrap();
        let refusal = list(folder.path()).unwrap_err().to_string();
        assert!(refusal.contains("the folder `caf\u{fffd}` has a name that is no Unicode"));
    }
}
