//! Models and images drawn from a seed: proptest's own byte vectors of 400,000 would take seconds each.

use firmware::format::words::{BLOCK, CONV1_WORDS, Word, pack, unpack};
use firmware::format::{Channel, Convolution, Dense, File, Scales, accumulator_bound};
use firmware::geometry::{CLASSES, FAN_IN2, FLAT, HIDDEN, MAPS1, MAPS2, PIXELS, TAPS};
use firmware::multiplier::Multiplier;
use zerocopy::FromZeros;
use zerocopy::little_endian::U32;

/// `SplitMix64`: <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next() as u8);
    }

    /// A number of either sign with about `bits` bits.
    fn signed(&mut self, bits: u32) -> i32 {
        (self.next() >> (64 - bits)) as i32 - (1 << (bits - 1))
    }
}

/// An image of noise, of a few strokes' worth of ink, or of one value.
pub(crate) fn image(random: &mut Random) -> [u8; PIXELS] {
    let kind = random.next() % 4;
    std::array::from_fn(|_| match kind {
        0 => 255,
        1 => u8::from(random.next().is_multiple_of(8)) * random.next() as u8,
        _ => random.next() as u8,
    })
}

/// The words and channels of a layer, as the file has them: nested arrays are what is left of their sizes.
struct Drawn {
    words: Vec<Word>,
    channels: Vec<Channel>,
}

/// Words of weights, for outputs of so many inputs.
fn words(random: &mut Random, count: usize, inputs: usize) -> Vec<Word> {
    let bits = weight_bits(inputs);
    // a model of extremes now and then: its sums come closest to the bounds
    let extreme = random.next().is_multiple_of(4);
    let mut weight = || {
        let drawn = random.next();
        let largest = i8::MAX >> (7 - bits);
        let magnitude = if extreme { largest } else { (drawn >> 8) as i8 & largest };
        if drawn & 1 == 0 { magnitude } else { -magnitude }
    };
    (0..count).map(|_| pack([[weight(), weight()], [weight(), weight()]])).collect()
}

/// Sums must stay below 2^23: those of 800 weights of full size might not.
fn weight_bits(inputs: usize) -> u8 {
    if inputs > 200 { 5 } else { 7 }
}

/// A layer of these words; `outputs` says to which pair of outputs a word belongs, `channel` what else each output has:
/// its bias and its multiplier.
fn layer(
    words: Vec<Word>,
    pairs: usize,
    outputs: impl Fn(usize) -> usize,
    mut channel: impl FnMut() -> (i32, Multiplier),
) -> Drawn {
    let mut bounds = vec![0_u64; 2 * pairs];
    for (index, &word) in words.iter().enumerate() {
        for input in unpack(word) {
            for (odd, weight) in input.into_iter().enumerate() {
                bounds[2 * outputs(index) + odd] += accumulator_bound([weight], 0);
            }
        }
    }
    let channels = bounds
        .iter()
        .map(|bound| {
            let (bias, multiplier) = channel();
            Channel::new(bias, multiplier, (bound + u64::from(bias.unsigned_abs())) as u32)
        })
        .collect();
    Drawn { words, channels }
}

/// A bias and a multiplier that keeps most activations inside 0 to 255, so that errors show.
fn channel(random: &mut Random, inputs: usize) -> (i32, Multiplier) {
    let width = weight_bits(inputs);
    let bias = random.signed(12 + u32::from(width));
    // sums of IN products have a spread of about 2^(6 + width) · sqrt(IN)
    let shift = 30 + width - 1 + (inputs.ilog2() / 2) as u8 + (random.next() % 3) as u8;
    let mantissa = Multiplier::MIN_MANTISSA | random.next() as i32 & i32::MAX;
    (bias, Multiplier::from_parts(mantissa, shift).unwrap())
}

impl Drawn {
    fn fill(&self, words: &mut [Word], channels: &mut [Channel]) {
        words.copy_from_slice(&self.words);
        channels.copy_from_slice(&self.channels);
    }

