//! Calibration by few images, where a wrong answer more or less would move a threshold from end to end.

use runtime::Calibration;
use tch::{Kind, Reduction, Tensor};

use super::{Answer, MIN_SURE_ACCURACY, TEMPERATURES, answers, logits, minimum};
use crate::model::Model;

/// From so many validation images on, thresholds are read off the answers themselves.
pub const FEW_IMAGES: i64 = 1000;
/// Parts of the cross-validation.
const PARTS: i64 = 10;
/// Half of what χ² with one degree of freedom exceeds with probability 5 %: by so much the negative log-likelihood grows
/// towards the ends of a 95 % interval.
const LIKELIHOOD_DROP: f64 = 1.920_7;
/// Where so many errors or more are less probable than this, answers are not as right as sure ones have to be.
const MIN_PROBABILITY: f64 = 0.05;

/// A calibration, and how much is known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Few {
    /// What goes into the model.
    pub calibration: Calibration,
    /// Between which the temperature lies, with 95 % confidence.
    pub temperatures: [f64; 2],
    /// Right answers and answers that are sure, by temperatures that these images had no part in.
    pub sure: [u64; 2],
    /// Parts that the images were in.
    pub parts: i64,
}

/// Fits the temperature to images, and chooses the confidence from which an answer is sure by cross-validation: that of an
/// image is by the temperature of the other parts.
///
/// Answers are sure from where the mean of their confidences is what sure answers have to be, unless more of them are
/// wrong than chance explains. Few images cannot show by counting that 199 of 200 answers are right, and a single error
/// among them, which may be a wrong label, would mean that none is ever sure. Where images are so few that no confidence
/// is that high, the more confident half of the answers is sure, if none of it is wrong.
///
/// Images and labels are as those of [`calibrate`](super::calibrate).
#[must_use]
pub fn calibrate_few(
    network: &Model,
    (images, labels): (&Tensor, &Tensor),
    rejected: Option<u16>,
) -> Few {
    let logits = logits(network, images);
    let fitted = temperature(&logits, labels);
    let mut left_out = left_out_answers(&logits, labels);
    left_out.retain(|answer| !answer.is_of(rejected));
    let (sure_from, sure) = sure(left_out);
    Few {
        calibration: Calibration {
            temperature: fitted as f32,
            sure_from: sure_from as f32,
            digit_from: 0.0,
            rejected,
        },
        temperatures: interval(&logits, labels, fitted),
        sure,
        parts: parts(labels),
    }
}

/// Mean negative log-likelihood at a temperature, as if one more image had each other class for its label.
///
/// Without any error on few images the likelihood grows for ever as the temperature falls. Laplace's rule of succession, as
/// Platt 1999 ("Probabilistic outputs for support vector machines", section 2.2) uses it, takes n right answers for a rate
/// of 1 − 1 / (n + 2).
fn loss(logits: &Tensor, labels: &Tensor, temperature: f64) -> f64 {
    const NO_LABEL: i64 = -100;
    let smoothing = 1.0 / (labels.size()[0] + 2) as f64;
    (logits / temperature)
        .cross_entropy_loss::<Tensor>(labels, None, Reduction::Mean, NO_LABEL, smoothing)
        .double_value(&[])
}

fn temperature(logits: &Tensor, labels: &Tensor) -> f64 {
    minimum(|logarithm| loss(logits, labels, logarithm.exp()))
}

/// Where the log-likelihood falls by [`LIKELIHOOD_DROP`] on both sides.
fn interval(logits: &Tensor, labels: &Tensor, fitted: f64) -> [f64; 2] {
    let images = labels.size()[0] as f64;
    let least = loss(logits, labels, fitted);
    TEMPERATURES.map(|end| {
        let (mut inside, mut outside) = (fitted.ln(), end.ln());
        while (outside - inside).abs() > 1e-3 {
            let middle = f64::midpoint(inside, outside);
            let drop = images * (loss(logits, labels, middle.exp()) - least);
            if drop < LIKELIHOOD_DROP { inside = middle } else { outside = middle }
        }
        inside.exp()
    })
}

fn parts(labels: &Tensor) -> i64 {
    labels.size()[0].min(PARTS)
}

/// The answer to each image at the temperature of those of the other parts. Images are in order of their classes or in none,
/// so that every so-manieth are about alike.
fn left_out_answers(logits: &Tensor, labels: &Tensor) -> Vec<Answer> {
    let (images, parts) = (labels.size()[0], parts(labels));
    let mut all = vec![];
    for part in 0..parts {
        let number = Tensor::arange(images, (Kind::Int64, labels.device())).remainder(parts);
        let chosen = |is_chosen: Tensor| {
            let at = is_chosen.nonzero().squeeze_dim(1);
            (logits.index_select(0, &at), labels.index_select(0, &at))
        };
        let (others, other_labels) = chosen(number.not_equal(part));
        let (logits, labels) = chosen(number.eq(part));
        // of a single image there are no others
        let fitted = if parts > 1 {
            temperature(&others, &other_labels)
        } else {
            temperature(&logits, &labels)
        };
        all.extend(answers(&logits, &labels, fitted));
    }
    all
}

