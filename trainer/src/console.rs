//! Lines on standard output and errors on standard error, neither of which may cost a training.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// Why a line could not be printed.
static DEFERRED_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Prints a line. An error is no reason to lose a run: it is kept for [`deferred_error`], and not at all where the
/// reader has gone, as that of `| head`.
pub(crate) fn print_line(line: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = DEFERRED_ERROR.set(error); // the first is enough
    }
}

/// Why the first line that could not be printed could not.
pub(crate) fn deferred_error() -> Option<&'static io::Error> {
    DEFERRED_ERROR.get()
}

/// A standard error that is closed or full changes nothing.
pub(crate) fn print_error(error: &str) {
    let _ = writeln!(io::stderr(), "error: {error}");
}
