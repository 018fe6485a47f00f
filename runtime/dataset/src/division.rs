//! Parting pictures into training, validation and test by seed.

use std::collections::HashMap;

use crate::folder::Subset;

/// Which shares of the pictures are split off the training ones, and by which seed.
///
/// Of every class the same share is taken (stratified), at least one picture, and one is always left to train on.
/// Pictures that are equal by their pixels stay together, even if they are in several classes; then they count for the
/// class of the first. What is chosen follows from the seed and the pixels alone, so that files may be renamed or moved;
/// other pictures beside them change which are chosen by little.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Division {
    /// Another seed chooses others.
    pub seed: u64,
    /// Share of the pictures for validation, 0 to 1; 0 where the folder has its own.
    pub validation: f64,
    /// Share of the pictures for the test, 0 to 1; 0 where the folder has its own.
    pub test: f64,
}

/// A picture that may be parted from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its class.
    pub label: u8,
    /// SHA-256 of its size and pixels.
    pub pixels: [u8; 32],
    /// What it is for, if that is known: it stays there. `None` counts as [`Subset::Train`].
    pub subset: Option<Subset>,
}

/// Equal pictures.
struct Group {
    label: u8,
    members: Vec<usize>,
}

impl Division {
    /// The subset of each picture.
    ///
    /// Only pictures that are not for validation or test already are parted.
    #[must_use]
    pub fn divide(&self, members: &[Member]) -> Vec<Subset> {
        let mut subsets: Vec<Subset> =
            members.iter().map(|member| member.subset.unwrap_or(Subset::Train)).collect();
        let shares = [(Subset::Test, self.test), (Subset::Validation, self.validation)];
        for groups in classes(members, self.seed) {
            let count: usize = groups.iter().map(|group| group.members.len()).sum();
            let (mut left, mut rest) = (count, groups);
            for (subset, share) in shares {
                let wanted = wanted(count, share);
                let mut taken = 0;
                let mut kept = vec![];
                for group in rest {
                    let size = group.members.len();
                    // a large group of equal pictures waits for smaller ones, and never takes all
                    if taken + size <= wanted && size < left {
                        taken += size;
                        left -= size;
                        group.members.iter().for_each(|&member| subsets[member] = subset);
                    } else {
                        kept.push(group);
                    }
                }
                rest = kept;
            }
        }
        subsets
    }

    /// The part, 0 to `parts` - 1, of each picture for cross-validation: stratified, equal pictures together, by `seed`.
    ///
    /// Pictures that are for validation or test already get a part as well.
    ///
    /// # Panics
    /// If there are no parts.
    #[must_use]
    pub fn folds(seed: u64, parts: usize, members: &[Member]) -> Vec<usize> {
        assert!(parts > 0, "there is at least one part");
        let all: Vec<Member> = members.iter().map(|it| Member { subset: None, ..*it }).collect();
        let mut folds = vec![0; members.len()];
        let mut totals = vec![0; parts];
        for groups in classes(&all, seed) {
            let mut counts = vec![0; parts];
            for group in groups {
                // the part with the fewest of this class; of several the one with the fewest of all
                let smallest = (0..parts).min_by_key(|&part| (counts[part], totals[part]));
                let part = smallest.unwrap_or_default();
                counts[part] += group.members.len();
                totals[part] += group.members.len();
                group.members.iter().for_each(|&member| folds[member] = part);
            }
        }
        folds
    }
}

/// Pictures of a class to take.
fn wanted(count: usize, share: f64) -> usize {
    if share <= 0.0 { 0 } else { ((count as f64 * share).round() as usize).max(1) }
}

/// The groups of equal pictures of each class that may be parted, in an order that the seed decides.
fn classes(members: &[Member], seed: u64) -> Vec<Vec<Group>> {
    let mut groups: HashMap<[u8; 32], Group> = HashMap::new();
    for (index, member) in members.iter().enumerate() {
        if member.subset.is_none_or(|subset| subset == Subset::Train) {
            let group = groups.entry(member.pixels);
            let group = group.or_insert_with(|| Group { label: member.label, members: vec![] });
            group.members.push(index);
        }
    }
    let mut groups: Vec<([u8; 32], Group)> = groups.into_iter().collect();
    // the hash beside the key: two keys may be equal, the hashes are not
    groups.sort_by_key(|(pixels, _)| (key(seed, pixels), *pixels));
    let mut classes: Vec<Vec<Group>> = vec![];
    for (_, group) in groups {
        let class = usize::from(group.label);
        if classes.len() <= class {
            classes.resize_with(class + 1, Vec::new);
        }
        classes[class].push(group);
    }
    classes
}

