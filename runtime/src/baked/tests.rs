//! Random networks, and files that were changed.

use network::{Activation, Architecture, Conv, Kind, Padding, Pool, PoolMode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Layers at random that fit each other, with weights that differ.
fn networks() -> impl Strategy<Value = Network> {
    let input = prop_oneof![
        (1..4_usize, 1..12_usize, 1..12_usize).prop_map(|(c, h, w)| [c, h, w]),
        (1..40_usize).prop_map(|length| [length, 1, 1]),
    ];
    let layers = vec((any::<[u8; 10]>(), any::<Index>(), any::<Index>()), 0..8);
    (input, layers, 2..5_usize, 1..1000_u32).prop_map(|(input, choices, classes, seed)| {
        let mut kinds = vec![];
        let mut outputs = vec![input];
        for (choice, source, other) in choices {
            let source = source.index(outputs.len());
            let kind = kind(choice, outputs[source][0], other.index(outputs.len()));
            kinds.push((source, kind));
            match Architecture::connected(input, kinds.iter().copied()) {
                Ok(fits) => outputs.push(fits.layers().last().unwrap().output()),
                Err(_) => drop(kinds.pop()),
            }
        }
        kinds.push((kinds.len(), Kind::Dense { outputs: classes, activation: Activation::None }));
        let architecture = Architecture::connected(input, kinds).unwrap();
        let mut value = f32::from_bits(seed);
        let mut values = |count| -> Vec<f32> {
            (0..count)
                .map(|_| {
                    value = (value * 7.3 + 0.37).fract() - 0.5;
                    value
                })
                .collect()
        };
        let affine = architecture.layers().iter().map(|layer| Affine {
            weights: values(layer.outputs() * layer.fan_in()),
            bias: values(layer.outputs()),
        });
        let affine = affine.collect();
        Network::new(architecture, affine)
    })
}

fn kind(choice: [u8; 10], channels: usize, other: usize) -> Kind {
    let [kind, activation, mode, maps, numbers @ ..] = choice.map(usize::from);
    let activation = [Activation::None, Activation::Relu, Activation::Relu6][activation % 3];
    let [window, stride] = [[numbers[0], numbers[1]], [numbers[2], numbers[3]]];
    let [window, stride] = [window, stride].map(|pair| pair.map(|length| 1 + length % 3));
    let [a, b] = [numbers[4] % 3, numbers[5] % 3];
    let padding = Padding { top: a, left: b, bottom: b, right: a };
    let groups = if mode % 2 == 0 { 1 } else { channels };
    match kind % 4 {
        0 => Kind::Conv(Conv {
            maps: groups * (1 + maps % 3),
            kernel: window,
            stride,
            padding,
            groups,
            activation,
            pool: mode % 3 == 0,
        }),
        1 => {
            let mode = [PoolMode::Max, PoolMode::Average, PoolMode::AverageWithPadding][mode % 3];
            Kind::Pool(Pool { mode, window, stride, padding, activation })
        }
        2 => Kind::Add { other, activation },
        _ => Kind::Dense { outputs: 1 + maps % 7, activation },
    }
}

fn models() -> impl Strategy<Value = Baked> {
    let scores = select(vec![Scores::Logits, Scores::Probabilities, Scores::Independent]);
    let metadata = btree_map(".{0,6}", ".{0,9}", 0..4);
    (networks(), any::<bool>(), scores, any::<bool>(), metadata, any::<[u8; 32]>()).prop_map(
        |(network, takes_pixels, scores, named, metadata, identity)| {
            let outputs = network.architecture().outputs();
            let names = (0..outputs).map(|class| format!("class, „{class}“\n")).collect();
            let names = named.then_some(names);
            Baked::new(network, takes_pixels, scores, names, metadata, identity).unwrap()
        },
    )
}

/// The same bytes with a checksum that fits them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - CRC_BYTES);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn model() -> Baked {
    let conv = Kind::Conv(Conv { pool: true, ..Conv::new(2, [3, 3]) });
    let dense = Kind::Dense { outputs: 2, activation: Activation::None };
    let architecture = Architecture::new([1, 8, 8], vec![conv, dense]).unwrap();
    let affine = architecture.layers().iter().map(|layer| Affine {
        weights: vec![0.5; layer.outputs() * layer.fan_in()],
        bias: vec![-1.0; layer.outputs()],
    });
    let affine = affine.collect();
    let names = Some(vec!["yes".into(), "no".into()]);
    let metadata = [("a".into(), "1".into()), ("b".into(), "2".into())].into();
    let network = Network::new(architecture, affine);
    Baked::new(network, true, Scores::Logits, names, metadata, [7; 32]).unwrap()
}

