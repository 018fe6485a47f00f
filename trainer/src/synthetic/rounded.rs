//! Digits of ellipses: loops of any size, down to a blot, and zeros with a mark inside.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Point, ellipse, filled, smooth};

/// Half of a turn.
const HALF: f32 = 0.5;

/// A 0, now and then open at its top or with ends that cross.
pub(super) fn zero(rng: &mut StdRng) -> Vec<Vec<Point>> {
    let start = rng.random_range(-0.15..0.15);
    let turns = rng.random_range(0.93..1.1);
    vec![ellipse([0.5, 0.5], [rng.random_range(0.38..0.62), 0.5], start, turns)]
}

/// A 0 with a dot, a short slash or one that goes through it.
pub(super) fn marked_zero(rng: &mut StdRng) -> Vec<Vec<Point>> {
    let across = rng.random_range(0.4..0.65);
    let middle = [0.5 + rng.random_range(-0.05..0.05), 0.5 + rng.random_range(-0.06..0.06)];
    let [x, y] = middle;
    let mark = match rng.random_range(0..4) {
        0 => vec![middle, [x + 0.02, y]],
        1 => ellipse(middle, [0.05, 0.06], 0.0, 1.0),
        2 => {
            let length = rng.random_range(0.03..0.16);
            vec![[x, y - length], [x, y + length]]
        }
        _ => {
            let length = rng.random_range(0.15..0.62);
            let flat = rng.random_range(0.6..1.6);
            let lean = if rng.random_range(0..5) == 0 { -1.0 } else { 1.0 };
            let end = [across * length * flat * lean, -0.5 * length * 2.0 * 0.9];
            vec![[x + end[0], y + end[1]], [x - end[0], y - end[1]]]
        }
    };
    vec![ellipse([0.5, 0.5], [across, 0.5], rng.random_range(-0.1..0.1), 1.0), mark]
}

/// A 6 of a stem and a loop.
pub(super) fn six(rng: &mut StdRng) -> Vec<Vec<Point>> {
    let Loop { size: [across, down], blot } = Loop::new(rng);
    let middle = [0.5, 1.0 - down];
    let left = 0.5 - across;
    let top = left + rng.random_range(0.1..0.6);
    let bend = rng.random_range(0.0..0.5);
    let waist = 1.0 - down * 2.0;
    let stem = smooth(&[
        [top, 0.0],
        [left + (top - left) * 0.55 * (1.0 - bend), waist * 0.45],
        [left + 0.04 * (1.0 - bend), waist.max(0.3) * 0.9],
        [left, 1.0 - down],
    ]);
    looped(stem, ellipse(middle, [across, down], -0.25, 1.0), blot)
}

/// A 9 of a loop and a straight, bent or hooked leg.
pub(super) fn nine(rng: &mut StdRng) -> Vec<Vec<Point>> {
    let Loop { size: [across, down], blot } = Loop::new(rng);
    let right = 0.5 + across;
    let leg = match rng.random_range(0..3) {
        0 => vec![[right, down], [right - rng.random_range(-0.05..0.3), 1.0]],
        1 => {
            let end = right - rng.random_range(0.1..0.5);
            smooth(&[[right, down], [right - 0.02, 0.55], [end, 1.0]])
        }
        _ => {
            let end = right - rng.random_range(0.4..0.8);
            let hook = rng.random_range(0.8..0.97);
            smooth(&[[right, down], [right, 0.7], [right - 0.2, 1.0], [end, hook]])
        }
    };
    looped(leg, ellipse([0.5, down], [across, down], 0.25, 1.0), blot)
}

/// An 8 of two loops, either of which may be small or a blot, or of one stroke that crosses itself.
pub(super) fn eight(rng: &mut StdRng) -> Vec<Vec<Point>> {
    if rng.random_range(0..3) == 0 {
        let lean = rng.random_range(-0.12..0.12);
        let waist = rng.random_range(-0.1..0.1);
        let point = |part: usize| {
            let (sine, cosine) = (part as f32 / 40.0 * std::f32::consts::TAU).sin_cos();
            [0.7 * sine * cosine + lean * cosine, 0.5 - 0.5 * cosine + waist * sine * sine]
        };
        return vec![(0..=40).map(point).collect()];
    }
    let waist: f32 = rng.random_range(0.25..0.56);
    let [upper, lower] = [waist / 2.0, (1.0 - waist) / 2.0];
    let mut wide = |down: f32| (down * rng.random_range(0.8..1.5)).min(0.45);
    let [upper_loop, lower_loop] = [
        ellipse([0.5, upper], [wide(upper), upper], HALF, 1.0),
        ellipse([0.5, waist + lower], [wide(lower), lower], 0.0, 1.0),
    ];
    let blot = match rng.random_range(0..6) {
        0 => filled(&upper_loop),
        1 => filled(&lower_loop),
        _ => vec![],
    };
    [vec![upper_loop, lower_loop], blot].concat()
}

/// Half of the sides of a loop, in parts of the digit's height, and whether it is full of ink.
struct Loop {
    size: Point,
    blot: bool,
}

impl Loop {
    fn new(rng: &mut StdRng) -> Self {
        // a third are hardly larger than the pen
        let is_small = rng.random_range(0..3) == 0;
        let down: f32 =
            if is_small { rng.random_range(0.08..0.17) } else { rng.random_range(0.17..0.32) };
        let size = [(down * rng.random_range(0.8..1.7)).min(0.42), down];
        Self { size, blot: rng.random_range(0..5) == 0 }
    }
}

fn looped(stem: Vec<Point>, round: Vec<Point>, blot: bool) -> Vec<Vec<Point>> {
    let ink = if blot { filled(&round) } else { vec![] };
    [vec![stem, round], ink].concat()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::{extent, pen};
    use super::*;

    #[test]
    fn round_digits_are_upright_and_some_loops_are_blots() {
        let mut rng = StdRng::seed_from_u64(1);
        for draw in [zero, marked_zero, six, nine, eight] {
            for _ in 0..50 {
                let [[left, right], [top, bottom]] = extent(&draw(&mut rng));
                let [width, height] = [right - left, bottom - top];
                assert!(height > 0.9 && height < 1.1 && width < 1.4 * height, "{width} {height}");
            }
        }
        // of its lower half, as much as a 6 with a loop of its size may cover
        let ink = |paths: Vec<Vec<Point>>| {
            let drawn = pen(&paths, 2.0);
            drawn.pixels()[14 * 28..].iter().map(|&ink| u32::from(ink)).sum::<u32>() / 255
        };
        let lower: Vec<u32> = (0..200).map(|_| ink(six(&mut rng))).collect();
        assert!(
            lower.iter().any(|ink| *ink < 40) && lower.iter().any(|ink| *ink > 90),
            "{lower:?}"
        );
    }

    #[test]
    fn a_marked_zero_has_ink_in_its_middle() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let drawn = pen(&marked_zero(&mut rng), 2.0);
            let middle = (11..18).flat_map(|y| (11..18).map(move |x| y * 28 + x));
            assert!(middle.map(|at| u32::from(drawn.pixels()[at])).sum::<u32>() > 300, "{drawn:?}");
        }
    }
}
