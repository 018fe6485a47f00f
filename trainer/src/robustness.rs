//! How a network stands what it was not shown: fixed corruptions of labelled images, drawings or photographs.
//!
//! Each is far enough from clean images to tell recipes apart, and near enough that a person still reads the
//! digit. In the manner of MNIST-C (Mu and Gilmer 2019) and `ImageNet-C` (Hendrycks and Dietterich 2019), made here so that
//! validation images can be used.

use tch::{Device, Kind, Tensor};

use crate::augment::jpeg;
use crate::evaluate::score;
use crate::model::Model;
use crate::seeding::{Purpose, with_rng};

/// Images that are corrupted; with eleven corruptions a per mille of the mean is eleven images.
pub const CORRUPTED_IMAGES: i64 = 1000;

/// A name, and what it does to `float32 [images, channels, height, width]` of 0 to 255.
type Corruption = (&'static str, fn(&Tensor) -> Tensor);

/// Those of drawings, ink on a background of 0.
const OF_DRAWINGS: [Corruption; 11] = [
    ("noise", |images| noise(images, 0.2)),
    ("blur", |images| blur(&blur(images))),
    ("faint", |images| images * 0.35),
    ("shift", |images| ink_warp(images, [1.0, 0.0, 0.0, 1.0], [4.0 / 14.0, 3.0 / 14.0])),
    ("smaller", |images| ink_warp(images, [1.4, 0.0, 0.0, 1.4], [0.0; 2])),
    ("larger", |images| ink_warp(images, [0.8, 0.0, 0.0, 0.8], [0.0; 2])),
    ("slant", |images| ink_warp(images, [1.0, 0.45, 0.0, 1.0], [0.0; 2])),
    ("turn", |images| ink_warp(images, [0.906, -0.423, 0.423, 0.906], [0.0; 2])), // 25 degrees
    ("thin", |images| {
        let [height, width] = sides(images);
        -(-images)
            .max_pool2d([2, 2], [1, 1], [1, 1], [1, 1], false)
            .narrow(2, 0, height)
            .narrow(3, 0, width)
    }),
    ("thick", |images| images.max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false)),
    ("occlusion", |images| occlusion(images, 0.0)),
];

/// Those of photographs.
const OF_PHOTOGRAPHS: [Corruption; 10] = [
    ("dark", |images| images * 0.35),
    ("bright", |images| 255.0 - (255.0 - images) * 0.35),
    ("low contrast", |images| {
        let mean = images.mean_dim([1, 2, 3].as_slice(), true, Kind::Float);
        (images - &mean) * 0.3 + mean
    }),
    ("noise", |images| noise(images, 0.1)),
    ("blur", |images| photo_blur(&photo_blur(images))),
    ("JPEG", |images| {
        jpeg(images, &Tensor::full([1, 1, 1, 1], 3.0, (Kind::Float, images.device())))
    }),
    ("shift", |images| warp(images, [1.0, 0.0, 0.0, 1.0], [0.25, 0.2], Outside::Edge)),
    ("smaller", |images| warp(images, [1.25, 0.0, 0.0, 1.25], [0.0; 2], Outside::Edge)),
    ("turn", |images| warp(images, [0.966, -0.259, 0.259, 0.966], [0.0; 2], Outside::Edge)), // 15 degrees
    ("occlusion", |images| occlusion(images, 128.0)),
];

const fn corruptions(of_drawings: bool) -> &'static [Corruption] {
    if of_drawings { &OF_DRAWINGS } else { &OF_PHOTOGRAPHS }
}

/// Accuracy, 0 to 1, of `network` on each corruption of the first [`CORRUPTED_IMAGES`].
///
/// Images are `uint8 [images, channels, height, width]`, labels `int64 [images]`.
#[must_use]
pub fn robustness(
    network: &Model,
    images: &Tensor,
    labels: &Tensor,
    of_drawings: bool,
) -> Vec<(&'static str, f64)> {
    let labels = labels.narrow(0, 0, labels.size()[0].min(CORRUPTED_IMAGES));
    let accuracy = |images: Tensor| score(network, &images, &labels).accuracy;
    corrupted(images, of_drawings).map(|(name, images)| (name, accuracy(images))).collect()
}

/// Each corruption's name, with the first [`CORRUPTED_IMAGES`] as it leaves them.
pub fn corrupted(
    images: &Tensor,
    of_drawings: bool,
) -> impl Iterator<Item = (&'static str, Tensor)> {
    let count = images.size()[0].min(CORRUPTED_IMAGES);
    let images = images.narrow(0, 0, count).to_kind(Kind::Float);
    corruptions(of_drawings).iter().map(move |(name, change)| (*name, change(&images)))
}

/// Gaussian, of this part of the scale.
fn noise(images: &Tensor, amount: f64) -> Tensor {
    let noise = with_rng(0, Purpose::Corruption, || {
        Tensor::randn(images.size(), (Kind::Float, Device::Cpu)).to_device(images.device())
    });
    (images + noise * (amount * 255.0)).clamp(0.0, 255.0)
}

