//! Quantiles, which a few odd pixels do not move as they would a mean.

/// The value below which `part` of the values lie; 0 where there are no values.
pub(super) fn quantile(values: &[f32], part: f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let mut values = values.to_vec();
    let at = (part.clamp(0.0, 1.0) * (values.len() - 1) as f32).round() as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        let found = [0.0, 0.5, 0.74, 1.0, 7.0].map(|part| quantile(&values, part));
        assert_eq!(found.map(f32::to_bits), [1.0_f32, 3.0, 4.0, 5.0, 5.0].map(f32::to_bits));
        assert_eq!(quantile(&[], 0.5).to_bits(), 0);
    }
}
