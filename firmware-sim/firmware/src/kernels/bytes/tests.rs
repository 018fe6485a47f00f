use std::{vec, vec::Vec};

use proptest::collection::vec as vector;
use proptest::prelude::*;

use super::*;

/// The sum of products that `sums[place]` of an output gets from a patch of triples, without packing.
fn plain_three(
    weights: &[Block],
    stride: usize,
    places: &[[u8; 3]],
    block: usize,
) -> [[i64; 3]; 4] {
    let mut sums = [[0; 3]; 4];
    for (weights, activations) in weights[block * stride..].iter().zip(places) {
        for (sums, weight) in sums.iter_mut().zip(weights) {
            for (sum, activation) in sums.iter_mut().zip(activations) {
                *sum += i64::from(*weight) * i64::from(*activation);
            }
        }
    }
    sums
}

fn pack(places: &[[u8; 3]]) -> Vec<Triple> {
    places.iter().copied().map(triple).collect()
}

fn weight() -> impl Strategy<Value = i8> {
    prop_oneof![-127..=127_i8, Just(127), Just(-127), Just(0)]
}

fn activation() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), Just(0), Just(255)]
}

/// Lengths of a patch and of the sums in blocks, and kernel elements between patches of neighbouring blocks.
fn lengths(max: usize) -> impl Strategy<Value = (usize, usize, usize)> {
    (0..max, 0..6_usize, 0..5_usize)
}

proptest! {
    #[test]
    fn words_split_into_the_sums_that_were_packed(sums: [i32; 3]) {
        let sums = sums.map(|sum| sum % (MAX_TRIPLE_SUM + 1));
        prop_assert_eq!(split(packed(sums)), sums);
    }

    #[test]
    fn three_places_are_three_plain_sums(
        (len, blocks, more) in lengths(33),
        weights in vector([weight(), weight(), weight(), weight()], 6 * 40),
        places in vector([activation(), activation(), activation()], 33),
        start in -1000..1000_i32,
        new: bool,
    ) {
        let (stride, places) = (len + more, &places[..len]);
        let mut sums = vec![[[start; 3]; 4]; blocks];
        three_places(&weights, stride, &pack(places), &mut sums, new);
        let start = if new { 0 } else { start };
        for (block, sums) in sums.iter().enumerate() {
            let expected = plain_three(&weights, stride, places, block);
            prop_assert_eq!(sums.map(|sums| sums.map(|sum| i64::from(sum - start))), expected);
        }
    }

    #[test]
    fn one_place_is_a_plain_sum(
        (len, blocks, more) in lengths(300),
        weights in vector([weight(), weight(), weight(), weight()], 6 * 310),
        places in vector(activation(), 300),
        start: i32,
    ) {
        let (stride, places) = (len + more, &places[..len]);
        let mut sums = vec![[start; 4]; blocks];
        one_place(&weights, stride, places, &mut sums);
        let tripled: Vec<[u8; 3]> = places.iter().map(|&activation| [activation; 3]).collect();
        for (block, sums) in sums.iter().enumerate() {
            let expected = plain_three(&weights, stride, &tripled, block);
            prop_assert_eq!(
                sums.map(|sum| i64::from(sum.wrapping_sub(start))),
                expected.map(|[sum, ..]| sum)
            );
        }
    }

    #[test]
    fn depthwise_is_a_plain_sum_for_each_channel(
        [kernel_rows, columns] in [0..5_usize, 0..5],
        [channels, step, places] in [1..19_usize, 1..4, 0..6],
        more in 0..3_usize,
        weights in vector([weight(), weight(), weight(), weight()], 5 * 30),
        map in vector(activation(), 4 * 18 * 20 + 4),
        start: i32,
    ) {
        let blocks = channels.div_ceil(4);
        let stride = kernel_rows * columns + more;
        let row_len = (places * step + columns) * channels;
        let map = &map[..kernel_rows * row_len + 3];
        let offset = |y, x| y * row_len + x * channels;
        let offsets: Vec<u16> = (0..kernel_rows)
            .flat_map(|y| (0..columns).map(move |x| u16::try_from(offset(y, x)).unwrap()))
            .collect();
        let window = Window { map, offsets: &offsets, place_bytes: step * channels, places, blocks };
        let mut sums = vec![[start; 4]; places * blocks];
        depthwise(&weights, stride, &window, &mut sums);
        for place in 0..places {
            for channel in 0..channels {
                let (block, output) = (channel / 4, channel % 4);
                let mut expected = 0;
                for y in 0..kernel_rows {
                    for x in 0..columns {
                        let weight = weights[block * stride + y * columns + x][output];
                        let activation = map[offset(y, place * step + x) + channel];
                        expected += i64::from(weight) * i64::from(activation);
                    }
                }
                let sum = sums[place * blocks + block][output].wrapping_sub(start);
                prop_assert_eq!(i64::from(sum), expected);
            }
        }
    }

    #[test]
    fn a_strip_has_the_sums_of_its_places(
        [rows, places, blocks, more] in [1..4_usize, 1..6, 1..6, 0..3],
        weights in vector([weight(), weight(), weight(), weight()], 5 * 12),
        map in vector(activation(), 3 * 7 * 20),
        order in Just([0, 1, 2]).prop_shuffle(),
        start: i32,
    ) {
        let (stride, place_bytes) = (3 * rows + more, 4 * blocks);
        // in a ring the rows may lie in any order
        let rows: Vec<u32> =
            order.iter().take(rows).map(|row| row * ((places + 2) * place_bytes) as u32).collect();
        let map = &map[..3 * (places + 2) * place_bytes];
        let mut sums = vec![[[start; STRIP]; 4]; blocks];
        strip(&weights, stride, &Strip { map, rows: &rows, place_bytes, places, blocks }, &mut sums);
        for place in 0..places {
            for channel in 0..4 * blocks {
                let (block, output) = (channel / 4, channel % 4);
                let mut expected = 0;
                for (y, row) in rows.iter().enumerate() {
                    for x in 0..3 {
                        let weight = weights[block * stride + 3 * y + x][output];
                        let activation = map[*row as usize + (place + x) * place_bytes + channel];
                        expected += i64::from(weight) * i64::from(activation);
                    }
                }
                prop_assert_eq!(i64::from(sums[block][output][place]), expected);
            }
        }
    }

    #[test]
    fn any_lengths_are_taken(
        weights in vector([weight(), weight(), weight(), weight()], 0..20),
        stride in prop_oneof![0..10_usize, Just(usize::MAX), Just(usize::MAX / 2)],
        patch in vector(any::<u8>(), 0..20),
        sums in vector([0..1_i32, 0..1, 0..1, 0..1], 0..20),
        offsets in vector(prop_oneof![0..20_u16, Just(u16::MAX)], 0..20),
        [place_bytes, places, blocks] in
            [0, 1, 2].map(|_| prop_oneof![0..5_usize, Just(usize::MAX), Just(usize::MAX / 4)]),
    ) {
        let mut sums = sums;
        let triples: Vec<Triple> = patch.iter().map(|&activation| triple([activation; 3])).collect();
        let mut threes = vec![[[0; 3]; 4]; sums.len()];
        three_places(&weights, stride, &triples, &mut threes, false);
        one_place(&weights, stride, &patch, &mut sums);
        let window = Window { map: &patch, offsets: &offsets, place_bytes, places, blocks };
        depthwise(&weights, stride, &window, &mut sums);
        let rows: Vec<u32> = offsets.iter().map(|&offset| offset.into()).collect();
        let mut strips = vec![[[0; STRIP]; 4]; sums.len()];
        let asked = Strip { map: &patch, rows: &rows, place_bytes, places, blocks };
        strip(&weights, stride, &asked, &mut strips);
    }
}

