//! Drawings as others would have drawn and taken them: warped, thicker or thinner, fainter, noisy.
//!
//! A warp is a smooth map from where a pixel is drawn to where it is taken from: an affine map, bent by a
//! cubic B-spline over a few control points (the elastic distortion of Simard, Steinkraus and Platt 2003, made
//! from a coarse grid as image registration does: Rueckert et al. 1999). Such splines reproduce affine maps
//! exactly, so one product of the control points with the spline's basis makes the whole map.

use std::f64::consts::PI;
use std::fmt;

use tch::{Device, Kind, Tensor};

use super::{Affine, Noises, grid_sample};

/// Control points along a side that lie on the picture; one more lies beyond each end.
const CONTROL_SIDE: usize = 4;

/// How far drawings are changed; each by its own draw, evenly between nothing and this, both ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Digits {
    /// Turn, in degrees.
    pub rotation_degrees: f64,
    /// Size of each axis: 0.2 is between 1/1.2 and 1.2 times.
    pub scale: f64,
    /// Slant: pixels to the side a pixel up.
    pub shear: f64,
    /// Shift of each axis, in pixels.
    pub shift_px: f64,
    /// Standard deviation of the control points, in pixels.
    pub bend_px: f64,
    /// Strokes: 0.5 adds or takes up to half of the brightness around each pixel.
    pub thickness: f64,
    /// Contrast: the brightness is raised to a power between `exp(−gamma)` and `exp(gamma)`.
    pub gamma: f64,
    /// Standard deviation of normal noise, as a part of the scale; of this only, the sign has no meaning.
    pub noise: f64,
}

impl Digits {
    /// Chosen on MNIST's validation images.
    pub const USUAL: Self = Self {
        rotation_degrees: 10.0,
        scale: 0.12,
        shear: 0.15,
        shift_px: 2.0,
        bend_px: 0.5,
        thickness: 0.4,
        gamma: 0.5,
        noise: 0.1,
    };
}

impl fmt::Display for Digits {
    /// All amounts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rotation_degrees, scale, shear, shift_px, bend_px, thickness, gamma, noise } =
            self;
        write!(
            f,
            "turn {rotation_degrees}°, scale {scale}, shear {shear}, shift {shift_px} px, \
             bend {bend_px} px, thickness {thickness}, gamma {gamma}, noise {noise}"
        )
    }
}

/// [`Digits`] with the spline's basis, ready on a device.
#[derive(Debug)]
pub(super) struct Augmenter {
    amounts: Digits,
    /// Height and width of the pictures.
    size: [i64; 2],
    device: Device,
    /// Weight of each control point at each pixel, `[height * width, points]`.
    basis: Tensor,
    /// Where the control points lie without a warp, `[points, 2]` as x and y in −1 to 1.
    points: Tensor,
    noises: Noises,
}

/// What was drawn for each picture of a batch.
#[derive(Debug)]
pub(super) struct Draws {
    size: [i64; 2],
    basis: Tensor,
    /// `[pictures, points, 2]`
    points: Tensor,
    /// `[pictures, 1, 1, 1]` each
    thickness: Tensor,
    gamma: Tensor,
    noise: Tensor,
    /// As in [`Augmenter`], and which of them each picture has, `[pictures]`.
    noises: Noises,
    chosen: Tensor,
}

impl Augmenter {
    /// Prepares the basis for pictures of `[channels, height, width]`.
    pub(super) fn new(amounts: Digits, shape: [usize; 3], device: Device) -> Self {
        // libtorch's grid runs from −1 to 1 across a picture, whatever its size
        let spacing = 2.0 / (CONTROL_SIDE - 1) as f64;
        let knots: Vec<f64> =
            (0..CONTROL_SIDE + 2).map(|i| (i as f64 - 1.0) * spacing - 1.0).collect();
        let along = |side: usize| -> Vec<Vec<f64>> {
            let pixels = (0..side).map(|i| (i as f64 + 0.5) / (side as f64 / 2.0) - 1.0);
            let weights =
                |at| knots.iter().map(move |knot| cubic_b_spline((at - knot) / spacing)).collect();
            pixels.map(weights).collect()
        };
        // a spline in the plane is the product of one along x and one along y
        let [_, height, width] = shape;
        let across_all = along(width);
        let mut basis = Vec::new();
        for down in &along(height) {
            for across in &across_all {
                basis.extend(down.iter().flat_map(|y| across.iter().map(move |x| (y * x) as f32)));
            }
        }
        let points: Vec<f32> = knots
            .iter()
            .flat_map(|&y| knots.iter().flat_map(move |&x| [x as f32, y as f32]))
            .collect();
        Self {
            amounts,
            size: [height as i64, width as i64],
            device,
            noises: Noises::new(shape, device),
            basis: Tensor::from_slice(&basis).view([(height * width) as i64, -1]).to_device(device),
            points: Tensor::from_slice(&points).view([-1, 2]).to_device(device),
        }
    }

