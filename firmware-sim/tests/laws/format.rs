//! Parse accepts what emit writes, and nothing else.

use firmware_sim::Model;
use firmware_sim::format::words::CONV1_WORDS;
use firmware_sim::format::{self, Channel, FormatError, MAGIC};
use firmware_sim::geometry::MAPS1;
use firmware_sim::multiplier::Multiplier;
use proptest::prelude::*;

use crate::drawn::{self, Random};

/// Writes the CRC-32 that belongs to the bytes before it, by its definition (ISO-HDLC, as in zip).
fn reseal(file: &mut [u8; format::LEN]) {
    let (content, stored) = file.split_last_chunk_mut::<4>().unwrap();
    let crc = content.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    *stored = (!crc).to_le_bytes();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_parses_emits_the_same_bytes(seed in any::<u64>()) {
        let file = drawn::file(&mut Random(seed));
        let mut again = file.clone();
        again.fill(0);
        Model::parse(&file[..]).unwrap().emit(&mut again);
        prop_assert!(again == file);
        reseal(&mut again);
        prop_assert!(again == file, "the CRC is the one of zip");
    }

    #[test]
    fn every_changed_byte_is_noticed(
        index in prop_oneof![0..format::LEN, 0..100_usize, format::LEN - 100..format::LEN],
        flip in 1..=u8::MAX,
    ) {
        let mut file = drawn::file(&mut Random(3));
        file[index] ^= flip;
        prop_assert!(Model::parse(&file[..]).is_err());
    }

    #[test]
    fn every_other_length_is_refused(length in prop_oneof![0..format::LEN, 0..100_usize]) {
        let mut file = drawn::file(&mut Random(3)).to_vec();
        file.truncate(length);
        prop_assert_eq!(Model::parse(&file), Err(FormatError::Length(length)));
        file.resize(format::LEN + 1 + length, 0);
        prop_assert!(Model::parse(&file).is_err());
    }

    /// With a true CRC, so that the checks behind it are reached: accepted files emit themselves and infer.
    #[test]
    fn no_bytes_make_it_panic(
        seed in any::<u64>(),
        changes in prop::collection::vec((0..format::LEN, any::<u8>()), 0..40),
        near_the_front in prop::collection::vec((0..400_usize, any::<u8>()), 0..4),
    ) {
        let mut random = Random(seed);
        let mut file = drawn::file(&mut Random(3));
        for (index, byte) in changes.into_iter().chain(near_the_front) {
            file[index] = byte;
        }
        reseal(&mut file);
        if let Ok(model) = Model::parse(&file[..]) {
            let mut again = file.clone();
            model.emit(&mut again);
            prop_assert!(again == file);
            let logits = model.infer(&drawn::image(&mut random), &mut firmware_sim::Scratch::new());
            prop_assert!(logits.digit() < 10);
        }
    }

    #[test]
    fn noise_is_no_model(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), magic in any::<bool>()) {
        if magic && let Some(front) = bytes.first_chunk_mut() {
            *front = MAGIC;
        }
        prop_assert!(Model::parse(&bytes).is_err());
    }
}

/// Where the second channel of the first layer lies: after the header, its weights and a channel.
const CHANNEL: usize = 80 + MAPS1 / 2 * CONV1_WORDS * 4 + format::CHANNEL_LEN;

#[test]
fn each_fault_is_told_apart() {
    let good = drawn::file(&mut Random(5));
    let fault = |change: &dyn Fn(&mut [u8; format::LEN])| {
        let mut file = good.clone();
        change(&mut file);
        reseal(&mut file);
        Model::parse(&file[..]).map(|_| ()).unwrap_err()
    };
    assert_eq!(Model::parse(&[]), Err(FormatError::Length(0)));
    assert_eq!(
        Model::parse(b"\x08\x08\x12\x07onnx"),
        Err(FormatError::Magic(*b"\x08\x08\x12\x07"))
    );
    assert_eq!(fault(&|file| file[4] = 1), FormatError::Version(1));
    assert_eq!(fault(&|file| file[8] = 27), FormatError::Geometry);
    assert_eq!(fault(&|file| file[56..60].fill(0)), FormatError::Scale(0));
    assert_eq!(fault(&|file| file[59] = 0xff), FormatError::Scale(0xff00_0000));
    let channel = |file: &[u8; format::LEN]| {
        *file[CHANNEL..].first_chunk::<{ format::CHANNEL_LEN }>().unwrap()
    };
    let of_the_file = Channel::parse(&channel(&good)).unwrap();
    assert_eq!(fault(&|file| file[CHANNEL + 12] = 0), FormatError::Channel("conv1"));
    assert_eq!(fault(&|file| file[CHANNEL + 13] = 1), FormatError::Channel("conv1"));
    let replaced = |change: Channel| {
        fault(&|file| file[CHANNEL..][..format::CHANNEL_LEN].copy_from_slice(&change.emit()))
    };
    let bound = of_the_file.bound + 1;
    assert_eq!(replaced(Channel { bound, ..of_the_file }), FormatError::Bound("conv1"));
    let bias = i32::MIN;
    assert_eq!(replaced(Channel { bias, ..of_the_file }), FormatError::Bound("conv1"));
    // the last channel of the file, just before the CRC, is of the layer that gives the logits
    let last = format::LEN - 4 - format::CHANNEL_LEN;
    let half = Multiplier::from_parts(Multiplier::MIN_MANTISSA, 31).unwrap();
    assert_eq!(fault(&|file| file[last + 12] = half.shift()), FormatError::Channel("dense2"));
}