fn packed([s0, s1, s2]: [i32; 3]) -> [u32; 2] {
    let [s0, s1, s2] = [s0, s1, s2].map(i32::cast_unsigned);
    [s0.wrapping_add(s1 << 21), s2.wrapping_add(s1 << 10)]
}

#[test]
fn words_split_into_sums_at_the_bound() {
    let extremes =
        [-MAX_TRIPLE_SUM, -MAX_TRIPLE_SUM + 1, -1025, -1024, -1, 0, 1, 1023, 1024, MAX_TRIPLE_SUM];
    for s0 in extremes {
        for s1 in extremes {
            for s2 in extremes {
                assert_eq!(split(packed([s0, s1, s2])), [s0, s1, s2]);
            }
        }
    }
}

/// The largest sum that a multiple of 255 can be: 255 · 4112 = 2²⁰ − 16, from 33 weights.
#[test]
fn three_places_are_exact_at_the_bound() {
    let mut weights = vec![[127, -127, 127, -127]; 32];
    weights.push([48, -48, 48, -48]);
    for bits in 0..8_u8 {
        let place = [0, 1, 2].map(|place| 255 * (bits >> place & 1));
        let mut sums = [[[0; 3]; 4]];
        three_places(&weights, 33, &[triple(place); 33], &mut sums, false);
        let sum = place.map(|activation| i32::from(activation) * 4112);
        let negated = sum.map(|sum| -sum);
        assert_eq!(sums, [[sum, negated, sum, negated]]);
    }
}

#[test]
fn weights_too_short_add_nothing() {
    let mut sums = [[[7; 3]; 4]; 2];
    three_places(&[[1; 4]; 5], 3, &[1; 3], &mut sums, false);
    assert_eq!(sums, [[[7; 3]; 4]; 2]);
    let mut sums = [[7; 4]; 2];
    one_place(&[[1; 4]; 5], 3, &[1; 3], &mut sums);
    assert_eq!(sums, [[7; 4]; 2]);
}

#[test]
fn a_sum_may_wrap_around() {
    let mut sums = [[i32::MAX; 4]];
    one_place(&[[1, 2, -1, 0]], 1, &[1], &mut sums);
    assert_eq!(sums, [[i32::MIN, i32::MIN + 1, i32::MAX - 1, i32::MAX]]);
}