/// A number for the hash that another seed makes another.
///
/// Source: the last steps of `SplitMix64`, Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
fn key(seed: u64, pixels: &[u8; 32]) -> u64 {
    let mix = |value: u64| {
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    let (words, _) = pixels.as_chunks::<8>();
    mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ u64::from_le_bytes(words[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALVES: Division = Division { seed: 7, validation: 0.2, test: 0.1 };

    /// Pictures of some classes: how many, and of how many looks.
    fn members(classes: &[(usize, usize)]) -> Vec<Member> {
        let of_class = |(label, &(count, looks)): (usize, &(usize, usize))| {
            (0..count).map(move |number| {
                let mut pixels = [0; 32];
                let look = (label * 1000 + number % looks) as u64;
                pixels[..8].copy_from_slice(&key(0, &[look as u8; 32]).to_le_bytes());
                pixels[8..16].copy_from_slice(&look.to_le_bytes());
                Member { label: label as u8, pixels, subset: None }
            })
        };
        classes.iter().enumerate().flat_map(of_class).collect()
    }

    fn count(members: &[Member], subsets: &[Subset], label: u8, subset: Subset) -> usize {
        let pairs = members.iter().zip(subsets);
        pairs.filter(|(member, it)| member.label == label && **it == subset).count()
    }

    #[test]
    fn of_every_class_the_same_share_is_taken() {
        let members = members(&[(100, 100), (40, 40), (10, 10), (3, 3), (2, 2)]);
        let subsets = HALVES.divide(&members);
        for (label, train, validation, test) in
            [(0, 70, 20, 10), (1, 28, 8, 4), (2, 7, 2, 1), (3, 1, 1, 1), (4, 1, 0, 1)]
        {
            let found = Subset::ALL.map(|subset| count(&members, &subsets, label, subset));
            assert_eq!(found, [train, validation, test], "class {label}");
        }
    }

    #[test]
    fn equal_pictures_stay_together_whatever_their_class() {
        let mut members = members(&[(60, 20), (30, 30), (9, 1)]);
        members[70].pixels = members[3].pixels;
        for seed in 0..20 {
            let division = Division { seed, ..HALVES };
            let subsets = division.divide(&members);
            let folds = Division::folds(seed, 5, &members);
            for (one, other) in (0..members.len()).flat_map(|one| (0..one).map(move |it| (one, it)))
            {
                if members[one].pixels == members[other].pixels {
                    assert_eq!(subsets[one], subsets[other]);
                    assert_eq!(folds[one], folds[other]);
                }
            }
            // a class of one look can only be learnt
            assert_eq!(count(&members, &subsets, 2, Subset::Train), 9);
            // in groups of 3, and one of 4
            assert!((9..=12).contains(&count(&members, &subsets, 0, Subset::Validation)));
        }
    }

    #[test]
    fn the_choice_follows_from_seed_and_pixels_and_not_from_the_order() {
        let mut members = members(&[(50, 50), (50, 50)]);
        let subsets = HALVES.divide(&members);
        assert_eq!(subsets, HALVES.divide(&members));
        assert_ne!(subsets, Division { seed: 8, ..HALVES }.divide(&members));
        members.reverse();
        let mut reversed = HALVES.divide(&members);
        reversed.reverse();
        assert_eq!(subsets, reversed);
    }

    #[test]
    fn what_is_parted_already_stays_where_it_is() {
        let mut members = members(&[(20, 20), (20, 20)]);
        for member in &mut members[..5] {
            member.subset = Some(Subset::Test);
        }
        members[5].subset = Some(Subset::Train);
        let none = Division { seed: 1, validation: 0.0, test: 0.0 };
        let mut expected = vec![Subset::Train; 40];
        expected[..5].fill(Subset::Test);
        assert_eq!(none.divide(&members), expected);
        let subsets = Division { validation: 0.2, ..none }.divide(&members);
        assert_eq!(subsets[..5], [Subset::Test; 5]);
        assert_eq!(count(&members, &subsets, 0, Subset::Validation), 3);
    }

    #[test]
    fn folds_are_alike() {
        let members = members(&[(53, 53), (20, 20), (7, 7)]);
        let folds = Division::folds(3, 5, &members);
        for label in 0..3 {
            let counts: Vec<usize> = (0..5)
                .map(|part| {
                    let pairs = members.iter().zip(&folds);
                    pairs.filter(|(member, fold)| member.label == label && **fold == part).count()
                })
                .collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{counts:?}");
        }
        let sizes: Vec<usize> =
            (0..5).map(|part| folds.iter().filter(|&&fold| fold == part).count()).collect();
        assert_eq!(sizes, [16; 5]);
    }
}
