//! When, by what and how a run was made, for its report.

use std::env;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use safe_io::origin::{commit, format_date, quoted};

/// Date and time in UTC, such as `2026-11-26 13:44 UTC`.
pub(crate) fn date() -> String {
    // a clock before 1970 is wrong anyway
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format_date(seconds)
}

/// Version, and the commit of the sources that this was built from, if they are there still.
pub(crate) fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    commit(Path::new(env!("CARGO_MANIFEST_DIR")))
        .map_or_else(|| version.to_owned(), |commit| format!("{version}, {commit}"))
}

/// The program's name and its arguments, quoted as a shell wants them.
pub(crate) fn command_line() -> String {
    let arguments = env::args_os().skip(1).map(|argument| quoted(&argument.to_string_lossy()));
    std::iter::once("trainer".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
