//! Calibration of a network's confidence: a temperature, and the thresholds of the verdicts.

mod few;

use runtime::{Calibration, Image};
use tch::{Kind, Tensor};

use crate::evaluate::{EVALUATION_BATCH, images_tensor};
use crate::model::Model;

pub use few::{FEW_IMAGES, Few, calibrate_few};

/// Right answers among those that are called sure, on the validation images, their corruptions and non-digits.
const MIN_SURE_ACCURACY: f64 = 0.995;
/// Part of the clean validation images that may be called no digit.
const MAX_REJECTED: f64 = 0.002;
/// Temperatures that are tried, and by which part they are found.
const TEMPERATURES: [f64; 2] = [0.05, 20.0];
const PRECISION: f64 = 1e-3;

/// An answer: how sure, and whether right.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Answer {
    confidence: f64,
    right: bool,
    class: i64,
}

impl Answer {
    /// Whether it is the class "none of these", which is never sure.
    fn is_of(&self, rejected: Option<u16>) -> bool {
        rejected.is_some_and(|class| i64::from(class) == self.class)
    }
}

/// Fits the temperature to `clean` images (Guo et al. 2017, section 4.2: the minimum negative log-likelihood), and
/// the confidence from which an answer is sure to those, to `hard` ones, and to those of `no_class`, of which every
/// answer is wrong. Answers of the class that is `rejected` are never sure.
///
/// Images are `uint8` or `float32` `[images, channels, height, width]`, labels `int64 [images]`.
#[must_use]
pub fn calibrate(
    network: &Model,
    clean: (&Tensor, &Tensor),
    hard: &[Tensor],
    no_class: Option<&Tensor>,
    rejected: Option<u16>,
) -> Calibration {
    let (images, labels) = clean;
    let logits = logits(network, images);
    let temperature = temperature(&logits, labels);
    let mut clean_answers = answers(&logits, labels, temperature);
    clean_answers.sort_by(|one, other| one.confidence.total_cmp(&other.confidence));
    let below = (clean_answers.len() as f64 * MAX_REJECTED) as usize;
    let digit_from = clean_answers.get(below).map_or(0.0, |answer| answer.confidence);
    let mut all = clean_answers;
    for images in hard {
        let labels = labels.narrow(0, 0, images.size()[0]);
        all.extend(answers(&self::logits(network, images), &labels, temperature));
    }
    if let Some(images) = no_class {
        let none = Tensor::full([images.size()[0]], -1, (Kind::Int64, images.device()));
        all.extend(answers(&self::logits(network, images), &none, temperature));
    }
    all.retain(|answer| !answer.is_of(rejected));
    Calibration {
        temperature: temperature as f32,
        sure_from: sure_from(all).max(digit_from) as f32,
        digit_from: digit_from as f32,
        rejected,
    }
}

/// Part of `images` that are called sure, unsure and no digit.
#[must_use]
pub fn verdicts(network: &Model, calibration: &Calibration, images: &[Image]) -> [f64; 3] {
    let logits = logits(network, &images_tensor(images).to_device(network.weights().device()));
    let labels = Tensor::zeros([images.len() as i64], (Kind::Int64, logits.device()));
    let mut answers = answers(&logits, &labels, f64::from(calibration.temperature));
    answers.retain(|answer| !answer.is_of(calibration.rejected));
    let part = |from: f32| {
        let from = f64::from(from);
        let count = answers.iter().filter(|answer| answer.confidence >= from).count();
        count as f64 / images.len() as f64
    };
    let (sure, answered) = (part(calibration.sure_from), part(calibration.digit_from));
    [sure, answered - sure, 1.0 - answered]
}

fn logits(network: &Model, images: &Tensor) -> Tensor {
    let batches = images.split(EVALUATION_BATCH, 0);
    let logits: Vec<Tensor> = batches.iter().map(|batch| network.logits(batch)).collect();
    Tensor::cat(&logits, 0).to_kind(Kind::Double)
}

fn temperature(logits: &Tensor, labels: &Tensor) -> f64 {
    minimum(|logarithm| {
        (logits / logarithm.exp()).cross_entropy_for_logits(labels).double_value(&[])
    })
}

/// The temperature at which the loss, of its logarithm, is smallest.
///
/// The loss has one minimum over the inverse of the temperature: its logarithm is cut down by golden sections.
fn minimum(loss: impl Fn(f64) -> f64) -> f64 {
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = TEMPERATURES.map(f64::ln);
    while high - low > PRECISION {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if loss(left) < loss(right) { high = right } else { low = left }
    }
    f64::midpoint(low, high).exp()
}

fn answers(logits: &Tensor, labels: &Tensor, temperature: f64) -> Vec<Answer> {
    let (confidence, answer) = (logits / temperature).softmax(-1, Kind::Double).max_dim(1, false);
    let right = answer.eq_tensor(labels).to_kind(Kind::Int64);
    let read = "values of a tensor on the CPU";
    let confidence = Vec::<f64>::try_from(confidence).expect(read);
    let right = Vec::<i64>::try_from(right).expect(read);
    let class = Vec::<i64>::try_from(answer).expect(read);
    confidence
        .into_iter()
        .zip(right)
        .zip(class)
        .map(|((confidence, right), class)| Answer { confidence, right: right == 1, class })
        .collect()
}

/// The minimum confidence from which on so many answers are right; 1 if none is.
fn sure_from(mut answers: Vec<Answer>) -> f64 {
    answers.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    let (mut right, mut min) = (0, 1.0);
    for (before, answer) in answers.iter().enumerate() {
        right += usize::from(answer.right);
        if right as f64 >= MIN_SURE_ACCURACY * (before + 1) as f64 {
            min = answer.confidence;
        }
    }
    min
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temperature_is_found_that_the_logits_were_spoilt_by() {
        let _rng = crate::seeding::lock_rng(2);
        let honest = Tensor::randn([20_000, 4], (Kind::Double, tch::Device::Cpu)) * 2.0;
        let labels = honest.softmax(-1, Kind::Double).multinomial(1, true).squeeze_dim(1);
        for spoilt in [0.3, 1.0, 5.0] {
            let found = temperature(&(&honest * spoilt), &labels);
            // 20,000 labels tell it to a few per cent
            assert!((found / spoilt - 1.0).abs() < 0.06, "{found} for {spoilt}");
        }
    }

    #[test]
    fn sure_answers_are_right_as_often_as_asked() {
        let answers: Vec<Answer> = (0..1000)
            .map(|i| Answer {
                confidence: f64::from(i) / 1000.0,
                right: i >= 100 || i % 2 == 0,
                class: 0,
            })
            .collect();
        let from = sure_from(answers.clone());
        let sure: Vec<&Answer> =
            answers.iter().filter(|answer| answer.confidence >= from).collect();
        let right = sure.iter().filter(|answer| answer.right).count() as f64 / sure.len() as f64;
        assert!((MIN_SURE_ACCURACY..MIN_SURE_ACCURACY + 0.002).contains(&right), "{right}");
        let wrong = Answer { confidence: 0.9, right: false, class: 0 };
        assert!((sure_from(vec![wrong; 5]) - 1.0).abs() < f64::EPSILON);
    }
}
