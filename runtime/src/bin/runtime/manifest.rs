//! A list of labelled pictures: a CSV file of path, label and, if there are several, source.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use safe_io::SingleLine;

/// The label of pictures of no class, unless that is a class's name: blank, several digits, something else.
const OF_NO_CLASS: &str = "none";

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

/// Reads a manifest whose labels are names or numbers of `classes`, or `none`.
///
/// Paths are from the manifest's folder. Columns of other names are left alone.
pub(crate) fn load(path: &Path, classes: &[String]) -> anyhow::Result<Vec<Entry>> {
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
        let by_name = classes.iter().position(|class| class == label);
        let by_number = || label.parse().ok().filter(|&class| class < classes.len());
        let class = by_name.or_else(by_number);
        ensure!(
            class.is_some() || label == OF_NO_CLASS,
            "{file}, line {line}: the model has no class {label:?}; say {OF_NO_CLASS} of what is of none"
        );
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
    fn what_is_wrong_is_named_with_its_line() {
        for (content, expected) in [
            ("path,label\na.png,7\n", "line 2: the model has no class \"7\""),
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
