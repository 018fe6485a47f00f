//! The kernels that this machine gets, the portable ones, against plain sums, from weights `[output][tap]` that are packed here as the file's are.

use std::vec;
use std::vec::Vec;

use super::*;
use crate::kernels::unpack_accumulators;

/// Marsaglia's xorshift, 32 bits: <https://doi.org/10.18637/jss.v008.i14>.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    /// A weight; a fourth are extremes.
    fn weight(&mut self) -> i8 {
        match self.next() >> 28 {
            0..2 => 127,
            2..4 => -127,
            _ => (self.next() % 255) as i8,
        }
        .max(-127)
    }

    /// An activation; a third are zero, some the maximum.
    fn activation(&mut self) -> u8 {
        match self.next() >> 28 {
            0..5 => 0,
            5..8 => 255,
            _ => self.next() as u8,
        }
    }

    fn weights(&mut self, outputs: usize, taps: usize) -> Vec<Vec<i8>> {
        (0..outputs).map(|_| (0..taps).map(|_| self.weight()).collect()).collect()
    }

    fn activations(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.activation()).collect()
    }

    /// Sums that are there before, of an even and an odd output.
    fn start(&mut self) -> [i32; 2] {
        [self.next().cast_signed(), self.next().cast_signed()].map(|sum| sum >> 12)
    }
}

const fn packed([even, odd]: [i32; 2]) -> [u32; 2] {
    [(odd * 256).wrapping_add(even).cast_unsigned(), even.cast_unsigned()]
}

/// The word of two taps, or fewer, of outputs `2 * pair` and the next.
fn word(weights: &[Vec<i8>], pair: usize, [a, b]: [Option<usize>; 2]) -> Word {
    let weight = |output: usize, tap: Option<usize>| tap.map_or(0, |tap| weights[output][tap]);
    let of = |tap| [weight(2 * pair, tap), weight(2 * pair + 1, tap)];
    Word::from_le_bytes(pack([of(a), of(b)]))
}

/// The two taps of each word, for a multiple of four that lie side by side.
fn neighbours(taps: usize) -> impl Iterator<Item = [Option<usize>; 2]> {
    (0..taps / 2).map(move |pair| gathered_taps(pair, 1, taps))
}

fn dot(weights: &[i8], activations: impl IntoIterator<Item = u8>) -> i64 {
    weights.iter().zip(activations).map(|(&w, a)| i64::from(w) * i64::from(a)).sum()
}

fn plus(start: [i32; 2], sums: [i64; 2]) -> [i64; 2] {
    [i64::from(start[0]) + sums[0], i64::from(start[1]) + sums[1]]
}

/// Weights `[input][output]`, each −127 to 127, as a word.
fn pack([a, b]: [[i8; 2]; 2]) -> [u8; 4] {
    let half = |[even, odd]: [i8; 2]| (i16::from(odd) * 256).wrapping_add(i16::from(even));
    let [[a0, a1], [b0, b1]] = [half(a), half(b)].map(i16::to_le_bytes);
    [a0, a1, b0, b1]
}

#[test]
fn fours_are_plain_sums() {
    let random = &mut Random(1);
    for _ in 0..300 {
        let (rows, run, blocks) = (random.below(6), random.below(21), random.below(4));
        let taps = rows * run;
        let weights = random.weights(4 * blocks, taps);
        let pixels = random.activations(200);
        let starts: Vec<[u32; 2]> =
            (0..rows).map(|_| [(); 2].map(|()| random.below(200 - run + 1) as u32)).collect();
        let mut patch = vec![[0; 2]; gathered_pairs(rows, run)];
        gather_places(&pixels, Offsets::of_places(&starts), run, &mut patch);
        let mut taps_seen: Vec<usize> = (0..patch.len())
            .flat_map(|pair| gathered_taps(pair, rows, run).into_iter().flatten())
            .collect();
        taps_seen.sort_unstable();
        assert!(taps_seen.into_iter().eq(0..taps));
        let stride = 2 * patch.len() + random.below(3);
        let mut words = vec![];
        for block in 0..blocks {
            for taps in 0..patch.len() {
                let taps = gathered_taps(taps, rows, run);
                words.extend([0, 1].map(|pair| word(&weights, 2 * block + pair, taps)));
            }
            words.resize((block + 1) * stride, 99);
        }
        let bytes = [0, 1].map(|place| -> Vec<u8> {
            let rows = starts.iter().map(|starts| starts[place] as usize);
            rows.flat_map(|start| pixels[start..start + run].to_vec()).collect()
        });
        let step = 1 + random.below(2);
        let starts: Vec<[[i32; 2]; 2]> =
            (0..2 * blocks * step).map(|_| core::array::from_fn(|_| random.start())).collect();
        let mut sums: Vec<Twin> =
            starts.iter().map(|twin| twin.map(packed).as_flattened().try_into().unwrap()).collect();
        let fours = Fours { words: &words, stride, patch: &patch };
        add_fours(&fours, &mut sums, step);
        for (number, (twin, start)) in sums.iter().zip(starts).enumerate() {
            for (place, sums) in twin.as_chunks().0.iter().enumerate() {
                let expected = [0, 1].map(|odd| match number % step {
                    0 => {
                        let weights = &weights[2 * (number / step) + odd];
                        dot(weights, bytes[place].iter().copied())
                    }
                    _ => 0,
                });
                let found = unpack_accumulators(sums).map(i64::from);
                assert_eq!(found, plus(start[place], expected));
            }
        }
    }
}

