//! Muon's step: the momentum of a matrix, made orthogonal, so that all directions of its input move alike.

use tch::Tensor;

use crate::workers::Workers;

/// Decay of the mean gradient.
const MOMENTUM: f64 = 0.95;

/// Polynomials `a·x + b·x³ + c·x⁵` that take singular values towards 1, one after the other.
///
/// Those of Amsel et al. 2025, "The Polar Express", equation 10, for values from 0.02 to 1: each brings what the one
/// before left nearest to 1. Smaller values, mostly noise of the batch, stay below 1.
const POLYNOMIALS: [[f64; 3]; 3] =
    [[7.7110, -22.1138, 16.2487], [3.2153, -2.4112, 0.5013], [2.2183, -1.5940, 0.4107]];

/// Keeps the largest singular value below 1, where the polynomials hold, in spite of rounding.
const MARGIN: f64 = 1.01;

/// Minimum rows of a matrix whose products are split between threads: fewer take less time than the meeting.
const MIN_SHARED_ROWS: i64 = 128;

/// The step against `gradient` of a matrix with `[rows, columns]`, for a learning rate of 1.
///
/// `mean` is the mean gradient, changed in place; the step looks one gradient ahead of it, as Nesterov's does.
pub(crate) fn step(
    gradient: &Tensor,
    mean: &mut Tensor,
    [rows, columns]: [i64; 2],
    workers: &Workers,
) -> Tensor {
    // two interpolations: the first updates the mean, the second adds the newest gradient to it once more
    let _ = mean.lerp_(gradient, 1.0 - MOMENTUM);
    let ahead = mean.lerp(gradient, 1.0 - MOMENTUM).view([rows, columns]);
    // on its side, so that the Gram matrix has the shorter side: 500×500 rather than 800×800
    if rows > columns {
        orthogonal(&ahead.transpose(0, 1), workers).transpose(0, 1).reshape(-1)
    } else {
        orthogonal(&ahead, workers).reshape(-1)
    }
}

/// Roughly the orthogonal matrix nearest to this one, which has at least as many columns as rows.
fn orthogonal(matrix: &Tensor, workers: &Workers) -> Tensor {
    let rows = matrix.size()[0];
    // no singular value exceeds the Frobenius norm, so all of them begin within the polynomials' range
    let mut x = matrix / (matrix.norm() * MARGIN + f64::from(f32::MIN_POSITIVE));
    for polynomial in POLYNOMIALS {
        // x = U·S·Vᵀ becomes U·p(S)·Vᵀ: with G = x·xᵀ, the odd polynomial is a·x + (b·G + c·G²)·x
        x = if rows < MIN_SHARED_ROWS {
            let whole = gram(&x, &x);
            next(polynomial, &x, &x, &whole, &whole)
        } else {
            // every row of the next x needs all of G, so the threads meet between the two products
            let whole = workers.rows(rows, |start, count| {
                let (x, part) = (x.shallow_clone(), x.narrow(0, start, count));
                move || gram(&x, &part)
            });
            workers.rows(rows, |start, count| {
                let (x, part) = (x.shallow_clone(), x.narrow(0, start, count));
                let (whole, whole_part) = (whole.shallow_clone(), whole.narrow(0, start, count));
                move || next(polynomial, &x, &part, &whole, &whole_part)
            })
        };
    }
    x
}

/// Rows of `x·xᵀ`: those of `part`, which are rows of `x`.
fn gram(x: &Tensor, part: &Tensor) -> Tensor {
    part.matmul(&x.transpose(0, 1))
}

/// Rows of the polynomial of `x`, from the same rows of `x` and of its Gram matrix.
fn next(
    [a, b, c]: [f64; 3],
    x: &Tensor,
    part: &Tensor,
    gram: &Tensor,
    gram_part: &Tensor,
) -> Tensor {
    part * a + (gram_part * b + gram_part.matmul(gram) * c).matmul(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn singular_values_from_a_fiftieth_to_1_come_within_a_tenth_of_1() {
        for hundredths in 2..=100 {
            let x = POLYNOMIALS.iter().fold(f64::from(hundredths) / 100.0, |x, [a, b, c]| {
                a * x + b * x.powi(3) + c * x.powi(5)
            });
            assert!((x - 1.0).abs() < 0.1, "{hundredths} hundredths become {x}");
        }
    }

    #[test]
    fn steps_are_nearly_orthogonal_whatever_the_shape_and_the_threads() {
        let _rng = crate::seeding::lock_rng(2);
        let network = crate::model::tests::lenet(10);
        for [rows, columns] in [[20, 60], [50, 500], [500, 800], [300, 200]] {
            let gradient = Tensor::randn([rows * columns], (Kind::Float, Device::Cpu)) * 1e-3;
            let steps = [1, 2, 3].map(|threads| {
                let workers = Workers::new(&network, threads);
                step(&gradient, &mut gradient.zeros_like(), [rows, columns], &workers)
            });
            for other in &steps[1..] {
                // sums of up to 800 products in another order, three times
                assert!((other - &steps[0]).abs().max().double_value(&[]) < 1e-4);
            }
            let (_, values, _) = steps[0].view([rows, columns]).svd(true, false);
            let max = values.max().double_value(&[]);
            let median = values.median().double_value(&[]);
            assert!(max < 1.1 && median > 0.9, "{rows}x{columns}: {median} to {max}");
        }
    }
}
