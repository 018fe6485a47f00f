//! Training pictures as others would have made them: each changed by a draw of its own, at every step.
//!
//! `Augmenter::draw ──▶ Draws, seeded ──apply, on the threads that train──▶ changed pictures`

mod digits;
mod jpeg;
mod photo;

use std::fmt;

use tch::{Device, Kind, Tensor};

use crate::seeding::{Purpose, with_rng};

pub use digits::Digits;
pub(crate) use jpeg::jpeg;
pub use photo::Photo;

/// Values of all pictures of noise, at most: 1,024 of 28×28.
const MAX_NOISE_VALUES: i64 = 1024 * 28 * 28;
/// Pictures of noise, at least.
const MIN_NOISES: i64 = 32;

/// How pictures are changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Augmentation {
    /// As drawings: ink on a background of 0.
    Digits(Digits),
    /// As photographs.
    Photo(Photo),
}

impl fmt::Display for Augmentation {
    /// Its kind and amounts, such as `digits: turn 10°, scale 0.12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits(amounts) => write!(f, "digits: {amounts}"),
            Self::Photo(amounts) => write!(f, "photo: {amounts}"),
        }
    }
}

/// An [`Augmentation`], ready on a device.
#[derive(Debug)]
pub struct Augmenter(Ready);

#[derive(Debug)]
enum Ready {
    Digits(digits::Augmenter),
    Photo(photo::Augmenter),
}

/// What was drawn for each picture of a batch.
#[derive(Debug)]
pub struct Draws(Drawn);

#[derive(Debug)]
enum Drawn {
    Digits(digits::Draws),
    Photo(photo::Draws),
}

impl Augmenter {
    /// Prepares it for pictures of `[channels, height, width]`.
    #[must_use]
    pub fn new(augmentation: Augmentation, shape: [usize; 3], device: Device) -> Self {
        Self(match augmentation {
            Augmentation::Digits(amounts) => {
                Ready::Digits(digits::Augmenter::new(amounts, shape, device))
            }
            Augmentation::Photo(amounts) => {
                Ready::Photo(photo::Augmenter::new(amounts, shape, device))
            }
        })
    }

    /// Random numbers for this many pictures, from libtorch's generator on the CPU: a seed means the same pictures on
    /// every device.
    #[must_use]
    pub fn draw(&self, pictures: i64) -> Draws {
        Draws(match &self.0 {
            Ready::Digits(augmenter) => Drawn::Digits(augmenter.draw(pictures)),
            Ready::Photo(augmenter) => Drawn::Photo(augmenter.draw(pictures)),
        })
    }
}

impl Draws {
    /// The draws of some of the pictures.
    #[must_use]
    pub fn narrow(&self, start: i64, count: i64) -> Self {
        Self(match &self.0 {
            Drawn::Digits(draws) => Drawn::Digits(draws.narrow(start, count)),
            Drawn::Photo(draws) => Drawn::Photo(draws.narrow(start, count)),
        })
    }

    /// Pictures `[pictures, channels, height, width]`, changed; pixels are `float32`, 0 to 255.
    pub fn apply(&self, pictures: &Tensor) -> Tensor {
        match &self.0 {
            Drawn::Digits(draws) => draws.apply(pictures),
            Drawn::Photo(draws) => draws.apply(pictures),
        }
    }
}

/// Affine maps, each number `[pictures]`.
struct Affine {
    /// Of the turn, in radians.
    angle: Tensor,
    /// Across and down.
    scale: [Tensor; 2],
    slant: Tensor,
}

impl Affine {
    /// Rotation · slant · scale in the units of libtorch's sampling grid, `[pictures, 2, 2]`; `size` is height and width.
    fn linear(&self, [height, width]: [i64; 2]) -> Tensor {
        let Self { angle, scale: [across, down], slant } = self;
        let (sine, cosine) = (angle.sin(), angle.cos());
        // row by row
        let mut rows = [
            &cosine * across,
            (slant * &cosine - &sine) * down,
            &sine * across,
            (slant * &sine + &cosine) * down,
        ];
        if height != width {
            // the grid runs from −1 to 1 along both axes, whatever their lengths
            let aspect = height as f64 / width as f64;
            rows[1] *= aspect;
            rows[2] /= aspect;
        }
        Tensor::stack(&rows, 1).view([-1, 2, 2])
    }
}

/// Pictures of normal noise, of the scale's size, drawn once: what each is added to, and how much of it, is drawn anew.
#[derive(Debug)]
struct Noises {
    /// `[noises, channels, height, width]`
    all: Tensor,
}

impl Noises {
    fn new(shape: [usize; 3], device: Device) -> Self {
        let [channels, height, width] = shape.map(|side| side as i64);
        let count = (MAX_NOISE_VALUES / (channels * height * width)).clamp(MIN_NOISES, 1024);
        let all = with_rng(0, Purpose::Noise, || {
            Tensor::randn([count, channels, height, width], (Kind::Float, Device::Cpu)) * 255.0
        });
        Self { all: all.to_device(device) }
    }

    /// Which noise each of so many pictures has, `[pictures]`.
    fn choose(&self, pictures: i64) -> Tensor {
        let cpu = (Kind::Int64, Device::Cpu);
        Tensor::randint(self.all.size()[0], [pictures], cpu).to_device(self.all.device())
    }

    fn of(&self, chosen: &Tensor) -> Tensor {
        self.all.index_select(0, chosen)
    }

    fn shallow_clone(&self) -> Self {
        Self { all: self.all.shallow_clone() }
    }
}

/// What lies outside a picture.
#[derive(Debug, Clone, Copy)]
enum Outside {
    /// Nothing: 0.
    Zeros,
    /// The pixels of its edge.
    Edge,
}

/// Takes each pixel from where `grid`, `[pictures, height, width, 2]`, says, between pixels linearly.
fn grid_sample(pictures: &Tensor, grid: &Tensor, outside: Outside) -> Tensor {
    const BILINEAR: i64 = 0;
    let padding = match outside {
        Outside::Zeros => 0,
        Outside::Edge => 1,
    };
    pictures.grid_sampler(grid, BILINEAR, padding, false)
}
