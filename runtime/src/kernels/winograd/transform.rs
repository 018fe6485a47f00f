//! The transforms of minimal filtering along one axis, made of their points by the method of Cook and Toom.
//!
//! With `M(x) = Π (x − p)` over the finite points `p`, and ∞ as the last point:
//!
//! | matrix | row or column of a point `p` | of ∞ |
//! |---|---|---|
//! | `Bᵀ`, of the input | coefficients of `M(x) / (x − p)` | coefficients of `M(x)` |
//! | `G`, of the kernel | `1, p, p², …`, divided by `M'(p)` | `0, …, 0, 1` |
//! | `Aᵀ`, to outputs | `1, p, p², …` | `0, …, 0, 1` |
//!
//! The finite points are 0 and pairs `±p`. Of a pair, even powers are the same and odd ones differ in sign, so that both
//! together take little more than one. All coefficients of `Bᵀ` and `Aᵀ` are exact in f32.

use pulp::Simd;

use super::super::multiply_add;

/// Elements of the largest transform.
const MAX_SIZE: usize = 8;

/// Pairs of points in it.
const MAX_PAIRS: usize = MAX_SIZE / 2 - 1;

/// Side of the largest kernel.
const MAX_KERNEL: usize = 5;

/// The positive points of a transform of so many elements.
///
/// Of all multiples of ¼ up to 2 those with the least root mean square error, on uniform weights and inputs half of
/// which are 0; 1 and 2, or 1 and ½, which are often used for 6 elements, have twice the error.
const fn positive_points(size: usize) -> &'static [f64] {
    match size {
        4 => &[1.0],
        6 => &[0.75, 1.5],
        8 => &[0.5, 1.0, 2.0],
        _ => panic!("no transform has this size"),
    }
}

/// Finite points, in the order of the elements.
fn finite_points(size: usize) -> Vec<f64> {
    let pairs = positive_points(size).iter().flat_map(|&point| [point, -point]);
    [0.0].into_iter().chain(pairs).collect()
}

/// `G`, of a square kernel.
pub(super) struct KernelTransform {
    /// `[element][place in the kernel]`
    matrix: Vec<[f64; MAX_KERNEL]>,
    kernel: usize,
}

impl KernelTransform {
    /// For tiles of `size` × `size` elements.
    pub(super) fn new(size: usize, kernel: usize) -> Self {
        let points = finite_points(size);
        let finite = points.iter().enumerate().map(|(number, point)| {
            let others = points.iter().enumerate().filter(|(other, _)| *other != number);
            let divisor: f64 = others.map(|(_, other)| point - other).product();
            std::array::from_fn(|power| point.powi(power as i32) / divisor)
        });
        let infinite = std::array::from_fn(|power| f64::from(u8::from(power == kernel - 1)));
        Self { matrix: finite.chain([infinite]).collect(), kernel }
    }

    /// `G g Gᵀ` of one kernel, `[row][column]`, rounded once.
    pub(super) fn apply<'a>(&self, kernel: &[f32], elements: impl Iterator<Item = &'a mut f32>) {
        // [row of the kernel][column of the elements]
        let mut rows = [[0.0; MAX_SIZE]; MAX_KERNEL];
        for (row, values) in rows.iter_mut().zip(kernel.chunks_exact(self.kernel)) {
            for (element, factors) in row.iter_mut().zip(&self.matrix) {
                let products = factors.iter().zip(values).map(|(f, value)| f * f64::from(*value));
                *element = products.sum();
            }
        }
        let of_rows = self.matrix.iter().flat_map(|factors| {
            let mut sums = [0.0; MAX_SIZE];
            for (factor, row) in factors.iter().zip(&rows[..self.kernel]) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += factor * value;
                }
            }
            sums.into_iter().take(self.matrix.len())
        });
        for (element, sum) in elements.zip(of_rows) {
            *element = sum as f32;
        }
    }
}

/// Coefficients of `Π (z − p²)` over all positive points but the one numbered `without`, that of `z⁰` first.
///
/// With `z = x²`, `x` times it is `M(x)` without that pair.
const fn polynomial(size: usize, without: usize) -> [f32; MAX_PAIRS + 1] {
    let points = positive_points(size);
    let mut coefficients = [0.0; MAX_PAIRS + 1];
    coefficients[0] = 1.0;
    let mut degree = 0;
    let mut pair = 0;
    while pair < points.len() {
        if pair != without {
            let square = points[pair] * points[pair];
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
    let [a, b, c, d] = coefficients;
    [a as f32, b as f32, c as f32, d as f32]
}

/// `[pair][power]`: powers of the positive points.
const fn powers(size: usize) -> [[f32; 4]; MAX_PAIRS] {
    let points = positive_points(size);
    let mut powers = [[0.0; 4]; MAX_PAIRS];
    let mut pair = 0;
    while pair < points.len() {
        let p = points[pair];
        powers[pair] = [1.0, p as f32, (p * p) as f32, (p * p * p) as f32];
        pair += 1;
    }
    powers
}

/// `Bᵀ d`: the elements of neighbouring inputs.
#[inline(always)]
pub(super) fn of_input<S: Simd, const SIZE: usize>(simd: S, d: [S::f32s; SIZE]) -> [S::f32s; SIZE] {
    let pairs = const { SIZE / 2 - 1 };
    let all = const { polynomial(SIZE, usize::MAX) };
    let but_one = const { [polynomial(SIZE, 0), polynomial(SIZE, 1), polynomial(SIZE, 2)] };
    let powers = const { powers(SIZE) };
    let mut elements = d;
    // the first coefficient is 1
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
        // x (x ± p) Π (x² − q²) over the other pairs q
        let mut even = d[2 * pairs];
        let mut odd = d[2 * pairs - 1];
        for power in 0..pairs - 1 {
            let factor = simd.splat_f32s(but_one[pair][power]);
            even = multiply_add(simd, factor, d[2 * power + 2], even);
            odd = multiply_add(simd, factor, d[2 * power + 1], odd);
        }
        let point = powers[pair][1];
        elements[2 * pair + 1] = multiply_add(simd, simd.splat_f32s(point), odd, even);
        elements[2 * pair + 2] = multiply_add(simd, simd.splat_f32s(-point), odd, even);
    }
    elements
}

/// `Aᵀ m`: the neighbouring outputs of which these are the elements.
#[inline(always)]
pub(super) fn to_outputs<S: Simd, const SIZE: usize, const OUTPUTS: usize>(
    simd: S,
    m: [S::f32s; SIZE],
) -> [S::f32s; OUTPUTS] {
    let pairs = const { SIZE / 2 - 1 };
    let powers = const { powers(SIZE) };
    let mut outputs = [m[0]; OUTPUTS];
    for (power, output) in outputs.iter_mut().enumerate() {
        for pair in 0..pairs {
            let (plus, minus) = (m[2 * pair + 1], m[2 * pair + 2]);
            let both = if power % 2 == 0 {
                simd.add_f32s(plus, minus)
            } else {
                simd.sub_f32s(plus, minus)
            };
            let factor = simd.splat_f32s(powers[pair][power]);
            *output = match (power, pair) {
                (0, _) => simd.add_f32s(*output, both),
                // of 0 there is only the power 0
                (_, 0) => simd.mul_f32s(factor, both),
                _ => multiply_add(simd, factor, both, *output),
            };
        }
    }
    outputs[OUTPUTS - 1] = simd.add_f32s(outputs[OUTPUTS - 1], m[SIZE - 1]);
    outputs
}
