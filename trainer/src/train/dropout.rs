//! What dropout leaves out.

use tch::{Device, Kind, Tensor};

/// What to multiply features by: 0 with this probability, rounded to a 256th, and else what keeps the mean.
///
/// A random byte each, eight a draw: libtorch's own takes a draw each, a tenth of a step's time.
pub(super) fn dropout(shape: [i64; 2], probability: f64) -> Tensor {
    let dropped = (probability * 256.0).round().min(255.0);
    let features: i64 = shape.iter().product();
    let bytes =
        Tensor::empty([features.unsigned_abs().div_ceil(8) as i64], (Kind::Int64, Device::Cpu))
            .random_from_(i64::MIN, None)
            .view_dtype(Kind::Uint8)
            .narrow(0, 0, features)
            .view(shape);
    bytes.ge(dropped).to_kind(Kind::Float) * (256.0 / (256.0 - dropped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_leaves_out_as_many_as_asked_and_keeps_the_mean() {
        for (probability, kept) in [(0.0, 1.0), (0.3, 256.0 / 179.0), (0.5, 2.0)] {
            let _rng = crate::seeding::lock_rng(1);
            let factors = dropout([999, 500], probability);
            assert!((factors.max().double_value(&[]) - kept).abs() < 1e-6);
            let zero = factors.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            // a tenth of a per cent of 499,500 draws is 1.4 standard deviations at most, a 256th is rounding
            assert!((zero - probability).abs() < 0.001 + 1.0 / 512.0, "{zero}");
            // no column, so no byte of a draw, is left out more often than another
            let columns = factors.mean_dim([0].as_slice(), false, Kind::Double);
            assert!(((columns - 1.0).abs()).max().double_value(&[]) < 0.2);
        }
    }
}
