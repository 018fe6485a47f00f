//! What is in a folder, and whether it is taken.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::PathBuf;

use super::{Reason, is_picture_name};

/// Something in a folder.
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

/// What it is, behind links.
pub(super) enum Kind {
    Folder,
    File,
    /// Neither: a pipe, a device, a link to nowhere.
    Other(Reason),
}

impl Entry {
    /// Looks at what is there, behind links.
    pub(super) fn of(entry: &DirEntry) -> io::Result<Self> {
        let path = entry.path();
        let mut kind = entry.file_type()?;
        let mut is_broken = None;
        if kind.is_symlink() {
            match fs::metadata(&path) {
                Ok(there) => kind = there.file_type(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    is_broken = Some(Reason::BrokenLink);
                }
                Err(error) => is_broken = Some(Reason::Unreadable(error.to_string())),
            }
        }
        let kind = match is_broken {
            Some(reason) => Kind::Other(reason),
            None if kind.is_dir() => Kind::Folder,
            None if kind.is_file() => Kind::File,
            None => Kind::Other(Reason::NotFile),
        };
        Ok(Self { name: entry.file_name(), path, kind })
    }

    /// Its name, as far as it can be shown. Untrusted text.
    pub(super) fn shown(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.name.as_encoded_bytes().starts_with(b".")
    }

    pub(super) fn is_visible_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder) && !self.is_hidden()
    }

    /// Whether it is taken for a picture by its name.
    pub(super) fn is_visible_picture(&self) -> bool {
        matches!(self.kind, Kind::File) && !self.is_hidden() && is_picture_name(&self.path)
    }

    /// Why it is not taken, `misplaced` if it would be elsewhere.
    pub(super) fn reason(self, misplaced: Reason) -> Reason {
        match self.kind {
            _ if self.is_hidden() => Reason::Hidden,
            Kind::Other(reason) => reason,
            Kind::File if !is_picture_name(&self.path) => Reason::NotPicture,
            _ => misplaced,
        }
    }
}
