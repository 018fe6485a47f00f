//! IDX, the format of MNIST's files: the only place that knows it.
//!
//! Source: <http://yann.lecun.com/exdb/mnist/>, "the IDX file format": a magic number, the sizes, then the
//! bytes; all numbers are big-endian `u32`. The last byte of the magic number is the number of sizes: pictures have
//! three, `[picture][row][column]`, or in colour four, `[picture][row][column][channel]`.

mod folder;
mod tensors;

use std::cmp::Ordering;

pub use crate::error::IdxFault;
pub use folder::{load, load_of_shape, paths, spellings};
pub use tensors::{Tensors, load_tensors, tensors};

use crate::image::{Image, MNIST_SHAPE, check_shape};

const GREY_MAGIC: u32 = 0x0000_0803;
const COLOUR_MAGIC: u32 = 0x0000_0804;
const LABELS_MAGIC: u32 = 0x0000_0801;

/// Maximum number of pictures in a file: each takes more memory than its pixels, which may be one.
pub const MAX_IMAGES: u32 = 1_000_000;

/// One half of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `train-*`, MNIST's 60,000.
    Train,
    /// `t10k-*`, MNIST's 10,000; never used to choose anything.
    Test,
}

impl Part {
    /// Name of the file of grey images, without `.gz`.
    #[must_use]
    pub const fn image_file(self) -> &'static str {
        match self {
            Self::Train => "train-images-idx3-ubyte",
            Self::Test => "t10k-images-idx3-ubyte",
        }
    }

    /// Name of the file of images in colour, without `.gz`; read where there is no [`Self::image_file`].
    #[must_use]
    pub const fn colour_image_file(self) -> &'static str {
        match self {
            Self::Train => "train-images-idx4-ubyte",
            Self::Test => "t10k-images-idx4-ubyte",
        }
    }

    /// Name of the label file, without `.gz`.
    #[must_use]
    pub const fn label_file(self) -> &'static str {
        match self {
            Self::Train => "train-labels-idx1-ubyte",
            Self::Test => "t10k-labels-idx1-ubyte",
        }
    }
}

/// Images with their labels, in file order; both of one length.
#[derive(Debug, Clone)]
pub struct Split {
    /// The pictures; all of one shape if they were loaded.
    pub images: Vec<Image>,
    /// The class of each.
    pub labels: Vec<u8>,
}

/// What a header says, and what follows it.
struct Header<'a> {
    promised_bytes: u64,
    items: &'a [u8],
}

/// Parses an image file: magic `0x0000_0803`, count, rows, columns, then the pixels row by row; or magic
/// `0x0000_0804`, count, rows, columns, channels, then the channels of each pixel.
///
/// # Errors
/// The first [`IdxFault`] met; nothing is allocated before the sizes are known to be true.
///
/// # Panics
/// Never: the shape is checked.
pub fn images(bytes: &[u8]) -> Result<Vec<Image>, IdxFault> {
    let (shape, header) = image_header(bytes)?;
    let pixels = header.checked_items()?.chunks_exact(shape.iter().product());
    let image = |pixels| Image::from_interleaved(shape, pixels).expect("the shape was checked");
    Ok(pixels.map(image).collect())
}

/// Parses a label file: magic `0x0000_0801`, count, then a byte a label.
///
/// # Errors
/// The first [`IdxFault`] met.
pub fn labels(bytes: &[u8]) -> Result<Vec<u8>, IdxFault> {
    Ok(label_header(bytes)?.checked_items()?.to_vec())
}

/// The pictures' `[channels, height, width]`, and the rest.
fn image_header(bytes: &[u8]) -> Result<([usize; 3], Header<'_>), IdxFault> {
    let ([magic, count, rows, columns], items) = numbers::<4>(bytes)?;
    check_magic(&[GREY_MAGIC, COLOUR_MAGIC], magic)?;
    let (channels, items) = match magic {
        COLOUR_MAGIC => {
            let ([.., channels], items) = numbers::<5>(bytes)?;
            (channels, items)
        }
        _ => (1, items),
    };
    let shape = [channels, rows, columns].map(|size| size as usize);
    check_shape(shape).map_err(|_| IdxFault::Shape { rows, columns, channels })?;
    if count > MAX_IMAGES {
        return Err(IdxFault::Count { found: count });
    }
    let bytes: u64 = [count, rows, columns, channels].into_iter().map(u64::from).product();
    Ok((shape, Header { promised_bytes: bytes, items }))
}

fn label_header(bytes: &[u8]) -> Result<Header<'_>, IdxFault> {
    let ([magic, count], items) = numbers::<2>(bytes)?;
    check_magic(&[LABELS_MAGIC], magic)?;
    Ok(Header { promised_bytes: u64::from(count), items })
}

impl<'a> Header<'a> {
    /// The items, if there are as many as promised, and any.
    fn checked_items(self) -> Result<&'a [u8], IdxFault> {
        let (expected, found) = (self.promised_bytes, self.items.len());
        match expected.cmp(&(found as u64)) {
            Ordering::Greater => Err(IdxFault::Length { expected, found }),
            Ordering::Less => Err(IdxFault::Trailing { expected }),
            Ordering::Equal if found == 0 => Err(IdxFault::NoItem),
            Ordering::Equal => Ok(self.items),
        }
    }
}

