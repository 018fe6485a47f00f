//! Some of the samples, where not all are wanted.

use std::collections::{BTreeMap, BTreeSet};

use super::{Data, Source};

/// Numbers of `count` of `all`, evenly spaced.
pub(crate) fn evenly_spaced(all: usize, count: usize) -> Vec<usize> {
    (0..count).map(|index| index * all / count).collect()
}

impl Data {
    /// How many of how many samples [`Self::chosen`] chooses, after "so many of".
    pub(crate) fn selection(&self, count: usize) -> String {
        let all = self.content.samples().len();
        let classes = self.labels.iter().collect::<BTreeSet<_>>().len();
        match self.source {
            _ if count == all => all.to_string(),
            Source::Pictures { .. } if count == 1 => format!("{all}, of the first class"),
            Source::Pictures { .. } if count < classes => format!("{all}, each of another class"),
            Source::Pictures { .. } => format!("{all}, spread evenly over the classes"),
            Source::Idx | Source::Arrays => format!("{all}, the first"),
        }
    }

    /// Numbers of `count` samples, in their order: of pictures as many of each class as there are, evenly spaced within
    /// it; of others the first, so that what was measured on them can be measured again.
    pub(crate) fn chosen(&self, count: usize) -> Vec<usize> {
        match self.source {
            Source::Pictures { .. } => spread(&self.labels, count),
            Source::Idx | Source::Arrays => (0..count).collect(),
        }
    }
}

/// Numbers of `count` labels, as many of each as there are, evenly spaced.
fn spread(labels: &[u8], count: usize) -> Vec<usize> {
    let mut classes: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (index, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(index);
    }
    let classes: Vec<Vec<usize>> = classes.into_values().collect();
    let mut shares = vec![0; classes.len()];
    let mut left = count.min(labels.len());
    while left > 0 {
        for (share, members) in shares.iter_mut().zip(&classes) {
            let more = usize::from(left > 0 && *share < members.len());
            (*share, left) = (*share + more, left - more);
        }
    }
    let of_class = |(members, share): (&Vec<usize>, usize)| -> Vec<usize> {
        evenly_spaced(members.len(), share).into_iter().map(|number| members[number]).collect()
    };
    let mut chosen: Vec<usize> = classes.iter().zip(shares).flat_map(of_class).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::*;

    #[test]
    fn what_is_chosen_is_said_as_it_is() {
        let of = |source, labels: &[u8], count| {
            let content = Content::Signals(vec![vec![]; 36]);
            let (paths, of_no_class) = (vec![], vec![]);
            let labels = labels.to_vec();
            Data { content, labels, paths, assumed_classes: None, source, of_no_class }
                .selection(count)
        };
        let labels: Vec<u8> = (0..36).map(|at| at % 12).collect();
        let pictures = Source::Pictures { is_divided: false };
        assert_eq!(of(pictures, &labels, 1), "36, of the first class");
        assert_eq!(of(pictures, &labels, 11), "36, each of another class");
        assert_eq!(of(pictures, &labels, 12), "36, spread evenly over the classes");
        assert_eq!(of(pictures, &labels, 36), "36");
        assert_eq!(of(Source::Idx, &labels, 20), "36, the first");
        assert_eq!(of(Source::Arrays, &[], 36), "36");
    }

    #[test]
    fn chosen_pictures_are_of_all_classes_as_far_as_these_go() {
        // 50 of the first class, 3 of the second, 40 of the last
        let labels: Vec<u8> = [vec![0; 50], vec![1; 3], vec![7; 40]].concat();
        for count in [0, 1, 2, 3, 9, 10, 30, 93, 100] {
            let chosen = spread(&labels, count);
            assert_eq!(chosen.len(), count.min(93));
            assert!(chosen.is_sorted_by(|a, b| a < b), "{chosen:?}");
            let of = |label: u8| chosen.iter().filter(|&&index| labels[index] == label).count();
            assert_eq!(of(1), (count.saturating_add(1) / 3).min(3));
            assert!(of(0).abs_diff(of(7)) <= 1 || of(7) == 40, "{chosen:?}");
        }
        // spaced within a class
        assert_eq!(spread(&labels, 9), [0, 16, 33, 50, 51, 52, 53, 66, 79]);
        assert!(spread(&[], 3).is_empty());
    }
}
