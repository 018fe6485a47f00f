//! What keeps a model from the firmware engine, as far as it shows here: `firmware-sim quantize` tells the rest.

use network::Scores;
use network::lowering::Lowered;

use super::report::named;
use super::{Description, Holds};

impl Description {
    /// What keeps the model from the firmware whatever the lengths of its layers are, of which the firmware has limits.
    pub(super) fn not_in_firmware(&self) -> Vec<String> {
        if !self.runs() {
            return vec!["it does not run here".into()];
        }
        let mut reasons = vec![];
        let no_layers = self.no_layers();
        if !no_layers.is_empty() {
            reasons.push(format!("these steps are no layers: {}", named(&no_layers)));
        }
        let whole = self.lowered.as_ref().and_then(Lowered::network);
        if whole.is_some_and(|whole| whole.scores != Scores::Logits) {
            reasons.push("it ends in probabilities, not in logits".into());
        }
        if matches!(self.holds, Holds::Baked(_)) {
            reasons.push("`firmware-sim quantize` takes its ONNX file, not the baked one".into());
        }
        reasons
    }
}
