//! The recipe of the original post: cross-entropy, Adam, dropout, no augmentation.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use runtime::evaluate::Report;
use runtime::idx::Split;
use runtime::{IMAGE_SIDE, Image28};
use tch::nn::{ModuleT, OptimizerConfig};
use tch::{Device, Kind, Tensor, nn};

use crate::lenet::{CLASSES, LeNet};

/// Name of this recipe in a model's metadata.
pub const RECIPE: &str = "original";

/// One image in this many is held out for validation: 5,000 of MNIST's 60,000.
const VALIDATION_PART: usize = 12;

/// Images a step of evaluation; batches of 10,000 take three times as long an image.
const EVALUATION_BATCH: i64 = 500;

/// libtorch draws weights and dropout from one generator a process: one training at a time.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Everything that decides a training run; equal options, data and threads give equal weights on a CPU.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images a step.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Decides the validation images, the first weights, the order of the images, and the dropout.
    pub seed: u64,
    /// Where to train.
    pub device: Device,
}

impl Default for Options {
    fn default() -> Self {
        Self { epochs: 12, batch_size: 512, learning_rate: 1e-3, seed: 0, device: Device::Cpu }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// A step is done.
    Step {
        /// Epoch, from 1.
        epoch: u32,
        /// Images seen in this epoch.
        images: usize,
        /// Images of an epoch.
        of: usize,
    },
    /// An epoch is done.
    Epoch(Epoch),
}

/// What one epoch came to; every figure is a mean over images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Which, from 1.
    pub epoch: u32,
    /// Over the training images, as they were met, with dropout.
    pub training: Score,
    /// Over the validation images, after the epoch.
    pub validation: Score,
    /// Training and validation.
    pub took: Duration,
}

/// Loss and accuracy over some images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Right answers among all, 0 to 1.
    pub accuracy: f64,
}

/// A trained network and how it got there.
#[derive(Debug)]
pub struct Trained {
    /// The network.
    pub network: LeNet,
    /// One entry an epoch.
    pub history: Vec<Epoch>,
}

/// Trains a network on `split`, of which it holds one image in twelve out for validation.
///
/// # Errors
/// If there are fewer than twelve images, or a label beyond the ten classes.
pub fn run(
    split: &Split,
    options: &Options,
    mut observe: impl FnMut(Progress),
) -> anyhow::Result<Trained> {
    ensure!(
        split.images.len() >= VALIDATION_PART,
        "{} training images are too few: one in {VALIDATION_PART} is held out for validation",
        split.images.len()
    );
    check_labels(&split.labels)?;
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(options.seed as i64);
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let images = images_tensor(&split.images).to_device(options.device);
    let labels = labels_tensor(&split.labels).to_device(options.device);

    let mut order: Vec<i64> = (0..split.images.len() as i64).collect();
    order.shuffle(&mut random);
    let validation = order.split_off(order.len() - order.len() / VALIDATION_PART);
    let validation = Tensor::from_slice(&validation).to_device(options.device);
    let (validation_images, validation_labels) =
        (images.index_select(0, &validation), labels.index_select(0, &validation));

    let network = LeNet::new(options.device);
    let mut optimizer = nn::Adam::default().build(network.variables(), options.learning_rate)?;
    let mut history = Vec::new();
    for epoch in 1..=options.epochs {
        let started = Instant::now();
        order.shuffle(&mut random);
        let mut sum = Sum::new(options.device);
        for batch in order.chunks(options.batch_size) {
            let batch = Tensor::from_slice(batch).to_device(options.device);
            let (images, labels) = (images.index_select(0, &batch), labels.index_select(0, &batch));
            let logits = network.forward_t(&images, true);
            let loss = logits.cross_entropy_for_logits(&labels);
            optimizer.backward_step(&loss);
            sum.add(&loss, &logits, &labels);
            observe(Progress::Step { epoch, images: sum.images as usize, of: order.len() });
        }
        let training = sum.score();
        let validation = score(&network, &validation_images, &validation_labels);
        let report = Epoch { epoch, training, validation, took: started.elapsed() };
        history.push(report);
        observe(Progress::Epoch(report));
    }
    Ok(Trained { network, history })
}

/// Asks `network` about every image of `split`.
///
/// # Errors
/// If a label lies beyond the ten classes.
pub fn evaluate(network: &LeNet, split: &Split) -> anyhow::Result<Report> {
    check_labels(&split.labels)?;
    let mut report = Report::new(CLASSES as usize);
    let chunk = EVALUATION_BATCH as usize;
    for (images, labels) in split.images.chunks(chunk).zip(split.labels.chunks(chunk)) {
        let logits = network.logits(&images_tensor(images).to_device(network.variables().device()));
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
fn labels_tensor(labels: &[u8]) -> Tensor {
    Tensor::from_slice(&labels.iter().map(|&label| i64::from(label)).collect::<Vec<_>>())
}

fn check_labels(labels: &[u8]) -> anyhow::Result<()> {
    match labels.iter().find(|&&label| i64::from(label) >= CLASSES) {
        Some(label) => bail!("label {label} is beyond the {CLASSES} classes"),
        None => Ok(()),
    }
}

fn score(network: &LeNet, images: &Tensor, labels: &Tensor) -> Score {
    let mut sum = Sum::new(images.device());
    for (images, labels) in
        images.split(EVALUATION_BATCH, 0).iter().zip(labels.split(EVALUATION_BATCH, 0))
    {
        let logits = network.logits(images);
        sum.add(&logits.cross_entropy_for_logits(&labels), &logits, &labels);
    }
    sum.score()
}

/// Sums that stay on the device until they are asked for: reading them would wait for it.
struct Sum {
    loss: Tensor,
    correct: Tensor,
    images: i64,
}

impl Sum {
    fn new(device: Device) -> Self {
        Self {
            loss: Tensor::zeros([], (Kind::Double, device)),
            correct: Tensor::zeros([], (Kind::Int64, device)),
            images: 0,
        }
    }

    /// Adds a batch; `mean_loss` is weighted by its images, so that a short last batch counts as what it is.
    fn add(&mut self, mean_loss: &Tensor, logits: &Tensor, labels: &Tensor) {
        let images = labels.size()[0];
        self.loss += mean_loss.detach().to_kind(Kind::Double) * images as f64;
        self.correct += logits.argmax(1, false).eq_tensor(labels).sum(Kind::Int64);
        self.images += images;
    }

    fn score(&self) -> Score {
        let images = self.images as f64;
        Score {
            loss: self.loss.double_value(&[]) / images,
            accuracy: self.correct.int64_value(&[]) as f64 / images,
        }
    }
}
