//! A training run, step by step.
//!
//! Everything random is drawn from libtorch's generator on the CPU, which is seeded anew for every step from the
//! run's seed and the step's number. So equal options, data and threads give equal weights on a CPU, and a run
//! that goes on from a [`State`] is the run that never stopped.

use std::time::{Duration, Instant};

use anyhow::ensure;
use dataset::idx::Split;
use runtime::Image;
use tch::{Device, Kind, Tensor};

use crate::augment::Augmenter;
use crate::evaluate::{Score, check_labels, images_tensor, labels_tensor, mean_score};
use crate::lenet::LeNet;
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use crate::schedule::average;
use crate::seeding::{Purpose, with_rng};
use crate::synthetic::generate;
use crate::workers::{Batch, Workers};

/// Everything that decides a run but its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How to train.
    pub recipe: Recipe,
    /// Number of classes.
    pub classes: i64,
    /// What to evaluate on after every epoch.
    pub eval_set: EvalSet,
    /// Decides the validation images, the first weights, the order of the images, their changes, and the dropout.
    pub seed: u64,
    /// Where to train.
    pub device: Device,
    /// Threads on a CPU; other numbers add up in another order.
    pub threads: usize,
}

/// What is evaluated on after every epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalSet {
    /// So many of the training images, which are not trained on.
    Validation(usize),
    /// The test images, as the original article does: for its figures, not to choose by.
    Test,
}

impl EvalSet {
    /// What to call it in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation(_) => "validation",
            Self::Test => "test",
        }
    }
}

/// Result of [`Run::advance`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// A step.
    Step {
        /// Epoch, from 1.
        epoch: u32,
        /// Images seen in this epoch.
        images: usize,
        /// Images of an epoch.
        of: usize,
        /// Mean cross-entropy in this epoch so far; none on a GPU, for which it would mean a wait.
        loss: Option<f64>,
    },
    /// The last step of an epoch.
    Epoch(Epoch),
}

/// Results of one epoch; every figure is a mean over images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Which, from 1.
    pub epoch: u32,
    /// Over the training images, as they were met: changed, and with dropout.
    pub training: Score,
    /// Over the images of [`EvalSet`], after the epoch; none if there are none.
    pub eval: Option<Score>,
    /// Training and evaluation.
    pub took: Duration,
}

/// A run after some step: what it takes to go on.
#[derive(Debug)]
pub struct State {
    /// Steps so far.
    pub step: u64,
    /// `[parameters]`, as are the others.
    pub weights: Tensor,
    /// Average of the weights.
    pub average: Tensor,
    /// The optimiser's mean gradient.
    pub mean: Tensor,
    /// The optimiser's mean squared gradient.
    pub square: Tensor,
    /// The epoch so far.
    pub partial: Partial,
    /// The epochs so far.
    pub history: Vec<Epoch>,
}

/// Sums over the images of an epoch that is not over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Partial {
    /// Of the cross-entropies.
    pub loss: f64,
    /// Right answers.
    pub correct: i64,
    /// Time so far.
    pub took: Duration,
}

/// A training run.
#[derive(Debug)]
pub struct Run {
    options: Options,
    images: Tensor,
    labels: Tensor,
    /// Indices of the images to train on.
    training: Tensor,
    /// Of these, how many are of one of the classes.
    of_a_class: usize,
    eval_images: Option<(Tensor, Tensor)>,
    augmenter: Option<Augmenter>,
    workers: Workers,
    network: LeNet,
    average: Tensor,
    optimizer: Optimizer,
    /// Of the current epoch: indices, in the order of training.
    order: Tensor,
    loss: Tensor,
    correct: Tensor,
    /// Steps so far.
    step: u64,
    /// Of the current epoch, before [`Self::resumed`].
    before: Duration,
    resumed: Instant,
    history: Vec<Epoch>,
}

