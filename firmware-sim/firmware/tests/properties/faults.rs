//! Bits that change in memory: flash is re-checked, and an inference ends whatever there is in it.

use std::ops::Range;

use firmware::format::Layout;
use firmware::{FlashCheck, FlashState, Model, Progress};
use proptest::prelude::*;

use crate::synthetic::{Network, Random};

/// Looks at all of a model, and gives what was found and in how many calls.
fn recheck(model: Model<'_>, max_bytes: usize) -> (FlashState, usize) {
    let mut check = FlashCheck::START;
    for calls in 1.. {
        let state = model.verify_step(&mut check, max_bytes);
        if state != FlashState::InProgress {
            assert_eq!(check, FlashCheck::START);
            return (state, calls);
        }
    }
    unreachable!()
}

/// Where the weights of a layer lie.
fn weights(model: Model<'_>, layer: usize) -> Range<usize> {
    let start = model.layers().records[layer].data.get() as usize;
    let start = start + size_of_val(model.channels(layer));
    start..start + model.weights(layer).len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn one_or_two_flipped_bits_are_found_whatever_the_pieces(
        seed in 0..100_u64,
        max_bytes in 1..2000_usize,
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..=2),
    ) {
        let file = Network::random(&mut Random(seed)).file(Layout::Bytes);
        let model = Model::parse(&file).unwrap();
        let calls = (file.len() - 4).div_ceil(max_bytes);
        prop_assert_eq!(recheck(model, max_bytes), (FlashState::Intact, calls));
        let mut damaged = file.clone();
        for flip in flips {
            let bit = flip.index(8 * file.len());
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        if damaged != file {
            let model = model.after_faults(&damaged).unwrap();
            prop_assert_eq!(recheck(model, max_bytes), (FlashState::Damaged, calls));
        }
    }

    #[test]
    fn a_flipped_weight_changes_the_checksum_of_its_layer_alone(seed in 0..100_u64, at in any::<prop::sample::Index>()) {
        let file = Network::random(&mut Random(seed)).file(Layout::Bytes);
        let model = Model::parse(&file).unwrap();
        let layers = model.layers().records.len();
        let layer = at.index(layers);
        let mut damaged = file.clone();
        let weights = weights(model, layer);
        prop_assume!(!weights.is_empty());
        damaged[weights.start + at.index(weights.len())] ^= 1;
        let changed = model.after_faults(&damaged).unwrap();
        for other in 0..layers {
            let is_same = model.layer_checksum(other) == changed.layer_checksum(other);
            prop_assert_eq!(is_same, other != layer);
        }
    }
}

/// Runs a model on an image that is all of one byte, and gives how many rows it has taken and computed, if not too many.
fn steps(model: Model<'_>, scratch: &mut [u32], max: usize) -> Option<usize> {
    let row = vec![170; model.header().input.row_len()];
    let mut frame = model.start(scratch)?;
    for steps in 0..max {
        match frame.step() {
            Progress::Computed(_) => {}
            // a damaged count of rows may ask for them for ever
            Progress::NeedsRow => frame.push_row(&row)?,
            Progress::Ready => {
                let _ = frame.finish_in_blocks(|_, _| ());
                return Some(steps);
            }
        }
    }
    None
}

/// Every bit of the header, the layers, the places of rows and the channels, in networks of all kinds of layers.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "a build that checks for overflow panics where a device wraps: run it with --release"
)]
fn a_step_ends_whatever_bit_flips_after_the_check() {
    for (seed, layout) in (0..16).flat_map(|seed| [(seed, Layout::Bytes), (seed, Layout::Words)]) {
        let file = Network::random(&mut Random(seed)).file(layout);
        let model = Model::parse(&file).unwrap();
        let mut scratch = vec![0; model.scratch_words()];
        let usual = steps(model, &mut scratch, usize::MAX).unwrap();
        let layers = 0..model.layers().records.len();
        let weights: Vec<Range<usize>> = layers.map(|layer| weights(model, layer)).collect();
        for bit in 0..8 * file.len() {
            // weights are only multiplied: of them a few
            if weights.iter().any(|it| it.contains(&(bit / 8))) && bit % 64 != 7 {
                continue;
            }
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let model = model.after_faults(&damaged).unwrap();
            let _ = steps(model, &mut scratch, 2 * usual);
        }
    }
}
