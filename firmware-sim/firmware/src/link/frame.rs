//! Frames on a line that loses, adds and changes bytes.

use crate::format::crc;
use crate::loops::keep_rolled;

/// Maximum number of bytes of a message and its CRC-32: one less than what a byte of COBS can count over.
const MAX_CONTENT: usize = 253;
/// Maximum number of bytes of a message.
const MAX_MESSAGE: usize = super::message::MAX_MESSAGE;
const _: () = assert!(MAX_MESSAGE + size_of::<u32>() <= MAX_CONTENT);

/// Maximum number of bytes of a frame on the line, with the zeros around it.
pub const MAX_FRAME: usize = 1 + 1 + MAX_MESSAGE + size_of::<u32>() + 1;

/// What ends a frame, and begins the next.
const DELIMITER: u8 = 0;

/// One frame at a time, coming or going: reads those that come byte by byte, and holds one to be sent.
///
/// ```
/// use firmware::link::{Frame, Request};
///
/// let (mut sender, mut receiver) = (Frame::new(), Frame::new());
/// let sent = Request::Hello.emit(&mut sender);
/// let mut received = sent.iter().filter_map(|&byte| receiver.push(byte).map(<[u8]>::to_vec));
/// assert_eq!(received.next().as_deref().and_then(Request::parse), Some(Request::Hello));
/// ```
#[derive(Debug, Clone)]
pub struct Frame {
    /// A zero, the coded content, a zero; of a frame that comes only the second.
    bytes: [u8; MAX_FRAME],
    /// Of a frame that comes: bytes so far. Of one too long, more than there is room for.
    len: usize,
}

impl Frame {
    /// Before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_FRAME], len: 0 }
    }

    /// Takes the next byte of the line. Gives a message if it is the last byte of a frame that is whole.
    pub fn push(&mut self, byte: u8) -> Option<&[u8]> {
        if byte != DELIMITER {
            // there is room for two more than a frame has between its zeros: of one that is longer, the rest is left out
            if let Some(cell) = self.bytes.get_mut(self.len) {
                *cell = byte;
                self.len += 1;
            }
            return None;
        }
        let len = core::mem::take(&mut self.len);
        if len >= MAX_FRAME {
            return None;
        }
        let coded = self.bytes.get_mut(..len)?;
        decode(coded)?;
        let (content, crc) = coded.get(1..)?.split_last_chunk()?;
        (crc::crc32(content) == u32::from_le_bytes(*crc)).then_some(content)
    }

    /// Makes a frame of a message, which is put together here from its parts: the bytes to be sent. What was coming in
    /// is forgotten.
    ///
    /// Parts beyond the longest message are left out: no message has so many.
    pub(super) fn seal(&mut self, parts: &[&[u8]]) -> &[u8] {
        self.len = 0;
        let [delimiter, _, content @ ..] = &mut self.bytes;
        *delimiter = DELIMITER;
        let mut end = 0;
        for part in parts {
            if let Some(place) = content.get_mut(end..end + part.len()) {
                copy(place, part);
                end += part.len();
            }
        }
        if let Some((message, rest)) = content.split_at_mut_checked(end)
            && let Some(place) = rest.first_chunk_mut()
        {
            *place = crc::crc32(message).to_le_bytes();
        }
        let end = 2 + end + size_of::<u32>();
        if let Some(coded) = self.bytes.get_mut(1..end) {
            encode(coded);
        }
        if let Some(delimiter) = self.bytes.get_mut(end) {
            *delimiter = DELIMITER;
        }
        self.bytes.get(..=end).unwrap_or_default()
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts into the place of each zero, and into the first byte, how far it is to the next zero, or to the end. Of at
/// most [`MAX_CONTENT`] bytes after the first, so that no way is longer than a byte can say.
fn encode(coded: &mut [u8]) {
    if let Some(first) = coded.first_mut() {
        *first = 0;
    }
    let mut distance = 1;
    for byte in coded.iter_mut().rev() {
        if *byte == 0 {
            *byte = distance;
            distance = 0;
        }
        distance = distance.wrapping_add(1);
        keep_rolled();
    }
}

/// Puts the zeros back, from the second byte on; `None` if the last does not lead to the end.
fn decode(coded: &mut [u8]) -> Option<()> {
    let mut at = 0;
    loop {
        let place = coded.get_mut(at)?;
        let distance = core::mem::take(place);
        if distance == 0 {
            return None;
        }
        at += usize::from(distance);
        if at == coded.len() {
            return Some(());
        }
        keep_rolled();
    }
}

/// In a few instructions of flash, where the C library's function takes hundreds.
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
        keep_rolled();
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn received(receiver: &mut Frame, line: &[u8]) -> Vec<Vec<u8>> {
        line.iter().filter_map(|&byte| receiver.push(byte).map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn zeros_are_coded_by_the_way_to_the_next() {
        // the paper's example, 45 00 00 2c 4c 79 00 00 40 06 4f 37
        let mut coded = [9, 0x45, 0, 0, 0x2c, 0x4c, 0x79, 0, 0, 0x40, 0x06, 0x4f, 0x37];
        let plain = coded;
        encode(&mut coded);
        assert_eq!(coded, [2, 0x45, 1, 4, 0x2c, 0x4c, 0x79, 1, 5, 0x40, 0x06, 0x4f, 0x37]);
        assert_eq!(decode(&mut coded), Some(()));
        assert_eq!(coded[1..], plain[1..]);
    }

    #[test]
    fn a_message_of_any_length_comes_out_as_it_went_in() {
        let mut receiver = Frame::new();
        for len in 0..=MAX_MESSAGE {
            for fill in [0, 1, 255] {
                let message = std::vec![fill; len];
                let mut sender = Frame::new();
                let line = sender.seal(&[&message]);
                assert_eq!(line.len(), len + 7);
                assert!(line.len() <= MAX_FRAME && !line[1..len + 6].contains(&0));
                assert_eq!(received(&mut receiver, line), [message]);
            }
        }
    }

    #[test]
    fn noise_before_a_frame_does_not_hide_it() {
        let mut sender = Frame::new();
        let line = sender.seal(&[b"hello, ", b"world"]).to_vec();
        let mut receiver = Frame::new();
        for noise in [&[0; 3][..], b"boot: ok\r\n", &[255; 2 * MAX_FRAME], &[1, 2, 3, 0, 0, 7]] {
            assert_eq!(received(&mut receiver, &[noise, &line].concat()), [b"hello, world"]);
        }
    }

    #[test]
    fn a_lost_an_added_or_a_changed_byte_costs_its_frame_and_no_other() {
        let mut sender = Frame::new();
        let frames =
            [&b"first\0"[..], b"\0second", b"th\0rd"].map(|it| sender.seal(&[it]).to_vec());
        let line = frames.concat();
        for at in 0..line.len() {
            let mut changed: Vec<Vec<u8>> = (1..=255)
                .map(|bits| [&line[..at], &[line[at] ^ bits], &line[at + 1..]].concat())
                .collect();
            changed.push([&line[..at], &line[at + 1..]].concat());
            changed.extend((0..=255).map(|byte| [&line[..at], &[byte], &line[at..]].concat()));
            for line in changed {
                let found = received(&mut Frame::new(), &line);
                assert!(found.len() >= 2, "{at}: {found:?}");
                for message in found {
                    assert!([&b"first\0"[..], b"\0second", b"th\0rd"].contains(&&message[..]));
                }
            }
        }
    }
}
