//! A CSV file of pictures with their labels.

use std::collections::HashMap;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use safe_io::read::read_bounded;

use super::class_order::numbered;
use super::{
    FolderFault, Listing, MAX_CLASSES, MAX_PICTURES, Picture, Reason, Refused, Subset,
    is_picture_name,
};
use crate::error::Error;

/// Maximum bytes of a list: 200,000 pictures with paths of 300 bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Which columns hold what.
struct Columns {
    path: usize,
    label: usize,
    subset: Option<usize>,
    source: Option<usize>,
}

impl Columns {
    /// By the names in the first line; `None` if it names none.
    fn named(header: &StringRecord) -> Option<Self> {
        let column = |name: &str| header.iter().position(|it| it.eq_ignore_ascii_case(name));
        let (path, label) = (column("path")?, column("label")?);
        Some(Self { path, label, subset: column("split"), source: column("source") })
    }

    /// Path, label and split, if the first line is a picture.
    fn usual(first: &StringRecord) -> Option<Self> {
        let is_picture = first.len() >= 2 && is_picture_name(Path::new(&first[0]));
        let subset = (first.len() > 2).then_some(2);
        is_picture.then_some(Self { path: 0, label: 1, subset, source: None })
    }
}

/// Lists the pictures of a CSV file, in its order.
pub(super) fn list(path: &Path) -> Result<Listing, Error> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    let fault = |fault| Error::Folder { path: path.to_owned(), fault };
    let wrong_line = |line, reason: &str| fault(FolderFault::Line { line, reason: reason.into() });
    let content = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes); // some programs mark UTF-8 so
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .trim(Trim::All)
        .delimiter(delimiter(content))
        .from_reader(content);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut columns = None;
    let mut classes = Classes::default();
    let mut pictures = vec![];
    let mut refused = vec![];
    for record in reader.records() {
        let record = record.map_err(|error| wrong_record(&error)).map_err(fault)?;
        let line = record.position().map_or(0, csv::Position::line);
        let columns = match &columns {
            Some(columns) => columns,
            None if Columns::named(&record).is_some() => {
                columns = Columns::named(&record);
                continue;
            }
            None => {
                let usual = Columns::usual(&record).ok_or_else(|| fault(FolderFault::NoColumns))?;
                columns.insert(usual)
            }
        };
        let value = |column: usize| record.get(column).unwrap_or_default();
        let (name, label) = (value(columns.path), value(columns.label));
        if name.is_empty() || label.is_empty() {
            let lacking = if name.is_empty() { "there is no path" } else { "there is no label" };
            return Err(wrong_line(line, lacking));
        }
        let subset = match columns.subset.map(value).unwrap_or_default() {
            "" => None,
            text => Some(Subset::named(text).ok_or_else(|| {
                wrong_line(line, &format!("the split is `{text}`, not train, validation or test"))
            })?),
        };
        if pictures.len().max(refused.len()) >= MAX_PICTURES {
            return Err(fault(FolderFault::ManyFiles));
        }
        let path = folder.join(name);
        if !is_picture_name(&path) {
            refused.push(Refused { name: name.to_owned(), reason: Reason::NotPicture });
            continue;
        }
        let class = classes.number(label);
        if class >= MAX_CLASSES {
            return Err(fault(FolderFault::ManyClasses { found: class + 1 }));
        }
        let source = columns.source.map(value).unwrap_or_default().to_owned();
        pictures.push((Picture { path, name: name.to_owned(), label: 0, subset, source }, class));
    }
    if columns.is_none() {
        return Err(fault(FolderFault::NoColumns));
    }
    if pictures.is_empty() {
        return Err(fault(FolderFault::NoLines));
    }
    let (classes, numbers) = numbered(path, &classes.names)?;
    let numbered =
        |(picture, class): (Picture, usize)| Picture { label: numbers[class], ..picture };
    let pictures = pictures.into_iter().map(numbered).collect();
    Ok(Listing { root: path.to_owned(), classes, pictures, refused })
}

/// What stands between values: some spreadsheets write `;` or tabs, and none of these without a comma in a first line that
/// has one.
fn delimiter(content: &[u8]) -> u8 {
    let first = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let found = [b',', b';', b'\t'].into_iter().find(|delimiter| first.contains(delimiter));
    found.unwrap_or(b',')
}

