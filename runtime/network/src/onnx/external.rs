//! Weights in files beside the model, as PyTorch's exporter writes them by default.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/ExternalData.md>. A file is read only if its name is plain and it
//! lies in the model's folder: a model must not make a program read something else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safe_io::SingleLine;
use safe_io::read::read_bounded;
use tract_onnx::pb::StringStringEntryProto;

use super::MAX_BYTES;

/// Why weights in a second file are not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalFault {
    /// The model is not in a folder: it came from memory or standard input.
    #[error(
        "lies in a second file, `{location}`, which only a model file has beside it; or export the model as one file, in PyTorch with external_data=False"
    )]
    NoFolder {
        /// The second file.
        location: String,
    },
    /// The name is not that of a file in the same folder.
    #[error("lies in `{location}`, which is no plain name of a file in the model's folder")]
    Name {
        /// The name.
        location: String,
    },
    /// The file is not there, no regular file, or too large.
    #[error(
        "lies in `{location}`, which cannot be read ({reason}); put it beside the model, or export the model as one file, in PyTorch with external_data=False"
    )]
    Read {
        /// The second file.
        location: String,
        /// Why not.
        reason: String,
    },
    /// The file has not the bytes that the model wants.
    #[error("is not in `{location}`: {expected} bytes from byte {offset} of {found}")]
    Length {
        /// The second file.
        location: String,
        /// Where the bytes begin.
        offset: u64,
        /// How many there must be.
        expected: u64,
        /// Length of the file.
        found: u64,
    },
}

/// The files of a folder that were read so far.
pub(super) struct Files<'a> {
    folder: Option<&'a Path>,
    read: BTreeMap<String, Vec<u8>>,
}

impl<'a> Files<'a> {
    pub(super) const fn of(folder: Option<&'a Path>) -> Self {
        Self { folder, read: BTreeMap::new() }
    }

    /// The `length` bytes that `entries` point to.
    pub(super) fn read(
        &mut self,
        entries: &[StringStringEntryProto],
        length: u64,
    ) -> Result<&[u8], ExternalFault> {
        let entry = |key: &str| {
            entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
        };
        let location = entry("location").unwrap_or_default().to_owned();
        let number = |key: &str, default: u64| match entry(key) {
            None => Some(default),
            Some(text) => text.parse().ok(),
        };
        let (offset, stated) = (number("offset", 0), number("length", length));
        if !self.read.contains_key(&location) {
            let bytes = self.read_file(&location)?;
            self.read.insert(location.clone(), bytes);
        }
        let bytes = &self.read[&location];
        let fault = |offset: u64| ExternalFault::Length {
            location: location.clone(),
            offset,
            expected: length,
            found: bytes.len() as u64,
        };
        let offset = offset.ok_or_else(|| fault(u64::MAX))?;
        let end = offset.checked_add(length).filter(|_| stated == Some(length));
        let range = offset as usize..end.ok_or_else(|| fault(offset))? as usize;
        bytes.get(range).ok_or_else(|| fault(offset))
    }

    fn read_file(&self, location: &str) -> Result<Vec<u8>, ExternalFault> {
        let location = || location.to_owned();
        let Some(folder) = self.folder else {
            return Err(ExternalFault::NoFolder { location: location() });
        };
        // `a/b`, `..` and `/a` are no file names
        let name = PathBuf::from(location());
        if name.file_name().is_none_or(|file| file != name.as_os_str()) {
            return Err(ExternalFault::Name { location: location() });
        }
        let path = folder.join(name);
        let refused = |reason: String| ExternalFault::Read { location: location(), reason };
        let metadata = fs::symlink_metadata(&path).map_err(|error| refused(error.to_string()))?;
        if !metadata.is_file() {
            return Err(refused("it is no regular file".into()));
        }
        let spent: u64 = self.read.values().map(|bytes| bytes.len() as u64).sum();
        let left = MAX_BYTES.saturating_sub(spent);
        read_bounded(&path, left).map_err(|error| refused(SingleLine(error).to_string()))
    }
}