/// What is said of the bytes of [`model`] after a change.
fn refusal(change: impl FnOnce(&mut Vec<u8>)) -> BakedFault {
    let mut bytes = model().emit();
    change(&mut bytes);
    Baked::parse(&sealed(bytes)).unwrap_err()
}

/// Where the parts of the file of [`model`] begin.
const INPUT: usize = 44;
const TAKES_PIXELS: usize = 56;
const SCORES: usize = 57;
const LAYERS: usize = 58;
const NAMES: usize = 60;
const ENTRIES: usize = 64;
const RECORDS: usize = 68;
const TEXTS: usize = RECORDS + 64;
const METADATA: usize = TEXTS + 4 + 3 + 4 + 2;
const WEIGHTS: usize = METADATA + 4 * 5;

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(model in models()) {
        let bytes = model.emit();
        prop_assert_eq!(&Baked::parse(&bytes).unwrap(), &model);
        prop_assert_eq!(Baked::parse(&bytes).unwrap().emit(), bytes);
    }

    #[test]
    fn a_changed_byte_is_refused(model in models(), at in any::<Index>(), change in 1..=255_u8) {
        let mut bytes = model.emit();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(Baked::parse(&bytes).is_err());
    }

    #[test]
    fn a_file_that_ends_early_or_late_is_refused(model in models(), at in any::<Index>()) {
        let mut bytes = model.emit();
        prop_assert!(Baked::parse(&bytes[..at.index(bytes.len())]).is_err());
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(Baked::parse(&longer).is_err());
        // also where the checksum fits
        let end = CRC_BYTES + at.index(bytes.len() - CRC_BYTES);
        let short = sealed(bytes[..end].to_vec());
        prop_assert!(Baked::parse(&short).is_err());
        bytes.insert(bytes.len() - CRC_BYTES, 0);
        prop_assert!(Baked::parse(&sealed(bytes)).is_err());
    }

    #[test]
    fn what_is_read_of_any_bytes_has_those_bytes(
        model in models(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = model.emit();
        // the weights are longest, and any of them will do
        let structure = bytes.len() - 4 * model.network.architecture().parameters();
        for (at, value) in changes {
            bytes[at.index(structure)] = value;
        }
        let bytes = sealed(bytes);
        if let Ok(read) = Baked::parse(&bytes) {
            prop_assert_eq!(read.emit(), bytes);
        }
    }

    #[test]
    fn noise_is_refused(noise in vec(any::<u8>(), 0..300)) {
        prop_assert!(Baked::parse(&noise).is_err());
        let head = [&MAGIC[..], &VERSION.to_le_bytes(), &noise, &[0; CRC_BYTES]].concat();
        prop_assert!(Baked::parse(&sealed(head)).is_err());
    }
}

#[test]
fn other_files_and_versions_are_refused_by_name() {
    let refused = |bytes: &[u8]| Baked::parse(bytes).unwrap_err().to_string();
    assert_eq!(refused(b""), "not a baked model");
    assert_eq!(refused(b"BAKED"), "not a baked model");
    assert_eq!(refused(&MAGIC), "it ends inside its header");
    for onnx in [&[8, 8, 18, 7][..], &[8, 3, 0x3A, 200, 1], &[8, 10, 0x72, 0]] {
        let refusal = refused(onnx);
        assert_eq!(refusal, "an ONNX file, not a baked model: it has to be baked first");
    }
    let mut other = model().emit();
    other[MAGIC.len()] = 9;
    let refusal = "baked by version 9, expected 1: bake it again from the ONNX file";
    assert_eq!(refused(&other), refusal);
    assert_eq!(refusal_of_truncation(), "it was damaged or cut off since it was baked");
}