impl Run {
    /// Prepares a run on `train`; `test` is touched only where [`EvalSet::Test`] asks for it.
    ///
    /// # Errors
    /// If no image is left to train on, or a label lies beyond the classes.
    pub fn new(train: &Split, test: &Split, options: Options) -> anyhow::Result<Self> {
        check_labels(&train.labels, options.classes)?;
        let device = options.device;
        let mut images = images_tensor(&train.images).to_device(device);
        let mut labels = labels_tensor(&train.labels).to_device(device);
        let count = train.images.len() as i64;
        let mut training = Tensor::arange(count, (Kind::Int64, device));
        let mut eval_images = None;
        match options.eval_set {
            EvalSet::Validation(held_out) => {
                let rest = count - held_out as i64;
                ensure!(
                    rest > 0,
                    "{held_out} of {count} training images for validation leave none to train on"
                );
                let shuffled = with_rng(options.seed, Purpose::Validation, || permutation(count))
                    .to_device(device);
                training = shuffled.narrow(0, 0, rest);
                let chosen = shuffled.narrow(0, rest, held_out as i64);
                if held_out > 0 {
                    eval_images =
                        Some((images.index_select(0, &chosen), labels.index_select(0, &chosen)));
                }
            }
            EvalSet::Test => {
                check_labels(&test.labels, options.classes)?;
                eval_images = Some((
                    images_tensor(&test.images).to_device(device),
                    labels_tensor(&test.labels).to_device(device),
                ));
            }
        }
        ensure!(training.size()[0] > 0, "there are no training images");
        let mut of_a_class = training.size()[0] as usize;
        if let Some(amounts) = options.recipe.synthetic {
            let known = Vec::<i64>::try_from(&training)?;
            let known: Vec<Image> =
                known.iter().map(|&at| train.images[at as usize].clone()).collect();
            let more = generate(amounts, &known, options.classes as u8, options.seed);
            let count = more.images.len() as i64;
            of_a_class += more.images.len() - amounts.non_digits;
            let beyond = Tensor::arange_start(
                images.size()[0],
                images.size()[0] + count,
                (Kind::Int64, device),
            );
            images = Tensor::cat(&[images, images_tensor(&more.images).to_device(device)], 0);
            labels = Tensor::cat(&[labels, labels_tensor(&more.labels).to_device(device)], 0);
            training = Tensor::cat(&[training, beyond], 0);
        }
        let network =
            with_rng(options.seed, Purpose::Weights, || LeNet::new(options.classes, device));
        let zero = |kind| Tensor::zeros([], (kind, device));
        Ok(Self {
            augmenter: options.recipe.augmentation.map(|amounts| Augmenter::new(amounts, device)),
            workers: Workers::new(&network, options.threads),
            average: network.weights().copy(),
            optimizer: Optimizer::new(options.recipe.rule, &network),
            order: training.shallow_clone(),
            loss: zero(Kind::Double),
            correct: zero(Kind::Int64),
            step: 0,
            before: Duration::ZERO,
            resumed: Instant::now(),
            history: Vec::new(),
            options,
            images,
            labels,
            training,
            of_a_class,
            eval_images,
            network,
        })
    }

    /// Goes on from `state`, which a run with equal options and data has given.
    ///
    /// # Errors
    /// If `state` cannot be this run's.
    pub fn resume(&mut self, state: State) -> anyhow::Result<()> {
        let State { step, weights, average, mean, square, partial, history } = state;
        let length = self.average.size();
        for tensor in [&weights, &average, &mean, &square] {
            ensure!(
                tensor.size() == length,
                "it holds {:?} weights, this network has {length:?}",
                tensor.size()
            );
        }
        ensure!(
            step <= self.steps() && history.len() as u64 == step / self.steps_an_epoch(),
            "step {step} with {} epochs is none of this run",
            history.len()
        );
        let device = self.options.device;
        tch::no_grad(|| self.network.weights().shallow_clone().copy_(&weights));
        self.average = average.to_device(device);
        self.optimizer.steps = step;
        self.optimizer.mean = mean.to_device(device);
        self.optimizer.square = square.to_device(device);
        self.loss = Tensor::from(partial.loss).to_device(device);
        self.correct = Tensor::from(partial.correct).to_device(device);
        self.step = step;
        if !step.is_multiple_of(self.steps_an_epoch()) {
            self.shuffle();
        }
        self.before = partial.took;
        self.resumed = Instant::now();
        self.history = history;
        Ok(())
    }

    /// What it takes to go on from here; copies, on the CPU.
    #[must_use]
    pub fn state(&self) -> State {
        let copy = |tensor: &Tensor| tensor.detach().to_device(Device::Cpu).copy();
        State {
            step: self.step,
            weights: copy(self.network.weights()),
            average: copy(&self.average),
            mean: copy(&self.optimizer.mean),
            square: copy(&self.optimizer.square),
            partial: Partial {
                loss: self.loss.double_value(&[]),
                correct: self.correct.int64_value(&[]),
                took: self.took(),
            },
            history: self.history.clone(),
        }
    }

    /// Makes a step, and at the end of an epoch evaluates; nothing once all epochs are done.
    pub fn advance(&mut self) -> Option<Progress> {
        if self.step == self.steps() {
            return None;
        }
        let _threads = SingleThreaded::new();
        let per_epoch = self.steps_an_epoch();
        let at = self.step % per_epoch;
        if at == 0 {
            self.begin_epoch();
        }
        let batch_size = self.options.recipe.batch_size;
        let images = self.training.size()[0] as usize;
        let start = at as usize * batch_size;
        let end = images.min(start + batch_size);
        self.train_on(start, end - start);
        let epoch = (self.step / per_epoch) as u32 + 1;
        self.step += 1;
        if end < images {
            let is_cpu = self.options.device == Device::Cpu;
            let loss = is_cpu.then(|| self.loss.double_value(&[]) / end as f64);
            return Some(Progress::Step { epoch, images: end, of: images, loss });
        }
        let training = mean_score(&self.loss, &self.correct, self.of_a_class);
        let eval = self
            .eval_images
            .as_ref()
            .map(|(images, labels)| self.workers.evaluate(self.result(), images, labels));
        let done = Epoch { epoch, training, eval, took: self.took() };
        self.history.push(done);
        Some(Progress::Epoch(done))
    }

