//! Pictures that are equal by their pixels.

use std::collections::{HashMap, HashSet};

use dataset::folder::{Listing, Picture, Subset};

use super::Look;

/// Two or more pictures of one size and the same pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EqualPictures {
    /// Names of the files: the first of each class and subset, then the others, both in the order of the listing. Untrusted
    /// text.
    pub names: Vec<String>,
    /// Whether they are in several classes, so that some label is wrong.
    pub across_classes: bool,
    /// Whether they are in several of training, validation and test, so that what is measured there was seen before.
    pub across_subsets: bool,
}

/// All groups of equal pictures, in the order of their first.
pub(super) fn find(listing: &Listing, looks: &[Look]) -> Vec<EqualPictures> {
    let mut groups: HashMap<[u8; 32], Vec<&Picture>> = HashMap::new();
    for (picture, look) in listing.pictures.iter().zip(looks) {
        groups.entry(look.pixels).or_default().push(picture);
    }
    let mut equal = vec![];
    // in the order of the listing, since that of a hash map is none
    for look in looks {
        let group = groups.remove(&look.pixels).unwrap_or_default();
        if let [first, others @ ..] = &group[..]
            && !others.is_empty()
        {
            let subset = |picture: &Picture| picture.subset.unwrap_or(Subset::Train);
            let mut kinds = HashSet::new();
            let is_first = |picture: &&&Picture| kinds.insert((picture.label, subset(picture)));
            let (firsts, rest): (Vec<&&Picture>, Vec<_>) = group.iter().partition(is_first);
            let names = firsts.into_iter().chain(rest).map(|picture| picture.name.clone());
            equal.push(EqualPictures {
                names: names.collect(),
                across_classes: others.iter().any(|other| other.label != first.label),
                across_subsets: others.iter().any(|other| subset(other) != subset(first)),
            });
        }
    }
    equal
}