/// Labels in the order in which they were met.
#[derive(Default)]
struct Classes {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Classes {
    fn number(&mut self, label: &str) -> usize {
        if let Some(&number) = self.numbers.get(label) {
            return number;
        }
        self.names.push(label.to_owned());
        self.numbers.insert(label.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}

/// What the reader of CSV says about a line, shortened.
fn wrong_record(error: &csv::Error) -> FolderFault {
    let line = error.position().map_or(0, csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let s = if *len == 1 { "" } else { "s" };
            format!("{len} value{s}, where the first line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8: save it as that".to_owned(),
        _ => error.to_string(),
    };
    FolderFault::Line { line, reason }
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::*;

    fn parse(content: impl AsRef<[u8]>) -> Result<Listing, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, content).unwrap();
        let listing = list(&path).map_err(|error| error.to_string());
        listing.map(|mut listing| {
            for picture in &mut listing.pictures {
                picture.path = picture.path.strip_prefix(folder.path()).unwrap().to_owned();
            }
            listing
        })
    }

    #[test]
    fn columns_are_named_in_any_order_or_as_usual() {
        let named = "\u{feff}Label,notes,source,Path,split\n10,\"a, \"\"b\"\"\",Ann,x/1.png,\ncat,,Bob,\"c, d.JPG\",VAL\n9,,,e.png,test\n";
        let listing = parse(named).unwrap();
        assert_eq!(listing.classes, ["9", "10", "cat"]);
        let found: Vec<_> =
            listing.pictures.iter().map(|it| (it.name.as_str(), it.label, it.subset)).collect();
        let (validation, test) = (Some(Subset::Validation), Some(Subset::Test));
        assert_eq!(found, [("x/1.png", 1, None), ("c, d.JPG", 2, validation), ("e.png", 0, test)]);
        assert_eq!(listing.pictures[1].path, Path::new("c, d.JPG"));
        let sources: Vec<_> = listing.pictures.iter().map(|it| it.source.as_str()).collect();
        assert_eq!(sources, ["Ann", "Bob", ""]);
        let usual = parse("x.png,cat,train\r\ny.bmp, dog ,\r\n").unwrap();
        let labels: Vec<_> = usual.pictures.iter().map(|it| (it.label, it.subset)).collect();
        assert_eq!(labels, [(0, Some(Subset::Train)), (1, None)]);
        assert_eq!(parse("x.png,cat\n").unwrap().pictures.len(), 1);
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let commas = parse("path,label,split\na b.png,cat,test\n").unwrap();
        for written in [
            "\"path\",\"label\",\"split\"\r\n\"a b.png\",\"cat\",\"test\"\r\n",
            "\u{feff}path;label;split\r\na b.png;cat;test\r\n\r\n",
            "path\tlabel\tsplit\ra b.png\tcat\ttest\r",
        ] {
            let listing = parse(written).unwrap();
            assert_eq!((&listing.classes, &listing.pictures), (&commas.classes, &commas.pictures));
        }
        let utf16: Vec<u8> =
            "\u{feff}path,label\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(parse(utf16).unwrap_err().ends_with("line 1: not UTF-8: save it as that"));
    }

    #[test]
    fn what_is_no_picture_by_name_is_refused_and_the_others_are_taken() {
        let listing = parse("path,label\na.png,cat\nb.txt,dog\n").unwrap();
        assert_eq!((listing.classes.len(), listing.pictures.len()), (1, 1));
        assert_eq!(listing.refused, [Refused { name: "b.txt".into(), reason: Reason::NotPicture }]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let many: Vec<String> = (0..300).map(|class| format!("{class}.png,c{class}\n")).collect();
        let many = many.concat();
        for (content, expected) in [
            ("path,label\na.png,1\n,1\n", "line 3: there is no path"),
            ("a.png,1\nb.png,\n", "line 2: there is no label"),
            ("a.png,1,tset\n", "line 1: the split is `tset`, not train, validation or test"),
            ("file,label\na.png,1\n", "no columns `path` and `label`"),
            ("path,label\n", "lists no pictures"),
            ("path,label\na.png,1,2,3\n", "line 2: 4 values, where the first line has 2"),
            ("path,label\na.png,Cat\nb.png,cat\n", "classes `Cat` and `cat` differ by case alone"),
            (&many, "257 classes or more"),
            ("", "no columns"),
        ] {
            let error = parse(content).unwrap_err();
            assert!(error.contains(expected), "{content:?}: {error}");
        }
        assert!(parse(b"path,label\n\xff.png,1\n").unwrap_err().contains("line 2: not UTF-8"));
    }
}
