//! The float model's verdicts in whole numbers.

use firmware::format::Limits;
use network::onnx::Graph;
use runtime::Calibration;

use crate::Error;

/// The limits of a device's verdicts: those that the model was calibrated with, or else the default ones of `runtime`.
///
/// `scale` is the real value of one unit of a logit.
///
/// # Errors
/// [`Error::Calibration`] if what the model says of them is damaged.
pub(super) fn of(graph: &Graph, classes: usize, scale: f64) -> Result<Limits, Error> {
    let Calibration { temperature, sure_from, digit_from, rejected } =
        Calibration::of_model(&graph.metadata, classes).map_err(Error::Calibration)?;
    let fixed = |value: f64, bits: i32| (value * f64::from(bits).exp2()).round() as u32; // saturates
    // at confidence c the other classes have (1 − c) / c of what the first has
    let odds = |confidence: f32| (1.0 - f64::from(confidence)) / f64::from(confidence);
    let powers = scale / f64::from(temperature) / std::f64::consts::LN_2;
    Ok(Limits {
        rate: fixed(powers, 32),
        sure: fixed(odds(sure_from), 16),
        unsure: fixed(odds(digit_from), 16),
        rejected: rejected.map_or(0, |class| class.saturating_add(1)),
    })
}
