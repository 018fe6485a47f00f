//! Parse accepts what emit writes, and nothing else.

use firmware::rows::format::{Header, Record, checksum};
use zerocopy::{FromBytes, IntoBytes};

/// Changes the header and the records of a file, and makes the checksum fit again.
pub(crate) fn resealed(file: &[u8], change: impl FnOnce(&mut Header, &mut [Record])) -> Vec<u8> {
    let mut file = file.to_vec();
    let (content, crc) = file.split_last_chunk_mut().unwrap();
    let (header, rest) = Header::mut_from_prefix(content).unwrap();
    let (records, _) = <[Record]>::mut_from_prefix_with_elems(rest, header.layers.into()).unwrap();
    change(header, records);
    *crc = checksum(content).to_le_bytes();
    assert_eq!(crc.as_bytes().len(), 4);
    file
}
