//! Requantisation is its formula, in 128 bits.

use firmware::multiplier::Multiplier;
use proptest::prelude::*;

/// `clamp(0, 255, floor((acc · mantissa) / 2^shift + 1/2))`, with nothing that could overflow.
pub(crate) fn requantize(acc: i128, multiplier: Multiplier) -> i128 {
    let divisor = 1_i128 << multiplier.shift();
    let product = acc * i128::from(multiplier.mantissa());
    (product + divisor / 2).div_euclid(divisor).clamp(0, 255)
}

fn multipliers() -> impl Strategy<Value = Multiplier> {
    let mantissa = prop_oneof![
        Multiplier::MIN_MANTISSA..=i32::MAX,
        // few bits set: products that are exact ties
        (1..=255_i32).prop_map(|high| Multiplier::MIN_MANTISSA | high << 22),
        Just(Multiplier::MIN_MANTISSA),
        Just(i32::MAX),
    ];
    (mantissa, 1..=Multiplier::MAX_SHIFT)
        .prop_map(|(mantissa, shift)| Multiplier::from_parts(mantissa, shift).unwrap())
}

/// An accumulator that this multiplier takes to about `target`, or to the extremes.
fn accumulators(multiplier: Multiplier) -> impl Strategy<Value = i32> {
    let limit = i128::from(i32::MAX);
    let near = (-2..=258_i128, -3..=3_i128).prop_map(move |(target, off)| {
        let exact = (target << multiplier.shift()) / i128::from(multiplier.mantissa());
        // half-way to the next step, where the ties are
        let half = (1 << multiplier.shift()) / i128::from(multiplier.mantissa()) / 2;
        (exact + half + off).clamp(-limit - 1, limit) as i32
    });
    prop_oneof![near, any::<i32>(), Just(i32::MIN), Just(i32::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn requantisation_is_its_formula(
        (multiplier, acc) in multipliers().prop_flat_map(|m| (Just(m), accumulators(m)))
    ) {
        prop_assert_eq!(i128::from(multiplier.requantize(acc)), requantize(acc.into(), multiplier));
    }

    #[test]
    fn requantisation_never_decreases(m in multipliers(), a in any::<i32>(), b in any::<i32>()) {
        prop_assert!(m.requantize(a.min(b)) <= m.requantize(a.max(b)));
    }

    /// Half a unit for the mantissa's rounding to 31 bits, and nothing else.
    #[test]
    fn a_multiplier_is_the_nearest_to_its_real_number(real in 2f64.powi(-32)..2f64.powi(29)) {
        let multiplier = Multiplier::from_f64_bits(real.to_bits()).unwrap();
        let held = f64::from(multiplier.mantissa()) * 2f64.powi(-i32::from(multiplier.shift()));
        prop_assert!((held - real).abs() <= real * 2f64.powi(-31));
    }
}
