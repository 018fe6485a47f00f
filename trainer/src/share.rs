//! Right answers among some.

use std::fmt;
use std::ops::AddAssign;

/// Right answers, and images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) right: u64,
    pub(crate) of: u64,
}

impl Share {
    /// 0 to 1; 0 of none.
    pub(crate) fn part(self) -> f64 {
        self.right as f64 / self.of.max(1) as f64
    }
}

impl fmt::Display for Share {
    /// Such as `98.34 % of 181`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} % of {}", self.part() * 100.0, self.of)
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.of += other.of;
    }
}
