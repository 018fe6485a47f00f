//! How good a network is, in libtorch.

use anyhow::bail;
use runtime::evaluate::Report;
use runtime::idx::Split;
use runtime::{IMAGE_SIDE, Image28};
use tch::{Device, Kind, Tensor};

use crate::lenet::LeNet;

/// Images a step of evaluation; in large batches the maps do not fit the caches.
const EVALUATION_BATCH: i64 = 250;

/// Loss and accuracy over some images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Right answers among all, 0 to 1.
    pub accuracy: f64,
}

/// Asks `network` about every image of `split`.
///
/// # Errors
/// If a label lies beyond its classes.
pub fn evaluate(network: &LeNet, split: &Split) -> anyhow::Result<Report> {
    check_labels(&split.labels, network.classes())?;
    let mut report = Report::new(network.classes() as usize);
    let chunk = EVALUATION_BATCH as usize;
    for (images, labels) in split.images.chunks(chunk).zip(split.labels.chunks(chunk)) {
        let logits = network.logits(&images_tensor(images).to_device(network.weights().device()));
        let answers: Vec<i64> = Vec::try_from(logits.argmax(1, false).to_device(Device::Cpu))?;
        for (&label, answer) in labels.iter().zip(answers) {
            report.record(usize::from(label), answer as usize);
        }
    }
    Ok(report)
}

/// `uint8 [images, 1, 28, 28]`
pub fn images_tensor(images: &[Image28]) -> Tensor {
    let pixels: Vec<u8> = images.iter().flat_map(|image| image.0).collect();
    Tensor::from_slice(&pixels).view([-1, 1, IMAGE_SIDE as i64, IMAGE_SIDE as i64])
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
pub(crate) fn watch(network: &LeNet, images: &Tensor, labels: &Tensor) -> Score {
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
    score(&loss, &correct, images.size()[0] as usize)
}

/// Means of sums over so many images; divided by the images, not by the batches, whose last is shorter.
pub(crate) fn score(loss: &Tensor, correct: &Tensor, images: usize) -> Score {
    let images = images as f64;
    Score {
        loss: loss.double_value(&[]) / images,
        accuracy: correct.int64_value(&[]) as f64 / images,
    }
}
