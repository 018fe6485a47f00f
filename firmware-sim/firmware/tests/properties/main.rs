//! Any network: the engine gives what the definition in 128-bit integers gives, bit for bit, within the memory that its
//! plan says.

mod definition;
mod faults;
mod format;
mod link;
mod resample;
mod seeds;
mod synthetic;

use definition::oracle;
use firmware::format::{FormatError, Header, Kind, Layout, MAX_LAYERS, Order, Rehearsal};
use firmware::{Dimensions, Model, Progress};
use proptest::prelude::*;
use synthetic::{Network, Random};
use zerocopy::IntoBytes;

/// Scratch whose contents do not matter, and which shows what was written beyond its end.
fn scratch(random: &mut Random, model: Model<'_>) -> Vec<u32> {
    let mut scratch = vec![0; model.scratch_words() + 4];
    scratch.fill_with(|| random.next() as u32);
    let end = model.scratch_words();
    scratch[end..].fill(0x5afe_5afe);
    scratch
}

fn assert_equal(seed: u64) {
    let mut random = Random(seed);
    let network = Network::random(&mut random);
    for layout in [Layout::Bytes, Layout::Words] {
        assert_equal_in(&network, layout, seed, &mut random);
    }
}

fn assert_equal_in(network: &Network, layout: Layout, seed: u64, random: &mut Random) {
    let file = network.file(layout);
    let model = Model::parse(&file).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(Model::parse_embedded(&file), Ok(model));
    let mut scratch = scratch(random, model);
    let words = model.scratch_words();
    let input = &network.input;
    let dimensions = Dimensions {
        scratch_words: words,
        height: input.height.get().into(),
        row_len: input.row_len(),
        layers: network.records.len(),
        outputs: network.records.last().unwrap().output.size(),
        routines: model.layers().routines(),
    };
    assert_eq!(Dimensions::of(&file), dimensions);
    for _ in 0..2 {
        let image = network.image(random);
        let outputs = definition::outputs(model, &image, &mut scratch[..words]);
        assert_eq!(outputs, oracle::logits(network, &image), "seed {seed} {layout:?}");
        assert_eq!(scratch[words..], [0x5afe_5afe; 4]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_engine_is_the_definition(seed in any::<u64>()) {
        assert_equal(seed);
    }
}

#[test]
fn every_kind_of_layer_and_every_way_through_it_is_met() {
    let (mut kinds, mut pooled, mut padded, mut strided, mut signed, mut streamed, mut shared) =
        ([0; 7], 0, 0, 0, 0, 0, 0);
    let mut in_blocks = 0;
    let mut orders = vec![];
    for seed in 0..2000 {
        let network = Network::random(&mut Random(seed));
        let file = network.file(if seed % 2 == 0 { Layout::Bytes } else { Layout::Words });
        let model = Model::parse(&file).unwrap();
        let layers = model.layers();
        orders.extend(
            (0..layers.records.len()).filter_map(|layer| Some(layers.weights(layer)?.order)),
        );
        for (index, record) in layers.records.iter().enumerate() {
            kinds[usize::from(record.kind)] += 1;
            pooled += usize::from(record.pooled);
            padded += usize::from(record.padding != [0; 4]);
            strided += usize::from(record.stride != [1; 2]);
            signed += usize::from(record.output.zero == 128);
            streamed += usize::from(layers.geometry(index).unwrap().is_streamed());
        }
        let values = (0..layers.records.len()).filter_map(|number| layers.value(number));
        let apart: usize =
            values.map(|value| usize::from(value.height.get()) * value.stride()).sum();
        let rows = model.scratch_words() - model.header().rows_at.get() as usize;
        shared += usize::from(rows * 4 < apart);
        in_blocks += usize::from(!model.holds_outputs());
    }
    for order in [
        Order::Factors,
        Order::Taps,
        Order::Blocks,
        Order::Fours,
        Order::Windows(3),
        Order::Windows(5),
        Order::Grey,
        Order::DenseWords,
        Order::DenseColumns,
        Order::Halves,
        Order::Strips,
    ] {
        let count = orders.iter().filter(|&&met| met == order).count();
        assert!(count > 20, "{order:?}: {count}");
    }
    for kind in Kind::ALL {
        assert!(kinds[usize::from(kind.code())] > 50, "{kind:?}: {kinds:?}");
    }
    let others = [pooled, padded, strided, signed, streamed, shared, in_blocks];
    assert!(others.iter().all(|&count| count > 40), "{others:?}");
}

#[test]
fn a_plan_that_lays_a_row_where_another_is_needed_is_refused() {
    let (mut refused, mut accepted) = (0, 0);
    for seed in 0..100 {
        let network = Network::random(&mut Random(seed));
        let file = network.file(Layout::Bytes);
        let model = Model::parse(&file).unwrap();
        let places = model.places().0;
        let table = size_of::<Header>() + size_of_val(model.layers().records);
        for (to, from) in (1..places.len()).flat_map(|to| [(to, to - 1), (to, 0), (0, to)]) {
            if places[to] == places[from] {
                continue;
            }
            let mut changed = file.clone();
            changed[table + 2 * to..][..2].copy_from_slice(places[from].as_bytes());
            let changed = format::resealed(&changed, |_, _| {});
            if let Err(error) = Model::parse(&changed) {
                assert_eq!(error, FormatError::Plan);
                refused += 1;
            } else {
                // another way to do it
                assert!(definition::run(&changed));
                accepted += 1;
            }
        }
    }
    assert!(refused > 2000 && accepted > 20, "{refused} {accepted}");
}

#[test]
fn no_plan_takes_less_than_what_is_needed_at_once_and_most_take_little_more() {
    let (mut planned, mut least) = (0, 0);
    for seed in 0..200 {
        let file = Network::random(&mut Random(seed)).file(Layout::Bytes);
        let model = Model::parse(&file).unwrap();
        let layers = model.layers();
        let mut walk = Rehearsal::new(layers);
        let mut most = 0;
        while let Some(number) = walk.coming() {
            let steps = walk.steps();
            let held = |value: usize| {
                let rows = layers.first_needed(value, steps)..layers.rows(value, steps);
                rows.len() * layers.value(value).unwrap().stride()
            };
            let written = model.places().written(layers, number, steps).unwrap();
            let all = (0..layers.records.len()).map(held).sum::<usize>() + written.len();
            most = most.max(all);
            walk.count(number);
        }
        let bytes = 4 * (model.scratch_words() - model.header().rows_at.get() as usize);
        assert!(bytes >= most, "seed {seed}");
        planned += bytes;
        least += most;
    }
    assert!(planned * 4 < least * 5, "{planned} for {least}");
}

#[test]
fn outputs_that_are_not_held_take_no_memory_and_come_once_all_rows_are_there() {
    let mut random = Random(5);
    let network = Network::with_many_outputs(&mut random);
    for layout in [Layout::Bytes, Layout::Words] {
        let file = network.file(layout);
        let model = Model::parse(&file).unwrap();
        assert!(!model.holds_outputs());
        assert!(model.scratch_words() < model.outputs());
        let image = network.image(&mut random);
        let mut scratch = scratch(&mut random, model);
        let mut frame = model.start(&mut scratch).unwrap();
        let rows = image.chunks(model.header().input.row_len());
        for row in rows.clone().skip(1) {
            frame.push_row(row).unwrap();
        }
        assert_eq!(frame.step(), Progress::NeedsRow);
        assert_eq!(frame.finish_in_blocks(|_, _| unreachable!("a row is missing")), None);
        let mut frame = model.start(&mut scratch).unwrap();
        for row in rows {
            frame.push_row(row).unwrap();
        }
        while let Progress::Computed(_) = frame.step() {}
        assert_eq!(frame.step(), Progress::Ready);
        assert_eq!(frame.finish(), None, "they are not held");
    }
}

#[test]
fn rows_may_come_step_by_step_and_no_answer_comes_early() {
    let mut random = Random(11);
    let network = Network::random(&mut random);
    let file = network.file(Layout::Bytes);
    let model = Model::parse(&file).unwrap();
    let image = network.image(&mut random);
    let mut scratch = scratch(&mut random, model);
    let words = model.scratch_words();
    let whole = model.infer(&image, &mut scratch[..words]).unwrap().0.to_vec();

    assert!(model.start(&mut scratch[..words - 1]).is_none());
    let row_len = model.header().input.row_len();
    let mut early = model.start(&mut scratch).unwrap();
    for row in image.chunks(row_len).skip(1) {
        early.push_row(row).unwrap();
    }
    assert!(!early.is_complete());
    assert_eq!(early.finish(), None);

    let mut frame = model.start(&mut scratch).unwrap();
    assert!(frame.push_row(&image[..row_len - 1]).is_none(), "a row of another length");
    let mut rows = image.chunks(row_len);
    let mut computed = [0; MAX_LAYERS];
    loop {
        match frame.step() {
            Progress::Computed(layer) => computed[layer] += 1,
            Progress::NeedsRow => frame.push_row(rows.next().unwrap()).unwrap(),
            Progress::Ready => break,
        }
    }
    frame.push_row(&image[..row_len]).unwrap(); // beyond the last: ignored
    assert_eq!(frame.finish().unwrap().0, whole);
    for (layer, &steps) in computed.iter().take(model.layers().records.len()).enumerate() {
        assert_eq!(steps, model.layers().geometry(layer).unwrap().steps());
    }
}
