//! The requantisation as it is defined, and the comparison of a function with it.

use firmware::format::Channel;

use super::Counterexample;

/// `clamp(0, 255, round(sum · mantissa · 2^−shift) + zero)`, ties up, in 128 bits: the definition, of nothing that the engine
/// uses.
///
/// `shift` is 1 to 62, as of any file that was checked.
#[must_use]
pub const fn definition(sum: i32, mantissa: i32, shift: u8, zero: u8) -> u8 {
    let half = 1_i128 << (shift - 1);
    // an arithmetic shift takes the floor
    let rounded = ((sum as i128 * mantissa as i128 + half) >> shift) + zero as i128;
    if rounded < 0 {
        0
    } else if rounded > 255 {
        255
    } else {
        rounded as u8
    }
}

/// Compares a function with the definition for every accumulator that a channel may reach, from the least on; gives how many were
/// compared, and the first for which it is wrong.
///
/// The definition's value does not fall where the accumulator rises: a mantissa is above 0. So accumulators that it gives one value
/// lie side by side, and of these it is computed at both ends alone; the function is, for each of them.
pub(super) fn compare(
    number: usize,
    channel: &Channel,
    zero: u8,
    requantize: &impl Fn(&Channel, i32, u8) -> i64,
) -> (u64, Option<Counterexample>) {
    let definition = |sum| definition(sum, channel.mantissa.get(), channel.shift, zero);
    let bound = channel.bound.get() as i32; // a file's is below 2²³
    let mut first = -bound;
    loop {
        let value = definition(first);
        let last = last_of(first, bound, |sum| definition(sum) == value);
        let wrong = |sum: &i32| requantize(channel, *sum, zero) != i64::from(value);
        // without a branch in it, several at once
        let are_wrong = (first..=last).fold(false, |any, sum| any | wrong(&sum));
        let compared = (i64::from(last) + i64::from(bound) + 1) as u64;
        if are_wrong {
            let fault = (first..=last).find(wrong).map(|sum| {
                let found = requantize(channel, sum, zero);
                Counterexample::Value { channel: number, sum, found, definition: value }
            });
            return (compared, fault);
        }
        if last == bound {
            return (compared, None);
        }
        first = last + 1;
    }
}

/// The last number from `first` to `end` for which something holds that holds for `first`, and for none after one for which
/// it does not.
fn last_of(first: i32, end: i32, holds: impl Fn(i32) -> bool) -> i32 {
    let (mut low, mut high) = (first, end);
    while low < high {
        let middle = high - (high - low) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_rounds_halves_up_and_clamps() {
        // by a half, a quarter: (2³⁰ · 2^−31), (2³⁰ · 2^−32)
        let half = |sum| definition(sum, 1 << 30, 31, 0);
        assert_eq!([-3, -1, 0, 1, 3, 509, 510, 511].map(half), [0, 0, 0, 1, 2, 255, 255, 255]);
        let quarter = |sum| definition(sum, 1 << 30, 32, 128);
        // half a unit below a byte's place is that byte
        assert_eq!([-515, -514, -510, -2, -1, 2, 505].map(quarter), [0, 0, 1, 128, 128, 129, 254]);
    }

    #[test]
    fn runs_end_where_the_value_does() {
        assert_eq!(last_of(-5, 9, |number| number < 3), 2);
        assert_eq!(last_of(-5, 9, |_| true), 9);
        assert_eq!(last_of(7, 7, |_| true), 7);
        assert_eq!(last_of(6, 7, |number| number == 6), 6);
    }
}
