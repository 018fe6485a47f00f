//! How far each pixel is from a mask.

use image::{ImageBuffer, Luma};

use super::strokes::Mask;

/// Squared distance of each pixel, in pixels.
pub(super) type SquaredDistances = ImageBuffer<Luma<f32>, Vec<f32>>;

/// Squared Euclidean distance of each pixel's middle from that of the nearest pixel that is not 0; infinite if there is
/// none. Exact up to sides of 2,000: it is a sum of two squares of whole numbers, below 2²⁴.
///
/// By columns, and then by rows as the lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012).
pub(super) fn squared_distances(mask: &Mask) -> SquaredDistances {
    let (width, height) = mask.dimensions();
    let row = (width as usize).max(1);
    // distances within each column: down from what is above, then up from what is below
    let mut distances = vec![f32::INFINITY; mask.as_raw().len()];
    let mut above = vec![f32::INFINITY; row];
    for (distances, mask) in distances.chunks_exact_mut(row).zip(mask.chunks_exact(row)) {
        for ((distance, above), &set) in distances.iter_mut().zip(&mut above).zip(mask) {
            *above = if set > 0 { 0.0 } else { *above + 1.0 };
            *distance = *above;
        }
    }
    let mut below = vec![f32::INFINITY; row];
    let mut envelope = vec![];
    for row in distances.chunks_exact_mut(row).rev() {
        for (distance, below) in row.iter_mut().zip(&mut below) {
            *below = distance.min(*below + 1.0);
            *distance = *below * *below;
        }
        lower_envelope(row, &mut envelope);
        let mut start = 0;
        for (index, parabola) in envelope.iter().enumerate() {
            let next = envelope.get(index + 1).map_or(row.len(), |next| first_from(next.from));
            let end = next.clamp(start, row.len());
            for (x, distance) in (start..end).zip(&mut row[start..end]) {
                *distance = parabola.at(x as f32);
            }
            start = end;
        }
    }
    SquaredDistances::from_raw(width, height, distances).expect("one distance per pixel")
}

/// The first whole number that is not below `from`; 0 if that is negative.
fn first_from(from: f32) -> usize {
    let floor = from as usize;
    floor + usize::from(from > floor as f32)
}

/// `(x − centre)² + height`, the lowest of all parabolas from `from` to where the next one begins.
#[derive(Debug, Clone, Copy)]
struct Parabola {
    centre: f32,
    height: f32,
    from: f32,
}

impl Parabola {
    fn at(&self, x: f32) -> f32 {
        (x - self.centre) * (x - self.centre) + self.height
    }

    /// Where this one begins to be lower than an `earlier` one, whose centre is further left.
    ///
    /// All is whole numbers but the quotient, so it lies on the right side of each whole number.
    fn lower_from(&self, earlier: &Self) -> f32 {
        let constant = |parabola: &Self| parabola.height + parabola.centre * parabola.centre;
        (constant(self) - constant(earlier)) / (2.0 * (self.centre - earlier.centre))
    }
}

/// The parabolas over a row that are the lowest of all somewhere, from left to right.
fn lower_envelope(heights: &[f32], envelope: &mut Vec<Parabola>) {
    envelope.clear();
    for (centre, &height) in heights.iter().enumerate().filter(|(_, height)| height.is_finite()) {
        let mut new = Parabola { centre: centre as f32, height, from: f32::NEG_INFINITY };
        while let Some(last) = envelope.last() {
            new.from = new.lower_from(last);
            if new.from > last.from {
                break;
            }
            envelope.pop();
        }
        if envelope.is_empty() {
            new.from = f32::NEG_INFINITY;
        }
        envelope.push(new);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use imageproc::distance_transform::euclidean_squared_distance_transform;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Masks of all sizes, of which few pixels or many are set.
    pub(in crate::preprocess) fn masks() -> impl Strategy<Value = Mask> {
        (1..50_u32, 1..50_u32, 1..256_u16).prop_flat_map(|(width, height, most)| {
            vec(any::<u8>(), (width * height) as usize).prop_map(move |noise| {
                let pixels =
                    noise.into_iter().map(|level| if u16::from(level) < most { 0 } else { 255 });
                Mask::from_raw(width, height, pixels.collect()).unwrap()
            })
        })
    }

    proptest! {
        #[test]
        fn distances_are_those_of_imageproc(mask in masks()) {
            let expected = euclidean_squared_distance_transform(&mask);
            for (found, expected) in squared_distances(&mask).pixels().zip(expected.pixels()) {
                prop_assert_eq!(f64::from(found.0[0]).to_bits(), expected.0[0].to_bits());
            }
        }
    }

    #[test]
    fn distances_are_exact_and_infinite_without_a_mask() {
        let mut mask = Mask::new(300, 200);
        assert!(squared_distances(&mask).pixels().all(|distance| distance.0[0] == f32::INFINITY));
        let places = [(7, 3), (250, 190), (130, 60), (131, 60)];
        for (x, y) in places {
            mask.put_pixel(x, y, Luma([1]));
        }
        for (x, y, distance) in squared_distances(&mask).enumerate_pixels() {
            let from = |&(px, py): &(u32, u32)| px.abs_diff(x).pow(2) + py.abs_diff(y).pow(2);
            let nearest = places.iter().map(from).min().unwrap();
            assert_eq!(distance.0[0].to_bits(), (nearest as f32).to_bits(), "{x} {y}");
        }
    }
}
