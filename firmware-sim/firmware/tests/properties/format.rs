//! Parse accepts what emit writes, and nothing else.

use firmware::Model;
use firmware::format::{self, Channel, File, FormatError, MAGIC, MAX_ACCUMULATOR};
use firmware::multiplier::Multiplier;
use proptest::prelude::*;
use zerocopy::IntoBytes;

use crate::synthetic::{self, Random};

/// The CRC-32 of a file without its last four bytes, by its definition (ISO-HDLC, as in zip).
fn crc(file: &File) -> [u8; 4] {
    let (content, _) = file.as_bytes().split_last_chunk::<4>().unwrap();
    let crc = content.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    (!crc).to_le_bytes()
}

/// Changes bytes, and makes the CRC fit again.
fn resealed(file: &File, change: impl FnOnce(&mut [u8])) -> Box<File> {
    let mut file = Box::new(file.clone());
    change(file.as_mut_bytes());
    let crc = crc(&file);
    *file.as_mut_bytes().last_chunk_mut().unwrap() = crc;
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_sealed_parses_in_place(seed in any::<u64>()) {
        let file = synthetic::file(&mut Random(seed));
        let model = Model::parse(file.as_bytes()).unwrap();
        prop_assert!(std::ptr::eq(model.file(), &raw const *file));
        prop_assert_eq!(file.as_bytes().last_chunk(), Some(&crc(&file)));
    }

    #[test]
    fn every_changed_byte_is_noticed(
        index in prop_oneof![0..format::LEN, 0..100_usize, format::LEN - 100..format::LEN],
        flip in 1..=u8::MAX,
    ) {
        let mut file = synthetic::file(&mut Random(3));
        file.as_mut_bytes()[index] ^= flip;
        prop_assert!(Model::new(&file).is_err());
    }

    #[test]
    fn every_other_length_is_refused(length in prop_oneof![0..format::LEN, 0..100_usize]) {
        let mut file = synthetic::file(&mut Random(3)).as_bytes().to_vec();
        file.truncate(length);
        prop_assert_eq!(Model::parse(&file), Err(FormatError::Length(length)));
        file.resize(format::LEN + 1 + length, 0);
        prop_assert!(Model::parse(&file).is_err());
    }

    /// With a true CRC, so that the checks behind it are reached: accepted files infer.
    #[test]
    fn no_bytes_make_it_panic(
        seed in any::<u64>(),
        changes in prop::collection::vec((0..format::LEN, any::<u8>()), 0..40),
        near_the_front in prop::collection::vec((0..400_usize, any::<u8>()), 0..4),
    ) {
        let mut random = Random(seed);
        let file = resealed(&synthetic::file(&mut Random(3)), |bytes| {
            for (index, byte) in changes.into_iter().chain(near_the_front) {
                bytes[index] = byte;
            }
        });
        if let Ok(model) = Model::new(&file) {
            let logits = model.infer(&synthetic::image(&mut random), &mut firmware::Scratch::new());
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

#[test]
fn each_fault_is_told_apart() {
    let good = synthetic::file(&mut Random(5));
    let fault = |change: &dyn Fn(&mut File)| {
        let mut file = good.clone();
        change(&mut file);
        Model::new(&resealed(&file, |_| ())).map(|_| ()).unwrap_err()
    };
    let byte = |index: usize, value: u8| fault(&|file| file.as_mut_bytes()[index] = value);
    assert_eq!(Model::parse(&[]), Err(FormatError::Length(0)));
    assert_eq!(
        Model::parse(b"\x08\x08\x12\x07onnx"),
        Err(FormatError::Magic(*b"\x08\x08\x12\x07"))
    );
    assert_eq!(byte(0, b'l'), FormatError::Magic(*b"lNQ8"));
    assert_eq!(byte(4, 1), FormatError::Version(1));
    assert_eq!(byte(8, 27), FormatError::Geometry);
    assert_eq!(fault(&|file| file.scales.stage1 = 0.into()), FormatError::Scale(0));
    let infinite = f32::INFINITY.to_bits();
    assert_eq!(fault(&|file| file.scales.logits = infinite.into()), FormatError::Scale(infinite));
    assert_eq!(
        fault(&|file| file.conv1.channels[0][1].as_mut_bytes()[12] = 0),
        FormatError::Channel("conv1")
    );
    assert_eq!(
        fault(&|file| file.conv1.channels[9][0].as_mut_bytes()[13] = 1),
        FormatError::Channel("conv1")
    );
    let with_bound =
        |channel: &Channel, bound| Channel::new(channel.bias(), channel.multiplier(), bound);
    let other_bound = fault(&|file| {
        let channel = &mut file.conv2.channels[7][1];
        *channel = with_bound(channel, channel.accumulator_bound() + 1);
    });
    assert_eq!(other_bound, FormatError::Bound("conv2"));
    // true, but too large
    let overflow = fault(&|file| {
        let channel = &mut file.dense1.channels[49][4][0];
        let bound = channel.accumulator_bound() - channel.bias().unsigned_abs() + MAX_ACCUMULATOR;
        *channel = Channel::new(MAX_ACCUMULATOR.cast_signed(), channel.multiplier(), bound);
    });
    assert_eq!(overflow, FormatError::Bound("dense1"));
    let half = Multiplier::from_parts(Multiplier::MIN_MANTISSA, 31).unwrap();
    let scaled = fault(&|file| {
        let channel = &mut file.dense2.channels[0][3][1];
        *channel = Channel::new(channel.bias(), half, channel.accumulator_bound());
    });
    assert_eq!(scaled, FormatError::Channel("dense2"));
    // a weight beside the kernel element that has no partner, with a true bound
    let beside = fault(&|file| {
        file.conv1.weights[0][3][12][2] = 1;
        let channel = &mut file.conv1.channels[3][0];
        *channel = with_bound(channel, channel.accumulator_bound() + 255);
    });
    assert_eq!(beside, FormatError::Channel("conv1"));
}
