//! Numbers that look random, equal for equal seeds on any number of cores.

/// `SplitMix64`: few lines, and each trial or sample has its own.
///
/// Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// That of these numbers.
    pub(crate) fn of(numbers: [u64; 3]) -> Self {
        let mut random = Self(0);
        for number in numbers {
            random.0 ^= number;
            random.0 = random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below `end`, which is not 0; as even as matters for what is far below 2⁶⁴.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
