//! The gradient of a batch: each thread takes a shard, and goes through it in micro-batches that fit its caches.
//!
//! ```text
//! batch of 512   ├────────── shard 0, thread 0 ──────────┼────────── shard 1, thread 1 ──────────┤
//!                ├─ micro-batch 128 ─┼─ micro-batch 128 ─┼─ micro-batch 128 ─┼─ micro-batch 128 ─┤
//!                         forward, backward; gradients add up in the thread's own copy
//! step           gradient 0 + gradient 1, in this order
//! ```
//!
//! libtorch's own threads split every operator of a whole batch: with 512 pictures the maps of the first
//! convolution take 24 MB, and each operator waits for memory, then for the slower thread. Here the threads meet
//! once a step. The shards are added in a fixed order, so an equal number of threads gives equal sums.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use tch::{Device, Kind, Tensor};

use crate::augment::Draws;
use crate::evaluate::{Score, score};
use crate::model::Model;

/// Values of the largest maps in a micro-batch on a CPU, which fit a core's second-level cache: LeNet's of 128 pictures.
const CPU_MICRO_BATCH_VALUES: i64 = 128 * 20 * 24 * 24;
/// Pictures of such a micro-batch, at least and at most.
const CPU_MICRO_BATCH: [i64; 2] = [32, 128];

/// Pictures that a batch normalisation needs at least, for their mean and variance to mean something.
const MIN_NORMALIZED: i64 = 32;

/// A batch, or a shard of one.
#[derive(Debug)]
pub(crate) struct Batch {
    /// `uint8 [pictures, channels, height, width]`
    pub(crate) pictures: Tensor,
    /// `int64 [pictures]`; one beyond the classes says that the picture is of none of them.
    pub(crate) labels: Tensor,
    /// How to change the pictures.
    pub(crate) draws: Option<Draws>,
    /// What to multiply the values before the last layer by, `[pictures, values]`.
    pub(crate) dropout: Tensor,
}

/// Gradient and counts of a batch or a shard; tensors, so that nothing waits for a GPU.
#[derive(Debug)]
pub(crate) struct BatchGradient {
    /// Of the mean loss over the whole batch, `[parameters]`.
    pub(crate) gradient: Tensor,
    /// Sum of the cross-entropies, without label smoothing.
    pub(crate) loss: Tensor,
    /// Number of right answers.
    pub(crate) correct: Tensor,
    /// Sum of the statistics of batch normalisations, each as often as it has pictures; none without any.
    pub(crate) statistics: Option<Tensor>,
}

/// What is made smallest.
#[derive(Debug)]
pub(crate) struct Objective {
    /// Part of the target that goes to all classes evenly.
    pub(crate) label_smoothing: f64,
    /// What the pictures of each class count, `float32 [classes + 1]`, the last being of none; none if all count 1.
    pub(crate) class_weights: Option<Tensor>,
}

impl Clone for Objective {
    fn clone(&self) -> Self {
        let class_weights = self.class_weights.as_ref().map(Tensor::shallow_clone);
        Self { class_weights, ..*self }
    }
}

/// Threads with a copy of the network each.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<Worker>,
    /// Pictures of a micro-batch.
    micro_batch: i64,
    /// Pictures of a shard, at least.
    min_shard: i64,
}

#[derive(Debug)]
struct Worker {
    tasks: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

/// What a thread does with its copy of the network.
type Task = Box<dyn FnOnce(&Model) + Send>;

impl Workers {
    /// As many threads on a CPU; on a GPU one, which takes a batch as one micro-batch.
    pub(crate) fn new(network: &Model, threads: usize) -> Self {
        let device = network.weights().device();
        let values = |layer: &network::Layer| layer.accumulators().iter().product::<usize>() as i64;
        let largest = network.architecture().layers().iter().map(values).max().unwrap_or(1);
        let [min, max] = CPU_MICRO_BATCH;
        let fitting = (CPU_MICRO_BATCH_VALUES / largest).clamp(min, max);
        let (threads, micro_batch) =
            if device == Device::Cpu { (threads, fitting) } else { (1, i64::MAX) };
        let min_shard = if network.has_batch_norm() { MIN_NORMALIZED } else { 1 };
        Self {
            threads: (0..threads).map(|_| Worker::new(network)).collect(),
            micro_batch,
            min_shard,
        }
    }

