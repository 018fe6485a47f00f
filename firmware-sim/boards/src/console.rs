//! Prints lines for `firmware-sim board`, through semihosting: a word, then numbers, separated by blanks.

use core::ffi::CStr;

use semihosting::sys::arm_compat::sys_write0;

/// Exit code of a run that went wrong.
pub const FAILED: i32 = 1;
/// Exit code after a fault.
pub const FAULT: i32 = 3;

/// Writes a line of ticks.
pub fn ticks(numbers: &[u32]) {
    write(c"ticks", &mut numbers.iter().map(|number| number.cast_signed()));
}

/// Writes a line.
pub fn line(about: &CStr, numbers: &[i32]) {
    write(about, &mut numbers.iter().copied());
}

#[inline(never)] // its buffers must not lie on the stack during inference
fn write(about: &CStr, numbers: &mut dyn Iterator<Item = i32>) {
    sys_write0(about);
    for number in numbers {
        // a blank, eleven characters at most, and the end
        let mut text = [b' '; 13];
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).bytes().chain([0]);
        text.iter_mut().skip(1).zip(digits).for_each(|(cell, digit)| *cell = digit);
        if let Ok(text) = CStr::from_bytes_until_nul(&text) {
            sys_write0(text);
        }
    }
    sys_write0(c"\n");
}
