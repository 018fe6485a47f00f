//! A training run, step by step.
//!
//! Everything random is drawn from libtorch's generator on the CPU, which is seeded anew for every step from the
//! run's seed and the step's number. So equal options, data and threads give equal weights on a CPU, and a run
//! that goes on from a [`State`] is the run that never stopped.

mod dropout;
mod state;

use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use dataset::idx::Split;
use runtime::Image;
use tch::{Device, Kind, Tensor};

use crate::augment::Augmenter;
use crate::evaluate::{check_labels, images_tensor, labels_tensor, mean_score};
use crate::model::Model;
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use crate::schedule::average;
use crate::seeding::{Purpose, with_rng};
use crate::synthetic::generate;
use crate::workers::{Batch, Objective, Workers};

use dropout::dropout;
pub use state::{Epoch, EvalSet, Options, Partial, Progress, State};

/// A training run.
#[derive(Debug)]
pub struct Run {
    options: Options,
    images: Tensor,
    labels: Tensor,
    /// Indices of the images to train on.
    training: Tensor,
    /// Of those that an epoch trains on, how many are of one of the classes.
    of_a_class: usize,
    /// How often an epoch goes over the images.
    passes: usize,
    eval_images: Option<(Tensor, Tensor)>,
    augmenter: Option<Augmenter>,
    objective: Objective,
    workers: Workers,
    network: Model,
    average: Tensor,
    /// The result after the best epoch so far, if the recipe keeps it.
    best: Option<Tensor>,
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
    /// Prepares a run on `train`; `eval` is touched only where [`EvalSet::Own`] or [`EvalSet::Test`] asks for it.
    ///
    /// # Errors
    /// If no image is left to train on, a label lies beyond the classes, or the network does not fit the images.
    pub fn new(train: &Split, eval: &Split, options: Options) -> anyhow::Result<Self> {
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
            EvalSet::Own | EvalSet::Test => {
                check_labels(&eval.labels, options.classes)?;
                let tensors = (images_tensor(&eval.images), labels_tensor(&eval.labels));
                let on_device = |tensor: Tensor| tensor.to_device(device);
                eval_images =
                    (!eval.images.is_empty()).then(|| (on_device(tensors.0), on_device(tensors.1)));
            }
        }
        ensure!(training.size()[0] > 0, "there are no training images");
        let objective = objective(&options, &labels.index_select(0, &training));
        let shape = train.images.first().map_or([0; 3], Image::shape);
        let mut of_a_class = training.size()[0] as usize;
        if let Some(amounts) = options.recipe.synthetic {
            let known = Vec::<i64>::try_from(&training)?;
            let known = Split {
                images: known.iter().map(|&at| train.images[at as usize].clone()).collect(),
                labels: known.iter().map(|&at| train.labels[at as usize]).collect(),
            };
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
        let network = with_rng(options.seed, Purpose::Weights, || {
            Model::of_topology(&options.topology, shape, options.classes as usize, device)
        });
        let network =
            network.map_err(|error| anyhow!("the network {}: {error}", options.topology))?;
        let passes = options.recipe.passes(training.size()[0] as usize);
        if passes > 1 {
            let images = training.size()[0] as usize;
            of_a_class = images_an_epoch(passes, &options, images) * of_a_class / images;
        }
        let zero = |kind| Tensor::zeros([], (kind, device));
        Ok(Self {
            augmenter: options
                .recipe
                .augmentation
                .map(|amounts| Augmenter::new(amounts, shape, device)),
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
            passes,
            eval_images,
            objective,
            network,
            best: None,
        })
    }

