//! The default data folder.

use std::path::PathBuf;

/// The user's own folder for MNIST, which all clones share; `None` without a home folder.
#[must_use]
pub fn default_data_folder() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "lenet")?.data_dir().join("mnist"))
}
