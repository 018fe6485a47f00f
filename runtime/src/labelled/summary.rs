//! What is in a folder of labelled pictures, to be said before anything is trained.

use std::path::PathBuf;

use dataset::Division;
use dataset::folder::{Listing, Refused, Subset};
use serde_json::{Value, json};

use super::{EqualPictures, Extent, Labelled, Look, Survey, equal};

/// Pictures of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassSummary {
    /// Its name. Untrusted text.
    pub name: String,
    /// Pictures to train on, for validation and for the test.
    pub counts: [usize; 3],
}

impl ClassSummary {
    /// All pictures of the class.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.counts.iter().sum()
    }
}

/// What was found in a folder or a CSV file of pictures. `Display` is some lines for people, [`Self::json`] all of it; `{:#}`
/// leaves out how many pictures each class has where they are not parted into training, validation and test.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The folder or the CSV file.
    pub root: PathBuf,
    /// The classes in their order.
    pub classes: Vec<ClassSummary>,
    /// Sizes and colours; `None` if no picture was read.
    pub survey: Option<Survey>,
    /// Every file that was not taken.
    pub refused: Vec<Refused>,
    /// Every group of equal pictures.
    pub equal: Vec<EqualPictures>,
    /// What was divided by seed; `None` if nothing was.
    pub division: Option<Division>,
}

impl Summary {
    /// Sums up what was read.
    #[must_use]
    pub fn of(data: &Labelled) -> Self {
        let is_divided = |it: &Division| it.validation > 0.0 || it.test > 0.0;
        let division = data.division.filter(is_divided);
        Self { division, ..Self::of_listing(&data.listing, &data.looks) }
    }

    /// The same of pictures that were read otherwise, with how each of them looks, in their order.
    #[must_use]
    pub fn of_listing(listing: &Listing, looks: &[Look]) -> Self {
        let class = |name: &String| ClassSummary { name: name.clone(), counts: [0; 3] };
        let mut classes: Vec<ClassSummary> = listing.classes.iter().map(class).collect();
        for picture in &listing.pictures {
            let subset = picture.subset.unwrap_or(Subset::Train);
            classes[usize::from(picture.label)].counts[subset as usize] += 1;
        }
        Self {
            root: listing.root.clone(),
            classes,
            survey: Survey::of(looks),
            refused: listing.refused.clone(),
            equal: equal::find(listing, looks),
            division: None,
        }
    }

    /// All pictures.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.classes.iter().map(ClassSummary::pictures).sum()
    }

    /// The class with the fewest pictures; of several the first.
    #[must_use]
    pub fn smallest_class(&self) -> Option<&ClassSummary> {
        self.classes.iter().min_by_key(|class| class.pictures())
    }

    /// Names of the classes of which a subset has no picture, though it has others.
    #[must_use]
    pub fn missing(&self, subset: Subset) -> Vec<&str> {
        let count = |class: &&ClassSummary| class.counts[subset as usize];
        let missing: Vec<_> = self.classes.iter().filter(|class| count(class) == 0).collect();
        let is_empty = missing.len() == self.classes.len();
        missing.into_iter().filter(|_| !is_empty).map(|class| class.name.as_str()).collect()
    }

    /// Everything as one JSON object: with every refused file, and every equal picture.
    #[must_use]
    pub fn json(&self) -> Value {
        let class = |class: &ClassSummary| {
            let [train, validation, test] = class.counts;
            json!({
                "class": class.name,
                "pictures": class.pictures(),
                "train": train,
                "validation": validation,
                "test": test,
            })
        };
        let extent = |Extent { smallest, median, largest }: Extent| json!({ "smallest": smallest, "median": median, "largest": largest });
        let equal = |equal: &EqualPictures| {
            json!({
                "names": equal.names,
                "across_classes": equal.across_classes,
                "across_subsets": equal.across_subsets,
            })
        };
        json!({
            "path": self.root.to_string_lossy(),
            "pictures": self.pictures(),
            "classes": self.classes.iter().map(class).collect::<Vec<_>>(),
            "rows": self.survey.map(|survey| extent(survey.rows)),
            "columns": self.survey.map(|survey| extent(survey.columns)),
            "in_color": self.survey.map_or(0, |survey| survey.colored),
            "equal": self.equal.iter().map(equal).collect::<Vec<_>>(),
            "refused": refused_json(&self.refused),
            "split": self.division.map(|division| json!({
                "seed": division.seed,
                "validation": division.validation,
                "test": division.test,
            })),
        })
    }
}

/// Names and reasons of refused files as a JSON array.
#[must_use]
pub fn refused_json(refused: &[Refused]) -> Value {
    let one = |it: &Refused| json!({ "name": it.name, "reason": it.reason.to_string() });
    refused.iter().map(one).collect()
}
