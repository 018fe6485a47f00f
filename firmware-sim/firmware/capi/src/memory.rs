//! C's pointers: what can be checked of them.

use core::ops::Range;

use crate::status::{LNQ_ALIGNMENT, LNQ_NULL, lnq_status};

/// Whether a pointer may be used at all: it is not NULL, and is aligned.
pub(crate) fn check<T>(pointer: *const T) -> Result<*const T, lnq_status> {
    match pointer {
        null if null.is_null() => Err(LNQ_NULL),
        pointer if pointer.is_aligned() => Ok(pointer),
        _ => Err(LNQ_ALIGNMENT),
    }
}

/// The same of one that is written to.
pub(crate) fn check_mut<T>(pointer: *mut T) -> Result<*mut T, lnq_status> {
    check(pointer.cast_const()).map(<*const T>::cast_mut)
}

/// Addresses of `count` items; `None` if they would be more than there are.
pub(crate) fn span<T>(pointer: *const T, count: usize) -> Option<Range<usize>> {
    let bytes =
        count.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok())?;
    let start = pointer.addr();
    Some(start..start.checked_add(bytes)?)
}

/// Whether two have a byte in common.
pub(crate) const fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Runs a function's body and gives its status, that of the first error if there is one.
pub(crate) fn status(run: impl FnOnce() -> Result<lnq_status, lnq_status>) -> lnq_status {
    match run() {
        Ok(status) | Err(status) => status,
    }
}
