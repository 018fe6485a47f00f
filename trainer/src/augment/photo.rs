//! Photographs as another camera would have taken them, at another time and from a little beside.
//!
//! In this order: taken from elsewhere (turn, size, slant, shift, perspective), sharper or blurred, contrast, light with a
//! slope across the picture, colour cast, grey, inverted, a part hidden, noise, JPEG.

use std::f64::consts::PI;
use std::fmt;

use tch::{Device, Kind, Tensor};

use super::{Affine, Noises, Outside, grid_sample, jpeg};

/// How far photographs are changed; each by its own draw, evenly between nothing and this, both ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Photo {
    /// Turn, in degrees.
    pub rotation_degrees: f64,
    /// Size of each axis: 0.2 is between 1/1.2 and 1.2 times.
    pub scale: f64,
    /// Slant: pixels to the side a pixel up.
    pub shear: f64,
    /// Shift of each axis, as a part of the shorter side.
    pub shift: f64,
    /// How much nearer one edge is than the middle.
    pub perspective: f64,
    /// Part of the difference to a mean of 3×3 that is taken away or, to sharpen, added.
    pub blur: f64,
    /// Contrast: differences to the picture's mean are multiplied by between `exp(−contrast)` and `exp(contrast)`.
    pub contrast: f64,
    /// Added to all pixels, as a part of the scale.
    pub light: f64,
    /// Added at one edge and taken away at the other, as a part of the scale.
    pub slope: f64,
    /// Each colour is multiplied by between `exp(−cast)` and `exp(cast)`.
    pub cast: f64,
    /// Probability that a picture loses its colours.
    pub grey: f64,
    /// Probability that a picture becomes its negative.
    pub inversion: f64,
    /// Sides of a rectangle that is hidden by one grey, at most, as a part of each side.
    pub hidden: f64,
    /// Standard deviation of normal noise, as a part of the scale, at most.
    pub noise: f64,
    /// How coarse JPEG is, at most, beside quality 50: 2.5 is quality 20.
    pub jpeg: f64,
    /// Whether half of the pictures are mirrored, left to right.
    pub flip: bool,
}

impl Photo {
    /// No change.
    pub const NONE: Self = Self {
        rotation_degrees: 0.0,
        scale: 0.0,
        shear: 0.0,
        shift: 0.0,
        perspective: 0.0,
        blur: 0.0,
        contrast: 0.0,
        light: 0.0,
        slope: 0.0,
        cast: 0.0,
        grey: 0.0,
        inversion: 0.0,
        hidden: 0.0,
        noise: 0.0,
        jpeg: 0.0,
        flip: false,
    };

    /// Taken from a little beside, and nothing else: of 28×28 a pixel to each side.
    pub const SHIFTED: Self = Self { shift: 0.05, ..Self::NONE };

    /// Chosen by cross-validation on photographs of meters' digits.
    pub const USUAL: Self = Self {
        rotation_degrees: 5.0,
        scale: 0.12,
        shear: 0.1,
        shift: 0.075,
        blur: 0.8,
        contrast: 0.5,
        light: 0.2,
        cast: 0.2,
        grey: 0.2,
        inversion: 0.2,
        noise: 0.06,
        ..Self::NONE
    };
}

impl fmt::Display for Photo {
    /// What it changes, with the amounts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amounts = [
            ("turn", self.rotation_degrees, "°"),
            ("scale", self.scale, ""),
            ("shear", self.shear, ""),
            ("shift", self.shift, " of a side"),
            ("perspective", self.perspective, ""),
            ("blur", self.blur, ""),
            ("contrast", self.contrast, ""),
            ("light", self.light, ""),
            ("slope", self.slope, ""),
            ("cast", self.cast, ""),
            ("grey", self.grey, " of the pictures"),
            ("inversion", self.inversion, " of the pictures"),
            ("hidden", self.hidden, " of a side"),
            ("noise", self.noise, ""),
            ("JPEG", self.jpeg, ""),
        ];
        let used = amounts.into_iter().filter(|(_, amount, _)| *amount != 0.0);
        let used = used.map(|(name, amount, unit)| format!("{name} {amount}{unit}"));
        let flip = self.flip.then(|| "flip".to_owned());
        f.write_str(&used.chain(flip).collect::<Vec<_>>().join(", "))
    }
}

/// [`Photo`], ready on a device.
#[derive(Debug)]
pub(super) struct Augmenter {
    amounts: Photo,
    /// Channels, height and width.
    shape: [i64; 3],
    device: Device,
    /// Where each pixel is, `[height * width, 3]` as x and y in −1 to 1 and a 1.
    places: Tensor,
    noises: Noises,
}

