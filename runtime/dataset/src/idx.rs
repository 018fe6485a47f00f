//! IDX, the format of MNIST's files: the only place that knows it.
//!
//! Source: <http://yann.lecun.com/exdb/mnist/>, "the IDX file format": a magic number, the sizes, then the
//! bytes; all numbers are big-endian `u32`. The last byte of the magic number is the number of sizes: pictures have
//! three, `[picture][row][column]`, or in colour four, `[picture][row][column][channel]`.

mod tensors;

pub use tensors::{Tensors, load_tensors, tensors};

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use safe_io::read::ReadError;

pub use crate::error::IdxFault;

use crate::error::Error;
use crate::image::{Image, MNIST_SHAPE, PIXELS, check_shape};

const GREY_MAGIC: u32 = 0x0000_0803;
const COLOUR_MAGIC: u32 = 0x0000_0804;
const LABELS_MAGIC: u32 = 0x0000_0801;

/// That of pictures in colour: five numbers.
const MAX_HEADER_BYTES: u64 = 20;

/// Maximum number of pictures in a file: each takes more memory than its pixels, which may be one.
pub const MAX_IMAGES: u32 = 1_000_000;

/// Maximum bytes that an IDX file may unpack to: a million of MNIST's pictures, against "zip bombs".
const MAX_BYTES: u64 = MAX_IMAGES as u64 * PIXELS as u64;

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

/// All names under which an IDX file is read, the first that is there: `train-images-idx3-ubyte` as MNIST's authors have
/// it, `train-images.idx3-ubyte` as copies of it do, and the `.gz` of either.
///
/// ```
/// use dataset::idx::{Part, spellings};
///
/// let names = spellings(Part::Train.image_file());
/// assert!(names.contains(&"train-images.idx3-ubyte.gz".to_owned()));
/// ```
#[must_use]
pub fn spellings(name: &str) -> [String; 4] {
    let dotted = name.replace("-idx", ".idx");
    [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")]
}

/// The paths under which [`load`] looks for a part in `folder`.
#[must_use]
pub fn paths(folder: &Path, part: Part) -> Vec<PathBuf> {
    let names = [part.image_file(), part.colour_image_file(), part.label_file()];
    names.into_iter().flat_map(spellings).map(|name| folder.join(name)).collect()
}

/// Reads one part of a dataset, from plain files or their `.gz`, in either of the [`spellings`].
///
/// # Errors
/// [`Error::Missing`] or [`Error::Read`] if a file is not there, [`Error::Idx`] or [`Error::Read`] if one is not
/// usable, and [`Error::Unpaired`] if the two disagree.
pub fn load(folder: &Path, part: Part) -> Result<Split, Error> {
    let names = [part.image_file(), part.colour_image_file()];
    let images = read(folder, &names, |bytes| Ok(image_header(bytes)?.1), images)?;
    let labels = read(folder, &[part.label_file()], label_header, labels)?;
    if images.len() != labels.len() {
        return Err(Error::Unpaired {
            folder: folder.to_owned(),
            images: images.len(),
            labels: labels.len(),
        });
    }
    Ok(Split { images, labels })
}

/// [`load`] for pictures that must be of the shape `[channels, height, width]`.
///
/// # Errors
/// As there, and [`Error::Shape`] if they are of another.
pub fn load_of_shape(folder: &Path, part: Part, shape: [usize; 3]) -> Result<Split, Error> {
    let split = load(folder, part)?;
    let checked = split.images.iter().try_for_each(|image| image.check_shape(shape));
    checked.map_err(|fault| Error::Shape { folder: folder.to_owned(), fault })?;
    Ok(split)
}

/// What a header says, and what follows it.
struct Header<'a> {
    promised_bytes: u64,
    items: &'a [u8],
}

/// Reads no more than the header promises and a byte, so that neither a device without end nor a small `.gz` that
/// unpacks to much fills the memory.
fn read<T>(
    folder: &Path,
    names: &[&'static str],
    header: fn(&[u8]) -> Result<Header<'_>, IdxFault>,
    parse: fn(&[u8]) -> Result<T, IdxFault>,
) -> Result<T, Error> {
    read_stream(open(folder, names)?, header, parse)
}

/// A file that is open, unpacked if its name says that it is packed.
fn open_file(path: &Path, file: File) -> Box<dyn Read> {
    let is_zipped = path.extension().is_some_and(|ending| ending == "gz");
    if is_zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }
}

