//! Weights of a sum of products, fitted to what was measured.

/// Numbers that instructions are a weighted sum of.
pub(super) const FACTORS: usize = 5;

/// Weights, none below zero, with which `Σ weight · count` is nearest to the measured instructions of all samples.
///
/// The sum of squares of relative errors is least. No more weights are used than half the samples: others are 0.
pub(super) fn weights(samples: &[([f64; FACTORS], f64)]) -> [f64; FACTORS] {
    let max_used = (samples.len() / 2).max(1);
    // what a weighted sum should be 1 of
    let relative: Vec<[f64; FACTORS]> = samples
        .iter()
        .map(|(counts, measured)| counts.map(|count| count / measured.max(1.0)))
        .collect();
    let fits = (1_u32..1 << FACTORS).filter_map(|bits| {
        let used: Vec<usize> = (0..FACTORS).filter(|factor| bits >> factor & 1 == 1).collect();
        let weights = (used.len() <= max_used).then(|| least_squares(&relative, &used))??;
        let squares = relative.iter().map(|counts| (weighted_sum(counts, &weights) - 1.0).powi(2));
        weights.iter().all(|&weight| weight >= 0.0).then(|| (squares.sum::<f64>(), weights))
    });
    // the first of equals: multiply-accumulates come first
    let best = fits.reduce(|best, next| if next.0 < best.0 - 1e-9 { next } else { best });
    best.map_or([0.0; FACTORS], |(_, weights)| weights)
}

pub(super) fn weighted_sum(counts: &[f64; FACTORS], weights: &[f64; FACTORS]) -> f64 {
    counts.iter().zip(weights).map(|(count, weight)| count * weight).sum()
}

/// Weights of these factors, the others 0, with which the weighted sums are nearest to 1; `None` if the samples do not
/// tell the factors apart.
fn least_squares(samples: &[[f64; FACTORS]], used: &[usize]) -> Option<[f64; FACTORS]> {
    let product = |one: usize, other: usize| samples.iter().map(|it| it[one] * it[other]).sum();
    // the normal equations, with the right-hand side last
    let row = |&factor: &usize| -> Vec<f64> {
        let sum = samples.iter().map(|counts| counts[factor]).sum();
        used.iter().map(|&other| product(factor, other)).chain([sum]).collect()
    };
    let mut rows: Vec<Vec<f64>> = used.iter().map(row).collect();
    // Gauss and Jordan; pivots on the diagonal are safe, since the matrix is positive where it is not singular
    for (pivot, &factor) in used.iter().enumerate() {
        let (diagonal, whole): (f64, f64) = (rows[pivot][pivot], product(factor, factor));
        if diagonal <= 1e-9 * whole {
            return None;
        }
        let scaled: Vec<f64> = rows[pivot].iter().map(|cell| cell / diagonal).collect();
        for row in &mut rows {
            let times = row[pivot];
            row.iter_mut().zip(&scaled).for_each(|(cell, pivot)| *cell -= times * pivot);
        }
        rows[pivot] = scaled;
    }
    let mut weights = [0.0; FACTORS];
    for (row, &factor) in rows.iter().zip(used) {
        weights[factor] = *row.last()?;
    }
    Some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_sum_is_found_again() {
        let truth = [0.5, 0.0, 2.0, 0.0, 3.0];
        let sample = |number: u32| {
            let counts =
                [7_u32, 11, 13, 17, 19].map(|prime| f64::from(number * number % prime + 1));
            (counts, weighted_sum(&counts, &truth))
        };
        let samples: Vec<_> = (1..=10).map(sample).collect();
        for (found, expected) in weights(&samples).iter().zip(truth) {
            assert!((found - expected).abs() < 1e-6, "{found}");
        }
        let few = weights(&samples[..5]);
        assert!(few.iter().filter(|weight| **weight > 0.0).count() <= 2, "half the samples");
    }

    #[test]
    fn no_weight_is_below_zero_and_a_single_sample_gives_one() {
        let samples = [([1.0, 1.0, 0.0, 0.0, 0.0], 5.0), ([1.0, 3.0, 0.0, 0.0, 0.0], 2.0)];
        assert!(weights(&[samples, samples].concat()).iter().all(|&weight| weight >= 0.0));
        for (counts, expected) in [
            ([1.0, 1.0, 0.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0, 0.0]),
            ([0.0, 0.0, 2.0, 1.0, 1.0], [0.0, 0.0, 2.5, 0.0, 0.0]),
        ] {
            let found = weights(&[(counts, 5.0)]);
            assert!(found.iter().zip(expected).all(|(found, it)| (found - it).abs() < 1e-9));
        }
        assert!(weights(&[]).iter().all(|weight| weight.abs() < 1e-9));
    }
}
