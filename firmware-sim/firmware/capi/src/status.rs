//! What a call says of itself.

use core::ffi::{CStr, c_char};

use firmware::FormatError;

/// What a function gives: 0 or more if it did what was asked, below 0 if not: then `lnq_message` says why.
pub type lnq_status = i32;

/// It did what was asked.
pub const LNQ_OK: lnq_status = 0;
/// It did, or there was nothing to do, and the next row of the image is due: `lnq_push_row`.
pub const LNQ_NEEDS_ROW: lnq_status = 1;
/// All rows are there: `lnq_finish`, or `lnq_finish_in_blocks`.
pub const LNQ_READY: lnq_status = 2;

/// A pointer is NULL that may not be.
pub const LNQ_NULL: lnq_status = -1;
/// A pointer to a handle or to numbers lies at no multiple of their size.
pub const LNQ_ALIGNMENT: lnq_status = -2;
/// The model was not parsed: `lnq_parse`.
pub const LNQ_NOT_PARSED: lnq_status = -3;
/// The image was not begun, or is finished, or the handle was copied to elsewhere: `lnq_start`.
pub const LNQ_NOT_STARTED: lnq_status = -4;
/// The call interrupted another one for the same image.
pub const LNQ_BUSY: lnq_status = -5;
/// There is less scratch than `lnq_scratch_words` says.
pub const LNQ_SCRATCH: lnq_status = -6;
/// Memory for one thing lies within that of another.
pub const LNQ_OVERLAP: lnq_status = -7;
/// The row has another length than `lnq_info` says.
pub const LNQ_ROW_LENGTH: lnq_status = -8;
/// Rows of the image are missing.
pub const LNQ_ROWS_MISSING: lnq_status = -9;
/// The outputs are too many to be held: `lnq_finish_in_blocks`.
pub const LNQ_NOT_HELD: lnq_status = -10;
/// There are another number of outputs than `lnq_info` says.
pub const LNQ_OUTPUTS: lnq_status = -11;

/// The file is cut off, or too long.
pub const LNQ_FILE_LENGTH: lnq_status = -32;
/// The file is no `.q8` file.
pub const LNQ_FILE_MAGIC: lnq_status = -33;
/// The file is of another version than this library reads.
pub const LNQ_FILE_VERSION: lnq_status = -34;
/// The file was changed since it was made.
pub const LNQ_FILE_CHECKSUM: lnq_status = -35;
/// The file does not lie at a multiple of four.
pub const LNQ_FILE_ALIGNMENT: lnq_status = -36;
/// The file is laid out for another family of cores, or needs more than was linked by `LNQ_MODEL`.
pub const LNQ_FILE_ROUTINES: lnq_status = -37;
/// The file's numbers do not fit together; `firmware::Model::parse` says which.
pub const LNQ_FILE_INVALID: lnq_status = -38;

/// The status for what is wrong with a file.
pub(crate) fn of_format(error: FormatError) -> lnq_status {
    match error {
        FormatError::Length(_) => LNQ_FILE_LENGTH,
        FormatError::Magic(_) => LNQ_FILE_MAGIC,
        FormatError::Version(_) => LNQ_FILE_VERSION,
        FormatError::Checksum { .. } => LNQ_FILE_CHECKSUM,
        FormatError::Alignment => LNQ_FILE_ALIGNMENT,
        FormatError::Routines(_) => LNQ_FILE_ROUTINES,
        _ => LNQ_FILE_INVALID,
    }
}

/// A sentence for a status, which is never freed and never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn lnq_message(status: lnq_status) -> *const c_char {
    sentence(status).as_ptr()
}

fn sentence(status: lnq_status) -> &'static CStr {
    match status {
        LNQ_OK => c"done",
        LNQ_NEEDS_ROW => c"done, and the next row of the image is due",
        LNQ_READY => c"done, and all rows of the image are there",
        LNQ_NULL => c"a pointer is NULL that may not be",
        LNQ_ALIGNMENT => c"a pointer lies at no multiple of the size that it must",
        LNQ_NOT_PARSED => c"the model was not parsed: lnq_parse",
        LNQ_NOT_STARTED => c"the image was not begun, or is finished, or its handle was copied: lnq_start",
        LNQ_BUSY => c"the call interrupted another one for the same image",
        LNQ_SCRATCH => c"there is less scratch than lnq_scratch_words says",
        LNQ_OVERLAP => c"memory for one thing lies within that of another",
        LNQ_ROW_LENGTH => c"the row has another length than lnq_info says",
        LNQ_ROWS_MISSING => c"rows of the image are missing",
        LNQ_NOT_HELD => c"the outputs are too many to be held: lnq_finish_in_blocks",
        LNQ_OUTPUTS => c"there are another number of outputs than lnq_info says",
        LNQ_FILE_LENGTH => c"the file is cut off, or too long",
        LNQ_FILE_MAGIC => c"the file is no .q8 file",
        LNQ_FILE_VERSION => c"the file is of another version: make it anew from its ONNX file",
        LNQ_FILE_CHECKSUM => c"the file was changed since it was made",
        LNQ_FILE_ALIGNMENT => c"the file does not lie at a multiple of four: align it",
        LNQ_FILE_ROUTINES => {
            c"the file is laid out for another family of cores, or needs more than was linked by LNQ_MODEL"
        }
        LNQ_FILE_INVALID => c"the file's numbers do not fit together",
        _ => c"no status of this library",
    }
}
