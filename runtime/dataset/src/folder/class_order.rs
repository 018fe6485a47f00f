//! In which order classes are numbered.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;

use super::{FolderFault, MAX_CLASSES};
use crate::error::Error;

/// Classes in their order, and for each of the given ones its number in it.
pub(super) fn numbered(root: &Path, given: &[String]) -> Result<(Vec<String>, Vec<u8>), Error> {
    let fault = |fault| Error::Folder { path: root.to_owned(), fault };
    if given.len() > MAX_CLASSES {
        return Err(fault(FolderFault::ManyClasses { found: given.len() }));
    }
    let mut classes = given.to_vec();
    classes.sort_by(|one, other| compare(one, other));
    let mut lower: HashMap<String, &String> = HashMap::new();
    for class in &classes {
        if let Some(first) = lower.insert(class.to_lowercase(), class) {
            return Err(fault(FolderFault::SameButCase {
                first: first.clone(),
                second: class.clone(),
            }));
        }
    }
    let number = |name| classes.iter().position(|class| class == name).unwrap_or_default() as u8;
    let numbers = given.iter().map(number).collect();
    Ok((classes, numbers))
}

/// Whole numbers first, by their value; then other names by their code points.
fn compare(one: &str, other: &str) -> Ordering {
    match (number(one), number(other)) {
        // a longer number without zeros in front is larger
        (Some(a), Some(b)) => (a.len(), a, one).cmp(&(b.len(), b, other)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

/// The digits of a whole number, without zeros in front.
fn number(name: &str) -> Option<&str> {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| name.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_value_and_come_before_names() {
        let mut names =
            ["nan", "10", "七", "9", "01", "Cat", "1", "cat", "0", "-1", "99999999999999999999"];
        names.sort_by(|one, other| compare(one, other));
        assert_eq!(
            names,
            ["0", "01", "1", "9", "10", "99999999999999999999", "-1", "Cat", "cat", "nan", "七"]
        );
    }
}
