//! How far a long job is, on standard error and only if that is a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar up to `count` pictures.
pub(crate) fn bar(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} pictures, {eta} left")
        .expect("the template is constant and valid");
    ProgressBar::new(count as u64).with_style(style)
}

/// The same for a job whose lines go to standard output: none where these show in the terminal how far it is.
pub(crate) fn bar_beside_lines(count: usize) -> ProgressBar {
    if count > 1 && !io::stdout().is_terminal() { bar(count) } else { ProgressBar::hidden() }
}
