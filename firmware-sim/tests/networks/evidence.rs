//! What is proven of a network, and what flipped bits do to it; and that each proof can fail.

use std::sync::atomic::{AtomicU64, Ordering};

use dataset::Image;
use firmware::Model;
use firmware::format::{Channel, Header, Layout, Record};
use firmware_sim::Samples;
use firmware_sim::proof::{Counterexample, definition, prove, prove_requantizer, sums};
use firmware_sim::quantize::{Options as Quantized, quantize_with};
use firmware_sim::soft_errors::{Counts, Memory, Options, Part, SoftErrors, flips, inject};
use fixtures::benchmarks::Random;
use network::{Activation, Conv, Kind, Pool, PoolMode};
use zerocopy::FromBytes;

use crate::{network, onnx};

/// A network of every kind of layer that has multipliers, of few channels, and images for it.
fn model(layout: Layout) -> (Vec<u8>, Vec<Image>) {
    let mut random = Random(5);
    let conv = |maps, activation| Conv { activation, ..Conv::new(maps, [3; 2]) };
    let mean = Pool::new(PoolMode::Average, [2; 2]);
    let kinds = [
        (0, Kind::Conv(Conv { pool: true, ..conv(4, Activation::Relu) })),
        (1, Kind::Conv(Conv { groups: 4, ..conv(4, Activation::None) })),
        (2, Kind::Pool(mean)),
        (3, Kind::Dense { outputs: 6, activation: Activation::Relu }),
        (4, Kind::Dense { outputs: 3, activation: Activation::None }),
    ];
    let network = network(&mut random, [1, 14, 14], &kinds);
    let images: Vec<Image> = (0..8).map(|_| random.image([1, 14, 14])).collect();
    let options = Quantized { layout, ..Quantized::default() };
    let samples = Samples::Images(&images);
    let file = quantize_with(&onnx(&network), samples, Samples::NONE, options, |_| ());
    (file.unwrap(), images)
}

/// The file with a change of a layer's first channel, whose checks are behind it.
fn changed(file: &[u8], layer: usize, change: impl FnOnce(&mut Channel)) -> Vec<u8> {
    let mut file = file.to_vec();
    let (_, rest) = Header::ref_from_prefix(&file).unwrap();
    let (records, _) = <[Record]>::ref_from_prefix_with_elems(rest, layer + 1).unwrap();
    let start = records[layer].data.get() as usize;
    change(Channel::mut_from_prefix(&mut file[start..]).unwrap().0);
    file
}

#[test]
fn every_accumulator_of_every_channel_is_requantised_as_defined() {
    for layout in [Layout::Bytes, Layout::Words] {
        let (file, _) = model(layout);
        let model = Model::parse(&file).unwrap();
        let done = AtomicU64::new(0);
        let proof = prove(model, |sums| _ = done.fetch_add(sums, Ordering::Relaxed));
        assert!(proof.holds(), "{:?}", proof.json());
        assert_eq!((proof.sums(), done.into_inner()), (sums(model), sums(model)));
        assert_eq!(proof.requantised_channels(), 4 + 4 + 1 + 6);
        for layer in &proof.layers {
            let [low, high] = layer.reached;
            assert!(low < high && high.max(-low) <= layer.bound.into(), "{layer:?}");
            assert_eq!(layer.is_requantised, layer.layer != "dense2", "{layer:?}");
        }
    }
}

#[test]
fn a_wrong_requantiser_is_found_by_its_first_wrong_accumulator() {
    let (file, _) = model(Layout::Bytes);
    let model = Model::parse(&file).unwrap();
    let right = |channel: &Channel, sum, zero| {
        i64::from(definition(sum, channel.mantissa.get(), channel.shift, zero))
    };
    assert!(prove_requantizer(model, right, |_| ()).holds());

    // at one accumulator of one channel alone
    let first = model.channels(1)[2];
    let wrong = |channel: &Channel, sum, zero| {
        right(channel, sum, zero) + i64::from(*channel == first && sum == 77)
    };
    let proof = prove_requantizer(model, wrong, |_| ());
    let found: Vec<_> = proof.layers.iter().filter_map(|layer| layer.counterexample).collect();
    let definition = definition(77, first.mantissa.get(), first.shift, 128);
    let expected =
        Counterexample::Value { channel: 2, sum: 77, found: i64::from(definition) + 1, definition };
    assert_eq!(found, [expected]);

    // no rounding, and no clamp: no byte
    let floor = |channel: &Channel, sum: i32, _| {
        (i64::from(sum) * i64::from(channel.mantissa.get())) >> channel.shift
    };
    let proof = prove_requantizer(model, floor, |_| ());
    assert!(!proof.holds());
    let text = proof.layers[0].counterexample.unwrap().to_string();
    assert!(text.starts_with("channel 0: accumulator -"), "{text}");
}