/// What was drawn for each picture of a batch.
#[derive(Debug)]
pub(super) struct Draws {
    amounts: Photo,
    shape: [i64; 3],
    places: Tensor,
    /// Projective maps of `places`, transposed, `[pictures, 3, 3]`.
    maps: Tensor,
    /// All else that is a number of each picture, `[pictures, 1, 1, 1]`, by [`Number`].
    numbers: Vec<Tensor>,
    /// Factor of each channel, `[pictures, channels, 1, 1]`.
    cast: Tensor,
    noises: Noises,
    chosen: Tensor,
    /// How coarse JPEG is, `[pictures, 1, 1, 1]`, if it is used.
    jpeg: Option<Tensor>,
}

/// What [`Draws`] has a number of for each picture.
#[derive(Clone, Copy)]
enum Number {
    Blur,
    Contrast,
    Light,
    SlopeX,
    SlopeY,
    Grey,
    Inversion,
    HiddenX,
    HiddenY,
    HiddenWidth,
    HiddenHeight,
    HiddenShade,
    Noise,
}

impl Number {
    const ALL: [Self; 13] = [
        Self::Blur,
        Self::Contrast,
        Self::Light,
        Self::SlopeX,
        Self::SlopeY,
        Self::Grey,
        Self::Inversion,
        Self::HiddenX,
        Self::HiddenY,
        Self::HiddenWidth,
        Self::HiddenHeight,
        Self::HiddenShade,
        Self::Noise,
    ];
}

/// Numbers that [`Augmenter::draw`] takes for the maps, before those of [`Number`] and of the channels.
const OF_MAPS: i64 = 9;

impl Augmenter {
    pub(super) fn new(amounts: Photo, shape: [usize; 3], device: Device) -> Self {
        let [_, height, width] = shape;
        let along = |at: usize, side: usize| ((2 * at + 1) as f64 / side as f64 - 1.0) as f32;
        let row = |y: usize| (0..width).flat_map(move |x| [along(x, width), along(y, height), 1.0]);
        let places: Vec<f32> = (0..height).flat_map(row).collect();
        Self {
            amounts,
            shape: shape.map(|side| side as i64),
            device,
            places: Tensor::from_slice(&places).view([-1, 3]).to_device(device),
            noises: Noises::new(shape, device),
        }
    }

    pub(super) fn draw(&self, pictures: i64) -> Draws {
        let [channels, height, width] = self.shape;
        let amounts = self.amounts;
        let count = OF_MAPS + Number::ALL.len() as i64 + channels;
        let drawn = Tensor::rand([count, pictures], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let number = |index: i64, amount: f64| drawn.get(index) * amount;
        let affine = Affine {
            angle: number(0, amounts.rotation_degrees * PI / 180.0),
            scale: [1, 2].map(|index| number(index, amounts.scale.ln_1p()).exp()),
            slant: number(3, amounts.shear),
        };
        let mut linear = affine.linear([height, width]);
        if amounts.flip {
            let side = number(8, 1.0).sign().view([-1, 1]);
            // x is taken from the other side
            let row = linear.select(1, 0) * side;
            linear = Tensor::stack(&[row, linear.select(1, 1)], 1);
        }
        // in units of libtorch's sampling grid: half a picture
        let shorter = height.min(width) as f64;
        let Photo { rotation_degrees, scale, shear, perspective, .. } = amounts;
        let others = [rotation_degrees, scale, shear, perspective];
        let is_only_shifted = others.iter().all(|amount| *amount == 0.0);
        let shift = |index, side: i64| {
            let mut shift_px = number(index, amounts.shift * shorter);
            if is_only_shifted {
                // by whole pixels: between them, every picture would be blurred
                shift_px = shift_px.round();
            }
            shift_px * (2.0 / side as f64)
        };
        let shift = Tensor::stack(&[shift(4, width), shift(5, height)], 1).unsqueeze(2);
        let tilt = |index| number(index, amounts.perspective);
        let one = Tensor::ones([pictures], (Kind::Float, Device::Cpu));
        let last = Tensor::stack(&[tilt(6), tilt(7), one], 1).unsqueeze(1);
        let maps = Tensor::cat(&[Tensor::cat(&[linear, shift], 2), last], 1);
        let column = |of: Number| {
            let index = OF_MAPS + of as i64;
            let (signed, part) = (number(index, 1.0), (number(index, 0.5) + 0.5));
            let number = match of {
                Number::Blur => signed * amounts.blur,
                Number::Contrast => (signed * amounts.contrast).exp(),
                Number::Light => signed * (amounts.light * 255.0),
                Number::SlopeX | Number::SlopeY => signed * (amounts.slope * 255.0),
                Number::Grey => part.less(amounts.grey).to_kind(Kind::Float),
                Number::Inversion => part.less(amounts.inversion).to_kind(Kind::Float),
                Number::HiddenX | Number::HiddenY => signed,
                Number::HiddenWidth | Number::HiddenHeight => part * amounts.hidden,
                Number::HiddenShade => part * 255.0,
                Number::Noise => part * amounts.noise,
            };
            number.view([-1, 1, 1, 1]).to_device(self.device)
        };
        let cast = drawn.narrow(0, count - channels, channels).transpose(0, 1) * amounts.cast;
        Draws {
            amounts,
            shape: self.shape,
            places: self.places.shallow_clone(),
            maps: maps.transpose(1, 2).contiguous().to_device(self.device),
            numbers: Number::ALL.map(column).into(),
            cast: cast.exp().view([pictures, channels, 1, 1]).to_device(self.device),
            chosen: self.noises.choose(pictures),
            noises: self.noises.shallow_clone(),
            jpeg: self.draw_jpeg(pictures),
        }
    }

    /// Drawn after all others, which are the same with JPEG and without.
    fn draw_jpeg(&self, pictures: i64) -> Option<Tensor> {
        let amount = Some(self.amounts.jpeg).filter(|amount| *amount != 0.0)?;
        let drawn = Tensor::rand([pictures, 1, 1, 1], (Kind::Float, Device::Cpu)) * amount;
        Some(drawn.to_device(self.device))
    }
}

impl Draws {
    pub(super) fn narrow(&self, start: i64, count: i64) -> Self {
        let part = |tensor: &Tensor| tensor.narrow(0, start, count);
        Self {
            amounts: self.amounts,
            shape: self.shape,
            places: self.places.shallow_clone(),
            maps: part(&self.maps),
            numbers: self.numbers.iter().map(part).collect(),
            cast: part(&self.cast),
            noises: self.noises.shallow_clone(),
            chosen: part(&self.chosen),
            jpeg: self.jpeg.as_ref().map(part),
        }
    }