    fn convolution<const I: usize, const O: usize, const W: usize>(
        &self,
        layer: &mut Convolution<I, O, W>,
    ) {
        let words = layer.weights.as_flattened_mut().as_flattened_mut();
        self.fill(words, layer.channels.as_flattened_mut());
    }

    fn dense<const BLOCKS: usize, const I: usize>(&self, layer: &mut Dense<BLOCKS, I>) {
        let words = layer.weights.as_flattened_mut().as_flattened_mut();
        self.fill(words, layer.channels.as_flattened_mut().as_flattened_mut());
    }
}

/// A file with a model drawn from `random`.
pub(crate) fn file(random: &mut Random) -> Box<File> {
    let [conv1, conv2, dense1, dense2] = WORDS;
    let mut identity = [0; 32];
    random.fill(&mut identity);
    let mut drawn = |[count, inputs]: [usize; 2]| {
        let words = words(random, count, inputs);
        let channels: Vec<_> = (0..HIDDEN).map(|_| channel(random, inputs)).collect();
        (words, channels)
    };
    let layers = [drawn(conv1), drawn(conv2), drawn(dense1), drawn(dense2)];
    let mut file = assemble(layers.map(|(words, channels)| {
        let mut channels = channels.into_iter();
        (words, move || channels.next().unwrap())
    }));
    file.identity = identity;
    file.calibration_images = U32::new(random.next() as u32);
    file.guard = U32::new(random.next() as u32);
    file.seal();
    file
}

/// A file whose outputs are all alike: every weight of a layer is `weight` of its number of inputs.
pub(crate) fn uniform(
    weight: impl Fn(usize) -> i8,
    bias: i32,
    multiplier: Multiplier,
) -> Box<File> {
    assemble(WORDS.map(|[count, inputs]| {
        let weight = weight(inputs);
        (vec![pack([[weight; 2]; 2]); count], move || (bias, multiplier))
    }))
}

/// Words of every layer, and the inputs of its outputs.
const WORDS: [[usize; 2]; 4] = [
    [MAPS1 / 2 * CONV1_WORDS, TAPS],
    [MAPS1 / 2 * (MAPS2 / 2) * TAPS, FAN_IN2],
    [HIDDEN * FLAT / 4, FLAT],
    [CLASSES * HIDDEN / 4, HIDDEN],
];

fn assemble(layers: [(Vec<Word>, impl FnMut() -> (i32, Multiplier)); 4]) -> Box<File> {
    let mut file = Box::new(File::new_zeroed());
    let dense =
        |inputs: usize| move |word: usize| word / (BLOCK * inputs / 2) * BLOCK + word % BLOCK;
    let (maps1, maps2) = (MAPS1 / 2, MAPS2 / 2);
    let [(mut words1, channel1), (words2, channel2), (words3, channel3), (words4, mut channel4)] =
        layers;
    for [.., [_, _, b_even, b_odd]] in words1.as_chunks_mut::<CONV1_WORDS>().0 {
        (*b_even, *b_odd) = (0, 0); // the last tap is alone
    }
    let logit = || (channel4().0, Multiplier::ONE);
    layer(words1, maps1, |word| word / CONV1_WORDS, channel1).convolution(&mut file.conv1);
    layer(words2, maps2, |word| word / TAPS % maps2, channel2).convolution(&mut file.conv2);
    layer(words3, HIDDEN / 2, dense(FLAT), channel3).dense(&mut file.dense1);
    layer(words4, CLASSES / 2, dense(HIDDEN), logit).dense(&mut file.dense2);
    file.scales = Scales {
        stage1: U32::new(0.5f32.to_bits()),
        stage2: U32::new(0.25f32.to_bits()),
        hidden: U32::new(1e-3f32.to_bits()),
        logits: U32::new(f32::MAX.to_bits()),
    };
    file.seal();
    file
}
