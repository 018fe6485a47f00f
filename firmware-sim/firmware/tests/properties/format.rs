//! Parse accepts what emit writes, and of all else only what runs as the definition says.

use firmware::Model;
use firmware::format::{
    Channel, FormatError, Header, Kind, Layers, Layout, MAX_SIDE, Record, Value, checksum,
};
use firmware::plan::{self, PlannedRow, planned_rows};
use proptest::prelude::*;
use zerocopy::{FromBytes, FromZeros};

use crate::definition::{refused_or_exact, repair, run};
use crate::synthetic::{Network, Random};

/// Makes the checksum of changed bytes fit again.
fn reseal(file: &mut [u8]) {
    let (content, crc) = file.split_last_chunk_mut().unwrap();
    *crc = checksum(content).to_le_bytes();
}

/// Changes the header and the records of a file, and makes the checksum fit again.
pub(crate) fn resealed(file: &[u8], change: impl FnOnce(&mut Header, &mut [Record])) -> Vec<u8> {
    let mut file = file.to_vec();
    let (header, rest) = Header::mut_from_prefix(&mut file).unwrap();
    let (records, _) = <[Record]>::mut_from_prefix_with_elems(rest, header.layers.into()).unwrap();
    change(header, records);
    reseal(&mut file);
    file
}

/// A small network's file.
fn file(seed: u64) -> Vec<u8> {
    Network::random(&mut Random(seed)).file(Layout::Bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// With a true checksum, so that the checks behind it are reached.
    #[test]
    fn what_is_changed_is_refused_or_runs_as_the_definition_says(
        seed in 0..300_u64,
        layout in prop_oneof![Just(Layout::Bytes), Just(Layout::Words)],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        let mut file = Network::random(&mut Random(seed)).file(layout);
        let front = size_of::<Header>() + usize::from(file[24]) * size_of::<Record>();
        for (index, byte, is_flip) in changes {
            // most in what the layers are
            let index = index.index(front + 40).min(file.len() - 1);
            file[index] = if is_flip { file[index] ^ 1 << (byte % 8) } else { byte };
        }
        reseal(&mut file);
        run(&file);
    }

    /// As the fuzzer tries it, with what follows from a change mended.
    #[test]
    fn any_bytes_are_refused_or_run_as_the_definition_says(
        seed in 0..300_u64,
        layout in prop_oneof![Just(Layout::Bytes), Just(Layout::Words)],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut file = Network::random(&mut Random(seed)).file(layout);
        for (index, byte) in changes {
            *index.get_mut(&mut file) = byte;
        }
        refused_or_exact(&file);
    }

    #[test]
    fn every_changed_byte_is_noticed(seed in 0..50_u64, at in any::<prop::sample::Index>(), flip in 1..=u8::MAX) {
        let mut file = file(seed);
        *at.get_mut(&mut file) ^= flip;
        prop_assert!(Model::parse(&file).is_err());
        let embedded = Model::<{ u16::MAX }>::parse_embedded(&file);
        prop_assert!(embedded.is_err());
    }

    #[test]
    fn every_other_length_is_refused(seed in 0..20_u64, at in any::<prop::sample::Index>(), more in 1..100_usize) {
        let mut file = file(seed);
        let whole = file.len();
        file.truncate(at.index(whole));
        prop_assert!(Model::parse(&file).is_err());
        let embedded = Model::<{ u16::MAX }>::parse_embedded(&file);
        prop_assert!(embedded.is_err());
        file.resize(whole + more, 0);
        prop_assert!(Model::parse(&file).is_err());
    }

    #[test]
    fn noise_is_no_model(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), front in any::<bool>()) {
        if front && let Some((magic, rest)) = bytes.split_first_chunk_mut::<4>() {
            *magic = *b"LNQ8";
            if let Some(version) = rest.first_chunk_mut() {
                *version = 3_u32.to_le_bytes();
            }
        }
        prop_assert!(Model::parse(&bytes).is_err());
    }
}

#[test]
fn some_of_what_is_changed_runs() {
    // a bound, a scale, who made it: not all changes are faults, or the property above would say little
    let file = file(3);
    for change in [
        |header: &mut Header, _: &mut [Record]| header.identity[5] ^= 1,
        |header: &mut Header, _: &mut [Record]| header.agreement_margin += 1,
        |header: &mut Header, _: &mut [Record]| header.input.scale += 1,
    ] {
        assert!(run(&resealed(&file, change)));
    }
}

