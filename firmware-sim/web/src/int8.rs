//! An int8 model of a `.q8` file.

use firmware::{Answer, Model};
use zerocopy::IntoBytes;

/// Most classes: a network of more outputs gives something else, and gives it in parts.
const MAX_CLASSES: usize = 256;

/// A model of a `.q8` file with the memory that its inferences need.
#[derive(Debug)]
pub(crate) struct Int8 {
    model: Model<'static>,
    scratch: Vec<u32>,
}

impl Int8 {
    /// Checks a file. If it is good, its bytes stay in memory as long as the program runs, as in a device's flash.
    ///
    /// # Errors
    /// Why it is no model, or that it takes no pixels.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, String> {
        // words, since a model lies at a multiple of four
        let mut words = vec![0_u32; file.len().div_ceil(size_of::<u32>())].into_boxed_slice();
        words.as_mut_bytes()[..file.len()].copy_from_slice(file);
        let unusable =
            |reason: &dyn std::fmt::Display| format!("not a .q8 model for pictures: {reason}");
        let model =
            Model::parse(&words.as_bytes()[..file.len()]).map_err(|error| unusable(&error))?;
        let input = &model.header().input;
        let is_pixels = input.zero == 0 && input.scale.get() == 1_f32.to_bits();
        if !is_pixels || input.channels.get() > 4 {
            return Err(unusable(&"it takes other numbers than pixels"));
        }
        if model.outputs() > MAX_CLASSES {
            return Err(unusable(&"it gives numbers that are no classes"));
        }
        let flash = &Box::leak(words).as_bytes()[..file.len()];
        let model = Model::parse(flash).map_err(|error| unusable(&error))?;
        Ok(Self { model, scratch: vec![0; model.scratch_words()] })
    }

    /// Channels, height and width of an image.
    pub(crate) fn input_shape(&self) -> [usize; 3] {
        self.model.header().input.shape()
    }

    pub(crate) fn classes(&self) -> usize {
        self.model.outputs()
    }

    /// SHA-256 of the ONNX file that it was made of.
    pub(crate) const fn identity(&self) -> [u8; 32] {
        self.model.header().identity
    }

    /// Logits of an image, `[row][column][channel]`, and what a device makes of them; `None` if it has another length.
    pub(crate) fn classify(&mut self, image: &[u8]) -> Option<(Vec<i32>, Answer)> {
        let logits = self.model.infer(image, &mut self.scratch)?;
        Some((logits.0.to_vec(), logits.answer(self.model)))
    }

    /// What the logits' differences mean as probabilities, of sum 1: see [`firmware::format::Limits`]. A device computes
    /// none; these are for bars beside those of the float model.
    pub(crate) fn probabilities(&self, logits: &[i32]) -> Vec<f32> {
        let rate = f64::from(self.model.limits().rate) / 2_f64.powi(32);
        let best = logits.iter().copied().max().unwrap_or_default();
        let powers = logits.iter().map(|logit| (-f64::from(best.abs_diff(*logit)) * rate).exp2());
        let sum: f64 = powers.clone().sum();
        powers.map(|power| (power / sum) as f32).collect()
    }
}
