//! Compares the kernels that this target gets with the portable ones, on random tiles.
#![no_std]
#![no_main]

use boards::console::{self, FAILED};
use boards::machine::{self, entry};
use firmware::format::words::{BLOCK, CONV1_WORDS, CONV2_WORDS, Word};
use firmware::geometry::{MAPS1, MAPS2, WINDOW};
use firmware::kernels::{self, Pair, Patch, WindowAccumulators, portable};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Tiles of each kind.
const ROUNDS: u32 = 100;

/// The accumulators of all maps over one pooling window.
type Accumulators = [WindowAccumulators; MAPS2 / 2];

/// What [`main`] works in, too large for the stack.
struct Work {
    fast: Accumulators,
    plain: Accumulators,
    patch: Patch,
    pairs: [Pair; 100],
}

static mut WORK: Work = Work {
    fast: [[0; 8]; MAPS2 / 2],
    plain: [[0; 8]; MAPS2 / 2],
    patch: [[0; WINDOW]; WINDOW],
    pairs: [0; 100],
};

#[entry]
fn main() -> ! {
    machine::guard_stack();
    let work = &raw mut WORK;
    // SAFETY: the program starts here, once, and nothing else uses it.
    let Work { fast, plain, patch, pairs } = unsafe { &mut *work };
    let mut random = Random(1);
    let mut equal = 0;
    for _ in 0..ROUNDS {
        patch.as_flattened_mut().fill_with(|| random.pair());
        pairs.fill_with(|| random.pair());
        let (Some(conv1), Some(conv2), Some(dense)) = (
            random.weights::<[[Word; CONV1_WORDS]; MAPS1 / 2]>(),
            random.weights::<[[Word; CONV2_WORDS]; MAPS2 / 2]>(),
            random.weights::<[[Word; BLOCK]; 100]>(),
        ) else {
            break;
        };
        let (Some(fast1), Some(plain1)) = (fast.first_chunk_mut(), plain.first_chunk_mut()) else {
            break;
        };
        kernels::conv1(conv1, patch, fast1);
        portable::conv1(conv1, patch, plain1);
        equal += i32::from(fast1 == plain1);
        // on top of what is there: accumulators wrap around, and must do so alike
        for (fast, plain) in fast.as_flattened_mut().iter_mut().zip(plain.as_flattened_mut()) {
            let start = random.next();
            (*fast, *plain) = (start, start);
        }
        kernels::conv2(conv2, patch, fast);
        portable::conv2(conv2, patch, plain);
        equal += i32::from(fast == plain);
        equal += i32::from(kernels::dense(dense, pairs) == portable::dense(dense, pairs));
    }
    console::line(c"equal", &[equal]);
    semihosting::process::exit(if equal == 3 * ROUNDS.cast_signed() { 0 } else { FAILED })
}

/// Marsaglia's xorshift, 32 bits: <https://doi.org/10.18637/jss.v008.i14>.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Two activations; a fourth are pairs of zeros, and a fourth of the others the maximum.
    fn pair(&mut self) -> Pair {
        let bits = self.next();
        match bits >> 28 {
            0..4 => 0,
            4..7 => 0x00ff_00ff,
            _ => bits & 0x00ff_00ff,
        }
    }

    /// Any bytes are weights: those of the model from anywhere on, whatever they mean there and however they are
    /// aligned.
    fn weights<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &mut self,
    ) -> Option<&'static T> {
        let model = boards::model();
        let start = self.next() as usize % (model.len() - size_of::<T>());
        let bytes = model.get(start..)?;
        T::ref_from_prefix(bytes).ok().map(|(weights, _)| weights)
    }
}
