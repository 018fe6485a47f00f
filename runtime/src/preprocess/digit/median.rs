//! The median around each pixel.

use image::{Rgb, RgbImage};

/// Median of each channel over the square window around each pixel that is at least `radius` pixels from all edges: the
/// result is that much smaller. The lower of the two middle values cannot be asked for: a window has an odd number.
pub(super) fn medians(picture: &RgbImage, radius: u32) -> RgbImage {
    let side = 2 * radius + 1;
    let (width, height) = picture.dimensions();
    let mut medians = RgbImage::new(width + 1 - side, height + 1 - side);
    for (top, row) in medians.enumerate_rows_mut() {
        let mut window = Window { counts: [[0; 256]; 3], half: side * side / 2 };
        let column = |x: u32| (top..top + side).map(move |y| *picture.get_pixel(x, y));
        (0..side - 1).flat_map(column).for_each(|pixel| window.add(pixel, 1));
        for (left, _, median) in row {
            column(left + side - 1).for_each(|pixel| window.add(pixel, 1));
            median.0 = window.median();
            column(left).for_each(|pixel| window.add(pixel, -1));
        }
    }
    medians
}

/// How many pixels have each level, by channel.
struct Window {
    counts: [[i32; 256]; 3],
    /// Pixels below the median.
    half: u32,
}

impl Window {
    fn add(&mut self, pixel: Rgb<u8>, count: i32) {
        for (counts, level) in self.counts.iter_mut().zip(pixel.0) {
            counts[usize::from(level)] += count;
        }
    }

    fn median(&self) -> [u8; 3] {
        self.counts.map(|counts| {
            let mut rest = self.half as i32;
            let is_median = |count: &i32| {
                rest -= count;
                rest < 0
            };
            counts.iter().position(is_median).unwrap_or(usize::from(u8::MAX)) as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use image::imageops;
    use imageproc::filter::median_filter;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn pictures() -> impl Strategy<Value = (RgbImage, u32)> {
        (0..5_u32, 1..12_u32, 1..12_u32).prop_flat_map(|(radius, width, height)| {
            let (width, height) = (width + 2 * radius, height + 2 * radius);
            let pixels = vec(any::<u8>(), (3 * width * height) as usize);
            pixels.prop_map(move |raw| (RgbImage::from_raw(width, height, raw).unwrap(), radius))
        })
    }

    proptest! {
        #[test]
        fn medians_are_those_of_imageproc((picture, radius) in pictures()) {
            let found = medians(&picture, radius);
            let filtered = median_filter(&picture, radius, radius);
            let (width, height) = found.dimensions();
            let inside = imageops::crop_imm(&filtered, radius, radius, width, height);
            prop_assert_eq!(found, inside.to_image());
        }
    }
}
