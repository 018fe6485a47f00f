//! The weighted sum of some terms that is nearest to samples.

use std::array;

/// Number of terms.
const TERMS: usize = 6;

/// What is computed for each term.
pub(super) type Vector = [f32; TERMS];

/// Products of the terms with each other, summed over samples: symmetric.
#[derive(Debug, Clone)]
pub(super) struct Products([Vector; TERMS]);

/// A lower triangular matrix that makes [`Products`] when multiplied by its transpose.
#[derive(Debug, Clone)]
pub(super) struct Factors([Vector; TERMS]);

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // `sum` would begin at -0
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

impl Products {
    /// Of no samples, and solvable whatever they are.
    pub(super) fn new() -> Self {
        Self(array::from_fn(|row| array::from_fn(|column| if row == column { 1e-6 } else { 0.0 })))
    }

    /// Adds a sample's terms, once as they are and once multiplied by its weight.
    pub(super) fn add(&mut self, weighted: &Vector, terms: &Vector) {
        for (row, weighted) in self.0.iter_mut().zip(weighted) {
            for (product, term) in row.iter_mut().zip(terms) {
                *product += weighted * term;
            }
        }
    }

    /// Cholesky's factors; `None` if rounding has left none.
    pub(super) fn factors(mut self) -> Option<Factors> {
        let rows = &mut self.0;
        for column in 0..TERMS {
            for before in 0..column {
                let factor = rows[column][before];
                for row in &mut rows[column..] {
                    row[column] -= factor * row[before];
                }
            }
            let diagonal = rows[column][column];
            if diagonal.is_nan() || diagonal <= 0.0 {
                return None;
            }
            let root = diagonal.sqrt();
            rows[column][column] = root;
            rows[column + 1..].iter_mut().for_each(|row| row[column] /= root);
        }
        Some(Factors(self.0))
    }
}

impl Factors {
    /// The weights of the terms whose sums with all samples have these moments.
    pub(super) fn solve(&self, mut moments: Vector) -> Vector {
        for column in 0..TERMS {
            moments[column] /= self.0[column][column];
            for row in column + 1..TERMS {
                moments[row] -= moments[column] * self.0[row][column];
            }
        }
        for row in (0..TERMS).rev() {
            let below: Vector = self.0.map(|factors| factors[row]);
            moments[row] -= dot(&below[row + 1..], &moments[row + 1..]);
            moments[row] /= self.0[row][row];
        }
        moments
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Matrix6, Vector6};
    use proptest::array::{uniform3, uniform6};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn bits(vector: &[f32]) -> Vec<u32> {
        vector.iter().map(|value| value.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn the_solution_has_the_bits_of_nalgebras(
            samples in vec((uniform6(-1.0..1.0_f32), 0.0..1.0_f32), 0..60),
            moments in uniform3(uniform6(-300.0..300.0_f32)),
        ) {
            let mut products = Products::new();
            let mut theirs = Matrix6::identity() * 1e-6;
            for (terms, weight) in samples {
                let vector = Vector6::from(terms);
                let dotted = vector.dot(&Vector6::from(moments[0]));
                prop_assert_eq!(dot(&terms, &moments[0]).to_bits(), dotted.to_bits());
                products.add(&terms.map(|term| term / (1.0 + weight)), &terms);
                let weighted = vector / (1.0 + weight);
                theirs += weighted * vector.transpose();
            }
            prop_assert_eq!(bits(products.0.as_flattened()), bits(theirs.transpose().as_slice()));
            let (ours, theirs) = (products.factors(), theirs.cholesky());
            prop_assert_eq!(ours.is_some(), theirs.is_some());
            for moments in moments {
                let ours = ours.as_ref().map(|factors| bits(&factors.solve(moments)));
                let theirs = theirs.as_ref().map(|factors| factors.solve(&Vector6::from(moments)));
                prop_assert_eq!(ours, theirs.map(|solution| bits(solution.as_slice())));
            }
        }
    }
}
