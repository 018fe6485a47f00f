//! The gradient of a batch: threads take a share each, and go through it in bites that fit their caches.
//!
//! libtorch's own threads split every operator of a whole batch: with 512 pictures a map is 24 MB, and each
//! operator waits for memory, then for the slower thread. Here the threads meet once a step. The shares are
//! added in a fixed order, so equal threads give equal sums.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use tch::{Device, Kind, Tensor};

use crate::augment::Draws;
use crate::evaluate::{Score, watch};
use crate::lenet::LeNet;

/// Pictures a bite on a CPU: their maps fit a core's second-level cache.
const CPU_BITE: i64 = 128;

/// A batch, or a share of one.
#[derive(Debug)]
pub(crate) struct Batch {
    /// `uint8 [pictures, 1, 28, 28]`
    pub(crate) pictures: Tensor,
    /// `int64 [pictures]`; one beyond the classes says that the picture is of none of them.
    pub(crate) labels: Tensor,
    /// How to change the pictures.
    pub(crate) draws: Option<Draws>,
    /// What to multiply the hidden features by, `[pictures, 500]`.
    pub(crate) dropout: Tensor,
}

/// What a batch came to; tensors, so that nothing waits for a GPU.
#[derive(Debug)]
pub(crate) struct Share {
    /// Of the mean loss over the whole batch, `[parameters]`.
    pub(crate) gradient: Tensor,
    /// Sum of the cross-entropies, without label smoothing.
    pub(crate) loss: Tensor,
    /// Number of right answers.
    pub(crate) correct: Tensor,
}

/// Threads with a copy of the network each.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<Worker>,
    /// Pictures that a thread takes at once.
    bite: i64,
}

#[derive(Debug)]
struct Worker {
    tasks: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

/// What a thread does with its copy of the network.
type Task = Box<dyn FnOnce(&LeNet) + Send>;

impl Workers {
    /// As many threads on a CPU; on a GPU one, which takes a batch at a bite.
    pub(crate) fn new(network: &LeNet, threads: usize) -> Self {
        let device = network.weights().device();
        let (threads, bite) =
            if device == Device::Cpu { (threads, CPU_BITE) } else { (1, i64::MAX) };
        Self { threads: (0..threads).map(|_| Worker::new(network)).collect(), bite }
    }

    /// The gradient of the mean loss over `batch` at `weights`.
    pub(crate) fn gradient(&self, weights: &Tensor, batch: &Batch, label_smoothing: f64) -> Share {
        let (of, bite) = (batch.labels.size()[0], self.bite);
        let shares = self.spread(weights, of, |start, count| {
            let share = batch.narrow(start, count);
            move |replica: &LeNet| share.gradient(replica, bite, label_smoothing, of)
        });
        shares.into_iter().reduce(Share::add).expect("a batch is not empty")
    }

    /// Loss and accuracy at `weights`, on images and labels as [`watch`] takes them.
    pub(crate) fn watch(&self, weights: &Tensor, images: &Tensor, labels: &Tensor) -> Score {
        let of = labels.size()[0];
        let scores = self.spread(weights, of, |start, count| {
            let (images, labels) = (images.narrow(0, start, count), labels.narrow(0, start, count));
            move |replica: &LeNet| (watch(replica, &images, &labels), count as f64 / of as f64)
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
        let parts = self.share_out(rows, |start, count| {
            let part = part(start, count);
            move |_: &LeNet| tch::no_grad(part)
        });
        Tensor::cat(&parts, 0)
    }

    /// Parts of `of` pictures, each done by a thread whose network has these weights; in order.
    fn spread<T, F>(&self, weights: &Tensor, of: i64, part: impl Fn(i64, i64) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: FnOnce(&LeNet) -> T + Send + 'static,
    {
        self.share_out(of, |start, count| {
            let (part, weights) = (part(start, count), weights.detach());
            move |replica: &LeNet| {
                tch::no_grad(|| replica.weights().shallow_clone().copy_(&weights));
                part(replica)
            }
        })
    }

    /// Parts of `of` things, start and count, each done by a thread; in order.
    fn share_out<T, F>(&self, of: i64, part: impl Fn(i64, i64) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: FnOnce(&LeNet) -> T + Send + 'static,
    {
        let each = (of as u64).div_ceil(self.threads.len() as u64) as i64;
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
        results.into_iter().map(|result| result.recv().expect("the worker answers")).collect()
    }
}

impl Worker {
    fn new(network: &LeNet) -> Self {
        let (tasks, todo) = channel::<Task>();
        let replica = LeNet::from_weights(network.weights(), network.classes());
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

    /// What this part of a batch of `of` pictures adds to it, in bites.
    fn gradient(&self, replica: &LeNet, bite: i64, label_smoothing: f64, of: i64) -> Share {
        let count = self.labels.size()[0];
        let sums = (0..count).step_by(bite.min(count) as usize).map(|start| {
            let batch = self.narrow(start, bite.min(count - start));
            let pictures = batch.draws.as_ref().map(|draws| draws.apply(&batch.pictures));
            let logits =
                replica.forward(pictures.as_ref().unwrap_or(&batch.pictures), Some(&batch.dropout));
            let log_probabilities = logits.log_softmax(-1, Kind::Float);
            let classes = logits.size()[1];
            let of_a_class = batch.labels.less(classes).to_kind(Kind::Float);
            let labels = batch.labels.clamp_max(classes - 1).unsqueeze(1);
            let wrong = -(log_probabilities.gather(1, &labels, false).squeeze_dim(1) * &of_a_class)
                .sum(Kind::Float);
            // every class gets an equal part of this much; all of it where there is none to prefer
            let even: Tensor = 1.0 - of_a_class * (1.0 - label_smoothing);
            let mean = log_probabilities.mean_dim([1].as_slice(), false, Kind::Float);
            let even = -(mean * even).sum(Kind::Float);
            let objective = &wrong * (1.0 - label_smoothing) + even;
            (objective / of as f64).backward();
            let correct = logits.argmax(1, false).eq_tensor(&batch.labels).sum(Kind::Int64);
            (wrong.detach().to_kind(Kind::Double), correct)
        });
        let (loss, correct) =
            sums.reduce(|a, b| (a.0 + b.0, a.1 + b.1)).expect("a share is not empty");
        Share { gradient: replica.take_gradient(), loss, correct }
    }
}

impl Share {
    fn add(self, other: Self) -> Self {
        Self {
            gradient: self.gradient + other.gradient,
            loss: self.loss + other.loss,
            correct: self.correct + other.correct,
        }
    }
}
