//! Constant arrays of C.

use std::fmt::{Display, Write};

/// Maximum characters of a line.
const LINE: usize = 110;

/// A source that tables are added to.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) text: String,
    /// What tables and structs take of flash.
    pub(super) constant_bytes: usize,
}

/// A number's type in C, and its bytes.
pub(super) type Type = (&'static str, usize);

/// Bytes of a pointer on a microcontroller.
pub(super) const POINTER: usize = 4;
/// Members of `struct scaling`: a number that is padded, and three pointers.
pub(super) const SCALING: [usize; 4] = [4, POINTER, POINTER, POINTER];

pub(super) const I8: Type = ("int8_t", 1);
pub(super) const U8: Type = ("uint8_t", 1);
pub(super) const U32: Type = ("uint32_t", 4);
pub(super) const I32: Type = ("int32_t", 4);

impl Source {
    /// `static const TYPE NAME[COUNT] = { … };`, with as many numbers on a line as fit.
    pub(super) fn table<T: Display>(
        &mut self,
        (kind, bytes): Type,
        name: &str,
        numbers: impl ExactSizeIterator<Item = T>,
    ) {
        self.constant_bytes += bytes * numbers.len();
        self.line(format_args!("static const {kind} {name}[{}] = {{", numbers.len()));
        let mut line = String::from("   ");
        for number in numbers {
            let number = format!(" {number},");
            if line.len() + number.len() > LINE {
                self.line(&line);
                line.truncate(3);
            }
            line.push_str(&number);
        }
        self.line(&line);
        self.line("};");
    }

    /// Counts a struct whose members have these sizes, as a core with pointers of [`POINTER`] bytes lays it out.
    pub(super) fn count_struct(&mut self, members: &[usize]) {
        let end = members.iter().fold(0_usize, |end, size| end.next_multiple_of(*size) + size);
        let alignment = members.iter().max().copied().unwrap_or(1);
        self.constant_bytes += end.next_multiple_of(alignment);
    }

    /// Adds a line.
    pub(super) fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{line}"); // writing to a String cannot fail
    }
}
