//! What is wrong with a folder or a CSV file as a whole.

use std::fmt;

use safe_io::SingleLine;

use super::{MAX_CLASSES, MAX_PICTURES, MIN_CLASS_PICTURES, MIN_PICTURES};

/// Maximum number of names in a message.
const MAX_NAMES: usize = 12;

/// What is wrong with a folder of pictures, or a CSV file of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderFault {
    /// No folder in it has pictures.
    NoClasses {
        /// Pictures in it that are in no folder of a class.
        pictures: usize,
    },
    /// None of the pictures can be read.
    NoPictures,
    /// Only one class, and so nothing to tell apart.
    OneClass {
        /// Its name.
        name: String,
    },
    /// More classes than labels have numbers.
    ManyClasses {
        /// Folders or labels that there are at least.
        found: usize,
    },
    /// More than [`MAX_PICTURES`] pictures, or files that are none.
    ManyFiles,
    /// Fewer pictures than [`MIN_PICTURES`].
    FewPictures {
        /// Pictures that there are.
        pictures: usize,
    },
    /// A class of fewer pictures than [`MIN_CLASS_PICTURES`].
    SmallClass {
        /// Its name.
        name: String,
        /// Its pictures.
        pictures: usize,
    },
    /// A class all of whose pictures are for validation or test.
    Untrained {
        /// Its name.
        name: String,
    },
    /// Two classes whose names differ by case alone: one class on some systems.
    SameButCase {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// Two folders for one subset, such as `val` and `valid`.
    SubsetTwice {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// The name of a class's folder is no Unicode.
    NotUnicode {
        /// What can be shown of it.
        name: String,
    },
    /// Classes that a model does not have.
    UnknownClasses {
        /// Their names.
        unknown: Vec<String>,
        /// Names of the model's classes.
        known: Vec<String>,
    },
    /// The first line of a CSV file is neither a picture nor the names of the columns.
    NoColumns,
    /// A line of a CSV file is wrong.
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A CSV file without pictures.
    NoLines,
}

impl fmt::Display for FolderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoClasses { pictures } => {
                f.write_str("holds no folders of pictures")?;
                match pictures {
                    0 => {}
                    1 => f.write_str(", but 1 picture of no class")?,
                    _ => write!(f, ", but {pictures} pictures of no class")?,
                }
                f.write_str(
                    ": put those of each class into a folder of its name, or list them in a CSV file with the columns \
                     `path` and `label`",
                )
            }
            Self::NoPictures => f.write_str("none of its pictures can be read"),
            Self::OneClass { name } => write!(
                f,
                "the only class is {}: add a folder for each other class, if only one for what is none of them",
                Quoted(name)
            ),
            Self::ManyClasses { found } => {
                write!(
                    f,
                    "{found} classes or more, of which at most {MAX_CLASSES} are told apart: put some together, or leave some out"
                )
            }
            Self::ManyFiles => write!(
                f,
                "more than {MAX_PICTURES} pictures, or files that are none: leave some out"
            ),
            Self::FewPictures { pictures } => {
                write!(f, "{pictures} pictures; training takes {MIN_PICTURES} or more: add some")
            }
            Self::SmallClass { name, pictures } => {
                let s = if *pictures == 1 { "" } else { "s" };
                write!(
                    f,
                    "class {} has {pictures} picture{s}: give it {MIN_CLASS_PICTURES} or more, or take it out",
                    Quoted(name)
                )
            }
            Self::Untrained { name } => write!(
                f,
                "class {} has no picture to train on: all are for validation or test, so move some",
                Quoted(name)
            ),
            Self::SameButCase { first, second } => write!(
                f,
                "classes {} and {} differ by case alone: rename one, or put their pictures together",
                Quoted(first),
                Quoted(second)
            ),
            Self::SubsetTwice { first, second } => write!(
                f,
                "folders {} and {} are for the same: put their pictures together",
                Quoted(first),
                Quoted(second)
            ),
            Self::NotUnicode { name } => {
                write!(f, "the folder {} has a name that is no Unicode: rename it", Quoted(name))
            }
            Self::UnknownClasses { unknown, known } => {
                let (es, count) = (if unknown.len() == 1 { "" } else { "es" }, known.len());
                let quoted: Vec<String> = unknown.iter().map(|name| Quoted(name).to_string()).collect();
                write!(f, "the model has no class{es} {}: its {count} are {}", Names(&quoted), Names(known))?;
                let is_near = |one: &String, other: &String| one.to_lowercase() == other.to_lowercase();
                let near = |name| Some((name, known.iter().find(|known| is_near(known, name))?));
                match unknown.iter().find_map(near) {
                    Some((name, near)) => {
                        write!(f, "; {} differs from {} by case alone", Quoted(name), Quoted(near))
                    }
                    None => Ok(()),
                }
            }
            Self::NoColumns => f.write_str(
                "no columns `path` and `label`: its first line names them, or is the path of a picture and its label, with a \
                 comma between",
            ),
            Self::Line { line, reason } => write!(f, "line {line}: {}", SingleLine(reason)),
            Self::NoLines => f.write_str("lists no pictures: each of its lines is the path of one and its label"),
        }
    }
}

/// An untrusted name.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", SingleLine(self.0))
    }
}

/// The first of some untrusted names.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0[..self.0.len().min(MAX_NAMES)].join(", ");
        let more = if self.0.len() > MAX_NAMES { ", …" } else { "" };
        write!(f, "{}{more}", SingleLine(shown))
    }
}