    /// Random numbers for this many pictures, from libtorch's generator.
    pub(super) fn draw(&self, pictures: i64) -> Draws {
        let Digits { rotation_degrees, scale, shear, shift_px, bend_px, thickness, gamma, noise } =
            self.amounts;
        // drawn on the CPU, so that a seed means the same pictures on every device
        let numbers = Tensor::rand([9, pictures], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let number = |index: i64, amount: f64| numbers.get(index) * amount;
        let affine = Affine {
            angle: number(0, rotation_degrees * PI / 180.0),
            scale: [1, 2].map(|index| number(index, scale.ln_1p()).exp()),
            slant: number(3, shear),
        };
        let linear = affine.linear(self.size).to_device(self.device);
        // of a side, in units of libtorch's sampling grid: half a picture
        let [down, across] = self.size.map(|side| side as f64 / 2.0);
        let shift = Tensor::stack(&[number(4, shift_px / across), number(5, shift_px / down)], 1);
        let bend = Tensor::randn([pictures, self.points.size()[0], 2], (Kind::Float, Device::Cpu));
        let amount = Tensor::from_slice(&[(bend_px / across) as f32, (bend_px / down) as f32]);
        let bend = (bend * amount + shift.unsqueeze(1)).to_device(self.device);
        let column =
            |index, amount| number(index, amount).view([-1, 1, 1, 1]).to_device(self.device);
        Draws {
            size: self.size,
            basis: self.basis.shallow_clone(),
            // the spline reproduces affine maps, so moving its control points by one moves every pixel by it
            points: self.points.matmul(&linear.transpose(1, 2)) + bend,
            thickness: column(6, thickness),
            gamma: column(7, gamma).exp(),
            noise: column(8, noise),
            chosen: self.noises.choose(pictures),
            noises: self.noises.shallow_clone(),
        }
    }
}

impl Draws {
    /// The draws of some of the pictures.
    pub(super) fn narrow(&self, start: i64, count: i64) -> Self {
        let part = |tensor: &Tensor| tensor.narrow(0, start, count);
        Self {
            size: self.size,
            basis: self.basis.shallow_clone(),
            points: part(&self.points),
            thickness: part(&self.thickness),
            gamma: part(&self.gamma),
            noise: part(&self.noise),
            noises: self.noises.shallow_clone(),
            chosen: part(&self.chosen),
        }
    }

    /// Pictures `[pictures, channels, height, width]`, changed; pixels are `float32`, 0 to 255.
    pub(super) fn apply(&self, pictures: &Tensor) -> Tensor {
        let [height, width] = self.size;
        let grid = self.basis.matmul(&self.points).view([-1, height, width, 2]);
        let warped = grid_sample(&pictures.to_kind(Kind::Float), &grid, super::Outside::Zeros);
        // mean of 3×3: high where a stroke is near, so that adding some of it thickens strokes and leaves the background
        let around = warped.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None::<i64>);
        let thicker = self.thickness.clamp_min(0.0) * 2.0 * &around;
        let thinner = self.thickness.clamp_max(0.0) * (255.0 - around);
        let stroked: Tensor = warped + thicker + thinner;
        let lit = (stroked.clamp(0.0, 255.0) / 255.0).pow(&self.gamma) * 255.0;
        (lit + self.noises.of(&self.chosen) * &self.noise).clamp(0.0, 255.0)
    }
}