    /// The gradient of the mean loss over `batch` at `weights`.
    pub(crate) fn gradient(
        &self,
        weights: &Tensor,
        batch: &Batch,
        objective: &Objective,
    ) -> BatchGradient {
        let (of, micro_batch) = (batch.labels.size()[0], self.micro_batch);
        let shards = self.spread(weights, of, self.min_shard, |start, count| {
            let (shard, objective) = (batch.narrow(start, count), objective.clone());
            move |replica: &Model| shard.gradient(replica, micro_batch, &objective, of)
        });
        shards.into_iter().reduce(BatchGradient::add).expect("a batch is not empty")
    }

    /// Loss and accuracy at `weights`, on images and labels as [`score`] takes them.
    pub(crate) fn evaluate(&self, weights: &Tensor, images: &Tensor, labels: &Tensor) -> Score {
        let of = labels.size()[0];
        let scores = self.spread(weights, of, 1, |start, count| {
            let (images, labels) = (images.narrow(0, start, count), labels.narrow(0, start, count));
            move |replica: &Model| (score(replica, &images, &labels), count as f64 / of as f64)
        });
        scores.into_iter().fold(Score { loss: 0.0, accuracy: 0.0 }, |sum, (score, part)| Score {
            loss: sum.loss + score.loss * part,
            accuracy: sum.accuracy + score.accuracy * part,
        })
    }

    /// A matrix of so many rows, of which each thread makes some.
    pub(crate) fn rows<F>(&self, rows: i64, part: impl Fn(i64, i64) -> F) -> Tensor
    where
        F: FnOnce() -> Tensor + Send + 'static,
    {
        let parts = self.split(rows, 1, |start, count| {
            let part = part(start, count);
            move |_: &Model| tch::no_grad(part)
        });
        Tensor::cat(&parts, 0)
    }

    /// Parts of `of` pictures, each done by a thread whose network has these weights; in order.
    fn spread<T, F>(
        &self,
        weights: &Tensor,
        of: i64,
        min: i64,
        part: impl Fn(i64, i64) -> F,
    ) -> Vec<T>
    where
        T: Send + 'static,
        F: FnOnce(&Model) -> T + Send + 'static,
    {
        self.split(of, min, |start, count| {
            // tensors share memory: the weights are not copied here, and do not change before all shards are done
            let (part, weights) = (part(start, count), weights.detach());
            move |replica: &Model| {
                tch::no_grad(|| replica.weights().shallow_clone().copy_(&weights));
                part(replica)
            }
        })
    }

    /// Parts of `of` things, start and count, each done by a thread and but for the last of at least `min`; in order.
    fn split<T, F>(&self, of: i64, min: i64, part: impl Fn(i64, i64) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: FnOnce(&Model) -> T + Send + 'static,
    {
        // all shards but the last are equally long; few things leave some threads without any
        let each = ((of as u64).div_ceil(self.threads.len() as u64) as i64).max(min);
        let mut results = Vec::new();
        for (worker, start) in self.threads.iter().zip((0..of).step_by(each as usize)) {
            let (done, result) = channel();
            let part = part(start, each.min(of - start));
            worker.start(Box::new(move |replica| {
                // nobody listens only if the run is being dropped
                let _ = done.send(part(replica));
            }));
            results.push(result);
        }
        // collected in the order of the shards, not in that in which threads end: sums of floats depend on it
        results.into_iter().map(|result| result.recv().expect("the worker answers")).collect()
    }
}

impl Worker {
    fn new(network: &Model) -> Self {
        let (tasks, todo) = channel::<Task>();
        let replica = network.with_weights(network.weights());
        let thread = thread::spawn(move || {
            // this thread is the parallelism
            tch::set_num_threads(1);
            for task in todo {
                task(&replica);
            }
        });
        Self { tasks: Some(tasks), thread: Some(thread) }
    }

