//! What the decoders take on trust, looked up in the file before they run.

use super::CUT_OFF;

/// Width and height of a PNG. Its decoder tells them only after it has set memory aside for a row.
///
/// Layout: <https://www.w3.org/TR/png-3/#11IHDR>.
pub(super) fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.get(12..)?.strip_prefix(b"IHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*rest.first_chunk()?)))
}

/// Refuses a JPEG that was cut off, whose missing part the decoder would paint grey, and processes that it
/// does not know but would call something else.
///
/// Markers: ISO/IEC 10918-1, table B.1; the walk goes over the segments, since the small picture inside EXIF
/// data has an end marker too.
pub(super) fn check_jpeg(bytes: &[u8]) -> Result<(), &'static str> {
    let mut rest = bytes;
    loop {
        // 0xFF is followed by 0 where it is data, and by another where it is padding.
        let is_marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF);
        let at = rest.windows(2).position(is_marker).ok_or(CUT_OFF)?;
        let marker = rest[at + 1];
        rest = &rest[at + 2..];
        match marker {
            END_OF_IMAGE => return Ok(()),
            0x01 | 0xD0..=0xD8 => {} // no segment follows
            0xC3 | 0xC7 | 0xCB | 0xCF => return Err("lossless JPEG is not read here"),
            0xC5 | 0xC6 | 0xCD | 0xCE => return Err("hierarchical JPEG is not read here"),
            0xC9 | 0xCA => return Err("arithmetic coding is not read here"),
            _ => {
                let length = rest.first_chunk().ok_or(CUT_OFF)?;
                rest = rest.get(usize::from(u16::from_be_bytes(*length))..).ok_or(CUT_OFF)?;
            }
        }
    }
}

const END_OF_IMAGE: u8 = 0xD9;

/// The part of a WebP file that its RIFF header covers, if all chunks lie inside: the decoder would set
/// memory aside for whatever length a chunk claims.
///
/// Layout: <https://developers.google.com/speed/webp/docs/riff_container>.
#[cfg(any(feature = "webp", test))]
pub(super) fn webp_container(bytes: &[u8]) -> Option<&[u8]> {
    let length = |at: usize| {
        let field = bytes.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*field)).ok()
    };
    let container = bytes.get(..length(4)?.checked_add(8)?)?;
    let mut chunk = 12;
    while chunk + 8 <= container.len() {
        let end = length(chunk + 4)?.checked_add(chunk + 8)?;
        if end > container.len() {
            return None;
        }
        chunk = end.next_multiple_of(2);
    }
    Some(container)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_picture_inside_a_segment_is_not_the_end_of_the_file() {
        let start = [0xFF, 0xD8, 0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
        assert!(check_jpeg(&start).is_err());
        assert!(check_jpeg(&[&start[..], &[0xFF, 0xD9]].concat()).is_ok());
    }

    #[test]
    fn data_bytes_and_padding_are_no_markers() {
        let scan = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 1, 0xFF, 0, 0xFF, 0xD0, 7, 0xFF, 0xFF, 0xD9];
        assert!(check_jpeg(&scan).is_ok());
        assert!(check_jpeg(&scan[..scan.len() - 1]).is_err());
    }

    #[test]
    fn a_webp_ends_where_its_header_says_and_its_chunks_before() {
        let file = |claim: u8| {
            let mut bytes = b"RIFF\x0e\0\0\0WEBPEXIF".to_vec();
            bytes.extend([claim, 0, 0, 0, 7, 7, b't', b'r', b'a', b'i', b'l']);
            bytes
        };
        assert_eq!(webp_container(&file(2)).unwrap().len(), 22);
        assert!(webp_container(&file(3)).is_none());
        assert!(webp_container(&file(2)[..21]).is_none());
    }
}