    pub(super) fn apply(&self, pictures: &Tensor) -> Tensor {
        let Self { amounts, shape: [channels, height, width], .. } = self;
        let number = |of: Number| &self.numbers[of as usize];
        let taken = self.places.matmul(&self.maps); // [pictures, height * width, 3]
        let mut grid = taken.narrow(2, 0, 2);
        if amounts.perspective != 0.0 {
            grid /= taken.narrow(2, 2, 1); // in place, in `taken`, which nothing else reads
        }
        let grid = grid.view([-1, *height, *width, 2]);
        let mut x = grid_sample(&pictures.to_kind(Kind::Float), &grid, Outside::Edge);
        if amounts.blur != 0.0 {
            let around = x.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None::<i64>);
            x = &x + (around - &x) * number(Number::Blur);
        }
        let mean = x.mean_dim([1, 2, 3].as_slice(), true, Kind::Float);
        x = (x - &mean) * number(Number::Contrast) + mean + number(Number::Light);
        if amounts.slope != 0.0 {
            let axis = |index| self.places.select(1, index).view([1, 1, *height, *width]);
            x = x + axis(0) * number(Number::SlopeX) + axis(1) * number(Number::SlopeY);
        }
        if *channels > 1 {
            x *= &self.cast;
            let grey = x.mean_dim([1].as_slice(), true, Kind::Float);
            x = &x + (grey - &x) * number(Number::Grey);
        }
        let negative: Tensor = 255.0 - 2.0 * &x;
        x += negative * number(Number::Inversion);
        if amounts.hidden != 0.0 {
            x = self.hide(&x);
        }
        x = (x + self.noises.of(&self.chosen) * number(Number::Noise)).clamp(0.0, 255.0);
        self.jpeg.as_ref().map_or_else(|| x.shallow_clone(), |coarseness| jpeg(&x, coarseness))
    }

