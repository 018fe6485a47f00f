//! A line in every file that says who made it, by which the file is recognised as long as nobody has changed it.

use crate::sha256;

/// What stands in a template in its place.
const PLACE: &str = "@SEAL@";
/// Before the hash.
const MARK: &str = "Made by `firmware-sim quantize --emit c`; not to be edited. SHA-256 of this file with 64 zeros here: ";
/// What is hashed in its place.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The file of this template.
pub(super) fn sealed(template: &str) -> String {
    let unsealed = template.replacen(PLACE, &format!("{MARK}{ZEROS}"), 1);
    let hash = sha256(unsealed.as_bytes());
    unsealed.replacen(&format!("{MARK}{ZEROS}"), &format!("{MARK}{hash}"), 1)
}

/// Whether `bytes` are a file that [`sealed`] gave, in which nothing was changed since.
pub(super) fn is_sealed(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Some((before, rest)) = text.split_once(MARK) else { return false };
    let Some((stated, rest)) = rest.split_at_checked(ZEROS.len()) else { return false };
    stated == sha256([before, MARK, ZEROS, rest].concat().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_is_no_longer_what_was_written() {
        let file = sealed("/* @SEAL@ */\nint x;\n");
        assert!(is_sealed(file.as_bytes()), "{file}");
        for changed in [file.replace("int x", "int y"), format!("{file} "), file[..99].into()] {
            assert!(!is_sealed(changed.as_bytes()));
        }
        assert!(!is_sealed(b"") && !is_sealed(&[0xff]));
    }
}