/// [`read`] of one file.
fn read_stream<T>(
    (path, mut stream): (PathBuf, Box<dyn Read>),
    header: fn(&[u8]) -> Result<Header<'_>, IdxFault>,
    parse: fn(&[u8]) -> Result<T, IdxFault>,
) -> Result<T, Error> {
    let unreadable = |source| ReadError::Unreadable { path: path.clone(), source };
    let faulty = |fault| Error::Idx { path: path.clone(), fault };
    let mut bytes = Vec::new();
    stream.by_ref().take(MAX_HEADER_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    let Header { promised_bytes, items } = header(&bytes).map_err(faulty)?;
    if promised_bytes > MAX_BYTES {
        return Err(ReadError::TooLarge { path, max_bytes: MAX_BYTES }.into());
    }
    let rest_bytes = (promised_bytes + 1).saturating_sub(items.len() as u64);
    stream.take(rest_bytes).read_to_end(&mut bytes).map_err(unreadable)?;
    parse(&bytes).map_err(faulty)
}

/// The first file that is there, of these names in any of their [`spellings`].
fn open(folder: &Path, names: &[&'static str]) -> Result<(PathBuf, Box<dyn Read>), Error> {
    for path in names.iter().flat_map(|name| spellings(name)).map(|name| folder.join(name)) {
        // one popular copy of MNIST has folders of these names beside the files in the other spelling
        if path.is_dir() {
            continue;
        }
        match File::open(&path) {
            Ok(file) => {
                let stream = open_file(&path, file);
                return Ok((path, stream));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ReadError::Unreadable { path, source }.into()),
        }
    }
    Err(Error::Missing { name: names[0], folder: folder.to_owned() })
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

    fn two_images() -> Vec<Image> {
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

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut zip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        io::Write::write_all(&mut zip, bytes).unwrap();
        zip.finish().unwrap()
    }

    /// Why labels in a file of this name are refused; nothing if they are not.
    fn refusal(name: &str, bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let read = read(folder.path(), &[Part::Test.label_file()], label_header, labels);
        let Err(error) = read else { return String::new() };
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    }

    #[test]
    fn what_follows_the_items_or_the_zipped_stream_is_noticed() {
        let good = emit_labels(&[1, 2]);
        let (zip, plain) = ("t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte");
        assert_eq!(refusal(plain, &good), "");
        assert_eq!(refusal(zip, &gzip(&good)), "");
        // two streams one after the other unpack to one: RFC 1952, section 2.2
        assert_eq!(refusal(zip, &[gzip(&good[..9]), gzip(&good[9..])].concat()), "");
        let trailing = "more bytes after the header than the 2 that it promises";
        let mut damaged = gzip(&good);
        let checksum = damaged.len() - 8;
        damaged[checksum] ^= 1;
        for (name, bytes, reason) in [
            (plain, [&good[..], b"x"].concat(), trailing),
            (zip, gzip(&[&good[..], b"x"].concat()), trailing),
            (zip, [gzip(&good), gzip(b"x")].concat(), trailing),
            (zip, [gzip(&good), b"x".to_vec()].concat(), ""),
            (zip, [gzip(&good), vec![0; 512]].concat(), ""),
            (zip, damaged, ""),
            (zip, gzip(&good)[..20].to_vec(), ""),
            (zip, good, "gzip"),
            (plain, vec![], "0 bytes, shorter"),
            (zip, vec![], ""),
        ] {
            let refusal = refusal(name, &bytes);
            assert!(refusal.contains(name) && refusal.contains(reason), "{bytes:?}: {refusal}");
        }
    }

    #[test]
    fn a_header_that_promises_too_much_is_believed_in_nothing() {
        let mut labels = emit_labels(&[1, 2]);
        labels[4] = 0xff;
        let refusal = refusal("t10k-labels-idx1-ubyte", &labels);
        assert!(refusal.contains("more than 784000000 bytes"), "{refusal}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_end_is_no_dataset() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("t10k-images-idx3-ubyte"))
            .unwrap();
        let refusal = load(folder.path(), Part::Test).unwrap_err();
        assert!(matches!(refusal, Error::Idx { .. }), "{refusal:?}");
    }

    #[test]
    fn a_gzipped_dataset_reads_like_the_plain_one() {
        let folder = tempfile::tempdir().unwrap();
        let zipped = gzip(&emit_images(&two_images()));
        std::fs::write(folder.path().join("t10k-images-idx3-ubyte.gz"), zipped).unwrap();
        std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), emit_labels(&[1, 2])).unwrap();
        let split = load(folder.path(), Part::Test).unwrap();
        assert_eq!((split.images, split.labels), (two_images(), vec![1, 2]));
        let missing = load(folder.path(), Part::Train).unwrap_err().to_string();
        assert!(missing.contains("train-images-idx3-ubyte"), "{missing}");
    }

    #[test]
    fn either_spelling_is_read_beside_folders_of_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("train-images-idx3-ubyte")).unwrap();
        std::fs::write(at("train-images.idx3-ubyte"), emit_images(&two_images())).unwrap();
        std::fs::write(at("train-labels.idx1-ubyte.gz"), gzip(&emit_labels(&[1, 2]))).unwrap();
        let split = load(folder.path(), Part::Train).unwrap();
        assert_eq!((split.images, split.labels), (two_images(), vec![1, 2]));
        assert!(matches!(load(folder.path(), Part::Test), Err(Error::Missing { .. })));
    }

    #[test]
    fn pictures_in_colour_are_found_and_their_shape_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let images = vec![Image::from_rgb(20, 32, &[9; 1920]).unwrap(); 2];
        let zipped = gzip(&emit_images(&images));
        std::fs::write(folder.path().join("t10k-images-idx4-ubyte.gz"), zipped).unwrap();
        std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), emit_labels(&[1, 2])).unwrap();
        let split = load_of_shape(folder.path(), Part::Test, [3, 32, 20]).unwrap();
        assert_eq!(split.images, images);
        let refusal = load_of_shape(folder.path(), Part::Test, MNIST_SHAPE).unwrap_err();
        assert!(refusal.to_string().ends_with(
            "a picture of 3 channels, 32 rows and 20 columns, expected 1 channel, 28 rows and 28 columns"
        ));
    }
}
