//! How far each pixel is from a mask.

use image::{ImageBuffer, Luma};

use super::strokes::Mask;

/// Squared distance of each pixel, in pixels.
pub(super) type SquaredDistances = ImageBuffer<Luma<f64>, Vec<f64>>;

/// Squared Euclidean distance of each pixel's middle from that of the nearest pixel that is not 0; infinite if there is
/// none. Exact: it is a sum of two squares of whole numbers.
///
/// By columns, and then by rows as the lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012).
pub(super) fn squared_distances(mask: &Mask) -> SquaredDistances {
    let (width, height) = mask.dimensions();
    let row = width as usize;
    // distances within each column: down from what is above, then up from what is below
    let mut distances = vec![f64::INFINITY; mask.as_raw().len()];
    for at in 0..distances.len() {
        distances[at] = match mask.as_raw()[at] {
            0 if at >= row => distances[at - row] + 1.0,
            0 => f64::INFINITY,
            _ => 0.0,
        };
    }
    for at in (row..distances.len()).rev() {
        distances[at - row] = distances[at - row].min(distances[at] + 1.0);
    }
    let mut envelope = vec![];
    for row in distances.chunks_exact_mut(row.max(1)) {
        row.iter_mut().for_each(|distance| *distance *= *distance);
        lower_envelope(row, &mut envelope);
        let mut parabolas = envelope.iter().copied().peekable();
        let mut nearest: Option<Parabola> = None;
        for (x, distance) in row.iter_mut().enumerate() {
            let x = x as f64;
            while let Some(next) = parabolas.next_if(|next| nearest.is_none() || next.from <= x) {
                nearest = Some(next);
            }
            *distance = nearest.map_or(f64::INFINITY, |parabola| parabola.at(x));
        }
    }
    SquaredDistances::from_raw(width, height, distances).expect("one distance per pixel")
}

/// `(x − centre)² + height`, the lowest of all parabolas from `from` to where the next one begins.
#[derive(Debug, Clone, Copy)]
struct Parabola {
    centre: f64,
    height: f64,
    from: f64,
}

impl Parabola {
    fn at(&self, x: f64) -> f64 {
        (x - self.centre) * (x - self.centre) + self.height
    }

    /// Where this one begins to be lower than an `earlier` one, whose centre is further left.
    ///
    /// All is whole numbers but the quotient, so it lies on the right side of each whole number.
    fn lower_from(&self, earlier: &Self) -> f64 {
        let constant = |parabola: &Self| parabola.height + parabola.centre * parabola.centre;
        (constant(self) - constant(earlier)) / (2.0 * (self.centre - earlier.centre))
    }
}

/// The parabolas over a row that are the lowest of all somewhere, from left to right.
fn lower_envelope(heights: &[f64], envelope: &mut Vec<Parabola>) {
    envelope.clear();
    for (centre, &height) in heights.iter().enumerate().filter(|(_, height)| height.is_finite()) {
        let mut new = Parabola { centre: centre as f64, height, from: f64::NEG_INFINITY };
        while let Some(last) = envelope.last() {
            new.from = new.lower_from(last);
            if new.from > last.from {
                break;
            }
            envelope.pop();
        }
        if envelope.is_empty() {
            new.from = f64::NEG_INFINITY;
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
            prop_assert!(squared_distances(&mask) == euclidean_squared_distance_transform(&mask));
        }
    }

    #[test]
    fn distances_are_exact_and_infinite_without_a_mask() {
        let mut mask = Mask::new(300, 200);
        assert!(squared_distances(&mask).pixels().all(|distance| distance.0[0] == f64::INFINITY));
        let places = [(7, 3), (250, 190), (130, 60), (131, 60)];
        places.iter().for_each(|&(x, y)| mask.put_pixel(x, y, Luma([1])));
        for (x, y, distance) in squared_distances(&mask).enumerate_pixels() {
            let from = |&(px, py): &(u32, u32)| px.abs_diff(x).pow(2) + py.abs_diff(y).pow(2);
            let nearest = places.iter().map(from).min().unwrap();
            assert!(distance.0[0] == f64::from(nearest), "{x} {y}");
        }
    }
}
