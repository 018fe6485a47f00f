//! What JPEG leaves of a picture.

use std::f64::consts::PI;

use tch::{Kind, Tensor};

/// Side of a block.
const SIDE: usize = 8;

/// Steps that coefficients are rounded to at quality 50, `[down][across]`: those of luminance in ITU-T T.81, table K.1.
const STEPS: [f32; SIDE * SIDE] = [
    16.0, 11.0, 10.0, 16.0, 24.0, 40.0, 51.0, 61.0, 12.0, 12.0, 14.0, 19.0, 26.0, 58.0, 60.0, 55.0,
    14.0, 13.0, 16.0, 24.0, 40.0, 57.0, 69.0, 56.0, 14.0, 17.0, 22.0, 29.0, 51.0, 87.0, 80.0, 62.0,
    18.0, 22.0, 37.0, 56.0, 68.0, 109.0, 103.0, 77.0, 24.0, 35.0, 55.0, 64.0, 81.0, 104.0, 113.0,
    92.0, 49.0, 64.0, 78.0, 87.0, 103.0, 121.0, 120.0, 101.0, 72.0, 92.0, 95.0, 98.0, 112.0, 100.0,
    103.0, 99.0,
];

/// Rounds the frequencies of blocks of 8×8 to steps: each picture's are table K.1 times its `coarseness`, of which 1 is
/// quality 50, 2.5 quality 20 and 0 none. Each channel is taken for luminance, and none is shrunk.
///
/// Pictures are `float32 [pictures, channels, height, width]`, 0 to 255; `coarseness` is `[pictures or 1, 1, 1, 1]`.
pub(crate) fn jpeg(pictures: &Tensor, coarseness: &Tensor) -> Tensor {
    let shape = pictures.size();
    let [count, channels, height, width] = shape[..] else { unreachable!("four axes") };
    let side = SIDE as i64;
    let [down, across] = [height, width].map(|length| (length as u64).div_ceil(SIDE as u64) as i64);
    let [below, beside] = [down * side - height, across * side - width];
    let whole = if below + beside > 0 {
        pictures.replication_pad2d([0, beside, 0, below])
    } else {
        pictures.shallow_clone()
    };
    let device = pictures.device();
    let transform =
        Tensor::from_slice(&transform()).view([side * side, side * side]).to_device(device);
    // [pictures, channels * blocks, 64]
    let blocks = (whole - 128.0)
        .view([count, channels, down, side, across, side])
        .permute([0, 1, 2, 4, 3, 5])
        .reshape([count, -1, side * side]);
    // of no coarseness the steps are so small that nothing changes
    let steps =
        Tensor::from_slice(&STEPS).to_device(device) * coarseness.view([-1, 1, 1]).clamp_min(1e-3);
    let rounded = (blocks.matmul(&transform.tr()) / &steps).round() * steps;
    let pixels = rounded
        .matmul(&transform)
        .view([count, channels, down, across, side, side])
        .permute([0, 1, 2, 4, 3, 5])
        .reshape([count, channels, down * side, across * side]);
    (pixels.narrow(2, 0, height).narrow(3, 0, width) + 128.0).clamp(0.0, 255.0).to_kind(Kind::Float)
}

/// The discrete cosine transform of a block, `[frequency down][across][row][column]`: orthonormal, so that its transpose is
/// its inverse. Source: ITU-T T.81, section A.3.3.
fn transform() -> Vec<f32> {
    let factor = |frequency: usize, at: usize| {
        let norm = if frequency == 0 { 1.0 / 8.0_f64 } else { 2.0 / 8.0 };
        norm.sqrt() * ((2 * at + 1) as f64 * frequency as f64 * PI / 16.0).cos()
    };
    let all = SIDE * SIDE;
    let element = |index: usize| {
        let (frequency, at) = (index / all, index % all);
        let down = factor(frequency / SIDE, at / SIDE);
        (down * factor(frequency % SIDE, at % SIDE)) as f32
    };
    (0..all * all).map(element).collect()
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn coarseness(of: f64) -> Tensor {
        Tensor::full([1, 1, 1, 1], of, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn fine_steps_change_nothing_and_coarse_ones_leave_the_means_of_blocks() {
        let _rng = crate::seeding::lock_rng(8);
        let photos = Tensor::rand([3, 3, 20, 17], (Kind::Float, Device::Cpu)) * 255.0;
        let largest = |other: &Tensor| (other - &photos).abs().max().double_value(&[]);
        assert!(largest(&jpeg(&photos, &coarseness(0.0))) < 0.1);
        assert!(largest(&jpeg(&photos, &coarseness(1.0))) > 5.0);
        let flat = jpeg(&photos, &coarseness(50.0)).narrow(2, 0, 8).narrow(3, 0, 8);
        assert!(
            (flat.amax([2, 3].as_slice(), false) - flat.amin([2, 3].as_slice(), false))
                .max()
                .double_value(&[])
                < 1e-3
        );
        // each picture its own
        let two = Tensor::from_slice(&[0.0_f32, 4.0, 1.0]).view([3, 1, 1, 1]);
        let mixed = jpeg(&photos, &two);
        for (picture, of) in (0..).zip([0.0, 4.0, 1.0]) {
            let alone = jpeg(&photos.narrow(0, picture, 1), &coarseness(of));
            assert!((mixed.narrow(0, picture, 1) - alone).abs().max().double_value(&[]) < 0.01);
        }
    }

    #[test]
    fn a_cosine_of_the_block_is_rounded_to_its_own_step() {
        // the second frequency across, of an amplitude of 10 / √(2 / 64)
        let wave = |at: usize| (10.0 * ((2 * at + 1) as f64 * PI / 16.0).cos()) as f32 + 128.0;
        let row: Vec<f32> = (0..8).map(wave).collect();
        let block = Tensor::from_slice(&row).expand([1, 1, 8, 8], false).contiguous();
        let amplitude = 10.0 * 32_f64.sqrt();
        // to a multiple of 11 · 3: 56.6 becomes 66
        let expected = (&block - 128.0) * (66.0 / amplitude) + 128.0;
        let found = jpeg(&block, &coarseness(3.0));
        assert!((found - expected).abs().max().double_value(&[]) < 1e-3);
    }
}
