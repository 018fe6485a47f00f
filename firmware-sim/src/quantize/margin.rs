//! From which margin on the int8 model's answer is the float model's.

use rayon::prelude::*;
use runtime::Workspace;

use crate::float::{FloatNetwork, logits as logits_of};
use crate::int8::{CompiledInt8, Int8Network};
use crate::ranking::Ranking;
use crate::samples::{Samples, units};

/// The highest [`max_disagreement_rate`] at which any answer says that it agrees with float: it takes some 3,000 images.
pub const MAX_DISAGREEMENT_RATE: f64 = 0.001;

/// The agreement margin of a model whose answers never say that they agree with float: no two logits are so far apart.
pub const NEVER_AGREES: u32 = u32::MAX;

/// Outputs that a classifier may have: others are no classes, without verdicts and agreement.
pub const CLASSES: std::ops::RangeInclusive<usize> = 2..=256;

/// Whether so many outputs are classes, of a model that takes so many numbers: a model that gives as many as it takes
/// reconstructs them, unless its classes have names or its samples labels.
#[must_use]
pub fn is_classifier(outputs: usize, inputs: usize, is_named: bool) -> bool {
    CLASSES.contains(&outputs) && (is_named || outputs != inputs)
}

/// The highest share of images that may get an answer which says that it agrees with float and does not, with 95 %
/// confidence, when the margin was chosen on `margin_images` images.
///
/// Take the margin of an image as 0 where int8 and float agree. The agreement margin is just above the largest of these
/// `n` margins. By the theory of tolerance limits, less than a share `p` of all images lies above the largest of `n`
/// with probability `1 − (1 − p)^n`; at 95 %, `p = 1 − 0.05^(1/n)`, about `3/n`. Source: Wilks 1941, "Determination of sample sizes for
/// setting tolerance limits". It holds for images like these, and says nothing of others.
#[must_use]
pub fn max_disagreement_rate(margin_images: usize) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / margin_images as f64)
}

/// Images from which on any answer says that it agrees with float.
#[must_use]
pub fn min_margin_images() -> usize {
    (0.05_f64.ln() / (-MAX_DISAGREEMENT_RATE).ln_1p()).ceil() as usize
}

/// One more than the largest int8 margin among the samples that the two models of a classifier disagree on, if these samples
/// are enough to rely on it; else a margin that nothing has.
pub(super) fn measure(
    float: &FloatNetwork,
    int8: &Int8Network,
    samples: Samples<'_>,
    progress: impl Fn(usize) + Sync,
) -> u32 {
    if max_disagreement_rate(samples.len()) > MAX_DISAGREEMENT_RATE {
        return NEVER_AGREES;
    }
    let compiled = CompiledInt8::new(int8);
    let margins = samples.batches(float.batch()).into_par_iter().map(|batch| {
        let margin = max_disagreeing_margin(float, int8, &compiled, batch);
        progress(batch.len());
        margin
    });
    margins.max().unwrap_or(0).saturating_add(1)
}

fn max_disagreeing_margin(
    float: &FloatNetwork,
    int8: &Int8Network,
    compiled: &CompiledInt8<'_>,
    batch: Samples<'_>,
) -> u32 {
    let mut workspace = Workspace::default();
    let mut largest = 0;
    for index in 0..batch.len() {
        let input = batch.values(index);
        let activations = float.activations(&input, &mut workspace);
        let logits = compiled.run(&units(&input, int8.input), &mut workspace).logits();
        let (float, int8) = (Ranking::of(logits_of(&activations)), Ranking::of(&logits));
        if float.class != int8.class {
            largest = largest.max(int8.margin as u32);
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use firmware::Model;
    use network::onnx::Graph;
    use runtime::{EMBEDDED_MODEL, Image};

    use super::*;
    use crate::quantize::quantize;
    use crate::supported;

    #[test]
    fn three_thousand_images_are_enough_to_say_that_answers_agree_and_few_are_not() {
        assert!((max_disagreement_rate(60_000) - 5.0e-5).abs() < 1e-6);
        assert!(max_disagreement_rate(3_000) <= MAX_DISAGREEMENT_RATE);
        assert!(max_disagreement_rate(500) > MAX_DISAGREEMENT_RATE);
        assert!(max_disagreement_rate(0) > MAX_DISAGREEMENT_RATE);
        let min = min_margin_images();
        assert!(max_disagreement_rate(min) <= MAX_DISAGREEMENT_RATE, "{min}");
        assert!(max_disagreement_rate(min - 1) > MAX_DISAGREEMENT_RATE, "{min}");
    }

    #[test]
    fn the_margin_is_just_above_all_disagreements() {
        let image = |seed: usize| {
            Image::mnist(std::array::from_fn(|i| {
                if i * (seed + 3) % 29 < 9 { (i * 31 + seed) as u8 } else { 0 }
            }))
        };
        let images: Vec<Image> = (0..3_000).map(image).collect();
        // calibrated on a blank page, it saturates and disagrees often
        let file =
            quantize(EMBEDDED_MODEL, &[Image::mnist([0; runtime::PIXELS])], &images).unwrap();
        let model = Model::parse(&file).unwrap();
        let int8 = Int8Network::of(model);
        let graph = Graph::parse(EMBEDDED_MODEL).unwrap();
        let float = FloatNetwork::new(supported::read(&graph, None).unwrap().network);
        let compiled = CompiledInt8::new(&int8);
        let margin = max_disagreeing_margin(&float, &int8, &compiled, Samples::Images(&images));
        assert!(margin > 0);
        assert_eq!(model.header().agreement_margin.get(), margin + 1);
        let few = quantize(EMBEDDED_MODEL, &images[..10], &images[..500]).unwrap();
        assert_eq!(Model::parse(&few).unwrap().header().agreement_margin.get(), NEVER_AGREES);
    }
}
