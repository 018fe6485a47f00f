//! Images that lie one after the other in one array, as NumPy and Arrow have them.

use super::Classifier;
use crate::evaluate::BATCH;

impl Classifier {
    /// Writes the scores of images that lie one after the other, `[image][channel][row][column]`; `scores` is
    /// `[image][class]`. [`Self::prediction`] says what they mean.
    ///
    /// ```
    /// let classifier = runtime::Classifier::embedded();
    /// let (pixels, mut scores) = ([0; 3 * runtime::PIXELS], [0.0; 3 * 10]);
    /// classifier.scores_into(&pixels, &mut scores);
    /// assert_eq!(scores[..10], scores[20..]);
    /// ```
    ///
    /// # Panics
    /// If `pixels` are no whole number of images of the [`Self::input_shape`], or if `scores` are not one per class of
    /// each.
    pub fn scores_into(&self, pixels: &[u8], scores: &mut [f32]) {
        let (inputs, classes) = (self.program.inputs(), self.classes.len());
        let count = pixels.len() / inputs;
        assert_eq!(pixels.len(), count * inputs, "pixels of whole images");
        assert_eq!(scores.len(), count * classes, "one score per class of each image");
        let mut buffers = self.idle().pop().unwrap_or_default();
        let (mut images, mut batch) = (Vec::with_capacity(BATCH.min(count)), vec![]);
        let batches = pixels.chunks(BATCH * inputs).zip(scores.chunks_mut(BATCH * classes));
        for (pixels, scores) in batches {
            images.clear();
            images.extend(pixels.chunks_exact(inputs));
            self.score(&images, &mut buffers, &mut batch);
            scores.copy_from_slice(&batch);
        }
        self.idle().push(buffers);
    }
}

#[cfg(test)]
mod tests {
    use dataset::Image;

    use super::*;

    #[test]
    fn an_array_of_images_has_the_scores_of_each() {
        let classifier = Classifier::embedded();
        let images: Vec<Image> = (0..2 * BATCH + 7)
            .map(|i| Image::mnist(std::array::from_fn(|at| (at * i % 251) as u8)))
            .collect();
        let pixels: Vec<u8> = images.iter().flat_map(Image::pixels).copied().collect();
        let predictions = images.chunks(BATCH).flat_map(|batch| classifier.predict_batch(batch));
        let expected: Vec<f32> = predictions.flat_map(|prediction| prediction.logits).collect();
        let mut scores = vec![f32::NAN; expected.len()];
        // the second call finds the memory of the first
        for _ in 0..2 {
            classifier.scores_into(&pixels, &mut scores);
            assert_eq!(scores, expected);
        }
        classifier.scores_into(&[], &mut []);
    }

    #[test]
    #[should_panic(expected = "pixels of whole images")]
    fn half_an_image_is_a_mistake_of_the_program() {
        Classifier::embedded().scores_into(&[0; 1000], &mut [0.0; 10]);
    }

    #[test]
    #[should_panic(expected = "one score per class")]
    fn scores_of_another_number_are_a_mistake_of_the_program() {
        Classifier::embedded().scores_into(&[0; 784], &mut [0.0; 11]);
    }
}
