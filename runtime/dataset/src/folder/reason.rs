//! Files that are not taken, and why.

use std::fmt;

use safe_io::SingleLine;

/// A file or folder that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// From the folder with `/` between, or as the CSV file has it. Untrusted text.
    pub name: String,
    /// Why.
    pub reason: Reason,
}

/// Why a file or a folder is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Its name begins with a dot.
    Hidden,
    /// Its name does not end as that of a picture.
    NotPicture,
    /// A picture outside the folders of classes.
    OutsideClass,
    /// A folder beside those of the subsets.
    OutsideSubset,
    /// A folder in the folder of a class.
    Nested,
    /// A folder for a class, without a picture.
    NoPictures,
    /// A pipe or a device, which would wait for a writer or have no end.
    NotFile,
    /// A link to a file that is not there.
    BrokenLink,
    /// The system refuses to read it; with its reason.
    Unreadable(String),
    /// It was read, and is no picture that can be decoded; with the reason.
    Content(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hidden => "hidden",
            Self::NotPicture => "its name does not end as a picture's",
            Self::OutsideClass => "not in the folder of a class",
            Self::OutsideSubset => "a folder beside those of train, validation and test",
            Self::Nested => "a folder in the folder of a class",
            Self::NoPictures => "a folder without pictures",
            Self::NotFile => "a pipe or a device",
            Self::BrokenLink => "a link to a file that is not there",
            Self::Unreadable(reason) => {
                return write!(f, "cannot be read: {}", SingleLine(reason));
            }
            Self::Content(reason) => return SingleLine(reason).fmt(f),
        })
    }
}

impl fmt::Display for Refused {
    /// Name and reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", SingleLine(&self.name), self.reason)
    }
}