/// The image file that [`images`] parses to `images`: in colour if they have more than one channel.
///
/// # Panics
/// If the images are not all of one shape.
#[must_use]
pub fn emit_images(images: &[Image]) -> Vec<u8> {
    let shape = images.first().map_or(MNIST_SHAPE, Image::shape);
    assert!(images.iter().all(|image| image.shape() == shape), "a file has images of one shape");
    let [channels, rows, columns] = shape.map(|size| size as u32);
    let header = match channels {
        1 => vec![GREY_MAGIC, images.len() as u32, rows, columns],
        _ => vec![COLOUR_MAGIC, images.len() as u32, rows, columns, channels],
    };
    let length = images.len() * shape.iter().product::<usize>();
    let mut bytes = Vec::with_capacity(4 * header.len() + length);
    bytes.extend(header.into_iter().flat_map(u32::to_be_bytes));
    bytes.extend(images.iter().flat_map(Image::interleaved));
    bytes
}

/// The label file that [`labels`] parses to `labels`.
#[must_use]
pub fn emit_labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + labels.len());
    for number in [LABELS_MAGIC, labels.len() as u32] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(labels);
    bytes
}

/// Splits `N` big-endian numbers off the front.
fn numbers<const N: usize>(bytes: &[u8]) -> Result<([u32; N], &[u8]), IdxFault> {
    let short = IdxFault::Header { header: 4 * N, found: bytes.len() };
    let (numbers, rest) = bytes.split_at_checked(4 * N).ok_or(short)?;
    let mut header = [0; N];
    for (number, four) in header.iter_mut().zip(numbers.as_chunks().0) {
        *number = u32::from_be_bytes(*four);
    }
    Ok((header, rest))
}

fn check_magic(expected: &'static [u32], found: u32) -> Result<(), IdxFault> {
    if expected.contains(&found) { Ok(()) } else { Err(IdxFault::Magic { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::PIXELS;

    pub(super) fn two_images() -> Vec<Image> {
        vec![Image::mnist([7; PIXELS]), Image::mnist(std::array::from_fn(|index| index as u8))]
    }

    #[test]
    fn what_is_emitted_parses_to_the_same() {
        assert_eq!(images(&emit_images(&two_images())).unwrap(), two_images());
        assert_eq!(labels(&emit_labels(&[3, 9])).unwrap(), [3, 9]);
        for shape in [[1, 3, 256], [2, 1, 1], [3, 32, 20], [4, 2, 1]] {
            let image = |seed: usize| {
                let pixels = (0..shape.iter().product()).map(|at: usize| (at * seed) as u8);
                Image::new(shape, pixels.collect::<Vec<_>>()).unwrap()
            };
            let several = [image(1), image(7), image(31)];
            assert_eq!(images(&emit_images(&several)).unwrap(), several);
        }
    }

    #[test]
    fn colour_is_stored_by_pixels_and_read_by_channels() {
        let bytes = emit_images(&[Image::from_rgb(2, 1, &[1, 2, 3, 4, 5, 6]).unwrap()]);
        assert_eq!(bytes[..4], COLOUR_MAGIC.to_be_bytes());
        assert_eq!(bytes[4..20], [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
        assert_eq!(bytes[20..], [1, 2, 3, 4, 5, 6]);
        assert_eq!(images(&bytes).unwrap()[0].pixels(), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn each_fault_is_told_apart() {
        let good = emit_images(&two_images());
        let mut wide = good.clone();
        wide[14] = 1;
        let mut promising = good.clone();
        promising[5] = 1;
        let mut many = good.clone();
        many[4] = 0xff;
        assert_eq!(images(&[]), Err(IdxFault::Header { header: 16, found: 0 }));
        assert_eq!(images(&good[..9]), Err(IdxFault::Header { header: 16, found: 9 }));
        assert_eq!(images(&wide), Err(IdxFault::Shape { rows: 28, columns: 284, channels: 1 }));
        assert_eq!(
            images(&good[..100]),
            Err(IdxFault::Length { expected: 2 * PIXELS as u64, found: 84 })
        );
        assert_eq!(
            images(&promising),
            Err(IdxFault::Length { expected: 0x0001_0002 * PIXELS as u64, found: 2 * PIXELS })
        );
        assert_eq!(images(&many), Err(IdxFault::Count { found: 0xff00_0002 }));
        assert_eq!(
            labels(&good),
            Err(IdxFault::Magic { expected: &[LABELS_MAGIC], found: GREY_MAGIC })
        );
        assert_eq!(labels(&emit_labels(&[])), Err(IdxFault::NoItem));
        let no_colour = [&COLOUR_MAGIC.to_be_bytes()[..], &good[4..16], &[0; 4]].concat();
        assert_eq!(images(&no_colour), Err(IdxFault::Shape { rows: 28, columns: 28, channels: 0 }));
        assert_eq!(images(&no_colour[..18]), Err(IdxFault::Header { header: 20, found: 18 }));
        let more = [&good[..], &[0]].concat();
        assert_eq!(images(&more), Err(IdxFault::Trailing { expected: 2 * PIXELS as u64 }));
    }
}
