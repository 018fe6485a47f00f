//! The pictures in a folder, and what else is there.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dataset::folder::is_picture_name;
use safe_io::SingleLine;

/// Maximum names that are listed of each kind.
const MAX_NAMES: usize = 3;

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Paths of the pictures, sorted.
    pub(crate) pictures: Vec<PathBuf>,
    pub(crate) skipped: Skipped,
}

/// Names of what is no picture, sorted; hidden files are not among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    folders: Vec<String>,
    /// Files whose names do not end as those of pictures that are read.
    files: Vec<String>,
    /// Pipes and devices, which would wait for a writer or have no end.
    others: Vec<String>,
}

/// Lists a folder, but not the folders in it.
pub(crate) fn read(path: &Path) -> anyhow::Result<Folder> {
    let unreadable = || format!("cannot read folder {}", path.display());
    let mut folder = Folder::default();
    for entry in path.read_dir().with_context(unreadable)? {
        folder.add(entry.with_context(unreadable)?.path());
    }
    folder.pictures.sort();
    let Skipped { folders, files, others } = &mut folder.skipped;
    for names in [folders, files, others] {
        names.sort();
    }
    Ok(folder)
}

impl Folder {
    fn add(&mut self, path: PathBuf) {
        let is_named = is_picture_name(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let skipped = match path.metadata() {
            Ok(there) if there.is_dir() => &mut self.skipped.folders,
            Ok(there) if !there.is_file() => &mut self.skipped.others,
            // a link to nowhere is a picture that cannot be read
            _ if is_named => return self.pictures.push(path),
            _ => &mut self.skipped.files,
        };
        if !name.starts_with('.') {
            skipped.push(name);
        }
    }
}

impl Skipped {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Skipped {
    /// How many of each kind, and the first names; empty if nothing was skipped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (&self.files, "file of another type", "files of other types"),
            (&self.folders, "folder", "folders"),
            (&self.others, "pipe or device", "pipes or devices"),
        ];
        let mut separator = "";
        for (names, one, many) in kinds.into_iter().filter(|(names, ..)| !names.is_empty()) {
            let kind = if names.len() == 1 { one } else { many };
            let shown = names[..names.len().min(MAX_NAMES)].join(", ");
            let more = if names.len() > MAX_NAMES { ", …" } else { "" };
            write!(f, "{separator}{} {kind} ({}{more})", names.len(), SingleLine(shown))?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_skipped_is_counted_and_the_first_are_named() {
        let there = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.JPG", "scan.tiff", "notes.txt", "x\n", "e", ".hidden", ".png"] {
            fs::write(there.path().join(name), "").unwrap();
        }
        fs::create_dir(there.path().join("sub.png")).unwrap();
        let folder = read(there.path()).unwrap();
        let names: Vec<_> = folder.pictures.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.JPG", "b.png"]);
        assert_eq!(
            folder.skipped.to_string(),
            "4 files of other types (e, notes.txt, scan.tiff, …), 1 folder (sub.png)"
        );
        assert!(!folder.skipped.is_empty());
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path()).unwrap().skipped.is_empty());
    }
}
