//! The gradient of a batch: threads take a share each, and go through it in bites that fit their caches.
//!
//! libtorch's own threads split every operator of a whole batch: with 512 pictures a map is 24 MB, and each
//! operator waits for memory, then for the slower thread. Here the threads meet once a step. The shares are
//! added in a fixed order, so equal threads give equal sums.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use tch::{Device, Kind, Tensor};

use crate::augment::Draws;
use crate::lenet::LeNet;

/// Pictures a bite on a CPU: their maps fit a core's second-level cache.
const CPU_BITE: i64 = 64;

/// A batch, or a share of one.
#[derive(Debug)]
pub(crate) struct Batch {
    /// `uint8 [pictures, 1, 28, 28]`
    pub(crate) pictures: Tensor,
    /// `int64 [pictures]`
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
}

#[derive(Debug)]
struct Worker {
    jobs: Option<Sender<Job>>,
    shares: Receiver<Share>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    /// Of the network to ask, `[parameters]`.
    weights: Tensor,
    batch: Batch,
    label_smoothing: f64,
    /// Pictures of the whole batch.
    of: i64,
}

impl Workers {
    /// As many threads on a CPU; on a GPU one, which takes a batch at a bite.
    pub(crate) fn new(network: &LeNet, threads: usize) -> Self {
        let device = network.weights().device();
        let (threads, bite) =
            if device == Device::Cpu { (threads, CPU_BITE) } else { (1, i64::MAX) };
        Self { threads: (0..threads).map(|_| Worker::new(network, bite)).collect() }
    }

    /// The gradient of the mean loss over `batch` at `weights`.
    pub(crate) fn gradient(&self, weights: &Tensor, batch: &Batch, label_smoothing: f64) -> Share {
        let of = batch.labels.size()[0];
        let each = (of as u64).div_ceil(self.threads.len() as u64) as i64;
        let mut busy = Vec::new();
        for (worker, start) in self.threads.iter().zip((0..of).step_by(each as usize)) {
            let batch = batch.narrow(start, each.min(of - start));
            let job = Job { weights: weights.detach(), batch, label_smoothing, of };
            worker
                .jobs
                .as_ref()
                .expect("it is closed on drop")
                .send(job)
                .expect("the worker waits");
            busy.push(worker);
        }
        let shares =
            busy.into_iter().map(|worker| worker.shares.recv().expect("the worker answers"));
        shares.reduce(Share::add).expect("a batch is not empty")
    }
}

impl Worker {
    fn new(network: &LeNet, bite: i64) -> Self {
        let (jobs, todo) = channel::<Job>();
        let (done, shares) = channel();
        let replica = LeNet::from_weights(network.weights(), network.classes());
        let thread = thread::spawn(move || {
            // this thread is the parallelism
            tch::set_num_threads(1);
            for job in todo {
                if done.send(job.run(&replica, bite)).is_err() {
                    break;
                }
            }
        });
        Self { jobs: Some(jobs), shares, thread: Some(thread) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // what went wrong there was already said
            let _ = thread.join();
        }
    }
}

impl Job {
    fn run(&self, replica: &LeNet, bite: i64) -> Share {
        tch::no_grad(|| replica.weights().shallow_clone().copy_(&self.weights));
        let count = self.batch.labels.size()[0];
        let shares = (0..count).step_by(bite.min(count) as usize).map(|start| {
            let batch = self.batch.narrow(start, bite.min(count - start));
            let pictures = batch.draws.as_ref().map(|draws| draws.apply(&batch.pictures));
            let logits =
                replica.forward(pictures.as_ref().unwrap_or(&batch.pictures), Some(&batch.dropout));
            let log_probabilities = logits.log_softmax(-1, Kind::Float);
            let wrong =
                -log_probabilities.gather(1, &batch.labels.unsqueeze(1), false).sum(Kind::Float);
            // smoothing gives every class an equal part of this much
            let even =
                -log_probabilities.mean_dim([1].as_slice(), false, Kind::Float).sum(Kind::Float);
            let objective = &wrong * (1.0 - self.label_smoothing) + even * self.label_smoothing;
            (objective / self.of as f64).backward();
            let correct = logits.argmax(1, false).eq_tensor(&batch.labels).sum(Kind::Int64);
            (wrong.detach().to_kind(Kind::Double), correct)
        });
        let (loss, correct) =
            shares.reduce(|a, b| (a.0 + b.0, a.1 + b.1)).expect("a share is not empty");
        Share { gradient: replica.take_gradient(), loss, correct }
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