#[test]
fn a_bound_that_is_too_small_is_found() {
    let (file, _) = model(Layout::Bytes);
    let model = Model::parse(&file).unwrap();
    for layer in 0..model.layers().records.len() {
        let reached = prove(model, |_| ()).layers[layer].reached;
        let of_first = |change: &dyn Fn(&mut Channel)| {
            let changed = changed(&file, layer, change);
            let proof = prove(model.after_faults(&changed).unwrap(), |_| ());
            proof.layers[layer].counterexample
        };
        assert!(reached[0] < 0 || reached[1] > 0);
        let found = of_first(&|channel| channel.bound = 1.into());
        assert!(matches!(found, Some(Counterexample::Bound { channel: 0, stated: 1, .. })));
        let found = of_first(&|channel| channel.bias = (1 << 30).into());
        assert!(matches!(found, Some(Counterexample::Bound { channel: 0, .. })));
        // more than 24 bits have room for, stated as it is
        let found = of_first(&|channel| {
            channel.bias = (1 << 24).into();
            channel.bound = (1 << 25).into();
        });
        assert!(matches!(found, Some(Counterexample::Overflow { channel: 0, .. })), "{found:?}");
    }
}

/// What came of flips of all but what an engine that is checked for overflow may not be shown.
fn injected(file: &[u8], images: &[Image], options: &Options) -> SoftErrors {
    let model = Model::parse(file).unwrap();
    let done = AtomicU64::new(0);
    let found = inject(model, Samples::Images(images), options, |flips| {
        done.fetch_add(flips, Ordering::Relaxed);
    });
    let found = found.unwrap();
    let tried: u64 = found.groups.iter().map(|group| group.counts().flips).sum();
    assert_eq!([tried, done.into_inner()], [flips(model, options); 2]);
    for group in &found.groups {
        let Counts { flips, masked, outputs, class, no_answer, .. } = group.counts();
        assert_eq!(masked + outputs + class + no_answer, flips, "{group:?}");
    }
    found
}

#[test]
fn flips_are_counted_by_what_they_do_and_found_in_flash() {
    let parts = [Part::Bias, Part::Bound, Part::Weights, Part::Checksum, Part::Rows];
    for layout in [Layout::Bytes, Layout::Words] {
        let (file, images) = model(layout);
        for is_double in [false, true] {
            let options = Options {
                samples: Some(40),
                parts: parts.to_vec(),
                is_double,
                ..Options::default()
            };
            let found = injected(&file, &images[..3], &options);
            assert_eq!(found, injected(&file, &images[..3], &options));
            for group in found.of(Memory::Flash) {
                let counts = group.counts();
                // a second bit may lie in what is read
                if matches!(group.part, Part::Bound | Part::Checksum) && !is_double {
                    assert_eq!(counts.masked, counts.flips, "{group:?}");
                }
                assert_eq!([counts.at_start, counts.by_steps], [counts.flips; 2], "{group:?}");
                let of_layer = if group.layer.is_some() { counts.flips } else { 0 };
                assert_eq!(counts.by_layer, of_layer, "{group:?}");
            }
            let changed = found.share(Memory::Flash, |it| it.flips - it.masked).unwrap();
            assert!(
                changed.low > 0.0 && changed.low < changed.found && changed.found < changed.high
            );
            assert!(found.share(Memory::Scratch, Counts::wrong).is_some());
        }
    }
}

#[test]
fn all_bits_of_a_part_are_tried_and_their_share_is_exact() {
    let (file, images) = model(Layout::Bytes);
    let options = Options { samples: None, parts: vec![Part::Bias], ..Options::default() };
    let found = injected(&file, &images[..2], &options);
    assert!(found.groups.iter().all(|group| group.is_all && group.by_bit.len() == 32));
    let [first, .., last] = &found.groups[..] else { panic!("{found:?}") };
    assert_eq!([first, last].map(|group| group.bits), [4 * 32, 3 * 32]);
    // what is added to an output is in it
    assert_eq!(last.counts().masked, 0);
    let share = last.share(Counts::wrong);
    assert!(
        share.low.total_cmp(&share.found).is_eq() && share.high.total_cmp(&share.found).is_eq()
    );
    assert!(share.found > 0.0);
    let by_bit: Vec<u64> = last.by_bit.iter().map(Counts::wrong).collect();
    assert!(by_bit[0] < by_bit[30], "{by_bit:?}");
    assert!(inject(Model::parse(&file).unwrap(), Samples::NONE, &options, |_| ()).is_err());
}
