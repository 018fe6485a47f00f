//! IDX files of any numbers: `[item][value]`, `[item][row][column]` or `[item][row][column][channel]`, of bytes or of
//! big-endian `float32`.

use std::fs::File;
use std::path::Path;

use safe_io::read::ReadError;

use super::folder::{open_file, read_stream};
use super::{Header, IdxFault, MAX_IMAGES, check_magic, numbers};
use crate::error::Error;

/// Bytes, then floats, with two to four sizes.
const MAGICS: [u32; 6] =
    [0x0000_0802, 0x0000_0803, 0x0000_0804, 0x0000_0d02, 0x0000_0d03, 0x0000_0d04];
/// What the third byte of the magic number says of floats.
const FLOAT: u32 = 0x0d;
/// Maximum numbers of one item: of a picture with four channels.
const MAX_ITEM: u32 = 4 * 256 * 256;

/// Arrays of numbers, all of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensors {
    /// `[channels, height, width]`; a vector is `[length, 1, 1]`.
    pub shape: [usize; 3],
    /// The numbers of each, `[channel][row][column]`.
    pub items: Vec<Vec<f32>>,
}

/// Reads one file, plain or `.gz`.
///
/// # Errors
/// [`Error::Read`] or [`Error::Idx`].
pub fn load_tensors(path: &Path) -> Result<Tensors, Error> {
    let file = File::open(path)
        .map_err(|source| ReadError::Unreadable { path: path.to_owned(), source })?;
    read_stream((path.to_owned(), open_file(path, file)), |bytes| Ok(header(bytes)?.1), tensors)
}

/// Parses what [`load_tensors`] reads.
///
/// # Errors
/// The first [`IdxFault`] met; nothing is allocated before the sizes are known to be true.
pub fn tensors(bytes: &[u8]) -> Result<Tensors, IdxFault> {
    let ((shape, is_float), header) = header(bytes)?;
    let items = header.checked_items()?;
    let numbers: Vec<f32> = if is_float {
        items.as_chunks().0.iter().copied().map(f32::from_be_bytes).collect()
    } else {
        items.iter().copied().map(f32::from).collect()
    };
    let [channels, height, width] = shape;
    let planar = |item: &[f32]| -> Vec<f32> {
        let channel = |c| item.iter().skip(c).step_by(channels).copied();
        match height * width {
            1 => item.to_vec(),
            _ => (0..channels).flat_map(channel).collect(),
        }
    };
    let items = numbers.chunks_exact(shape.iter().product()).map(planar).collect();
    Ok(Tensors { shape, items })
}

/// The shape, whether the numbers are floats, and the rest.
fn header(bytes: &[u8]) -> Result<(([usize; 3], bool), Header<'_>), IdxFault> {
    let ([magic], _) = numbers::<1>(bytes)?;
    check_magic(&MAGICS, magic)?;
    let (count, [rows, columns, channels], items) = match magic & 0xff {
        2 => {
            let ([_, count, length], items) = numbers::<3>(bytes)?;
            (count, [1, 1, length], items)
        }
        3 => {
            let ([_, count, rows, columns], items) = numbers::<4>(bytes)?;
            (count, [rows, columns, 1], items)
        }
        _ => {
            let ([_, count, rows, columns, channels], items) = numbers::<5>(bytes)?;
            (count, [rows, columns, channels], items)
        }
    };
    let item = [rows, columns, channels].into_iter().try_fold(1_u32, u32::checked_mul);
    if !item.is_some_and(|item| (1..=MAX_ITEM).contains(&item)) {
        return Err(IdxFault::Shape { rows, columns, channels });
    }
    if count > MAX_IMAGES {
        return Err(IdxFault::Count { found: count });
    }
    let is_float = magic >> 8 == FLOAT;
    let size = if is_float { size_of::<f32>() as u64 } else { 1 };
    let promised_bytes = u64::from(count) * u64::from(item.unwrap_or(0)) * size;
    let shape = [channels, rows, columns].map(|side| side as usize);
    Ok(((shape, is_float), Header { promised_bytes, items }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &[u32], items: &[u8]) -> Vec<u8> {
        let header = header.iter().flat_map(|number| number.to_be_bytes());
        header.chain(items.iter().copied()).collect()
    }

    #[test]
    fn bytes_and_floats_are_read_by_channels() {
        let pixels = tensors(&file(&[0x804, 1, 1, 2, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(pixels.shape, [3, 1, 2]);
        assert_eq!(pixels.items, [[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]]);
        let floats: Vec<u8> = [0.5_f32, -3.0].iter().flat_map(|f| f.to_be_bytes()).collect();
        let vectors = tensors(&file(&[0xd02, 2, 1], &floats)).unwrap();
        assert_eq!((vectors.shape, vectors.items), ([1, 1, 1], vec![vec![0.5], vec![-3.0]]));
        let long = tensors(&file(&[0xd02, 1, 2], &floats)).unwrap();
        assert_eq!((long.shape, long.items), ([2, 1, 1], vec![vec![0.5, -3.0]]));
        let grey = tensors(&file(&[0x803, 1, 2, 1], &[7, 8])).unwrap();
        assert_eq!((grey.shape, grey.items), ([1, 2, 1], vec![vec![7.0, 8.0]]));
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let refused = |header: &[u32], items: &[u8]| tensors(&file(header, items)).unwrap_err();
        assert!(matches!(refused(&[0x801, 1], &[1]), IdxFault::Magic { .. }));
        assert!(matches!(refused(&[0x802, 1, 0], &[]), IdxFault::Shape { .. }));
        assert!(matches!(refused(&[0x804, 1, 1 << 16, 1 << 16, 1], &[]), IdxFault::Shape { .. }));
        assert!(matches!(refused(&[0x802, u32::MAX, 1], &[]), IdxFault::Count { .. }));
        assert!(matches!(refused(&[0xd02, 1, 1], &[1]), IdxFault::Length { .. }));
        assert!(matches!(refused(&[0x802, 1, 1], &[1, 2]), IdxFault::Trailing { .. }));
        assert!(matches!(refused(&[0x802, 0, 1], &[]), IdxFault::NoItem));
    }
}
