//! `--classes`: names of a model's classes, as a list or in a file.

use std::path::Path;

use anyhow::Context;
use network::classes;
use runtime::Classifier;
use safe_io::SingleLine;
use safe_io::read::read_bounded;

use crate::hint::with_hint;

/// Maximum bytes of a file of names.
const MAX_BYTES: u64 = 1 << 20;

/// The names that `argument` lists, or the file of this name.
pub(crate) fn load(argument: &str) -> anyhow::Result<Vec<String>> {
    let path = Path::new(argument);
    if !path.exists() {
        return Ok(classes::parse(argument));
    }
    let bytes = read_bounded(path, MAX_BYTES)?;
    let text = String::from_utf8(bytes);
    Ok(parse(&text.with_context(|| format!("{}: not UTF-8", SingleLine(path.display())))?))
}

/// The classifier with these names of its classes.
pub(crate) fn apply(classifier: &Classifier, argument: &str) -> anyhow::Result<Classifier> {
    let named = classifier.with_classes(&load(argument)?);
    named.map_err(with_hint).with_context(|| {
        let no_file =
            if Path::new(argument).exists() { "" } else { " (there is no file of this name)" };
        format!("--classes {}{no_file}", SingleLine(argument))
    })
}

/// Names in a file: a JSON array, one per line, or on a single line with commas.
fn parse(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.trim_start().starts_with('[') || !text.contains('\n') {
        return classes::parse(text);
    }
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_json_array_or_lines_or_a_list() {
        for text in ["a\nb, c\nd", "a\r\n b, c \r\nd\r\n\n", "\u{feff}[\"a\",\n\"b, c\", \"d\"]\n"]
        {
            assert_eq!(parse(text), ["a", "b, c", "d"], "{text:?}");
        }
        assert_eq!(parse("a, b,c\n"), ["a", "b", "c"]);
    }

    #[test]
    fn a_name_of_a_file_means_what_the_file_lists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a,b");
        std::fs::write(&path, "cat\ndog\n").unwrap();
        assert_eq!(load(path.to_str().unwrap()).unwrap(), ["cat", "dog"]);
        assert_eq!(load("cat,dog").unwrap(), ["cat", "dog"]);
        std::fs::write(&path, [0xff]).unwrap();
        assert!(load(path.to_str().unwrap()).unwrap_err().to_string().ends_with("a,b: not UTF-8"));
        let refused = apply(&Classifier::embedded(), "labels.txt").unwrap_err();
        assert_eq!(
            format!("{refused:#}"),
            "--classes labels.txt (there is no file of this name): 1 class name; the model has 10 classes"
        );
    }
}