fn windows_are_plain_sums<const KERNEL: usize, const SIDE: usize>(
    window: fn(&[Word], usize, &[WindowPatch<SIDE>], &mut [Tile]),
) {
    let random = &mut Random(2);
    for _ in 0..100 {
        let (fours, pairs) = (random.below(4), random.below(4));
        let channels = 4 * fours;
        let taps = KERNEL * KERNEL * channels;
        // [kernel row][kernel column][channel]
        let weights = random.weights(2 * pairs, taps);
        let rows: [Vec<u8>; SIDE] = core::array::from_fn(|_| random.activations(SIDE * channels));
        let mut patches = vec![[[7; SIDE]; SIDE]; 2 * fours];
        let starts: [u32; SIDE] = core::array::from_fn(|y| (y * SIDE * channels) as u32);
        gather_window(&rows.concat(), Offsets::new(&starts), channels, &mut patches);
        let mut words = vec![];
        for pair in 0..pairs {
            for channels_of_word in neighbours(channels) {
                for (x, y) in (0..KERNEL).flat_map(|x| (0..KERNEL).map(move |y| (x, y))) {
                    let first = (y * KERNEL + x) * channels;
                    words.push(word(
                        &weights,
                        pair,
                        channels_of_word.map(|c| c.map(|c| first + c)),
                    ));
                }
            }
            words.push(99);
        }
        let mut sums = vec![[0; 8]; pairs];
        window(&words, taps / 2 + 1, &patches, &mut sums);
        for (pair, tile) in sums.iter().enumerate() {
            for (place, sums) in tile.as_chunks().0.iter().enumerate() {
                let (top, left) = (place / 2, place % 2);
                let seen: Vec<u8> = rows[top..top + KERNEL]
                    .iter()
                    .flat_map(|row| &row[left * channels..(left + KERNEL) * channels])
                    .copied()
                    .collect();
                let expected =
                    [0, 1].map(|odd| dot(&weights[2 * pair + odd], seen.iter().copied()));
                assert_eq!(unpack_accumulators(sums).map(i64::from), expected);
            }
        }
    }
}

#[test]
fn windows_of_5x5_are_plain_sums() {
    windows_are_plain_sums::<5, 6>(window5);
}

#[test]
fn windows_of_3x3_are_plain_sums() {
    windows_are_plain_sums::<3, 4>(window3);
}

#[test]
fn dense_blocks_are_plain_sums() {
    let random = &mut Random(3);
    for _ in 0..300 {
        let (taps, width) = (4 * random.below(40), random.below(MAX_BLOCK + 1));
        let weights = random.weights(2 * width, taps);
        let mut inputs = random.activations(taps);
        let words: Vec<Word> = neighbours(taps)
            .flat_map(|taps| (0..width).map(move |pair| (pair, taps)))
            .map(|(pair, taps)| word(&weights, pair, taps))
            .collect();
        // those beyond a multiple of four have no words
        inputs.extend([255; 3]);
        let starts: Vec<[i32; 2]> = (0..width).map(|_| random.start()).collect();
        let mut sums: Vec<[u32; 2]> = starts.iter().copied().map(packed).collect();
        dense(&words, &inputs, &mut sums);
        for (pair, sums) in sums.iter().enumerate() {
            let expected = [0, 1].map(|odd| dot(&weights[2 * pair + odd], inputs.iter().copied()));
            assert_eq!(unpack_accumulators(sums).map(i64::from), plus(starts[pair], expected));
        }
    }
}

#[test]
fn depthwise_sums_are_plain_sums() {
    let random = &mut Random(4);
    for _ in 0..300 {
        let (taps, groups) = (random.below(27), random.below(5));
        let channels = 4 * groups;
        let weights = random.weights(channels, taps);
        let pixels = random.activations(channels * (taps + 3));
        let offsets: Vec<u32> =
            (0..taps).map(|_| random.below(pixels.len() - channels + 1) as u32).collect();
        let stride = taps + random.below(3);
        let mut words = vec![];
        for four in weights.as_chunks::<4>().0 {
            words.extend((0..taps).map(|tap| {
                let half = |c: usize| i16::from(four[c][tap]).to_le_bytes();
                [[half(0), half(2)], [half(1), half(3)]]
                    .map(|halves| u32::from_le_bytes(halves.as_flattened().try_into().unwrap()))
            }));
            words.extend(vec![[99; 2]; stride - taps]);
        }
        let start = random.start()[0];
        let mut sums = vec![[start; 4]; groups];
        let taps = Offsets::new(&offsets);
        depthwise(
            &Depthwise { weights: &words, stride, pixels: &pixels, taps, columns: 1, across: 0 },
            &mut sums,
        );
        for (c, &sum) in sums.as_flattened().iter().enumerate() {
            let seen = offsets.iter().map(|&offset| pixels[offset as usize + c]);
            assert_eq!(i64::from(sum), i64::from(start) + dot(&weights[c], seen));
        }
    }
}