/// The uniform cubic B-spline: `β³` of Unser 1999, "Splines: a perfect fit", equation 5.
fn cubic_b_spline(at: f64) -> f64 {
    match at.abs() {
        x if x < 1.0 => 2.0 / 3.0 - x * x + x.powi(3) / 2.0,
        x if x < 2.0 => (2.0 - x).powi(3) / 6.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: i64 = 28;
    const HALF_PX: f64 = 14.0;

    const NO_CHANGE: Digits = Digits {
        rotation_degrees: 0.0,
        scale: 0.0,
        shear: 0.0,
        shift_px: 0.0,
        bend_px: 0.0,
        thickness: 0.0,
        gamma: 0.0,
        noise: 0.0,
    };

    fn shape_of(pictures: &Tensor) -> [usize; 3] {
        let size = pictures.size();
        [1, 2, 3].map(|axis| size[axis] as usize)
    }

    /// A square of 10×10 in the middle, of full ink.
    fn squares(count: i64) -> Tensor {
        let pictures = Tensor::zeros([count, 1, SIDE, SIDE], (Kind::Uint8, Device::Cpu));
        let _ = pictures.narrow(2, 9, 10).narrow(3, 9, 10).fill_(255);
        pictures
    }

    fn apply(amounts: Digits, pictures: &Tensor) -> Tensor {
        let augmenter = Augmenter::new(amounts, shape_of(pictures), Device::Cpu);
        let _rng = crate::seeding::lock_rng(3);
        augmenter.draw(pictures.size()[0]).apply(pictures)
    }

    /// Mean of the brightness and of its two coordinates, in pixels from the middle, of each picture.
    fn moments(pictures: &Tensor) -> [Vec<f64>; 3] {
        let at = Tensor::arange(SIDE, (Kind::Float, Device::Cpu)) - (HALF_PX - 0.5);
        let mass = pictures.sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Float);
        let first = |weights: &Tensor| {
            let moment =
                (pictures * weights).sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Float)
                    / &mass;
            Vec::<f64>::try_from(moment.to_kind(Kind::Double)).unwrap()
        };
        [
            first(&at.view([1, 1, 1, -1])),
            first(&at.view([1, 1, -1, 1])),
            Vec::try_from(mass.to_kind(Kind::Double)).unwrap(),
        ]
    }

    #[test]
    fn amounts_of_0_change_no_pixel() {
        let values = Tensor::arange(5 * SIDE * SIDE, (Kind::Int64, Device::Cpu)) * 37;
        let pictures = values.remainder(256).to_kind(Kind::Uint8).view([5, 1, SIDE, SIDE]);
        let difference = apply(NO_CHANGE, &pictures) - pictures.to_kind(Kind::Float);
        assert!(difference.abs().max().double_value(&[]) < 0.01);
    }

    #[test]
    fn a_turn_of_a_picture_that_is_not_square_keeps_shapes() {
        // a bar of 12×4 in 20×40 pixels, in three channels
        let bars = Tensor::zeros([60, 3, 20, 40], (Kind::Float, Device::Cpu));
        let _ = bars.narrow(2, 8, 4).narrow(3, 14, 12).fill_(255.0);
        let turned = apply(Digits { rotation_degrees: 90.0, ..NO_CHANGE }, &bars);
        let mass = turned.sum_dim_intlist([2, 3].as_slice(), false, Kind::Float) / 255.0;
        assert!((mass - 48.0).abs().max().double_value(&[]) < 2.0);
        assert!(turned.narrow(1, 0, 1).equal(&turned.narrow(1, 2, 1)));
    }

    #[test]
    fn shifts_and_scales_stay_within_what_was_asked() {
        let [x, y, _] = moments(&apply(Digits { shift_px: 3.0, ..NO_CHANGE }, &squares(400)));
        for moved in x.iter().chain(&y) {
            assert!(moved.abs() < 3.01);
        }
        assert!(
            x.iter().any(|x| *x > 2.5) && x.iter().any(|x| *x < -2.5) && y.iter().any(|y| *y > 2.5)
        );
        let [_, _, mass] = moments(&apply(Digits { scale: 0.2, ..NO_CHANGE }, &squares(400)));
        let whole = 100.0 * 255.0;
        // 1.2 along both sides, and 3 % that sampling adds
        let max = 1.44 * 1.03;
        assert!(mass.iter().all(|mass| (whole / max..whole * max).contains(mass)), "{mass:?}");
        assert!(
            mass.iter().any(|mass| *mass > 1.2 * whole)
                && mass.iter().any(|mass| *mass < whole / 1.2)
        );
    }

    #[test]
    fn a_turn_and_a_slant_keep_the_area_and_a_bend_moves_every_picture_otherwise() {
        let [_, _, mass] = moments(&apply(
            Digits { rotation_degrees: 30.0, shear: 0.3, ..NO_CHANGE },
            &squares(100),
        ));
        assert!(mass.iter().all(|mass| (mass / 25_500.0 - 1.0).abs() < 0.03), "{mass:?}");
        let bent = apply(Digits { bend_px: 1.0, ..NO_CHANGE }, &squares(2));
        assert!((bent.get(0) - bent.get(1)).abs().max().double_value(&[]) > 20.0);
    }

    #[test]
    fn strokes_become_thicker_and_thinner_and_the_background_stays() {
        let pictures = apply(Digits { thickness: 0.5, gamma: 0.5, ..NO_CHANGE }, &squares(200));
        let [_, _, mass] = moments(&pictures);
        assert!(
            mass.iter().any(|mass| *mass > 27_000.0) && mass.iter().any(|mass| *mass < 24_000.0)
        );
        assert!(pictures.narrow(2, 0, 7).abs().max().double_value(&[]) < f64::EPSILON);
        assert!(pictures.max().double_value(&[]) <= 255.0);
    }

    #[test]
    fn noise_has_the_level_that_was_asked_and_is_of_each_picture_its_own() {
        let grey = Tensor::full([300, 1, SIDE, SIDE], 128, (Kind::Uint8, Device::Cpu));
        let noise = apply(Digits { noise: 0.1, ..NO_CHANGE }, &grey) - 128.0;
        let level = noise.std_dim([1, 2, 3].as_slice(), true, false) / 255.0;
        // 784 draws estimate a deviation to within 2.5 % mostly; thrice that is plenty
        assert!(level.max().double_value(&[]) < 0.108 && level.max().double_value(&[]) > 0.09);
        assert!((level.mean(Kind::Double).double_value(&[]) - 0.05).abs() < 0.01);
        assert!(!noise.get(0).equal(&noise.get(1)));
    }
}
