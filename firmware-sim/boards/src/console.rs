//! Prints lines for `firmware-sim board`, through semihosting: a word, then numbers, separated by blanks.

use core::ffi::CStr;
use core::hint::black_box;

use semihosting::sys::arm_compat::sys_write0;

/// Exit code of a run that went wrong.
pub const FAILED: i32 = 1;
/// Exit code after a fault.
pub const FAULT: i32 = 3;

/// Writes a line of ticks, whose numbers are as large as words are.
pub fn ticks(numbers: &[u32]) {
    sys_write0(c"ticks");
    for number in numbers {
        write(number.cast_signed());
    }
    sys_write0(c"\n");
}

/// Writes a line.
#[inline(never)] // once for all lines
pub fn line(about: &CStr, numbers: &[i32]) {
    self::numbers(about, numbers);
    sys_write0(c"\n");
}

/// Writes the beginning of a line, or what comes next in it.
#[inline(never)]
pub fn numbers(about: &CStr, numbers: &[i32]) {
    sys_write0(about);
    for number in numbers {
        write(*number);
    }
}

/// Writes a blank and a number.
#[inline(never)] // its buffer must not lie on the stack during inference
fn write(number: i32) {
    // a blank, eleven characters at most, and the end
    let mut text = [0; 13];
    let mut from = text.len() - 1;
    let mut put = |character| {
        from = from.saturating_sub(1);
        if let Some(cell) = text.get_mut(from) {
            *cell = character;
        }
    };
    let mut left = number.unsigned_abs();
    loop {
        put(b'0' + (left % 10) as u8);
        left = black_box(left / 10); // else the compiler lays out all turns one after another
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        put(b'-');
    }
    put(b' ');
    if let Some(text) = text.get(from..) {
        // SAFETY: it ends with a zero, which nothing was put over, and all before it was put there.
        sys_write0(unsafe { CStr::from_bytes_with_nul_unchecked(text) });
    }
}
