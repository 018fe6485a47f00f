//! Labelled pictures: a CSV file of path, label and, if there are several, source; or a folder for each class.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use safe_io::SingleLine;

use crate::folder::{self, Folder};
use crate::note;

/// The label of pictures of no class, unless a class has this name: blank, several digits, something else.
const OF_NO_CLASS: &str = "none";

/// Maximum number of classes that a message names.
const MAX_NAMES: usize = 12;

/// Maximum bytes of a manifest: some hundred thousand pictures.
const MAX_BYTES: u64 = 16 << 20;

/// A picture and what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is, from here.
    pub(crate) path: PathBuf,
    /// As the manifest names it.
    pub(crate) name: String,
    /// Its class; `None` if it is of none.
    pub(crate) label: Option<usize>,
    /// Who made it.
    pub(crate) source: String,
}

/// Reads a manifest, or a folder that holds a folder of pictures for each label.
///
/// A label is the name of one of `classes`, or else the number of one, or else `none`. Paths are from the manifest's folder. Columns of other names are left alone.
pub(crate) fn load(path: &Path, classes: &[String]) -> anyhow::Result<Vec<Entry>> {
    if path.is_dir() {
        return of_folder(path, classes);
    }
    let file = SingleLine(path.display());
    let unreadable = || format!("cannot read {file}");
    let mut bytes = vec![];
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .with_context(unreadable)?;
    ensure!(bytes.len() as u64 <= MAX_BYTES, "{file} holds more than {MAX_BYTES} bytes");
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&bytes[..]);
    let headers = reader.headers().with_context(unreadable)?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (Some(paths), Some(labels)) = (column("path"), column("label")) else {
        bail!("{file} has no columns `path` and `label`: its first line names the columns");
    };
    let sources = column("source");
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut entries = vec![];
    for record in reader.records() {
        let record = record.with_context(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let value = |column: usize| record.get(column).unwrap_or_default();
        let name = value(paths);
        ensure!(!name.is_empty(), "{file}, line {line}: there is no path");
        let label = value(labels);
        let class = class(label, classes).with_context(|| format!("{file}, line {line}"))?;
        let source = sources.map(value).unwrap_or_default().to_owned();
        entries.push(Entry {
            path: folder.join(name),
            name: name.to_owned(),
            label: class,
            source,
        });
    }
    ensure!(!entries.is_empty(), "{file} lists no pictures");
    Ok(entries)
}

/// Pictures in folders that are named by their labels.
fn of_folder(path: &Path, classes: &[String]) -> anyhow::Result<Vec<Entry>> {
    let name = SingleLine(path.display());
    let unreadable = || format!("cannot read folder {name}");
    let mut folders = vec![];
    for entry in path.read_dir().with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?.path();
        let label = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() && !label.starts_with('.') {
            folders.push((label, entry));
        }
    }
    folders.sort();
    let mut entries = vec![];
    for (label, folder) in folders {
        let class = class(&label, classes).with_context(|| format!("folder {name}"))?;
        let Folder { pictures, skipped } = folder::read(&folder)?;
        if !skipped.is_empty() {
            let folder = SingleLine(folder.display());
            note::print(format_args!("folder {folder}: skipped {skipped}"));
        }
        entries.extend(pictures.into_iter().map(|picture| {
            let file = picture.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{label}/{file}");
            Entry { path: picture, name, label: class, source: String::new() }
        }));
    }
    ensure!(
        !entries.is_empty(),
        "folder {name} holds no folders of pictures: put those of each class into a folder of its name, or list them in a CSV \
         file with the columns `path` and `label`"
    );
    Ok(entries)
}

