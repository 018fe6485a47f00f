//! Lines on standard output, errors on standard error, and the exit code of a command.
//!
//! A reader that has gone, as that of `| head`, is no error; a full disk behind standard output is one. A standard error
//! that is closed or full changes nothing: there is nowhere left to say so.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::SingleLine;

/// The exit code of a command that ended so: an error is printed, in one line with its causes, unless it is that the
/// reader of standard output has gone.
#[must_use]
pub fn exit(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => match stdout_error(error.as_ref()) {
            Some(ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
            kind => {
                let printing = "cannot write to standard output";
                print_error(&if kind.is_some() { error.context(printing) } else { error });
                ExitCode::FAILURE
            }
        },
    }
}

/// Prints an error in one line with its causes.
pub fn print_error(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {}", SingleLine(format_args!("{error:#}")));
}

/// The kind of an error that the system gave while we printed: an error about anything else says what it is about, and
/// has the system's as its cause.
fn stdout_error(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    error.downcast_ref().filter(|_| error.source().is_none()).map(io::Error::kind)
}

/// Why the first line that could not be printed could not.
static DEFERRED_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Prints a line of a long job, which an error of printing must not end: it is kept for [`deferred_error`].
pub fn print_line(line: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = DEFERRED_ERROR.set(error); // the first is enough
    }
}

/// What [`print_line`] could not print: the error of a job that went well otherwise.
///
/// # Errors
/// That standard output cannot be written.
pub fn deferred_error() -> anyhow::Result<()> {
    match DEFERRED_ERROR.get() {
        Some(error) => Err(anyhow::anyhow!("cannot write to standard output: {error}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_while_printing_is_told_from_one_about_a_file() {
        let printing = anyhow::Error::from(io::Error::from(ErrorKind::BrokenPipe));
        assert_eq!(stdout_error(printing.as_ref()), Some(ErrorKind::BrokenPipe));
        let failed: io::Result<()> = Err(io::Error::from(ErrorKind::BrokenPipe));
        let file = failed.context("cannot write model.onnx").unwrap_err();
        assert_eq!(stdout_error(file.as_ref()), None);
        assert_eq!(exit(Err(printing)), ExitCode::SUCCESS);
        assert_eq!(exit(Err(file)), ExitCode::FAILURE);
    }
}
