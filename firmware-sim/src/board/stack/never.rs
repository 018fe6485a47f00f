//! Functions that are linked, and that a model does not need.

use firmware::format::{Kind, Layers};

/// A function that is linked, and that the board's program with a model never calls, or not from everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverCalled {
    /// The end of its name.
    pub function: &'static str,
    /// The end of the name of who never calls it; empty if nobody does.
    pub caller: &'static str,
    /// Why not.
    pub why: &'static str,
}

impl NeverCalled {
    /// Those of a model that is laid out for a machine, by what its layers are.
    #[must_use]
    pub fn of(layers: Layers<'_>) -> Vec<Self> {
        let records = layers.records;
        let mut never = vec![
            // `are_unaligned` in firmware's kernels
            ("bytes::portable::three_places", "", "weights lie at multiples of four"),
            ("bytes::portable::one_place", "", "weights lie at multiples of four"),
            // `Board::read` in boards/src/bin/inference.rs does all steps itself
            (
                "Frame<_>::compute",
                "Frame<_>::run",
                "no layer is due where a row is pushed or outputs are taken",
            ),
        ];
        let mut convolutions = records.iter().filter(|it| it.kind == Kind::Conv.code());
        if convolutions.all(|record| record.pooled != 0) {
            let why = "each convolution has a pooling";
            never.extend([("threes::by_threes", "", why), ("fours::by_fours", "", why)]);
        }
        if records.iter().all(|record| record.padding == [0; 4]) {
            let pads = ["threes::pad_triples", "windows::pad", "windows::pad_grey"];
            never.extend(pads.map(|pad| (pad, "", "no layer has a padding")));
        }
        let never = never.into_iter();
        never.map(|(function, caller, why)| Self { function, caller, why }).collect()
    }

    /// Whether it is this call.
    pub(super) fn is(&self, caller: &str, function: &str) -> bool {
        function.ends_with(self.function) && caller.ends_with(self.caller)
    }
}
