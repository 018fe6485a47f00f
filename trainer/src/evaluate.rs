//! How good a network is, in libtorch.

use anyhow::bail;
use dataset::idx::Split;
use dataset::{ConfusionMatrix, Image, MNIST_SHAPE};
use tch::{Device, Kind, Tensor};

use crate::model::Model;

/// Images a step of evaluation; in large batches the maps do not fit the caches.
pub(crate) const EVALUATION_BATCH: i64 = 250;

/// Loss and accuracy over some images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Right answers among all, 0 to 1.
    pub accuracy: f64,
}

/// An image that was misread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Misclassification {
    /// Which of its split, from 0.
    pub index: usize,
    /// What it is.
    pub label: usize,
    /// What the network says.
    pub predicted: usize,
    /// How sure it is of that, 0 to 1.
    pub probability: f64,
    /// Cross-entropy, in nats: −ln of what it gives the label.
    pub loss: f64,
}

/// All answers on some images.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Counts of them.
    pub report: ConfusionMatrix,
    /// The wrong ones, worst first: by loss, then in order of the images.
    pub misclassifications: Vec<Misclassification>,
}

/// Counts of `network`'s answers on `split`.
///
/// # Errors
/// If a label lies beyond its classes.
pub fn evaluate(network: &Model, split: &Split) -> anyhow::Result<ConfusionMatrix> {
    Ok(evaluate_samples(network, split)?.report)
}

/// Asks `network` about every image of `split`.
///
/// # Errors
/// If a label lies beyond its classes.
pub fn evaluate_samples(network: &Model, split: &Split) -> anyhow::Result<Evaluation> {
    check_labels(&split.labels, network.classes())?;
    let mut report = ConfusionMatrix::new(network.classes() as usize);
    let mut misclassifications = Vec::new();
    let chunk = EVALUATION_BATCH as usize;
    for (images, labels) in split.images.chunks(chunk).zip(split.labels.chunks(chunk)) {
        let logits = network.logits(&images_tensor(images).to_device(network.weights().device()));
        let likely = logits.log_softmax(-1, Kind::Double).to_device(Device::Cpu);
        let answers = logits.argmax(1, false).to_device(Device::Cpu);
        let of = |classes: &Tensor| {
            Vec::<f64>::try_from(likely.gather(1, &classes.unsqueeze(1), false).squeeze_dim(1))
        };
        let (likely_labels, likely_answers) = (of(&labels_tensor(labels))?, of(&answers)?);
        for (at, answer) in Vec::<i64>::try_from(answers)?.into_iter().enumerate() {
            let (index, label, predicted) =
                (report.total() as usize, usize::from(labels[at]), answer as usize);
            report.record(label, predicted);
            if predicted != label {
                let (probability, loss) = (likely_answers[at].exp(), -likely_labels[at]);
                misclassifications.push(Misclassification {
                    index,
                    label,
                    predicted,
                    probability,
                    loss,
                });
            }
        }
    }
    misclassifications.sort_by(|one, other| other.loss.total_cmp(&one.loss));
    Ok(Evaluation { report, misclassifications })
}

/// `uint8 [images, channels, height, width]`, of images of one shape: a dataset is checked to have these when it is loaded.
pub fn images_tensor(images: &[Image]) -> Tensor {
    let shape = images.first().map_or(MNIST_SHAPE, Image::shape);
    let [channels, height, width] = shape.map(|side| side as i64);
    let mut pixels = Vec::with_capacity(images.len() * shape.iter().product::<usize>());
    for image in images {
        pixels.extend_from_slice(image.pixels());
    }
    Tensor::from_slice(&pixels).view([images.len() as i64, channels, height, width])
}

/// `int64 [labels]`
pub(crate) fn labels_tensor(labels: &[u8]) -> Tensor {
    Tensor::from_slice(&labels.iter().map(|&label| i64::from(label)).collect::<Vec<_>>())
}

pub(crate) fn check_labels(labels: &[u8], classes: i64) -> anyhow::Result<()> {
    match labels.iter().find(|&&label| i64::from(label) >= classes) {
        Some(label) => bail!("label {label} is beyond the {classes} classes"),
        None => Ok(()),
    }
}

/// Loss and accuracy of `network` on images and labels as [`images_tensor`] makes them.
pub(crate) fn score(network: &Model, images: &Tensor, labels: &Tensor) -> Score {
    let device = images.device();
    let mut loss = Tensor::zeros([], (Kind::Double, device));
    let mut correct = Tensor::zeros([], (Kind::Int64, device));
    for (images, labels) in
        images.split(EVALUATION_BATCH, 0).iter().zip(labels.split(EVALUATION_BATCH, 0))
    {
        let logits = network.logits(images);
        loss -= logits
            .log_softmax(-1, Kind::Float)
            .gather(1, &labels.unsqueeze(1), false)
            .sum(Kind::Double);
        correct += logits.argmax(1, false).eq_tensor(&labels).sum(Kind::Int64);
    }
    mean_score(&loss, &correct, images.size()[0] as usize)
}

/// Means of sums over `images` images; divided by the images, not by the batches, whose last is shorter.
pub(crate) fn mean_score(loss: &Tensor, correct: &Tensor, images: usize) -> Score {
    let images = images as f64;
    Score {
        loss: loss.double_value(&[]) / images,
        accuracy: correct.int64_value(&[]) as f64 / images,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misclassifications_come_worst_first_and_none_is_missing() {
        let _rng = crate::seeding::lock_rng(5);
        let network = crate::model::tests::lenet(10);
        // more than one batch of noise, so that an index beyond the first is tested
        let count = EVALUATION_BATCH as usize + 50;
        let pixels = Tensor::randint(256, [count as i64 * 784], (Kind::Uint8, Device::Cpu));
        let pixels = Vec::<u8>::try_from(pixels).unwrap();
        let images: Vec<Image> = pixels.as_chunks().0.iter().map(|&i| Image::mnist(i)).collect();
        let labels = (0..count).map(|index| (index % 10) as u8).collect();
        let split = Split { images, labels };
        let Evaluation { report, misclassifications } = evaluate_samples(&network, &split).unwrap();
        assert_eq!(report.total() as usize, count);
        assert_eq!(misclassifications.len() as u64, report.total() - report.correct());
        assert!(misclassifications.is_sorted_by(|one, next| one.loss >= next.loss));
        for &Misclassification { index, label, predicted, probability, loss } in &misclassifications
        {
            assert_eq!(label, usize::from(split.labels[index]));
            let logits = network.logits(&images_tensor(&split.images[index..=index]));
            let probabilities =
                Vec::<f64>::try_from(logits.softmax(-1, Kind::Double).get(0)).unwrap();
            assert!(
                predicted != label && probabilities.iter().all(|&c| c <= probabilities[predicted])
            );
            assert!((probabilities[predicted] - probability).abs() < 1e-5);
            assert!((probabilities[label].ln() + loss).abs() < 1e-4);
        }
    }
}
