//! Numbers what hangs together in a mask.

use image::{ImageBuffer, Luma};

use super::strokes::Mask;

/// Number of the region that each pixel belongs to, from 1; 0 outside the mask.
pub(super) type Labels = ImageBuffer<Luma<u32>, Vec<u32>>;

/// Which pixels hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connectivity {
    /// Those that share a side.
    Four,
    /// Those that share a side or a corner.
    Eight,
}

/// Numbers the connected regions of the pixels that are not 0, in the order in which their first pixels are met row by
/// row.
///
/// In one pass each pixel takes the number of a neighbour before it, and numbers that meet are joined; in a second, joined
/// numbers become one (Rosenfeld and Pfaltz 1966).
pub(super) fn label(mask: &Mask, connectivity: Connectivity) -> Labels {
    let (width, height) = mask.dimensions();
    let row = width as usize;
    let mut labels = vec![0_u32; row * height as usize];
    // of each number another that it was joined with, or itself
    let mut parents = vec![0_u32];
    for at in (0..labels.len()).filter(|&at| mask.as_raw()[at] > 0) {
        let (x, is_below) = (at % row, at >= row);
        let is_eight = connectivity == Connectivity::Eight;
        let before = [
            (x > 0, 1),
            (is_below, row),
            (is_eight && is_below && x > 0, row + 1),
            (is_eight && is_below && x + 1 < row, row - 1),
        ];
        for (_, back) in before.into_iter().filter(|(is_there, _)| *is_there) {
            match (labels[at - back], labels[at]) {
                (0, _) => {}
                (other, 0) => labels[at] = other,
                (other, label) => join(&mut parents, other, label),
            }
        }
        if labels[at] == 0 {
            labels[at] = parents.len() as u32;
            parents.push(labels[at]);
        }
    }
    let (mut numbers, mut count) = (vec![0; parents.len()], 0);
    for label in labels.iter_mut().filter(|label| **label > 0) {
        let root = root(&mut parents, *label) as usize;
        if numbers[root] == 0 {
            count += 1;
            numbers[root] = count;
        }
        *label = numbers[root];
    }
    Labels::from_raw(width, height, labels).expect("one number per pixel")
}

fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(parents, a), root(parents, b));
    // the older number stays, so that chains end at it
    parents[a.max(b) as usize] = a.min(b);
}

/// The number that stands for all that were joined with `label`; the way there gets shorter.
fn root(parents: &mut [u32], mut label: u32) -> u32 {
    while parents[label as usize] != label {
        let parent = parents[label as usize];
        parents[label as usize] = parents[parent as usize];
        label = parent;
    }
    label
}

#[cfg(test)]
mod tests {
    use imageproc::region_labelling;
    use proptest::prelude::*;

    use super::*;
    use crate::preprocess::digit::distance::tests::masks;

    proptest! {
        #[test]
        fn regions_are_numbered_as_by_imageproc(mask in masks()) {
            // of which imageproc makes a table that is too small
            prop_assume!(mask.len() > 1);
            for (connectivity, theirs) in [
                (Connectivity::Four, region_labelling::Connectivity::Four),
                (Connectivity::Eight, region_labelling::Connectivity::Eight),
            ] {
                let expected = region_labelling::connected_components(&mask, theirs, Luma([0]));
                prop_assert!(label(&mask, connectivity) == expected);
            }
        }
    }

    #[test]
    fn regions_that_meet_late_are_one() {
        // a comb, open at the top: each tooth gets a number before they meet
        let comb = Mask::from_fn(21, 9, |x, y| Luma([if x % 2 == 0 || y == 8 { 255 } else { 0 }]));
        let labels = label(&comb, Connectivity::Four);
        assert!(labels.pixels().zip(comb.pixels()).all(|(l, m)| l.0[0] == u32::from(m.0[0] > 0)));
    }
}
