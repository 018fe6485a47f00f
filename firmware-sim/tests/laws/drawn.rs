//! Models and images drawn from a seed: proptest's own byte vectors of 400,000 would take seconds each.

use firmware_sim::Model;
use firmware_sim::format::{
    self, CHANNEL_LEN, Channel, Contents, Layer, Scales, accumulator_bound,
};
use firmware_sim::geometry::{CLASSES, FAN_IN2, FLAT, HIDDEN, MAPS1, MAPS2, PIXELS, TAPS};
use firmware_sim::multiplier::Multiplier;

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

type Weights<const OUT: usize, const IN: usize> = Box<[[u8; IN]; OUT]>;

/// The bytes of a layer; multipliers keep most activations inside 0 to 255, so that errors show.
fn layer<const OUT: usize, const IN: usize>(
    random: &mut Random,
    gives_logits: bool,
) -> (Weights<OUT, IN>, Box<[[u8; CHANNEL_LEN]; OUT]>) {
    // a model of extremes now and then: its sums come closest to the bounds
    let extreme = random.next().is_multiple_of(4);
    let mut weights: Weights<OUT, IN> = vec![[0; IN]; OUT].try_into().unwrap();
    for row in weights.iter_mut() {
        random.fill(row);
        if extreme {
            for weight in row {
                *weight = if *weight & 1 == 0 { 0x7f } else { 0x80 };
            }
        }
    }
    let channels: Vec<[u8; CHANNEL_LEN]> = weights
        .iter()
        .map(|weights| {
            let bias = random.signed(20);
            // sums of IN products have a spread of about 2^13 · sqrt(IN)
            let shift = 30 + 6 + (IN.ilog2() / 2) as u8 + (random.next() % 3) as u8;
            let mantissa = Multiplier::MIN_MANTISSA | random.next() as i32 & i32::MAX;
            let multiplier = Multiplier::from_parts(mantissa, shift).unwrap();
            let multiplier = if gives_logits { Multiplier::ONE } else { multiplier };
            let bound = accumulator_bound(weights, bias) as u32;
            Channel { bias, multiplier, bound }.emit()
        })
        .collect();
    (weights, channels.into_boxed_slice().try_into().unwrap())
}

/// A file with a model drawn from `random`.
pub(crate) fn file(random: &mut Random) -> Box<[u8; format::LEN]> {
    let mut identity = [0; 32];
    random.fill(&mut identity);
    let conv1 = layer::<MAPS1, TAPS>(random, false);
    let conv2 = layer::<MAPS2, FAN_IN2>(random, false);
    let dense1 = layer::<HIDDEN, FLAT>(random, false);
    let dense2 = layer::<CLASSES, HIDDEN>(random, true);
    let contents = Contents {
        identity: &identity,
        scales: Scales {
            stage1: 0.5f32.to_bits(),
            stage2: 0.25f32.to_bits(),
            hidden: 1e-3f32.to_bits(),
            logits: f32::MAX.to_bits(),
        },
        calibration_images: random.next() as u32,
        conv1: Layer { weights: &conv1.0, channels: &conv1.1 },
        conv2: Layer { weights: &conv2.0, channels: &conv2.1 },
        dense1: Layer { weights: &dense1.0, channels: &dense1.1 },
        dense2: Layer { weights: &dense2.0, channels: &dense2.1 },
    };
    let mut file: Box<[u8; format::LEN]> = vec![0; format::LEN].try_into().unwrap();
    Model::new(contents).unwrap().emit(&mut file);
    file
}
