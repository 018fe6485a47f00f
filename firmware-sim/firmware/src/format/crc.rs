//! CRC-32 (ISO-HDLC, as in zip), four bits at a time: a table of 64 bytes, where one for bytes takes 1 KiB of flash.

use crate::loops::keep_rolled;

/// The polynomial, lowest bit last.
const POLYNOMIAL: u32 = 0xedb8_8320;

const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut index = 0;
    while index < table.len() {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ POLYNOMIAL };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// Of no bytes, before its last step.
pub(crate) const START: u32 = !0;

/// The CRC-32 of some bytes.
#[inline(never)]
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    finish(extend(START, bytes))
}

/// The CRC-32 of bytes that come after others, of which it was `before`; 0 is that of none.
pub(super) fn crc32_after(before: u32, bytes: &[u8]) -> u32 {
    finish(extend(!before, bytes))
}

/// Of more bytes, from what came before them, both before the last step.
#[inline]
pub(crate) fn extend(mut crc: u32, bytes: &[u8]) -> u32 {
    let four_bits = |crc: u32| crc >> 4 ^ TABLE.get(crc as usize & 15).copied().unwrap_or_default();
    for &byte in bytes {
        crc = four_bits(four_bits(crc ^ u32::from(byte)));
        keep_rolled();
    }
    crc
}

/// The last step.
pub(crate) const fn finish(crc: u32) -> u32 {
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        // <https://reveng.sourceforge.io/crc-catalogue/17plus.htm>, CRC-32/ISO-HDLC
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn bytes_in_two_pieces_give_what_they_give_at_once() {
        for middle in 0..=9 {
            let (first, second) = b"123456789".split_at(middle);
            assert_eq!(crc32_after(crc32(first), second), 0xcbf4_3926);
        }
    }
}
