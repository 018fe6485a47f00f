//! Digits as they are written where MNIST's writers did not learn to.

use rand::RngExt;
use rand::rngs::StdRng;
use runtime::Image;

use super::{Point, drawn, rounded, smooth};

/// A point of a stroke in a box of 1 by 1, x to the right and y down: where it is, and how far off it may be.
type Spot = [f32; 4];

/// A way to write a digit: strokes that are smooth through their points, but for points given twice.
#[derive(Debug)]
pub struct Style {
    /// Which.
    pub digit: u8,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Strokes through spots.
    Spots(&'static [&'static [Spot]]),
    /// Strokes that a function draws.
    Drawn(fn(&mut StdRng) -> Vec<Vec<Point>>),
}

const fn style(digit: u8, strokes: &'static [&'static [Spot]]) -> Style {
    Style { digit, way: Way::Spots(strokes) }
}

const fn round(digit: u8, draw: fn(&mut StdRng) -> Vec<Vec<Point>>) -> Style {
    Style { digit, way: Way::Drawn(draw) }
}

/// What is common in Europe and on tablets, and what it must not be taken for.
pub const STYLES: &[Style] = &[
    // 1 with a long upstroke, as in most of Europe; its tip may reach far down
    style(
        1,
        &[&[
            [0.22, 0.40, 0.14, 0.14],
            [0.40, 0.2, 0.05, 0.04],
            [0.62, 0.0, 0.05, 0.0],
            [0.62, 0.0, 0.05, 0.0],
            [0.58, 0.5, 0.05, 0.0],
            [0.55, 1.0, 0.12, 0.0],
        ]],
    ),
    style(
        1,
        &[&[
            [0.12, 0.50, 0.1, 0.16],
            [0.62, 0.0, 0.06, 0.02],
            [0.62, 0.0, 0.06, 0.02],
            [0.55, 1.0, 0.18, 0.0],
        ]],
    ),
    // the same with a foot
    style(
        1,
        &[
            &[
                [0.25, 0.32, 0.12, 0.12],
                [0.55, 0.0, 0.04, 0.0],
                [0.55, 0.0, 0.04, 0.0],
                [0.52, 1.0, 0.06, 0.0],
            ],
            &[[0.28, 1.0, 0.1, 0.02], [0.78, 1.0, 0.1, 0.02]],
        ],
    ),
    style(1, &[&[[0.5, 0.0, 0.1, 0.0], [0.5, 0.5, 0.05, 0.0], [0.5, 1.0, 0.1, 0.0]]]),
    // 7 with a level bar: the ones above are not to be taken for it
    style(
        7,
        &[&[
            [0.1, 0.04, 0.1, 0.04],
            [0.45, 0.04, 0.05, 0.04],
            [0.85, 0.0, 0.1, 0.05],
            [0.85, 0.0, 0.1, 0.05],
            [0.55, 0.5, 0.08, 0.04],
            [0.4, 1.0, 0.12, 0.0],
        ]],
    ),
    // 7 with a serif
    style(
        7,
        &[&[
            [0.12, 0.18, 0.06, 0.06],
            [0.14, 0.03, 0.06, 0.03],
            [0.14, 0.03, 0.06, 0.03],
            [0.5, 0.05, 0.05, 0.04],
            [0.86, 0.0, 0.08, 0.04],
            [0.86, 0.0, 0.08, 0.04],
            [0.4, 1.0, 0.12, 0.0],
        ]],
    ),
    // 7 with a bar through it
    style(
        7,
        &[
            &[
                [0.12, 0.05, 0.1, 0.05],
                [0.5, 0.05, 0.05, 0.04],
                [0.85, 0.0, 0.08, 0.04],
                [0.85, 0.0, 0.08, 0.04],
                [0.42, 1.0, 0.12, 0.0],
            ],
            &[[0.32, 0.52, 0.08, 0.06], [0.85, 0.46, 0.08, 0.06]],
        ],
    ),
    style(
        7,
        &[
            &[
                [0.12, 0.2, 0.06, 0.08],
                [0.16, 0.05, 0.06, 0.03],
                [0.5, 0.06, 0.05, 0.03],
                [0.85, 0.0, 0.08, 0.04],
                [0.85, 0.0, 0.08, 0.04],
                [0.6, 0.45, 0.06, 0.04],
                [0.45, 1.0, 0.12, 0.0],
            ],
            &[[0.32, 0.55, 0.08, 0.06], [0.85, 0.48, 0.08, 0.06]],
        ],
    ),
    // 4 of an angle and a bar
    style(
        4,
        &[
            &[
                [0.45, 0.0, 0.1, 0.02],
                [0.12, 0.62, 0.06, 0.06],
                [0.12, 0.62, 0.06, 0.06],
                [0.9, 0.62, 0.06, 0.06],
            ],
            &[[0.62, 0.35, 0.06, 0.12], [0.58, 1.0, 0.08, 0.0]],
        ],
    ),
    style(
        4,
        &[
            &[
                [0.2, 0.02, 0.06, 0.03],
                [0.15, 0.5, 0.06, 0.06],
                [0.15, 0.5, 0.06, 0.06],
                [0.8, 0.5, 0.08, 0.06],
            ],
            &[[0.7, 0.0, 0.06, 0.12], [0.66, 1.0, 0.08, 0.0]],
        ],
    ),
    // 4 with a closed top
    style(
        4,
        &[&[
            [0.9, 0.66, 0.06, 0.05],
            [0.1, 0.66, 0.06, 0.05],
            [0.1, 0.66, 0.06, 0.05],
            [0.64, 0.0, 0.06, 0.0],
            [0.64, 0.0, 0.06, 0.0],
            [0.62, 1.0, 0.08, 0.0],
        ]],
    ),
    // the same, narrow, with a short bar or none beyond the stem
    style(
        4,
        &[&[
            [0.78, 0.62, 0.1, 0.08],
            [0.2, 0.64, 0.08, 0.06],
            [0.2, 0.64, 0.08, 0.06],
            [0.68, 0.0, 0.06, 0.0],
            [0.68, 0.0, 0.06, 0.0],
            [0.66, 1.0, 0.08, 0.0],
        ]],
    ),
    // a triangle on a stem, its corners rounder
    style(
        4,
        &[
            &[
                [0.66, 0.04, 0.06, 0.03],
                [0.38, 0.3, 0.06, 0.05],
                [0.1, 0.6, 0.06, 0.06],
                [0.14, 0.66, 0.04, 0.03],
                [0.45, 0.63, 0.05, 0.04],
                [0.88, 0.6, 0.1, 0.06],
            ],
            &[[0.66, 0.0, 0.05, 0.03], [0.66, 0.5, 0.05, 0.04], [0.64, 1.0, 0.08, 0.0]],
        ],
    ),
    // 9 of a circle and a straight leg, and with a hook
    style(
        9,
        &[&[
            [0.75, 0.2, 0.04, 0.05],
            [0.5, 0.0, 0.05, 0.0],
            [0.22, 0.25, 0.05, 0.04],
            [0.48, 0.48, 0.05, 0.05],
            [0.75, 0.2, 0.04, 0.04],
            [0.75, 0.2, 0.04, 0.04],
            [0.7, 1.0, 0.12, 0.0],
        ]],
    ),
    style(
        9,
        &[&[
            [0.76, 0.2, 0.04, 0.05],
            [0.5, 0.0, 0.05, 0.0],
            [0.22, 0.25, 0.05, 0.04],
            [0.48, 0.48, 0.05, 0.05],
            [0.76, 0.25, 0.04, 0.04],
            [0.76, 0.7, 0.05, 0.06],
            [0.5, 1.0, 0.06, 0.0],
            [0.22, 0.88, 0.08, 0.06],
        ]],
    ),
    // 3 of two bows
    style(
        3,
        &[&[
            [0.15, 0.14, 0.08, 0.06],
            [0.5, 0.0, 0.06, 0.0],
            [0.78, 0.22, 0.06, 0.05],
            [0.4, 0.46, 0.08, 0.04],
            [0.4, 0.46, 0.08, 0.04],
            [0.85, 0.72, 0.06, 0.05],
            [0.5, 1.0, 0.06, 0.0],
            [0.1, 0.86, 0.08, 0.06],
        ]],
    ),
    // 3 with a flat top
    style(
        3,
        &[&[
            [0.15, 0.03, 0.08, 0.03],
            [0.8, 0.0, 0.06, 0.03],
            [0.8, 0.0, 0.06, 0.03],
            [0.42, 0.4, 0.06, 0.05],
            [0.42, 0.4, 0.06, 0.05],
            [0.82, 0.68, 0.06, 0.05],
            [0.5, 1.0, 0.06, 0.0],
            [0.12, 0.86, 0.08, 0.06],
        ]],
    ),
    // 5 with its cap apart
    style(
        5,
        &[
            &[
                [0.28, 0.05, 0.05, 0.05],
                [0.24, 0.42, 0.05, 0.05],
                [0.24, 0.42, 0.05, 0.05],
                [0.62, 0.4, 0.06, 0.05],
                [0.8, 0.68, 0.06, 0.06],
                [0.5, 1.0, 0.06, 0.0],
                [0.14, 0.9, 0.08, 0.06],
            ],
            &[[0.3, 0.02, 0.08, 0.03], [0.82, 0.0, 0.08, 0.05]],
        ],
    ),
    // 5 in one stroke
    style(
        5,
        &[&[
            [0.85, 0.02, 0.08, 0.03],
            [0.25, 0.0, 0.06, 0.03],
            [0.25, 0.0, 0.06, 0.03],
            [0.2, 0.42, 0.06, 0.05],
            [0.2, 0.42, 0.06, 0.05],
            [0.6, 0.4, 0.06, 0.05],
            [0.84, 0.68, 0.06, 0.06],
            [0.5, 1.0, 0.06, 0.0],
            [0.12, 0.9, 0.08, 0.06],
        ]],
    ),
    // 2 with a loop at its foot
    style(
        2,
        &[&[
            [0.2, 0.2, 0.06, 0.06],
            [0.5, 0.0, 0.06, 0.0],
            [0.8, 0.22, 0.06, 0.05],
            [0.5, 0.62, 0.06, 0.05],
            [0.2, 0.95, 0.06, 0.04],
            [0.12, 0.8, 0.05, 0.05],
            [0.35, 0.8, 0.06, 0.05],
            [0.6, 0.97, 0.06, 0.03],
            [0.9, 0.9, 0.06, 0.06],
        ]],
    ),
    // 2 with a flat foot
    style(
        2,
        &[&[
            [0.18, 0.22, 0.06, 0.08],
            [0.5, 0.0, 0.06, 0.0],
            [0.8, 0.24, 0.06, 0.06],
            [0.55, 0.6, 0.06, 0.05],
            [0.14, 1.0, 0.06, 0.0],
            [0.14, 1.0, 0.06, 0.0],
            [0.88, 0.98, 0.08, 0.03],
        ]],
    ),
    // 8 of two circles
    style(
        8,
        &[
            &[
                [0.5, 0.0, 0.04, 0.0],
                [0.25, 0.22, 0.05, 0.04],
                [0.5, 0.45, 0.04, 0.03],
                [0.75, 0.22, 0.05, 0.04],
                [0.5, 0.0, 0.05, 0.02],
            ],
            &[
                [0.5, 0.47, 0.04, 0.03],
                [0.18, 0.74, 0.05, 0.04],
                [0.5, 1.0, 0.04, 0.0],
                [0.82, 0.74, 0.05, 0.04],
                [0.5, 0.48, 0.05, 0.04],
            ],
        ],
    ),
    // 6 with a straight back
    style(
        6,
        &[&[
            [0.68, 0.0, 0.1, 0.0],
            [0.3, 0.45, 0.06, 0.05],
            [0.18, 0.72, 0.05, 0.05],
            [0.48, 1.0, 0.06, 0.0],
            [0.8, 0.75, 0.05, 0.05],
            [0.52, 0.5, 0.06, 0.05],
            [0.2, 0.7, 0.05, 0.06],
        ]],
    ),
    style(
        0,
        &[&[
            [0.62, 0.03, 0.08, 0.03],
            [0.4, 0.02, 0.05, 0.02],
            [0.13, 0.45, 0.06, 0.08],
            [0.5, 1.0, 0.08, 0.0],
            [0.87, 0.5, 0.06, 0.08],
            [0.6, 0.05, 0.06, 0.04],
            [0.4, 0.06, 0.1, 0.06],
        ]],
    ),
    round(6, rounded::six),
    round(6, rounded::six),
    round(9, rounded::nine),
    round(9, rounded::nine),
    round(8, rounded::eight),
    round(8, rounded::eight),
    round(0, rounded::zero),
    round(0, rounded::marked_zero),
    round(0, rounded::marked_zero),
];

