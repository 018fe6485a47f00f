//! C's pointers.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::slice;

use crate::status::Failure;

/// What a pointer points to.
///
/// # Safety
/// It is NULL, or there is a `T` that nobody writes meanwhile.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    if !pointer.is_aligned() {
        return Err(Failure::argument(format!("{name} is not aligned")));
    }
    // SAFETY: the same is asked for, and it is aligned.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::argument(format!("{name} is NULL")))
}

/// Where a result is written.
pub(crate) fn place<T>(pointer: *mut T, name: &str) -> Result<*mut T, Failure> {
    match pointer {
        pointer if pointer.is_null() => Err(Failure::argument(format!("{name} is NULL"))),
        pointer if pointer.is_aligned() => Ok(pointer),
        _ => Err(Failure::argument(format!("{name} is not aligned"))),
    }
}

/// `length` bytes; the pointer may be NULL if that is 0.
///
/// # Safety
/// It is NULL, or there are so many bytes that nobody writes meanwhile.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const u8,
    length: usize,
    name: &str,
) -> Result<&'a [u8], Failure> {
    match pointer {
        _ if length == 0 => Ok(&[]),
        pointer if pointer.is_null() => Err(Failure::argument(format!("{name} is NULL"))),
        _ if isize::try_from(length).is_err() => {
            Err(Failure::argument(format!("{name} has {length} bytes, more than there can be")))
        }
        // SAFETY: the same is asked for, and it is not NULL.
        _ => Ok(unsafe { slice::from_raw_parts(pointer, length) }),
    }
}

/// Room for numbers: exactly `expected`.
///
/// # Safety
/// It is NULL, or there are `count` numbers that nobody else uses meanwhile.
pub(crate) unsafe fn numbers<'a>(
    pointer: *mut f32,
    count: usize,
    expected: usize,
    name: &str,
) -> Result<&'a mut [f32], Failure> {
    let pointer = place(pointer, name)?;
    if count != expected {
        let message = format!("{name} has room for {count} numbers, expected {expected}");
        return Err(Failure::argument(message));
    }
    // any bits are a number, but they might never have been written
    // SAFETY: the same is asked for; it is not NULL and is aligned.
    unsafe { pointer.write_bytes(0, count) };
    // SAFETY: as above.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, count) })
}

/// A path, as the system has it.
///
/// # Safety
/// It is NULL, or a text that ends with a 0.
pub(crate) unsafe fn path(path: *const c_char) -> Result<PathBuf, Failure> {
    if path.is_null() {
        return Err(Failure::argument("path is NULL"));
    }
    // SAFETY: the same is asked for, and it is not NULL.
    let path = unsafe { CStr::from_ptr(path) };
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(std::ffi::OsStr::from_bytes(path.to_bytes()).into())
    }
    #[cfg(not(unix))]
    path.to_str().map(PathBuf::from).map_err(|_| Failure::argument("path is no UTF-8"))
}