fn refusal_of_truncation() -> String {
    let bytes = model().emit();
    Baked::parse(&bytes[..bytes.len() - 9]).unwrap_err().to_string()
}

#[test]
fn each_part_is_checked_where_the_checksum_fits() {
    let set = |at: usize, value: u8| refusal(|bytes| bytes[at] = value);
    assert_eq!(set(INPUT, 0), BakedFault::Input([0, 8, 8]));
    assert_eq!(set(INPUT, 5), BakedFault::Input([5, 8, 8]));
    assert_eq!(set(INPUT + 5, 1), BakedFault::Input([1, 264, 8]));
    assert_eq!(set(TAKES_PIXELS, 2), BakedFault::Header);
    assert_eq!(set(SCORES, 3), BakedFault::Header);
    assert_eq!(set(LAYERS, 0), BakedFault::Layers(0));
    assert_eq!(set(LAYERS + 1, 4), BakedFault::Layers(1026));
    assert_eq!(set(NAMES, 3), BakedFault::ClassNames);
    assert_eq!(set(ENTRIES + 3, 9), BakedFault::Truncated("metadata"));
    for (field, value) in [(0, 5), (1, 3), (2, 2), (3, 1), (6, 1)] {
        assert_eq!(set(RECORDS + field, value), BakedFault::Layer(1), "{field}");
    }
    // the second takes what no layer before it gives; a kernel has no room
    assert!(matches!(set(RECORDS + 32 + 4, 2), BakedFault::Shapes(error) if error.layer == 1));
    assert!(matches!(set(RECORDS + 16, 9), BakedFault::Shapes(error) if error.layer == 0));
    assert_eq!(set(RECORDS + 32 + 8, 1), BakedFault::Classes(1));
    assert_eq!(set(RECORDS + 32 + 8, 3), BakedFault::ClassNames);
    assert_eq!(set(TEXTS + 4, 0xFF), BakedFault::Text("class names"));
    assert_eq!(set(METADATA + 4, b'c'), BakedFault::Metadata);
    assert_eq!(set(METADATA + 4, b'b'), BakedFault::Metadata);
    // one map more
    assert_eq!(set(RECORDS + 8, 3), BakedFault::Weights);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let fault = refusal(|bytes| {
            bytes[WEIGHTS..][..4].copy_from_slice(&value.to_le_bytes());
        });
        assert_eq!(fault, BakedFault::NotFinite { layer: "conv1".into() });
    }
}

#[test]
fn networks_that_would_take_too_long_or_too_much_memory_are_refused_before_their_weights() {
    let architecture = |input, kinds| Architecture::new(input, kinds).unwrap();
    let last = Kind::Dense { outputs: 2, activation: Activation::None };
    let conv = |maps, kernel, stride, side| {
        let padding = Padding::even(side);
        Kind::Conv(Conv { stride: [stride; 2], padding, ..Conv::new(maps, kernel) })
    };
    let refused = |input, kinds| limits::check(&architecture(input, kinds)).unwrap_err();
    let at = BakedFault::TooMuchWork;
    // many maps; many products; much padding that a stride skips; numbers that overflow
    assert_eq!(refused([1, 256, 256], vec![conv(257, [1, 1], 1, 0), last]), at(1));
    assert_eq!(refused([4, 64, 64], vec![conv(64, [9, 9], 1, 4), conv(64, [9, 9], 1, 4)]), at(2));
    assert_eq!(refused([1, 9, 9], vec![conv(1, [1, 1], 60_000, 60_000), last]), at(1));
    assert_eq!(refused([1, 9, 9], vec![conv(usize::MAX, [1, 1], 1, 0), last]), at(1));
    assert_eq!(refused([1, 9, 9], vec![conv(1, [1, 1], 1, usize::MAX / 4), last]), at(1));
    assert_eq!(refused([1, 9, 9], vec![conv(1, [1, 1], 1 << 16, 0), last]), at(1));
    let wide = Kind::Dense { outputs: usize::MAX / 8, activation: Activation::None };
    assert_eq!(refused([8, 1, 1], vec![wide]), at(1));
    assert!(limits::check(&architecture([4096, 1, 1], vec![last])).is_ok());
    assert_eq!(refused([4097, 1, 1], vec![last]), BakedFault::Input([4097, 1, 1]));
}