    /// Goes on from `state`, which a run with equal options and data has given.
    ///
    /// # Errors
    /// If `state` cannot be this run's.
    pub fn resume(&mut self, state: State) -> anyhow::Result<()> {
        let State { step, weights, average, mean, square, best, partial, history } = state;
        let length = self.average.size();
        for tensor in [&weights, &average, &mean, &square].into_iter().chain(&best) {
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
        self.best = best.map(|best| best.to_device(device));
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
            best: self.best.as_ref().map(copy),
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
        let images = self.images_an_epoch();
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
            .map(|(images, labels)| self.workers.evaluate(self.latest(), images, labels));
        let done = Epoch { epoch, training, eval, took: self.took() };
        self.history.push(done);
        let is_best = state::best(&self.history).is_some_and(|best| best.epoch == epoch);
        if self.options.recipe.keep_best && is_best {
            self.best = Some(self.latest().copy());
        }
        Some(Progress::Epoch(done))
    }

    fn begin_epoch(&mut self) {
        self.shuffle();
        self.loss = self.loss.zeros_like();
        self.correct = self.correct.zeros_like();
        self.before = Duration::ZERO;
        self.resumed = Instant::now();
    }

    /// The order of the current epoch: so many passes over the images, each in an order of its own.
    fn shuffle(&mut self) {
        let epoch = self.step / self.steps_an_epoch();
        let shuffled = with_rng(self.options.seed, Purpose::Order { epoch }, || {
            let passes = (0..self.passes).map(|_| permutation(self.training.size()[0]));
            Tensor::cat(&passes.collect::<Vec<_>>(), 0)
        });
        self.order = self.training.index_select(0, &shuffled.to_device(self.options.device));
    }

    fn train_on(&mut self, start: usize, count: usize) {
        let Options { recipe, seed, device, .. } = &self.options;
        let count = count as i64;
        let (draws, dropout) = with_rng(*seed, Purpose::Step { step: self.step }, || {
            (
                self.augmenter.as_ref().map(|augmenter| augmenter.draw(count)),
                dropout([count, self.network.hidden()], recipe.dropout_of(self.network.hidden())),
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
        let batch = self.workers.gradient(weights, &batch, &self.objective);
        let learning_rate = recipe.learning_rate * recipe.schedule.factor(self.step, self.steps());
        let decay = recipe.weight_decay;
        self.optimizer.step(weights, &batch.gradient, learning_rate, decay, &self.workers);
        if let Some(statistics) = &batch.statistics {
            self.network.update_statistics(&(statistics / count as f64));
        }
        if let Some(decay) = recipe.averaging {
            average(&self.average, weights, decay, self.step + 1);
        }
        self.loss += batch.loss;
        self.correct += batch.correct;
    }

    /// The result so far, a network of its own: that of [`Self::result_epoch`].
    #[must_use]
    pub fn network(&self) -> Model {
        let is_last =
            self.result_epoch().map(|it| it.epoch) == self.history.last().map(|it| it.epoch);
        let best = self.best.as_ref().filter(|_| !is_last);
        self.network.with_weights(best.unwrap_or_else(|| self.latest()))
    }

    /// The weights after the last step, or their average.
    fn latest(&self) -> &Tensor {
        let averaged = self.options.recipe.averaging.is_some();
        if averaged { &self.average } else { self.network.weights() }
    }

    /// The last epoch, or, if the recipe keeps the best, one that was clearly better.
    #[must_use]
    pub fn result_epoch(&self) -> Option<&Epoch> {
        let images = self.eval_images.as_ref().map_or(0, |(_, labels)| labels.size()[0]);
        let chosen = || state::chosen(&self.history, images);
        if self.best.is_some() { chosen() } else { self.history.last() }
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
        (self.images_an_epoch() as u64).div_ceil(self.options.recipe.batch_size as u64)
    }

    fn images_an_epoch(&self) -> usize {
        images_an_epoch(self.passes, &self.options, self.training.size()[0] as usize)
    }

    /// Time in the current epoch.
    fn took(&self) -> Duration {
        self.before + self.resumed.elapsed()
    }
}

/// Images that an epoch trains on: of several passes as many as fill its batches.
fn images_an_epoch(passes: usize, options: &Options, images: usize) -> usize {
    let batch_size = options.recipe.batch_size;
    if passes == 1 { images } else { passes * images / batch_size * batch_size }
}

/// What a run makes smallest, where its images have these labels.
fn objective(options: &Options, labels: &Tensor) -> Objective {
    let Recipe { label_smoothing, balanced, .. } = options.recipe;
    let class_weights = balanced.then(|| {
        let counts = labels.bincount::<Tensor>(None, options.classes).to_kind(Kind::Float);
        let present = counts.greater(0.0).to_kind(Kind::Float).sum(Kind::Float);
        // so that the mean over the images is 1
        let all = counts.sum(Kind::Float) / present;
        let weights = all / counts.clamp_min(1.0);
        Tensor::cat(&[weights, Tensor::ones([1], (Kind::Float, labels.device()))], 0)
    });
    Objective { label_smoothing, class_weights }
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
mod tests;