    fn begin_epoch(&mut self) {
        self.shuffle();
        self.loss = self.loss.zeros_like();
        self.correct = self.correct.zeros_like();
        self.before = Duration::ZERO;
        self.resumed = Instant::now();
    }

    /// The order of the current epoch.
    fn shuffle(&mut self) {
        let epoch = self.step / self.steps_an_epoch();
        let shuffled = with_rng(self.options.seed, Purpose::Order { epoch }, || {
            permutation(self.training.size()[0])
        });
        self.order = self.training.index_select(0, &shuffled.to_device(self.options.device));
    }

    fn train_on(&mut self, start: usize, count: usize) {
        let Options { recipe, seed, device, .. } = &self.options;
        let count = count as i64;
        let (draws, dropout) = with_rng(*seed, Purpose::Step { step: self.step }, || {
            (
                self.augmenter.as_ref().map(|augmenter| augmenter.draw(count)),
                dropout([count, self.network.hidden()], recipe.dropout),
            )
        });
        let chosen = self.order.narrow(0, start as i64, count);
        let batch = Batch {
            pictures: self.images.index_select(0, &chosen),
            labels: self.labels.index_select(0, &chosen),
            draws,
            dropout: dropout.to_device(*device),
        };
        let weights = self.network.weights();
        let batch = self.workers.gradient(weights, &batch, recipe.label_smoothing);
        let learning_rate = recipe.learning_rate * recipe.schedule.factor(self.step, self.steps());
        let decay = recipe.weight_decay;
        self.optimizer.step(weights, &batch.gradient, learning_rate, decay, &self.workers);
        if let Some(decay) = recipe.averaging {
            average(&self.average, weights, decay, self.step + 1);
        }
        self.loss += batch.loss;
        self.correct += batch.correct;
    }

    /// The result so far, a network of its own.
    #[must_use]
    pub fn network(&self) -> LeNet {
        LeNet::from_weights(self.result(), self.network.architecture().clone())
    }

    fn result(&self) -> &Tensor {
        let averaged = self.options.recipe.averaging.is_some();
        if averaged { &self.average } else { self.network.weights() }
    }

    /// Images and labels of [`EvalSet`], as [`robustness`] takes them.
    ///
    /// [`robustness`]: crate::robustness::robustness
    #[must_use]
    pub fn eval_images(&self) -> Option<&(Tensor, Tensor)> {
        self.eval_images.as_ref()
    }

    /// The epochs so far.
    #[must_use]
    pub fn history(&self) -> &[Epoch] {
        &self.history
    }

    /// Steps of the whole run.
    #[must_use]
    pub fn steps(&self) -> u64 {
        u64::from(self.options.recipe.epochs) * self.steps_an_epoch()
    }

    fn steps_an_epoch(&self) -> u64 {
        (self.training.size()[0] as u64).div_ceil(self.options.recipe.batch_size as u64)
    }

    /// Time in the current epoch.
    fn took(&self) -> Duration {
        self.before + self.resumed.elapsed()
    }
}

/// What to multiply features by: 0 with this probability, rounded to a 256th, and else what keeps the mean.
///
/// A random byte each, eight a draw: libtorch's own takes a draw each, a tenth of a step's time.
fn dropout(shape: [i64; 2], probability: f64) -> Tensor {
    let dropped = (probability * 256.0).round().min(255.0);
    let features: i64 = shape.iter().product();
    let bytes =
        Tensor::empty([features.unsigned_abs().div_ceil(8) as i64], (Kind::Int64, Device::Cpu))
            .random_from_(i64::MIN, None)
            .view_dtype(Kind::Uint8)
            .narrow(0, 0, features)
            .view(shape);
    bytes.ge(dropped).to_kind(Kind::Float) * (256.0 / (256.0 - dropped))
}

/// Keeps libtorch's own threads out of the workers' way, as long as it lives: once woken they spin for a while.
struct SingleThreaded {
    before: i32,
}

impl SingleThreaded {
    fn new() -> Self {
        let before = tch::get_num_threads();
        tch::set_num_threads(1);
        Self { before }
    }
}

impl Drop for SingleThreaded {
    fn drop(&mut self) {
        tch::set_num_threads(self.before);
    }
}

fn permutation(count: i64) -> Tensor {
    Tensor::randperm(count, (Kind::Int64, Device::Cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_leaves_out_as_many_as_asked_and_keeps_the_mean() {
        for (probability, kept) in [(0.0, 1.0), (0.3, 256.0 / 179.0), (0.5, 2.0)] {
            let _rng = crate::seeding::lock_rng(1);
            let factors = dropout([999, 500], probability);
            assert!((factors.max().double_value(&[]) - kept).abs() < 1e-6);
            let zero = factors.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            // a tenth of a per cent of 499,500 draws is 1.4 standard deviations at most, a 256th is rounding
            assert!((zero - probability).abs() < 0.001 + 1.0 / 512.0, "{zero}");
            // no column, so no byte of a draw, is left out more often than another
            let columns = factors.mean_dim([0].as_slice(), false, Kind::Double);
            assert!(((columns - 1.0).abs()).max().double_value(&[]) < 0.2);
        }
    }
}
