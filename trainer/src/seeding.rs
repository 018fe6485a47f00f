//! Random numbers that can be had again: a seed of its own for every use.

use std::sync::{Mutex, PoisonError};

/// libtorch has one generator a process: runs take turns to seed it and to draw.
static GENERATOR: Mutex<()> = Mutex::new(());

/// What a seed is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Validation,
    Weights,
    Order {
        epoch: u64,
    },
    Step {
        step: u64,
    },
    Corruption,
    Noise,
    /// Of pictures to show; nothing that trains.
    Samples,
}

/// What `draw` draws with a seed of its own.
pub(crate) fn with_rng<T>(seed: u64, purpose: Purpose, draw: impl FnOnce() -> T) -> T {
    let (kind, number) = match purpose {
        Purpose::Validation => (0, 0),
        Purpose::Weights => (1, 0),
        Purpose::Order { epoch } => (2, epoch),
        Purpose::Step { step } => (3, step),
        Purpose::Corruption => (4, 0),
        Purpose::Noise => (5, 0),
        Purpose::Samples => (6, 0),
    };
    let mixed = mix(mix(seed) ^ mix(number << 3 | kind));
    let _rng = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(mixed.cast_signed());
    draw()
}

/// libtorch's generator, seeded, for as long as the guard lives: tests run side by side.
#[cfg(test)]
pub(crate) fn lock_rng(seed: i64) -> std::sync::MutexGuard<'static, ()> {
    let rng = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    rng
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood 2014): near seeds become far ones.
const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn equal_uses_draw_equal_numbers_and_all_others_different_ones() {
        let draw = |seed, purpose| {
            with_rng(seed, purpose, || {
                Tensor::randint(1 << 40, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0])
            })
        };
        let uses = [
            (1, Purpose::Validation),
            (1, Purpose::Weights),
            (1, Purpose::Order { epoch: 0 }),
            (1, Purpose::Order { epoch: 1 }),
            (1, Purpose::Step { step: 0 }),
            (1, Purpose::Step { step: 1 }),
            (1, Purpose::Samples),
            (2, Purpose::Step { step: 1 }),
        ];
        let once = uses.map(|(seed, purpose)| draw(seed, purpose));
        assert_eq!(once, uses.map(|(seed, purpose)| draw(seed, purpose)));
        let distinct: std::collections::BTreeSet<i64> = once.into_iter().collect();
        assert_eq!(distinct.len(), uses.len());
    }
}
