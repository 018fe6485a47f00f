//! Shares of images, with the intervals around them, and what is asked of one.

use std::fmt;

use dataset::Interval;

/// What is asked of two models: that int8 and float give the same class for a share of the images.
#[derive(Debug)]
pub(crate) struct Gate {
    /// 0 to 1.
    pub(crate) min: f64,
    pub(crate) found: Share,
}

impl Gate {
    /// Whether what was found may be chance, if the true share is just enough.
    ///
    /// By chance alone the share that is found is below the true one about as often as above. So a share that is
    /// a little too small fails only if there are so many images that it means something.
    pub(crate) fn passes(&self) -> bool {
        self.found.interval().high >= self.min
    }
}

/// A count among all, with its share and the interval around it.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) count: u64,
    pub(crate) all: u64,
}

impl Share {
    /// 0 to 1; NaN of none.
    pub(crate) fn share(&self) -> f64 {
        self.count as f64 / self.all as f64
    }

    pub(crate) fn interval(&self) -> Interval {
        Interval::wilson(self.count, self.all)
    }

    /// For people; a dash if there are none.
    pub(crate) fn percent(&self) -> String {
        if self.all == 0 { "-".into() } else { percent(self.share()) }
    }

    /// The same of the interval.
    pub(crate) fn interval_percent(&self) -> String {
        let Interval { low, high } = self.interval();
        if self.all == 0 {
            "-".into()
        } else {
            format!("{:.2} to {:.2} %", low * 100.0, high * 100.0)
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, all } = self;
        if *all == 0 {
            return f.write_str("-  (0 of 0)");
        }
        let [share, interval] = [self.percent(), self.interval_percent()];
        write!(f, "{share}  ({count} of {all}; with 95 % confidence {interval})")
    }
}

/// For people.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_fails_only_what_chance_does_not_explain() {
        for (count, all, passes) in [
            (10_000, 10_000, true),
            (9_975, 10_000, true), // 0.9975: within chance of 0.998
            (9_960, 10_000, false),
            (99, 100, true), // one of few
            (95, 100, false),
            (1, 1, true),
        ] {
            let gate = Gate { min: 0.998, found: Share { count, all } };
            assert_eq!(gate.passes(), passes, "{count} of {all}");
        }
        // what must never differ
        assert!(!Gate { min: 1.0, found: Share { count: 9_999, all: 10_000 } }.passes());
    }
}
