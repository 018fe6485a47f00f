//! Whether the firmware engine takes a model, and all that keeps it from that.

use network::lowering::Lowered;
use network::{Architecture, Scores};
use runtime::{Baked, EMBEDDED_BAKED};

use super::report::named;
use super::{Description, Holds};

impl Description {
    /// Everything that keeps the model from the firmware; nothing if `firmware-sim quantize` takes it.
    ///
    /// Today the engine is compiled for one network, which is that of the model inside this program.
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
        if let Some(whole) = &whole {
            if !whole.takes_pixels {
                reasons.push("its input is not uint8".into());
            }
            if whole.scores != Scores::Logits {
                reasons.push("it ends in probabilities, not in logits".into());
            }
        }
        let is_its_network = whole.is_some_and(|whole| *whole.network.architecture() == taken());
        if !is_its_network {
            reasons.push(format!("the firmware runs one network only, {}", taken()));
        }
        if matches!(self.holds, Holds::Baked(_)) {
            reasons.push("`firmware-sim quantize` takes its ONNX file, not the baked one".into());
        }
        reasons
    }
}

/// The network that the firmware engine is compiled for.
fn taken() -> Architecture {
    let inside = Baked::parse(EMBEDDED_BAKED).expect("the embedded model loads");
    inside.network().architecture().clone()
}
