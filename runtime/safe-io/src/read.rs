//! Reading whole files, of bounded size.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::SingleLine;

/// Why a file was not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened or read.
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// More bytes than the limit; no more than those were read.
    TooLarge {
        /// What was asked for.
        path: PathBuf,
        /// The limit that was passed.
        max_bytes: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => {
                write!(f, "cannot read {}", SingleLine(path.display()))
            }
            Self::TooLarge { path, max_bytes } => {
                let path = SingleLine(path.display());
                write!(f, "{path}: holds more than {max_bytes} bytes, the maximum that is read")
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::TooLarge { .. } => None,
        }
    }
}

/// The content of a file of at most `max_bytes`: neither a large file nor a device without end fills the memory.
///
/// # Errors
/// [`ReadError::Unreadable`] or [`ReadError::TooLarge`].
pub fn read_bounded(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > max_bytes {
        return Err(ReadError::TooLarge { path: path.to_owned(), max_bytes });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_not_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"1234").unwrap();
        assert_eq!(read_bounded(&path, 4).unwrap(), b"1234");
        let refusal = read_bounded(&path, 3).unwrap_err().to_string();
        assert!(
            refusal.ends_with("file: holds more than 3 bytes, the maximum that is read"),
            "{refusal}"
        );
        let refusal = read_bounded(&folder.path().join("none"), 3).unwrap_err().to_string();
        assert!(refusal.starts_with("cannot read ") && refusal.ends_with("none"), "{refusal}");
    }
}
