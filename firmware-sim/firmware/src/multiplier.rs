//! The one rule by which an accumulator becomes an activation.
//!
//! `q = clamp(0, 255, (acc · m + 2^(s−1)) >> s)`: one rounding, ties toward +∞, in 64 bits. This is
//! gemmlowp's fixed-point multiplication (Jacob et al. 2018, section 2.2) with a single rounding instead of
//! two. The clamp at 0 is the ReLU.

/// A positive real multiplier, `mantissa · 2^−shift`, with `mantissa` in 2³⁰ to 2³¹ − 1 and `shift` in 1 to 62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multiplier {
    mantissa: i32,
    shift: u8,
}

impl Multiplier {
    /// The number 1.
    pub const ONE: Self = Self { mantissa: 1 << 30, shift: 30 };
    /// Smallest mantissa: one bit less would waste precision.
    pub const MIN_MANTISSA: i32 = 1 << 30;
    /// Largest shift for which the product and its rounding term fit 64 bits.
    pub const MAX_SHIFT: u8 = 62;

    /// The multiplier of these parts, if they are in range.
    #[must_use]
    pub const fn from_parts(mantissa: i32, shift: u8) -> Option<Self> {
        if mantissa >= Self::MIN_MANTISSA && shift >= 1 && shift <= Self::MAX_SHIFT {
            Some(Self { mantissa, shift })
        } else {
            None
        }
    }

    /// The nearest multiplier to a real number of at least 2⁻³², if that is below 2³⁰; by integer work alone.
    ///
    /// `bits` is the IEEE 754 double (`f64::to_bits`). The mantissa is rounded to 31 bits, ties up: a
    /// relative error of 2⁻³¹ at most.
    #[must_use]
    pub const fn from_f64_bits(bits: u64) -> Option<Self> {
        let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
        if bits >> 63 != 0 || exponent < -32 || exponent >= 30 {
            return None;
        }
        // 1.fraction in Q52, then in Q30 with rounding
        let significand = (1_u64 << 52) | (bits & ((1 << 52) - 1));
        let rounded = (significand + (1 << 21)) >> 22;
        // rounding up to 2.0 moves the point
        if rounded == 1 << 31 {
            Self::from_parts(1 << 30, (29 - exponent) as u8)
        } else {
            Self::from_parts(rounded as i32, (30 - exponent) as u8)
        }
    }

    /// The multiplier of parts that [`Self::from_parts`] accepts; a file's are checked when it is parsed.
    pub(crate) const fn from_checked_parts(mantissa: i32, shift: u8) -> Self {
        Self { mantissa, shift }
    }

    /// The Q31 mantissa.
    #[must_use]
    pub const fn mantissa(self) -> i32 {
        self.mantissa
    }

    /// Places to shift right.
    #[must_use]
    pub const fn shift(self) -> u8 {
        self.shift
    }

    /// `round(acc · self)`, ties toward +∞, clamped to 0 to 255.
    #[must_use]
    pub const fn requantize(self, acc: i32) -> u8 {
        self.requantize_around(acc, 0)
    }

    /// `round(acc · self) + zero`, ties toward +∞, clamped to 0 to 255.
    ///
    /// Cannot overflow: `|acc · mantissa| ≤ 2⁶²` and the rounding term is at most 2⁶¹.
    #[must_use]
    pub const fn requantize_around(self, acc: i32, zero: u8) -> u8 {
        let places = (self.shift as u32).wrapping_sub(33);
        let rounded = if places < 30 {
            // The low half has no part in the rounding but to be cut off: half the work in 32 bits.
            let high = ((acc as i64 * self.mantissa as i64) >> 32) as i32;
            ((high >> places) + 1 + 2 * zero as i32) >> 1
        } else {
            self.rounded(acc) + zero as i32
        };
        if rounded < 0 {
            0
        } else if rounded > 255 {
            255
        } else {
            rounded as u8
        }
    }

    /// `round(acc · self)`, as far out of a byte as it may be, by more than any `zero`: for multipliers that are rare.
    #[cold]
    #[inline(never)]
    const fn rounded(self, acc: i32) -> i32 {
        let rounded = (acc as i64 * self.mantissa as i64 + (1 << (self.shift - 1))) >> self.shift;
        if rounded < -256 {
            -256
        } else if rounded > 255 {
            255
        } else {
            rounded as i32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(value: f64) -> Multiplier {
        Multiplier::from_f64_bits(value.to_bits()).unwrap()
    }

    #[test]
    fn ties_round_toward_positive_infinity() {
        let half = real(0.5);
        assert_eq!([-3, -1, 0, 1, 3, 5].map(|acc| half.requantize(acc)), [0, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn what_is_beyond_a_byte_is_clamped() {
        let quarter = real(0.25);
        assert_eq!(
            [i32::MIN, -2, 1017, 1018, 1020, i32::MAX].map(|acc| quarter.requantize(acc)),
            [0, 0, 254, 255, 255, 255]
        );
    }

    #[test]
    fn the_extremes_of_every_part_do_not_overflow() {
        for shift in [1, 31, 62] {
            let largest = Multiplier::from_parts(i32::MAX, shift).unwrap();
            assert_eq!(largest.requantize(i32::MIN), 0);
            assert!(shift == 62 || largest.requantize(i32::MAX) == 255);
        }
    }

    #[test]
    fn only_numbers_in_range_are_multipliers() {
        for value in [0.0, -0.5, f64::NAN, f64::INFINITY, 1e-10, 2f64.powi(30)] {
            assert_eq!(Multiplier::from_f64_bits(value.to_bits()), None, "{value}");
        }
        assert_eq!(real(1.0), Multiplier::ONE);
        assert_eq!(real(2f64.powi(-32)), Multiplier { mantissa: 1 << 30, shift: 62 });
        // the largest number below 1 rounds to 1
        assert_eq!(real(1.0 - f64::EPSILON / 2.0), real(1.0));
    }
}
