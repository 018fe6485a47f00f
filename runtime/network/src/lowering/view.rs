//! How a value of the graph lies in the memory of a layer's value.
//!
//! A layer's value is `[channel][row][column]`. Graphs flatten it, add and drop axes of length 1, and move channels to the
//! end, without any arithmetic. Such a value is the layer's, seen otherwise: its axes taken in some order, then cut to
//! other lengths. So these operators cost nothing, and what reads the value knows where its elements lie.

use crate::architecture::Shape;

/// A layer's value with its axes in another order, then reshaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Axes of the layer's value, outermost first.
    pub(super) order: [usize; 3],
    /// Lengths in the graph, with the batch of one.
    pub(super) shape: Vec<usize>,
}

impl View {
    pub(super) const ORDER: [usize; 3] = [0, 1, 2];

    /// As it lies in memory.
    pub(super) const fn plain(shape: Vec<usize>) -> Self {
        Self { order: Self::ORDER, shape }
    }

    /// Whether elements come in the order in which they lie in a value of shape `base`.
    pub(super) fn is_plain(&self, base: Shape) -> bool {
        self.order.iter().filter(|&&axis| base[axis] > 1).is_sorted()
    }

    /// For each axis of the graph's value the layer's axis that it is, `None` for one of length 1.
    ///
    /// `None` altogether where a reshape cut or joined axes.
    pub(super) fn axes(&self, base: Shape) -> Option<Vec<Option<usize>>> {
        let mut long = self.order.iter().copied().filter(|&axis| base[axis] > 1);
        let mut axes = vec![];
        for &length in &self.shape {
            axes.push(match length {
                1 => None,
                length => Some(long.next().filter(|&axis| base[axis] == length)?),
            });
        }
        long.next().is_none().then_some(axes)
    }

    /// Its axes in the order `permutation`, whose lengths are `shape`.
    pub(super) fn transposed(
        &self,
        base: Shape,
        permutation: &[usize],
        shape: Vec<usize>,
    ) -> Option<Self> {
        let axes = self.axes(base)?;
        let mut order: Vec<usize> =
            permutation.iter().filter_map(|&axis| *axes.get(axis)?).collect();
        // axes of length 1 may stand anywhere
        order.extend((0..3).filter(|&axis| base[axis] == 1));
        Some(Self { order: order.try_into().ok()?, shape })
    }

    /// Number of each element in memory, in the graph's order.
    pub(super) fn places(&self, base: Shape) -> Vec<usize> {
        let steps = [base[1] * base[2], base[2], 1];
        let [outer, middle, inner] = self.order;
        let mut places = Vec::with_capacity(base.iter().product());
        for i in 0..base[outer] {
            for j in 0..base[middle] {
                for k in 0..base[inner] {
                    places.push(i * steps[outer] + j * steps[middle] + k * steps[inner]);
                }
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_last_and_back_is_plain() {
        let base = [3, 4, 5];
        let last = View { order: [1, 2, 0], shape: vec![1, 4, 5, 3] };
        assert!(!last.is_plain(base));
        assert_eq!(last.axes(base), Some(vec![None, Some(1), Some(2), Some(0)]));
        let first = last.transposed(base, &[0, 3, 1, 2], vec![1, 3, 4, 5]).unwrap();
        assert_eq!(first, View::plain(vec![1, 3, 4, 5]));
        assert_eq!(last.places(base)[..4], [0, 20, 40, 1]);
        // one channel lies alike first and last
        assert!(View { order: [1, 2, 0], shape: vec![1, 4, 5, 1] }.is_plain([1, 4, 5]));
    }

    #[test]
    fn axes_that_were_joined_are_not_told_apart() {
        let flat = View { order: [1, 2, 0], shape: vec![1, 60] };
        assert_eq!(flat.axes([3, 4, 5]), None);
        assert_eq!(flat.transposed([3, 4, 5], &[1, 0], vec![60, 1]), None);
        assert_eq!(View::plain(vec![1, 60]).axes([60, 1, 1]), Some(vec![None, Some(0)]));
    }
}
