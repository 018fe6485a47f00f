//! Any network: the engine gives what the definition in 128-bit integers gives, bit for bit, within the memory that its
//! plan says.

mod definition;
mod format;
mod seeds;
mod synthetic;

use definition::oracle;
use firmware::format::{Kind, Layout, MAX_LAYERS, Order, Rehearsal, Value};
use firmware::{Dimensions, Model, Progress};
use proptest::prelude::*;
use synthetic::{Network, Random};

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
        let logits = model.infer(&image, &mut scratch[..words]).expect("it is the model's memory");
        let logits: Vec<i128> = logits.0.iter().map(|&logit| logit.into()).collect();
        assert_eq!(logits, oracle::logits(network, &image), "seed {seed} {layout:?}");
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
        let values: Vec<&Value> =
            (0..layers.records.len()).filter_map(|number| layers.value(number)).collect();
        let apart: usize = values.iter().map(|value| value.len().next_multiple_of(4)).sum();
        let rows = model.scratch_words() - model.header().rows_at.get() as usize;
        shared += usize::from(rows * 4 < apart);
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
    ] {
        let count = orders.iter().filter(|&&met| met == order).count();
        assert!(count > 20, "{order:?}: {count}");
    }
    for kind in Kind::ALL {
        assert!(kinds[usize::from(kind.code())] > 50, "{kind:?}: {kinds:?}");
    }
    let others = [pooled, padded, strided, signed, streamed, shared];
    assert!(others.iter().all(|&count| count > 40), "{others:?}");
}

#[test]
fn a_row_fewer_than_is_planned_would_be_too_few() {
    let mut held = 0;
    for seed in 0..100 {
        let network = Network::random(&mut Random(seed));
        let file = network.file(Layout::Bytes);
        let model = Model::parse(&file).unwrap();
        for number in 0..model.layers().records.len() {
            let need = Rehearsal::need(model.layers(), number);
            let value = model.layers().value(number).unwrap();
            assert_eq!(usize::from(value.rows.get()), need.rows);
            let refused = format::resealed(&file, |header, records| {
                let value = match number {
                    0 => &mut header.input,
                    _ => &mut records[number - 1].output,
                };
                value.rows -= 1;
            });
            assert!(Model::parse(&refused).is_err());
            held += 1;
        }
    }
    assert!(held > 300);
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
