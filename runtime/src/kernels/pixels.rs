//! Bytes of pixels as numbers from 0 to 1.

use std::any::TypeId;

use pulp::{Scalar128b, Simd, WithSimd};

use super::Instructions;

/// 1 / 255, and what is left of it beyond an `f32`.
const SHARE: [f32; 2] = {
    let exact = 1.0 / 255.0_f64;
    let share = exact as f32;
    [share, (exact - share as f64) as f32]
};

/// Writes each pixel divided by 255, to the last bit.
pub(crate) fn divide_by_255(pixels: &[u8], instructions: Instructions, numbers: &mut [f32]) {
    instructions.run(Task { pixels, numbers });
}

struct Task<'a> {
    pixels: &'a [u8],
    numbers: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pixels, numbers } = self;
        let pairs = numbers.iter_mut().zip(pixels);
        if TypeId::of::<S>() == TypeId::of::<Scalar128b>() {
            // where there is no step that multiplies and adds
            for (number, pixel) in pairs {
                *number = f32::from(*pixel) / 255.0;
            }
        } else {
            // a division takes five times as long
            let [share, rest] = SHARE;
            for (number, pixel) in pairs {
                let pixel = f32::from(*pixel);
                *number = pixel.mul_add(share, pixel * rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_divided_to_the_last_bit() {
        let pixels: Vec<u8> = (0..=255).collect();
        let expected: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        for instructions in Instructions::available() {
            let mut numbers = vec![f32::NAN; pixels.len()];
            divide_by_255(&pixels, instructions, &mut numbers);
            assert_eq!(numbers, expected, "{instructions}");
        }
    }
}
