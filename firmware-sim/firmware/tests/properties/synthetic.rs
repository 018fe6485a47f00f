//! Models and images made from a seed: proptest's own byte vectors of 400,000 would take seconds each.

use firmware::format::words::{Word, pack};
use firmware::format::{Channel, File, Packed, Scales};
use firmware::geometry::{FAN_IN2, FLAT, HIDDEN, KERNEL_ELEMENTS, PIXELS};
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

/// Words of random weights, for outputs of so many inputs.
struct Weights {
    random: Random,
    bits: u8,
    /// A model of extremes now and then: its sums come closest to the bounds.
    extreme: bool,
}

impl Weights {
    fn new(random: &mut Random, inputs: usize) -> Self {
        let random = Random(random.next());
        let extreme = random.0.is_multiple_of(4);
        Self { random, bits: weight_bits(inputs), extreme }
    }

    fn weight(&mut self) -> i8 {
        let noise = self.random.next();
        let largest = i8::MAX >> (7 - self.bits);
        let magnitude = if self.extreme { largest } else { (noise >> 8) as i8 & largest };
        if noise & 1 == 0 { magnitude } else { -magnitude }
    }

    fn word(&mut self) -> Word {
        pack([[self.weight(), self.weight()], [self.weight(), self.weight()]])
    }
}

/// Sums must stay below 2^23: those of 800 weights of full size might not.
fn weight_bits(inputs: usize) -> u8 {
    if inputs > 200 { 5 } else { 7 }
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

/// Writes a layer: its weights, and of every output the bias, the multiplier and the true bound.
fn fill(
    layer: &mut impl Packed,
    mut word: impl FnMut() -> Word,
    mut channel: impl FnMut() -> (i32, Multiplier),
) {
    for outputs in 0..layer.channels().len() {
        for (place, [_, b]) in layer.words_mut(outputs) {
            *place = word();
            if b.is_none() {
                place[2..].fill(0);
            }
        }
        let parts = [channel(), channel()];
        let bounds = layer.accumulator_bounds(outputs, parts.map(|(bias, _)| bias));
        for (odd, (bias, multiplier)) in parts.into_iter().enumerate() {
            layer.channels_mut()[outputs][odd] = Channel::new(bias, multiplier, bounds[odd] as u32);
        }
    }
}

/// A layer of random weights for outputs of so many inputs.
fn random_layer(layer: &mut impl Packed, random: &mut Random, inputs: usize) {
    let mut weights = Weights::new(random, inputs);
    fill(layer, || weights.word(), || channel(random, inputs));
}

/// A file with a random model.
pub(crate) fn file(random: &mut Random) -> Box<File> {
    let mut file = Box::new(File::new_zeroed());
    random.fill(&mut file.identity);
    random_layer(&mut file.conv1, random, KERNEL_ELEMENTS);
    random_layer(&mut file.conv2, random, FAN_IN2);
    random_layer(&mut file.dense1, random, FLAT);
    let mut weights = Weights::new(random, HIDDEN);
    let mut logit = || (channel(random, HIDDEN).0, Multiplier::ONE);
    fill(&mut file.dense2, || weights.word(), &mut logit);
    file.calibration_images = U32::new(random.next() as u32);
    file.confidence_margin = U32::new(random.next() as u32);
    seal(file)
}

/// A file whose outputs are all alike: every weight of a layer is `weight` of its number of inputs.
pub(crate) fn uniform(
    weight: impl Fn(usize) -> i8,
    bias: i32,
    multiplier: Multiplier,
) -> Box<File> {
    let mut file = Box::new(File::new_zeroed());
    let word = |weight: i8| pack([[weight; 2]; 2]);
    fill(&mut file.conv1, || word(weight(KERNEL_ELEMENTS)), || (bias, multiplier));
    fill(&mut file.conv2, || word(weight(FAN_IN2)), || (bias, multiplier));
    fill(&mut file.dense1, || word(weight(FLAT)), || (bias, multiplier));
    fill(&mut file.dense2, || word(weight(HIDDEN)), || (bias, Multiplier::ONE));
    seal(file)
}

/// With scales that are valid, and otherwise arbitrary: the engine ignores them.
fn seal(mut file: Box<File>) -> Box<File> {
    file.scales = Scales {
        stage1: U32::new(0.5f32.to_bits()),
        stage2: U32::new(0.25f32.to_bits()),
        hidden: U32::new(1e-3f32.to_bits()),
        logits: U32::new(f32::MAX.to_bits()),
    };
    file.seal();
    file
}