#[test]
fn whole_wraps_and_the_odd_output_is_still_exact() {
    let weights = vec![vec![127; 256], vec![127; 256]];
    let words: Vec<Word> = neighbours(256).map(|taps| word(&weights, 0, taps)).collect();
    let words: Vec<Word> = words.into_iter().flat_map(|word| [word; 2]).collect();
    let added = 256 * 127 * 255;
    // the most that an odd sum may be; 256 times it, and the even one, is beyond 2^31
    let start = [1 << 24, (1 << 23) - 1 - added];
    let mut sums = [[packed(start); 2].as_flattened().try_into().unwrap(); 2];
    let patch = vec![[0x00ff_00ff; 2]; 128];
    add_fours(&Fours { words: &words, stride: 0, patch: &patch }, &mut sums, 1);
    for sums in sums.as_flattened().as_chunks().0 {
        assert!(sums[0].cast_signed() < 0);
        assert_eq!(unpack_accumulators(sums), start.map(|start| start + added));
    }
}

#[test]
fn what_is_not_there_is_left_out() {
    let mut sums = [[5; 8]; 3];
    // two fours of eight words, of the second seven are there; then no place for all sums
    let mut twins = [[5; 4]; 4];
    let fours = Fours { words: &[1; 15], stride: 8, patch: &[[1; 2]; 4] };
    add_fours(&fours, &mut twins, 1);
    add_fours(&Fours { words: &[1; 16], ..fours }, &mut twins[2..], 2);
    assert!(twins[..2].iter().all(|&twin| twin != [5; 4]));
    assert_eq!(twins[2..], [[5; 4]; 2]);
    assert!(fours.from(2).words.is_empty());
    window5(&[1; 49], usize::MAX, &[[[1; 6]; 6]; 2], &mut sums[1..]);
    window3(&[1; 8], 9, &[[[1; 4]; 4]], &mut sums[1..]);
    assert_eq!(sums[1..], [[5; 8]; 2]);
    let mut sums = [[5; 4]; 2];
    let taps = Offsets::new(&[0, 2]);
    let fours = Depthwise {
        weights: &[[1; 2]; 4],
        stride: 2,
        pixels: &[1; 9],
        taps,
        columns: 1,
        across: 0,
    };
    depthwise(&fours, &mut sums);
    assert_ne!(sums[0], [5; 4]);
    assert_eq!(sums[1], [5; 4]);
    let taps = Offsets::new(&[u32::MAX, 6]);
    depthwise(&Depthwise { taps, ..fours }, &mut sums[1..]);
    assert_eq!(sums[1], [5; 4]);
    let mut sums = [[5; 2]; MAX_BLOCK + 1];
    dense(&[1; 4 * MAX_BLOCK - 1], &[1; 8], &mut sums);
    assert_eq!(sums[MAX_BLOCK], [5; 2]);
}

#[test]
fn gathering_needs_all_bytes() {
    let pixels = [1, 2, 3, 4, 5, 6];
    let rows = [[0, 1], [0, 1]];
    let mut patch = [[9; 2]; 6];
    gather_places(&pixels, Offsets::of_places(&rows), 6, &mut patch);
    gather_places(&pixels, Offsets::of_places(&rows), 5, &mut patch[..4]);
    gather_places(&pixels, Offsets::of_places(&[[0, u32::MAX]]), 5, &mut patch);
    assert_eq!(patch, [[9; 2]; 6]);
    gather_places(&pixels, Offsets::of_places(&rows), 5, &mut patch);
    assert_eq!(patch[0], [0x0003_0001, 0x0004_0002]);
    assert_eq!(patch[3], [0x0004_0002, 0x0005_0003]);
    assert_eq!(patch[4], [0x0005_0005, 0x0006_0006]);
    assert_eq!(patch[5], [9; 2]);
    let mut patches = [[[9; 4]; 4]; 3];
    let [rows, few] = [&[0, 0, 1, 1][..], &[0, 0, 1]];
    gather_window(&[1; 10], Offsets::new(rows), 2, &mut patches);
    gather_window(&[1; 20], Offsets::new(few), 2, &mut patches);
    gather_window(&[1; 20], Offsets::new(rows), usize::MAX, &mut patches);
    assert_eq!(patches, [[[9; 4]; 4]; 3]);
    gather_window(&[1; 11], Offsets::new(rows), 2, &mut patches);
    assert_eq!(patches, [[[0x0001_0001; 4]; 4], [[0x0001_0001; 4]; 4], [[9; 4]; 4]]);
}