/// The class that a label means; `None` for that of no class.
fn class(label: &str, classes: &[String]) -> anyhow::Result<Option<usize>> {
    let by_name = classes.iter().position(|class| class == label);
    let by_number = || label.parse().ok().filter(|&class| class < classes.len());
    let class = by_name.or_else(by_number);
    if class.is_none() && label != OF_NO_CLASS {
        let shown = classes[..classes.len().min(MAX_NAMES)].join(", ");
        let more = if classes.len() > MAX_NAMES { ", …" } else { "" };
        bail!(
            "the model has no class {label:?}: its {} classes are {shown}{more}; --classes gives them other names, and \
             the label {OF_NO_CLASS} is for pictures of no class",
            classes.len()
        );
    }
    Ok(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Result<Vec<Entry>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, content).unwrap();
        let classes = ["0", "1", "cat"].map(str::to_owned);
        load(&path, &classes)
            .map(|mut entries| {
                for entry in &mut entries {
                    entry.path = entry.path.strip_prefix(folder.path()).unwrap().to_owned();
                }
                entries
            })
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn labels_are_names_numbers_or_none_and_columns_stand_in_any_order() {
        let entries =
            parse("label,notes,source,path\n1,\"a, b\",Ann,x/1.png\ncat,,Bob,c.png\n2,,,d.png\nnone,,Bob,e.png\n")
                .unwrap();
        let labels: Vec<_> = entries.iter().map(|entry| entry.label).collect();
        assert_eq!(labels, [Some(1), Some(2), Some(2), None]);
        assert_eq!(entries[0].path, Path::new("x/1.png"));
        assert_eq!((entries[1].source.as_str(), entries[2].source.as_str()), ("Bob", ""));
    }

    #[test]
    fn a_name_comes_before_a_number_and_both_before_none() {
        let classes = ["1", "none", "0"].map(str::to_owned);
        let found = ["1", "none", "2"].map(|label| class(label, &classes).unwrap());
        assert_eq!(found, [Some(0), Some(1), Some(2)]);
        let many: Vec<String> = (0..40).map(|class| class.to_string()).collect();
        let refused = class("nan", &many).unwrap_err().to_string();
        assert!(refused.contains("its 40 classes are 0, 1") && refused.contains(", 11, …;"));
        assert_eq!(class("none", &many).unwrap(), None);
    }

    #[test]
    fn folders_are_labels() {
        let there = tempfile::tempdir().unwrap();
        let classes = ["cat", "dog"].map(str::to_owned);
        for (folder, files) in
            [("dog", &["b.png", "a.jpg"][..]), ("none", &["c.png"]), ("1", &["d.png"])]
        {
            std::fs::create_dir(there.path().join(folder)).unwrap();
            for file in files {
                std::fs::write(there.path().join(folder).join(file), "").unwrap();
            }
        }
        let found = load(there.path(), &classes).unwrap();
        let found: Vec<_> = found.iter().map(|entry| (entry.name.as_str(), entry.label)).collect();
        let dog = Some(1);
        assert_eq!(
            found,
            [("1/d.png", dog), ("dog/a.jpg", dog), ("dog/b.png", dog), ("none/c.png", None)]
        );
        std::fs::create_dir(there.path().join("horse")).unwrap();
        let refused = format!("{:#}", load(there.path(), &classes).unwrap_err());
        assert!(
            refused.contains("has no class \"horse\": its 2 classes are cat, dog"),
            "{refused}"
        );
        let empty = tempfile::tempdir().unwrap();
        let refused = load(empty.path(), &classes).unwrap_err().to_string();
        assert!(refused.contains("holds no folders of pictures"), "{refused}");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (content, expected) in [
            (
                "path,label\na.png,7\n",
                "line 2: the model has no class \"7\": its 3 classes are 0, 1, cat; --classes",
            ),
            ("path,label\na.png,1\n,1\n", "line 3: there is no path"),
            ("file,label\na.png,1\n", "no columns `path` and `label`"),
            ("path,label\n", "lists no pictures"),
            ("path,label\na.png,1,2,3\n", "found record with 4 fields"),
            ("", "no columns"),
        ] {
            let error = parse(content).unwrap_err();
            assert!(error.contains(expected), "{content:?}: {error}");
        }
    }
}