impl Style {
    /// Draws it in a hand of its own: pen, slant, breadth, turn, and where each point lies.
    #[must_use]
    pub fn draw(&self, rng: &mut StdRng) -> Image {
        let slant = rng.random_range(-0.25..0.35);
        let breadth = rng.random_range(0.55..0.95);
        // most people write upright
        let turned: f32 = if rng.random_range(0..5) == 0 { 0.56 } else { 0.12 };
        let turn = rng.random_range(-turned..turned);
        let paths = match self.way {
            Way::Spots(strokes) => strokes.iter().map(|stroke| through(stroke, rng)).collect(),
            Way::Drawn(draw) => draw(rng),
        };
        drawn(&paths, [slant, breadth, turn], rng)
    }
}

/// A stroke through spots, each off by a draw of its own.
fn through(stroke: &[Spot], rng: &mut StdRng) -> Vec<Point> {
    let mut before: Option<(Spot, Point)> = None;
    let mut points = vec![];
    for &spot in stroke {
        let [x, y, off_x, off_y] = spot;
        let at = match before {
            Some((same, at)) if same.iter().eq(&spot) => at,
            _ => {
                [x + off_x * rng.random_range(-1.0..=1.0), y + off_y * rng.random_range(-1.0..=1.0)]
            }
        };
        before = Some((spot, at));
        points.push(at);
    }
    smooth(&points)
}