    /// Puts one grey over a rectangle of each picture, whose middle is anywhere.
    fn hide(&self, x: &Tensor) -> Tensor {
        let [_, height, width] = self.shape;
        let number = |of: Number| &self.numbers[of as usize];
        let within = |index, middle, half| {
            let at = self.places.select(1, index).view([1, 1, height, width]);
            (at - number(middle)).abs().less_tensor(number(half))
        };
        let across = within(0, Number::HiddenX, Number::HiddenWidth);
        let down = within(1, Number::HiddenY, Number::HiddenHeight);
        let hidden = across.logical_and(&down).to_kind(Kind::Float);
        x + (number(Number::HiddenShade) - x) * hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [3, 12, 10];

    fn photos(count: i64) -> Tensor {
        let _rng = crate::seeding::lock_rng(7);
        Tensor::randint(256, [count, 3, 12, 10], (Kind::Uint8, Device::Cpu))
    }

    fn apply(amounts: Photo, pictures: &Tensor) -> Tensor {
        let augmenter = Augmenter::new(amounts, SHAPE, Device::Cpu);
        let _rng = crate::seeding::lock_rng(3);
        augmenter.draw(pictures.size()[0]).apply(pictures)
    }

    fn largest(tensor: &Tensor) -> f64 {
        tensor.abs().max().double_value(&[])
    }

    #[test]
    fn amounts_of_0_change_no_pixel() {
        let pictures = photos(5);
        let difference = apply(Photo::NONE, &pictures) - pictures.to_kind(Kind::Float);
        assert!(largest(&difference) < 0.01);
    }

    #[test]
    fn each_amount_changes_pictures_each_in_its_own_way_and_stays_on_the_scale() {
        let pictures = photos(1).expand([6, -1, -1, -1], false).contiguous();
        let none = Photo::NONE;
        for amounts in [
            Photo { rotation_degrees: 10.0, ..none },
            Photo { scale: 0.2, ..none },
            Photo { shear: 0.2, ..none },
            Photo { shift: 0.1, ..none },
            Photo { perspective: 0.2, ..none },
            Photo { blur: 0.8, ..none },
            Photo { contrast: 0.5, ..none },
            Photo { light: 0.2, ..none },
            Photo { slope: 0.2, ..none },
            Photo { cast: 0.2, ..none },
            Photo { hidden: 0.5, ..none },
            Photo { noise: 0.1, ..none },
            Photo { jpeg: 2.0, ..none },
            Photo::USUAL,
        ] {
            let changed = apply(amounts, &pictures);
            assert_eq!(changed.size(), pictures.size());
            assert!(changed.min().double_value(&[]) >= 0.0, "{amounts}");
            assert!(changed.max().double_value(&[]) <= 255.0, "{amounts}");
            assert!(largest(&(changed.get(0) - changed.get(1))) > 1.0, "{amounts}");
            assert!(changed.equal(&apply(amounts, &pictures)), "{amounts}");
        }
    }

    #[test]
    fn pictures_that_are_only_shifted_are_so_by_whole_pixels() {
        let pictures = photos(40);
        let changed = apply(Photo { shift: 0.15, flip: true, ..Photo::NONE }, &pictures);
        // within 0.15 of the shorter side of 10: the middle is some middle of the original, mirrored or not
        let middle = changed.narrow(2, 2, 8).narrow(3, 2, 6);
        for picture in 0..40 {
            let original = pictures.get(picture).to_kind(Kind::Float);
            let mirrored = original.flip([2]);
            let is_found = [original, mirrored].iter().any(|from| {
                (1..=3).any(|y| {
                    (1..=3).any(|x| {
                        let part = from.narrow(1, y, 8).narrow(2, x, 6);
                        largest(&(part - middle.get(picture))) < 0.1
                    })
                })
            });
            assert!(is_found, "picture {picture}");
        }
    }

    #[test]
    fn a_part_of_a_batch_is_changed_as_within_the_batch() {
        let pictures = photos(9);
        let amounts = Photo { hidden: 0.3, jpeg: 1.0, ..Photo::USUAL };
        let augmenter = Augmenter::new(amounts, SHAPE, Device::Cpu);
        let _rng = crate::seeding::lock_rng(3);
        let draws = augmenter.draw(9);
        let whole = draws.apply(&pictures);
        let part = draws.narrow(4, 3).apply(&pictures.narrow(0, 4, 3));
        assert!(largest(&(whole.narrow(0, 4, 3) - part)) < 0.01);
    }

    #[test]
    fn negatives_and_mirrored_pictures_are_as_many_as_asked() {
        let dark = Tensor::full([1000, 3, 12, 10], 40, (Kind::Uint8, Device::Cpu));
        let _ = dark.narrow(3, 0, 5).fill_(10);
        let part = |changed: Tensor, threshold: f64| {
            let corner = changed.select(3, 0).select(2, 0).select(1, 0);
            corner.greater(threshold).to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
        };
        // a thousand draws lie within 0.05 of their probability nearly always
        let inverted = part(apply(Photo { inversion: 0.2, ..Photo::NONE }, &dark), 128.0);
        assert!((inverted - 0.2).abs() < 0.05, "{inverted}");
        let mirrored = part(apply(Photo { flip: true, ..Photo::NONE }, &dark), 25.0);
        assert!((mirrored - 0.5).abs() < 0.06, "{mirrored}");
        let grey = apply(Photo { grey: 1.0, ..Photo::NONE }, &photos(3));
        assert!(largest(&(grey.narrow(1, 0, 1) - grey.narrow(1, 2, 1))) < 0.01);
    }
}
