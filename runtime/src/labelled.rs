//! Pictures with labels, from a folder per class or a CSV file: read, shrunk, divided and summed up.
//!
//! ```text
//! dataset::folder::list ──▶ Listing ──survey──▶ Survey: size and colour that fit
//!                              └──load(Preparation)──▶ Labelled ──divide(seed)──▶ Split for each subset
//!                                                          └──────Summary::of──▶ text and JSON
//! ```
//!
//! ```
//! use dataset::folder::{Subset, list};
//! use dataset::Division;
//! use runtime::labelled::{Summary, load, survey};
//! use runtime::picture::Limits;
//! use runtime::preprocess::{Preparation, Preprocess};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/digits/manifest.csv");
//! let listing = list(path.as_ref())?; // or the path of a folder
//! let survey = survey(&listing, Limits::default()).ok_or("no picture can be read")?;
//! let preparation = Preparation::new(survey.shape(), Preprocess::Stretch, survey.color())?;
//! let mut data = load(listing, &preparation, Limits::default(), |_| ());
//! data.divide(Division { seed: 1, validation: 0.25, test: 0.0 });
//! println!("{}", Summary::of(&data));
//! let validation = data.split(Subset::Validation);
//! # assert!(!validation.images.is_empty());
//! # Ok(()) }
//! ```
//!
//! A file that cannot be read or decoded becomes a refused one with its reason, and the others go on: whoever needs some
//! pictures asks [`Listing::check_trainable`] afterwards. Pictures are decoded on all cores, and shrunk as they are read:
//! each core holds one, and of those of more than 16 megapixels only one is held at a time. The prepared pictures stay in
//! memory, `channels * height * width` bytes each: 200,000 of 64×64 in colour take 2.5 GB.
//!
//! What it does not do: tell that two pictures are nearly equal, such as of one thing a minute apart. Where such are on
//! both sides of a split by seed, the accuracy on them is better than on new pictures.

mod decode;
mod equal;
mod look;
mod summary;
mod text;

use dataset::folder::{Listing, Reason, Refused, Subset};
use dataset::{Division, Image, Member, Split};

pub use decode::decode_each;
pub use equal::EqualPictures;
pub use look::{Extent, Look, MAX_DEFAULT_SIDE, MAX_SURVEYED, Survey, survey};
pub use summary::{ClassSummary, Summary, refused_json};

use crate::error::Error;
use crate::picture::Limits;
use crate::preprocess::Preparation;

/// Pictures with labels that were read.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// The pictures that were read, and all files that were not.
    pub listing: Listing,
    /// What a model takes, in the order of [`Listing::pictures`].
    pub images: Vec<Image>,
    /// How the originals look, in the same order.
    pub looks: Vec<Look>,
    /// Which were divided by seed; a share is 0 where the folder has its own. `None` before [`Self::divide`].
    pub division: Option<Division>,
}

/// Reads all pictures of a listing, and prepares them for a model; `progress` is told how many are done.
#[must_use]
pub fn load(
    mut listing: Listing,
    preparation: &Preparation,
    limits: Limits,
    progress: impl Fn(usize) + Sync,
) -> Labelled {
    let read = decode_each(
        &listing.pictures,
        limits,
        |_, picture| (preparation.prepare(picture).image, Look::of(picture)),
        progress,
    );
    let (mut pictures, mut images, mut looks) = (vec![], vec![], vec![]);
    for (picture, read) in std::mem::take(&mut listing.pictures).into_iter().zip(read) {
        match read {
            Ok((image, look)) => {
                pictures.push(picture);
                images.push(image);
                looks.push(look);
            }
            Err(error) => {
                listing.refused.push(Refused { name: picture.name, reason: reason(&error) });
            }
        }
    }
    listing.pictures = pictures;
    Labelled { listing, images, looks, division: None }
}

/// Why a file is refused, without its name.
#[must_use]
pub fn reason(error: &Error) -> Reason {
    match error {
        Error::Read { source, .. } => Reason::Unreadable(source.to_string()),
        Error::File { source, .. } => reason(source),
        error => Reason::Content(error.to_string()),
    }
}

impl Labelled {
    /// Splits validation and test off the training pictures by seed, where the folder has none of its own.
    pub fn divide(&mut self, division: Division) {
        let own = |subset, share| if self.listing.has(subset) { 0.0 } else { share };
        let division = Division {
            validation: own(Subset::Validation, division.validation),
            test: own(Subset::Test, division.test),
            ..division
        };
        let subsets = division.divide(&self.members());
        for (picture, subset) in self.listing.pictures.iter_mut().zip(subsets) {
            picture.subset = Some(subset);
        }
        self.division = Some(division);
    }

    /// The part, 0 to `parts` - 1, of each picture for cross-validation, as [`Division::folds`].
    ///
    /// # Panics
    /// If there are no parts.
    #[must_use]
    pub fn folds(&self, seed: u64, parts: usize) -> Vec<usize> {
        Division::folds(seed, parts, &self.members())
    }

    /// The pictures of one subset, in their order; those of no subset count as `train`.
    #[must_use]
    pub fn split(&self, subset: Subset) -> Split {
        let all = self.listing.pictures.iter().zip(&self.images);
        let chosen = all.filter(|(picture, _)| picture.subset.unwrap_or(Subset::Train) == subset);
        let (images, labels) =
            chosen.map(|(picture, image)| (image.clone(), picture.label)).unzip();
        Split { images, labels }
    }

    /// All pictures, in their order.
    #[must_use]
    pub fn all(&self) -> Split {
        let labels = self.listing.pictures.iter().map(|picture| picture.label).collect();
        Split { images: self.images.clone(), labels }
    }

    fn members(&self) -> Vec<Member> {
        let all = self.listing.pictures.iter().zip(&self.looks);
        let member = |(picture, look): (&dataset::folder::Picture, &Look)| Member {
            label: picture.label,
            pixels: look.pixels,
            subset: picture.subset,
        };
        all.map(member).collect()
    }
}
