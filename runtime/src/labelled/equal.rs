//! Pictures that are equal by their pixels.

use std::collections::HashMap;

use dataset::folder::{Picture, Subset};

use super::Labelled;

/// Two or more pictures of one size and the same pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EqualPictures {
    /// Names of the files, in the order of the listing. Untrusted text.
    pub names: Vec<String>,
    /// Whether they are in several classes, so that some label is wrong.
    pub across_classes: bool,
    /// Whether they are in several of training, validation and test, so that what is measured there was seen before.
    pub across_subsets: bool,
}

/// All groups of equal pictures, in the order of their first.
pub(super) fn find(data: &Labelled) -> Vec<EqualPictures> {
    let mut groups: HashMap<[u8; 32], Vec<&Picture>> = HashMap::new();
    for (picture, look) in data.listing.pictures.iter().zip(&data.looks) {
        groups.entry(look.pixels).or_default().push(picture);
    }
    let mut equal = vec![];
    // in the order of the listing, since that of a hash map is none
    for look in &data.looks {
        let group = groups.remove(&look.pixels).unwrap_or_default();
        if let [first, others @ ..] = &group[..]
            && !others.is_empty()
        {
            let subset = |picture: &Picture| picture.subset.unwrap_or(Subset::Train);
            equal.push(EqualPictures {
                names: group.iter().map(|picture| picture.name.clone()).collect(),
                across_classes: others.iter().any(|other| other.label != first.label),
                across_subsets: others.iter().any(|other| subset(other) != subset(first)),
            });
        }
    }
    equal
}
