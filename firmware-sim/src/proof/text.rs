//! What was shown, as text and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::{Counterexample, LayerProof};

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bound { channel, stated, reached } => write!(
                f,
                "channel {channel}: a sum reaches {reached}, and the file states a bound of {stated}"
            ),
            Self::Overflow { channel, reached, limit } => {
                write!(
                    f,
                    "channel {channel}: a sum reaches {reached}, and there is room for {limit}"
                )
            }
            Self::Value { channel, sum, found, definition } => write!(
                f,
                "channel {channel}: accumulator {sum} is requantised to {found}, and by the 128-bit definition to {definition}"
            ),
        }
    }
}

impl Counterexample {
    /// All of it, with the same names, and its kind as `kind`.
    #[must_use]
    pub fn json(&self) -> Value {
        match *self {
            Self::Bound { channel, stated, reached } => {
                json!({ "kind": "bound", "channel": channel, "stated": stated, "reached": reached })
            }
            Self::Overflow { channel, reached, limit } => {
                json!({ "kind": "overflow", "channel": channel, "reached": reached, "limit": limit })
            }
            Self::Value { channel, sum, found, definition } => {
                json!({ "kind": "value", "channel": channel, "sum": sum, "found": found, "definition": definition })
            }
        }
    }
}

impl LayerProof {
    /// All of it, with the same names; `counterexample` is null if there is none.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "layer": self.layer,
            "channels": self.channels,
            "is_requantised": self.is_requantised,
            "sums": self.sums,
            "bound": self.bound,
            "reached": self.reached,
            "counterexample": self.counterexample.as_ref().map(Counterexample::json),
        })
    }
}
