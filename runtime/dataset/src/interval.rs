//! How sure a measured share is.

/// Where the true share lies, with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// 0 to 1.
    pub low: f64,
    /// 0 to 1.
    pub high: f64,
}

impl Interval {
    /// Wilson's score interval of `count` among `all`: 0 to 1 where there are none.
    ///
    /// Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", with
    /// `z = 1.96`: `(p + z²/2n ± z · √(p(1−p)/n + z²/4n²)) / (1 + z²/n)`.
    #[must_use]
    pub fn wilson(count: u64, all: u64) -> Self {
        /// Standard deviations of the normal distribution around its mean that hold 95 % of it.
        const Z: f64 = 1.959_963_984_540_054;
        if all == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        let n = all as f64;
        let p = count as f64 / n;
        let middle = p + Z * Z / (2.0 * n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + Z * Z / n;
        // at the ends exact, where the sums would be off by a rounding
        Self {
            low: if count == 0 { 0.0 } else { ((middle - spread) / whole).max(0.0) },
            high: if count == all { 1.0 } else { ((middle + spread) / whole).min(1.0) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_none_are_at_an_end_of_the_interval() {
        for all in 1..1000 {
            assert!(Interval::wilson(all, all).high >= 1.0, "{all}");
            assert!(Interval::wilson(0, all).low <= 0.0, "{all}");
        }
    }

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I
        for (count, all, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = Interval::wilson(count, all);
            assert!((found.low - low).abs() < 5e-5, "{count} of {all}: {found:?}");
            assert!((found.high - high).abs() < 5e-5, "{count} of {all}: {found:?}");
        }
        assert_eq!(Interval::wilson(0, 0), Interval { low: 0.0, high: 1.0 });
        assert!(Interval::wilson(10_000, 10_000).high <= 1.0);
    }
}