/// The minimum confidence of a sure answer, 1 if none is, with the right answers and the answers from there on.
fn sure(mut answers: Vec<Answer>) -> (f64, [u64; 2]) {
    answers.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    let (mut sum, mut right) = (0.0, 0);
    let mut found = (1.0, [0, 0]);
    for (count, answer) in (1..).zip(&answers) {
        sum += answer.confidence;
        right += u64::from(answer.right);
        if sum < MIN_SURE_ACCURACY * count as f64 {
            break; // nor will it ever be again
        }
        if is_probable(count - right, count) {
            found = (answer.confidence, [right, count]);
        }
    }
    let half = &answers[..answers.len().div_ceil(2)];
    match (found, half) {
        ((_, [_, 0]), [.., last]) if half.iter().all(|answer| answer.right) => {
            (last.confidence, [half.len() as u64; 2])
        }
        _ => found,
    }
}

/// Whether so many errors or more among answers are explained by chance, if they are as right as sure ones have to be.
fn is_probable(errors: u64, answers: u64) -> bool {
    let rate = 1.0 - MIN_SURE_ACCURACY;
    // of exactly k errors, from 0 on: the binomial distribution
    let mut exactly = MIN_SURE_ACCURACY.powf(answers as f64);
    let mut fewer = 0.0;
    for k in 0..errors {
        fewer += exactly;
        exactly *= (answers - k) as f64 / (k + 1) as f64 * rate / MIN_SURE_ACCURACY;
    }
    1.0 - fewer > MIN_PROBABILITY
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn errors_that_chance_explains_are_those_of_the_binomial_distribution() {
        // 1 − 0.995^10 = 0.049 and 1 − 0.995^11 = 0.054
        assert!(!is_probable(1, 10) && is_probable(1, 11));
        // of 100 answers 2 or more are wrong with probability 0.090, 3 or more with 0.014
        assert!(is_probable(0, 1) && is_probable(2, 100) && !is_probable(3, 100));
    }

    fn answers(count: u64, confidence: f64, wrong: &[u64]) -> Vec<Answer> {
        let answer = |index| Answer { confidence, right: !wrong.contains(&index), class: 0 };
        (0..count).map(answer).collect()
    }

    #[test]
    fn one_wrong_label_does_not_mean_that_no_answer_is_ever_sure() {
        let mut all = answers(60, 0.999, &[0]);
        all.extend(answers(20, 0.7, &[3, 4, 5, 6, 7]));
        assert_eq!(sure(all), (0.999, [59, 60]));
        assert_eq!(
            sure(answers(60, 0.999, &[0, 1, 2])),
            (1.0, [0, 0]),
            "chance does not explain three"
        );
        assert_eq!(sure(vec![]), (1.0, [0, 0]));
    }

    #[test]
    fn where_no_confidence_is_high_enough_the_better_half_is_sure_if_it_is_right() {
        let mut all = answers(5, 0.98, &[]);
        all.extend(answers(5, 0.9, &[1]));
        assert_eq!(sure(all.clone()), (0.98, [5, 5]));
        all[3].right = false;
        assert_eq!(sure(all), (1.0, [0, 0]));
    }

    #[test]
    fn without_any_error_the_confidence_stays_what_so_few_images_can_show() {
        let images = 60;
        let labels = Tensor::arange(images, (Kind::Int64, Device::Cpu)).remainder(5);
        let logits = labels.one_hot(5).to_kind(Kind::Double) * 8.0;
        let fitted = temperature(&logits, &labels);
        let confidence = super::answers(&logits, &labels, fitted)[0].confidence;
        assert!((confidence - (1.0 - 0.8 / 62.0)).abs() < 1e-3, "{confidence}");
        let [low, high] = interval(&logits, &labels, fitted);
        assert!(low < fitted && fitted < high, "{low} {fitted} {high}");
        assert_eq!(left_out_answers(&logits, &labels).len(), 60);
        assert_eq!(left_out_answers(&logits.narrow(0, 0, 1), &labels.narrow(0, 0, 1)).len(), 1);
    }

    #[test]
    fn the_interval_holds_the_temperature_that_the_logits_were_spoilt_by() {
        let _rng = crate::seeding::lock_rng(4);
        let mut held = 0;
        for _ in 0..40 {
            let honest = Tensor::randn([200, 4], (Kind::Double, Device::Cpu)) * 2.0;
            let labels = honest.softmax(-1, Kind::Double).multinomial(1, true).squeeze_dim(1);
            let logits = &honest * 3.0;
            let [low, high] = interval(&logits, &labels, temperature(&logits, &labels));
            held += i32::from((low..high).contains(&3.0));
        }
        // of 95 in 100; fewer than 33 of 40 come of chance once in a thousand
        assert!(held >= 33, "{held}");
    }
}
