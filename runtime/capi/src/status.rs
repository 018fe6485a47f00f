//! What a call says of itself, and the message of the last one that failed.

use std::cell::RefCell;
use std::error::Error as _;
use std::ffi::{CString, c_char};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use runtime::Error;

/// What a function gives: `LNR_OK`, or below 0, and then `lnr_last_error` says why.
pub type lnr_status = i32;

/// It did what was asked.
pub const LNR_OK: lnr_status = 0;
/// What was given is not what the function takes: NULL, or of another length.
pub const LNR_ARGUMENT: lnr_status = -1;
/// The system does not give the file.
pub const LNR_FILE: lnr_status = -2;
/// What was read is no model, or no picture, or more than is read.
pub const LNR_INVALID: lnr_status = -3;
/// A mistake of this library.
pub const LNR_PANIC: lnr_status = -4;

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: lnr_status,
    message: String,
}

impl Failure {
    /// Of what C gave.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self { status: LNR_ARGUMENT, message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut cause = error.source();
        let mut status = LNR_INVALID;
        while let Some(reason) = cause {
            if reason.downcast_ref::<io::Error>().is_some_and(|io| io.raw_os_error().is_some()) {
                status = LNR_FILE;
            }
            cause = reason.source();
        }
        // the line with its causes
        let mut message = format!("{error:?}");
        if error.is_unbaked() {
            message += ", by `runtime bake MODEL.onnx -o MODEL.baked`";
        }
        Self { status, message }
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Runs the body of a function that C calls: whatever happens becomes a status, and the last message.
pub(crate) fn status(run: impl FnOnce() -> Result<(), Failure>) -> lnr_status {
    let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let message = "a mistake of this library; what it says stands on standard error".into();
        Err(Failure { status: LNR_PANIC, message })
    });
    match outcome {
        Ok(()) => LNR_OK,
        Err(Failure { status, message }) => {
            LAST.with(|last| *last.borrow_mut() = text(&message));
            status
        }
    }
}

/// A text as C has it; a 0 in the middle is left out.
pub(crate) fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

/// Why the last call of this thread failed that did: a line, there until the next one fails. Empty if none has.
#[unsafe(no_mangle)]
pub extern "C" fn lnr_last_error() -> *const c_char {
    // a thread that is ending may have none any more
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or_else(|_| c"".as_ptr())
}