    fn start(&self, task: Task) {
        let tasks = self.tasks.as_ref().expect("it is closed on drop");
        tasks.send(task).expect("the worker waits");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            // what went wrong there was already said
            let _ = thread.join();
        }
    }
}

impl Batch {
    fn narrow(&self, start: i64, count: i64) -> Self {
        let part = |tensor: &Tensor| tensor.narrow(0, start, count);
        Self {
            pictures: part(&self.pictures),
            labels: part(&self.labels),
            draws: self.draws.as_ref().map(|draws| draws.narrow(start, count)),
            dropout: part(&self.dropout),
        }
    }

    /// What this part of a batch of `of` pictures adds to it, in micro-batches.
    fn gradient(
        &self,
        replica: &Model,
        micro_batch: i64,
        objective: &Objective,
        of: i64,
    ) -> BatchGradient {
        let Objective { label_smoothing, class_weights } = objective;
        let count = self.labels.size()[0];
        let mut micro_batch = micro_batch.min(count);
        if replica.has_batch_norm() {
            // equally long, so that each has a mean and a variance
            let parts = (count as u64).div_ceil(micro_batch as u64);
            micro_batch = (count as u64).div_ceil(parts) as i64;
        }
        let mut statistics: Option<Tensor> = None;
        let sums = (0..count).step_by(micro_batch as usize).map(|start| {
            let batch = self.narrow(start, micro_batch.min(count - start));
            let pictures = batch.draws.as_ref().map(|draws| draws.apply(&batch.pictures));
            let logits =
                replica.forward(pictures.as_ref().unwrap_or(&batch.pictures), Some(&batch.dropout));
            let log_probabilities = logits.log_softmax(-1, Kind::Float);
            let classes = logits.size()[1];
            let of_a_class = batch.labels.less(classes).to_kind(Kind::Float);
            // a label beyond the classes would be no index: it takes any class, and counts for nothing
            let labels = batch.labels.clamp_max(classes - 1).unsqueeze(1);
            let likely = log_probabilities.gather(1, &labels, false).squeeze_dim(1) * &of_a_class;
            let wrong = -likely.sum(Kind::Float);
            // every class gets an equal part of this much; all of it where there is none to prefer
            let even: Tensor = 1.0 - of_a_class * (1.0 - label_smoothing);
            let mean = log_probabilities.mean_dim([1].as_slice(), false, Kind::Float);
            let even = mean * even;
            let (weighted, even) = match class_weights {
                Some(weights) => {
                    let weights = weights.index_select(0, &batch.labels.clamp_max(classes));
                    (-(likely * &weights).sum(Kind::Float), -(even * weights).sum(Kind::Float))
                }
                None => (wrong.shallow_clone(), -even.sum(Kind::Float)),
            };
            // divided by the whole batch, so that the sum over all micro-batches is the gradient of its mean
            let objective = weighted * (1.0 - label_smoothing) + even;
            (objective / of as f64).backward();
            if let Some(of_batch) = replica.batch_statistics() {
                let more = of_batch * batch.labels.size()[0] as f64;
                statistics = Some(statistics.take().map_or(more.shallow_clone(), |sum| sum + more));
            }
            let correct = logits.argmax(1, false).eq_tensor(&batch.labels).sum(Kind::Int64);
            (wrong.detach().to_kind(Kind::Double), correct)
        });
        let (loss, correct) =
            sums.reduce(|a, b| (a.0 + b.0, a.1 + b.1)).expect("a shard is not empty");
        BatchGradient { gradient: replica.take_gradient(), loss, correct, statistics }
    }
}

impl BatchGradient {
    fn add(self, other: Self) -> Self {
        Self {
            gradient: self.gradient + other.gradient,
            loss: self.loss + other.loss,
            correct: self.correct + other.correct,
            statistics: self.statistics.zip(other.statistics).map(|(ours, theirs)| ours + theirs),
        }
    }
}