#[test]
fn a_file_must_be_aligned() {
    for layout in [Layout::Bytes, Layout::Words] {
        let file = Network::random(&mut Random(3)).file(layout);
        let mut memory = vec![0; file.len() + 8];
        let start = memory.as_ptr().align_offset(4) + 1;
        let flash = &mut memory[start..][..file.len()];
        flash.copy_from_slice(&file);
        assert_eq!(Model::parse(flash), Err(FormatError::Alignment));
    }
}

#[test]
fn weights_that_fill_words_up_must_be_zero() {
    let mut met = 0;
    for seed in 0..200 {
        let file = Network::random(&mut Random(seed)).file(Layout::Words);
        let layers = Model::parse(&file).unwrap().layers();
        for (layer, record) in layers.records.iter().enumerate() {
            let Some(weights) = layers.weights(layer) else { continue };
            let start = record.data.get() as usize + record.channels() * size_of::<Channel>();
            for tap in weights.filling() {
                let mut changed = file.clone();
                weights.set(&mut changed[start..], 0, tap, 1);
                let changed = repair::restated(&changed).unwrap();
                assert_eq!(Model::parse(&changed), Err(FormatError::Channel(layer as u8)));
                met += 1;
            }
        }
    }
    assert!(met > 20);
}

#[test]
fn each_fault_is_told_apart() {
    let good = file(3);
    let fault = |change: &dyn Fn(&mut Header, &mut [Record])| {
        Model::parse(&resealed(&good, change)).map(|_| ()).unwrap_err()
    };
    assert_eq!(Model::parse(&[]), Err(FormatError::Length(0)));
    assert_eq!(
        Model::parse(b"\x08\x08\x12\x07onnx"),
        Err(FormatError::Magic(*b"\x08\x08\x12\x07"))
    );
    assert_eq!(fault(&|header, _| header.version = 2.into()), FormatError::Version(2));
    assert!(FormatError::Version(2).to_string().ends_with("make it anew from its ONNX file"));
    assert_eq!(fault(&|header, _| header.length += 4), FormatError::Length(good.len()));
    assert_eq!(fault(&|header, _| header.layers = 0), FormatError::Header);
    assert_eq!(fault(&|header, _| header.layers = 65), FormatError::Header);
    assert_eq!(fault(&|header, _| header.layout = 2), FormatError::Header);
    let infinite = f32::INFINITY.to_bits();
    assert_eq!(fault(&|header, _| header.input.scale = infinite.into()), FormatError::Value(0));
    assert_eq!(fault(&|_, records| records[0].kind = 0), FormatError::Layer(0));
    assert_eq!(fault(&|_, records| records[0].source = 1), FormatError::Layer(0));
    assert_eq!(fault(&|_, records| records[0].data += 4), FormatError::Layer(0));
    assert_eq!(fault(&|header, _| header.scratch_words += 1 << 18), FormatError::Plan);
    let place = |value: &mut Value| value.first_place += 1;
    assert_eq!(fault(&|header, _| place(&mut header.input)), FormatError::Value(0));
}

/// A planner's time grows with the square of the rows.
#[test]
fn maps_that_are_too_high_are_not_planned() {
    for (height, is_planned) in [(MAX_SIDE, true), (MAX_SIDE + 1, false), (u16::MAX, false)] {
        let value = |height: u16| Value {
            channels: 1.into(),
            height: height.into(),
            width: 1.into(),
            scale: 1.0_f32.to_bits().into(),
            ..Value::new_zeroed()
        };
        let record = |kind: Kind, source: u8, height: u16| Record {
            kind: kind.code(),
            source,
            kernel: [1; 2],
            stride: [1; 2],
            output: value(height),
            ..Record::new_zeroed()
        };
        let mut input = value(height);
        let mut records = [record(Kind::MaxPool, 0, height), record(Kind::Dense, 1, 1)];
        let layers = Layers { input: &input, records: &records, layout: Layout::Bytes };
        let mut rows = vec![PlannedRow::default(); planned_rows(layers)];
        let planned = plan::place(&mut input, &mut records, Layout::Bytes, &mut rows);
        assert_eq!(planned.is_some(), is_planned, "{height}");
    }
}
