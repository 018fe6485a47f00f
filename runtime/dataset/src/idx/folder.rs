//! The files of a dataset in a folder: their names, plain or zipped, and what they may take.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use safe_io::read::ReadError;

use super::{
    Header, IdxFault, MAX_IMAGES, Part, Split, image_header, images, label_header, labels,
};
use crate::error::Error;
use crate::image::PIXELS;

/// That of pictures in colour: five numbers.
const MAX_HEADER_BYTES: u64 = 20;

/// Maximum bytes that an IDX file may unpack to: a million of MNIST's pictures, against "zip bombs".
const MAX_BYTES: u64 = MAX_IMAGES as u64 * PIXELS as u64;

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
pub(super) fn open_file(path: &Path, file: File) -> Box<dyn Read> {
    let is_zipped = path.extension().is_some_and(|ending| ending == "gz");
    if is_zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }
}

/// [`read`] of one file.
pub(super) fn read_stream<T>(
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

#[cfg(test)]
mod tests {
    use super::super::tests::two_images;
    use super::super::{emit_images, emit_labels};
    use super::*;
    use crate::image::{Image, MNIST_SHAPE};

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
