//! Parts of a dataset for cross-validation.

use dataset::idx::Split;
use dataset::{Division, Image, Member};
use sha2::{Digest, Sha256};

use super::Dataset;

/// A part of the images, and all others.
#[derive(Debug)]
pub struct Fold {
    /// To learn from.
    pub train: Split,
    /// To measure with.
    pub test: Split,
}

impl Dataset {
    /// The images for training and validation in so many parts, each once to measure with: of every class about the same
    /// share, equal images together. The test images of the dataset are in none.
    ///
    /// # Panics
    /// If there are no parts.
    #[must_use]
    pub fn folds(&self, seed: u64, parts: usize) -> Vec<Fold> {
        let splits = [&self.train, &self.validation];
        let all = || {
            splits
                .into_iter()
                .flat_map(|split| split.images.iter().zip(split.labels.iter().copied()))
        };
        let member = |(image, label): (&Image, u8)| Member {
            label,
            pixels: Sha256::digest(image.pixels()).into(),
            subset: None,
        };
        let members: Vec<Member> = all().map(member).collect();
        let part_of = Division::folds(seed, parts, &members);
        let chosen = |is_chosen: &dyn Fn(usize) -> bool| {
            let pairs = all().zip(&part_of).filter(|(_, part)| is_chosen(**part));
            let (images, labels) = pairs.map(|((image, label), _)| (image.clone(), label)).unzip();
            Split { images, labels }
        };
        let fold = |part| Fold { train: chosen(&|it| it != part), test: chosen(&|it| it == part) };
        (0..parts).map(fold).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_measured_with_once_and_never_beside_its_equals() {
        // 40 looks, each twice
        let image = |index: usize| Image::new([1, 2, 2], vec![index as u8 % 40; 4]).unwrap();
        let split = |range: std::ops::Range<usize>| Split {
            labels: range.clone().map(|index| (index % 4) as u8).collect(),
            images: range.map(image).collect(),
        };
        let dataset = Dataset {
            name: "made up".into(),
            sha256: String::new(),
            train: split(0..60),
            validation: split(60..80),
            test: split(80..90),
            test_files: vec![],
            names: None,
            preparation: None,
        };
        let folds = dataset.folds(3, 5);
        assert_eq!(folds.iter().map(|fold| fold.test.images.len()).collect::<Vec<_>>(), [16; 5]);
        for Fold { train, test } in &folds {
            assert_eq!(train.images.len() + test.images.len(), 80);
            assert!(test.images.iter().all(|image| !train.images.contains(image)));
            let mut labels = test.labels.clone();
            labels.sort_unstable();
            assert_eq!(labels, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
        }
    }
}
