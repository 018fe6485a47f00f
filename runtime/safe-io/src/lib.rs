//! Text, files and printing that hostile names, full disks and closed pipes cannot harm: what the three commands do
//! alike, and what the libraries below them need of it.
//!
//! | module | what it owns |
//! |---|---|
//! | [`SingleLine`] | untrusted text, such as names of files and classes, within one line of output |
//! | [`read`] | reading a whole file of bounded size |
//! | `print` | lines, errors and the exit code of a command (feature `command`) |
//! | `output` | writing a file whole or not at all (feature `command`) |
//! | `origin` | dates, commits and arguments, for reports (feature `command`) |
//! | `PAGE_STYLE` | how the commands' pages look (feature `command`) |
//! | `data_folder` | the folder for datasets that all clones of a user share (feature `command`) |
#![forbid(unsafe_code)]

#[cfg(feature = "command")]
mod data_folder;
#[cfg(feature = "command")]
pub mod origin;
#[cfg(feature = "command")]
pub mod output;
#[cfg(feature = "command")]
pub mod print;
pub mod read;
mod text;

#[cfg(feature = "command")]
pub use data_folder::default_data_folder;
pub use text::SingleLine;

/// The style sheet of the commands' pages: readable on a phone, where plots are scrolled sideways rather than shrunk, and on
/// paper; without scripts, fonts or pictures.
#[cfg(feature = "command")]
pub const PAGE_STYLE: &str = include_str!("page.css");
