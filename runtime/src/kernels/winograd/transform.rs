//! The transforms of Winograd's minimal filtering, in one dimension, of vectors of values.

use pulp::Simd;

use super::super::multiply_add;

/// Positive points of which, with their negatives, 0 and ∞, a transform is made.
const POINTS: [f64; 3] = [1.0, 2.0, 0.5];

/// Finite points of a transform of `size` elements, in the order of the elements; the last element is that of ∞.
fn points(size: usize) -> Vec<f64> {
    let pairs = POINTS[..size / 2 - 1].iter().flat_map(|&point| [point, -point]);
    [0.0].into_iter().chain(pairs).collect()
}

/// The matrix `G` `[element][kernel element]`, which transforms a kernel of `taps` elements.
pub(super) fn kernel_matrix(size: usize, taps: usize) -> Vec<Vec<f64>> {
    let points = points(size);
    let finite = points.iter().enumerate().map(|(number, point)| {
        let others = points.iter().enumerate().filter(|(other, _)| *other != number);
        let divisor: f64 = others.map(|(_, other)| point - other).product();
        (0..taps as i32).map(|power| point.powi(power) / divisor).collect()
    });
    let mut infinite = vec![0.0; taps];
    infinite[taps - 1] = 1.0;
    finite.chain([infinite]).collect()
}

/// Coefficients of `Π (z − p²)` over the first `pairs` points but the one numbered `without`, that of `z⁰` first.
const fn polynomial(pairs: usize, without: usize) -> [f32; 4] {
    let mut coefficients = [1.0, 0.0, 0.0, 0.0];
    let mut degree = 0;
    let mut pair = 0;
    while pair < pairs {
        if pair != without {
            let square = POINTS[pair] * POINTS[pair];
            degree += 1;
            let mut power = degree;
            while power > 0 {
                coefficients[power] = coefficients[power - 1] - square * coefficients[power];
                power -= 1;
            }
            coefficients[0] *= -square;
        }
        pair += 1;
    }
    // exact: the squares are multiples of 1/4
    let [a, b, c, d] = coefficients;
    [a as f32, b as f32, c as f32, d as f32]
}

/// `Bᵀ d`: the elements of `SIZE` neighbouring values.
#[inline(always)]
pub(super) fn of_input<S: Simd, const SIZE: usize>(simd: S, d: [S::f32s; SIZE]) -> [S::f32s; SIZE] {
    let pairs = const { SIZE / 2 - 1 };
    let all = const { polynomial(SIZE / 2 - 1, usize::MAX) };
    let but_one = const {
        let pairs = SIZE / 2 - 1;
        [polynomial(pairs, 0), polynomial(pairs, 1), polynomial(pairs, 2)]
    };
    let mut elements = d;
    // the leading coefficients are 1
    let mut zero = d[2 * pairs];
    let mut infinity = d[2 * pairs + 1];
    for power in 0..pairs {
        let factor = simd.splat_f32s(all[power]);
        zero = multiply_add(simd, factor, d[2 * power], zero);
        infinity = multiply_add(simd, factor, d[2 * power + 1], infinity);
    }
    elements[0] = zero;
    elements[SIZE - 1] = infinity;
    for pair in 0..pairs {
        let mut even = d[2 * pairs];
        let mut odd = d[2 * pairs - 1];
        for power in 0..pairs - 1 {
            let factor = simd.splat_f32s(but_one[pair][power]);
            even = multiply_add(simd, factor, d[2 * power + 2], even);
            odd = multiply_add(simd, factor, d[2 * power + 1], odd);
        }
        let point = POINTS[pair] as f32;
        elements[2 * pair + 1] = multiply_add(simd, simd.splat_f32s(point), odd, even);
        elements[2 * pair + 2] = multiply_add(simd, simd.splat_f32s(-point), odd, even);
    }
    elements
}

/// `Aᵀ m`: what `OUTPUTS` neighbouring outputs are, of the products of the elements.
#[inline(always)]
pub(super) fn to_outputs<S: Simd, const SIZE: usize, const OUTPUTS: usize>(
    simd: S,
    m: [S::f32s; SIZE],
) -> [S::f32s; OUTPUTS] {
    let pairs = const { SIZE / 2 - 1 };
    let mut outputs = [m[0]; OUTPUTS];
    for power in 0..OUTPUTS {
        let mut sum = m[0];
        for pair in 0..pairs {
            let (plus, minus) = (m[2 * pair + 1], m[2 * pair + 2]);
            let part = if power % 2 == 0 {
                simd.add_f32s(plus, minus)
            } else {
                simd.sub_f32s(plus, minus)
            };
            let factor = simd.splat_f32s((POINTS[pair] as f32).powi(power as i32));
            sum = match (power, pair) {
                (0, _) => simd.add_f32s(sum, part),
                // the first point is 1
                (_, 0) => part,
                _ => multiply_add(simd, factor, part, sum),
            };
        }
        outputs[power] = sum;
    }
    outputs[OUTPUTS - 1] = simd.add_f32s(outputs[OUTPUTS - 1], m[SIZE - 1]);
    outputs
}