/// Means of 3×3.
fn blur(images: &Tensor) -> Tensor {
    images.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None::<i64>)
}

/// The same without anything outside the image.
fn photo_blur(images: &Tensor) -> Tensor {
    images.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None::<i64>)
}

/// A bar of a seventh of the rows across the middle has one value.
fn occlusion(images: &Tensor, value: f64) -> Tensor {
    let [height, _] = sides(images);
    let hidden = images.copy();
    let _ = hidden.narrow(2, height * 3 / 7, (height / 7).max(1)).fill_(value);
    hidden
}

/// Height and width.
fn sides(images: &Tensor) -> [i64; 2] {
    let size = images.size();
    [size[2], size[3]]
}

/// What lies outside an image.
#[derive(Clone, Copy)]
enum Outside {
    Zeros,
    Edge,
}

/// [`warp`] of drawings.
fn ink_warp(images: &Tensor, linear: [f64; 4], shift: [f64; 2]) -> Tensor {
    warp(images, linear, shift, Outside::Zeros)
}

/// Takes each pixel from `linear · (x, y) + shift` around the middle; every second image the other way. A shift is in
/// halves of a side.
fn warp(images: &Tensor, linear: [f64; 4], shift: [f64; 2], outside: Outside) -> Tensor {
    const BILINEAR: i64 = 0;
    let [height, width] = sides(images);
    let [across_x, across_y, down_x, down_y] = linear;
    // the grid runs from −1 to 1 along both axes, whatever their lengths
    let aspect = height as f64 / width as f64;
    let (across_y, down_x) = (across_y * aspect, down_x / aspect);
    let [x, y] = shift;
    let (one, other) = (
        [across_x, across_y, x, down_x, down_y, y],
        [across_x, -across_y, -x, -down_x, down_y, -y],
    );
    let count = images.size()[0];
    let maps: Vec<f64> =
        (0..count).flat_map(|image| if image % 2 == 0 { one } else { other }).collect();
    let maps = Tensor::from_slice(&maps).view([count, 2, 3]).to_kind(Kind::Float);
    let grid =
        Tensor::affine_grid_generator(&maps.to_device(images.device()), images.size(), false);
    images.grid_sampler(&grid, BILINEAR, outside as i64, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_corruption_changes_pictures_alike_each_time_and_stays_on_the_scale() {
        let square = Tensor::zeros([4, 1, 28, 28], (Kind::Float, Device::Cpu));
        let _ = square.narrow(2, 8, 12).narrow(3, 10, 8).fill_(255.0);
        for (name, change) in OF_DRAWINGS {
            let changed = change(&square);
            assert_eq!(changed.size(), square.size(), "{name}");
            assert!((&changed - &square).abs().max().double_value(&[]) > 50.0, "{name}");
            assert!(changed.equal(&change(&square)), "{name}");
            assert!(changed.min().double_value(&[]) >= 0.0, "{name}");
            assert!(changed.max().double_value(&[]) < 255.01, "{name}");
        }
    }

    #[test]
    fn photographs_are_corrupted_too() {
        let photos = Tensor::full([4, 3, 32, 20], 90.0, (Kind::Float, Device::Cpu));
        let _ = photos.narrow(2, 8, 12).narrow(3, 5, 8).fill_(255.0);
        for (name, change) in OF_PHOTOGRAPHS {
            let changed = change(&photos);
            assert_eq!(changed.size(), photos.size(), "{name}");
            assert!((&changed - &photos).abs().max().double_value(&[]) > 20.0, "{name}");
            assert!(changed.equal(&change(&photos)), "{name}");
            assert!(changed.min().double_value(&[]) >= 0.0, "{name}");
            assert!(changed.max().double_value(&[]) < 255.01, "{name}");
        }
    }

    #[test]
    fn strokes_lose_and_gain_ink_and_shifts_go_both_ways() {
        let square = Tensor::zeros([2, 1, 28, 28], (Kind::Float, Device::Cpu));
        let _ = square.narrow(2, 10, 6).narrow(3, 10, 6).fill_(255.0);
        let ink = |name: &str| {
            let (_, change) = OF_DRAWINGS.into_iter().find(|(other, _)| *other == name).unwrap();
            change(&square)
        };
        let pixels = |images: &Tensor| images.sum(Kind::Double).double_value(&[]) / 2.0 / 255.0;
        assert!((pixels(&ink("thin")) - 25.0).abs() < 1e-9);
        assert!((pixels(&ink("thick")) - 64.0).abs() < 1e-9);
        // what lay at 10 is taken from 4 to the right, or 4 to the left
        let row = ink("shift").sum_dim_intlist([1, 2].as_slice(), false, Kind::Float);
        assert!(row.double_value(&[0, 6]) > 0.0 && row.double_value(&[0, 12]) < 1e-3);
        assert!(row.double_value(&[1, 6]) < 1e-3 && row.double_value(&[1, 19]) > 0.0);
    }
}
