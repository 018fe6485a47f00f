//! A classifier for one caller: its memory is kept from batch to batch, and its threads wait for the next.
//!
//! Each worker thread has a mailbox of two slots: the session puts a shard of the images into one, the worker puts it
//! back with its scores into the other. An image takes some 20 µs and waking a sleeping thread about as long, so whoever
//! waits spins for [`SPIN`] before it sleeps. A shard moves from one thread to the other with its memory, and a slot is
//! a mutex around a value rather than a channel, so that after the first batches nothing is allocated.
//!
//! On a busy machine a worker may not run at all for a while. So a session that is done with its own shard takes back
//! those that no worker has begun, and does them itself: it waits only for work that is being done.

use std::hint;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::slice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dataset::Image;

use crate::classifier::Classifier;
use crate::engine::{Buffers, Program, Reduction};
use crate::input::Input;
use crate::prediction::Prediction;

/// Minimum images of a shard: with fewer for each, threads work on one image together.
const MIN_SHARD: usize = 8;

/// How long a thread looks for more work before it sleeps: to wake it takes longer than an image.
const SPIN: Duration = Duration::from_micros(50);

/// Scores batches one after the other. After the first batches, [`Session::scores`] allocates nothing.
#[derive(Debug)]
pub struct Session {
    classifier: Classifier,
    /// Of what [`Session::predict`] was given last.
    images: Vec<Image>,
    buffers: Buffers,
    scores: Vec<f32>,
    workers: Vec<Worker>,
    /// For images that are scored together: the parts, of which this thread has the first and workers the others, and
    /// what follows the sum of all parts.
    split: Option<(Vec<Program>, Reduction)>,
    /// Of this thread's part.
    sums: Vec<f32>,
    reduced: Vec<f32>,
}

/// A thread that takes a shard of each batch, or a part of the network.
#[derive(Debug)]
struct Worker {
    mailbox: Arc<Mailbox>,
    /// Here while the worker has no work.
    shard: Shard,
}

/// Work, and its result.
#[derive(Debug, Default)]
struct Shard {
    images: Vec<Image>,
    /// Whether it is the worker's part of an image, not some of the images.
    only_part: bool,
    scores: Vec<f32>,
}

impl Shard {
    /// Computes the scores, or what `part` makes of the image.
    fn run(&mut self, classifier: &Classifier, part: Option<&Program>, buffers: &mut Buffers) {
        let Self { images, only_part, scores } = self;
        match part {
            Some(part) if *only_part => {
                let float_input = classifier.float_input();
                part.run(images, float_input, buffers, scores, &mut |_, run| run());
            }
            _ => classifier.score(images, buffers, scores),
        }
    }
}

impl Classifier {
    /// A [`Session`] for many batches one after the other, on this number of threads; 0 stands for one on each core.
    ///
    /// # Errors
    /// That of the system if it has no more threads.
    pub fn session(&self, threads: usize) -> io::Result<Session> {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            threads => threads,
        };
        Session::new(self, threads)
    }
}

impl Session {
    fn new(classifier: &Classifier, threads: usize) -> io::Result<Self> {
        let split = classifier.program().split(threads);
        let part = |number: usize| split.as_ref()?.0.get(number).cloned();
        let workers = (1..threads).map(|number| Worker::start(classifier.clone(), part(number)));
        let workers = workers.collect::<io::Result<_>>()?;
        Ok(Self {
            classifier: classifier.clone(),
            images: vec![],
            buffers: Buffers::default(),
            scores: vec![],
            workers,
            split,
            sums: vec![],
            reduced: vec![],
        })
    }

    /// Scores images, or pictures that were [prepared](Classifier::preparation): what was found on them stays known.
    ///
    /// # Panics
    /// As [`Classifier::predict`].
    pub fn predict(&mut self, inputs: &[impl Input]) -> Vec<Prediction> {
        let mut images = mem::take(&mut self.images);
        images.clear();
        images.extend(inputs.iter().map(|input| input.image().clone()));
        self.scores(&images);
        self.images = images;
        self.classifier.predictions(inputs, &self.scores)
    }

    /// The scores of each image, one image after the other; [`Classifier::prediction`] says what they mean.
    ///
    /// Where there is more than one thread, each takes an equal shard of a large batch. On each image of a small one
    /// they work together, which adds up the same products in another order.
    ///
    /// # Panics
    /// As [`Classifier::predict`].
    pub fn scores(&mut self, images: &[Image]) -> &[f32] {
        self.classifier.check_shapes(images);
        let shards = (images.len() / MIN_SHARD).clamp(1, self.workers.len() + 1);
        if shards == 1 && self.split.is_some() {
            self.scores.clear();
            for image in images {
                self.score_together(image);
            }
            return &self.scores;
        }
        let length = images.len().div_ceil(shards);
        let (own, others) = images.split_at(length);
        let mut busy = 0;
        for (images, worker) in others.chunks(length.max(1)).zip(&mut self.workers) {
            worker.begin(images, false);
            busy += 1;
        }
        self.classifier.score(own, &mut self.buffers, &mut self.scores);
        for worker in &mut self.workers[..busy] {
            let run = |shard: &mut Shard| shard.run(&self.classifier, None, &mut self.buffers);
            self.scores.extend_from_slice(worker.finish(run));
        }
        &self.scores
    }

    /// Appends the scores of one image, to which each thread gives its part.
    fn score_together(&mut self, image: &Image) {
        let Some((parts, reduction)) = &self.split else { return };
        let Some((own, parts)) = parts.split_first() else { return };
        let image = slice::from_ref(image);
        for (worker, _) in self.workers.iter_mut().zip(parts) {
            worker.begin(image, true);
        }
        let float_input = self.classifier.float_input();
        own.run(image, float_input, &mut self.buffers, &mut self.sums, &mut |_, run| run());
        for (worker, part) in self.workers.iter_mut().zip(parts) {
            let run = |shard: &mut Shard| {
                shard.run(&self.classifier, Some(part), &mut self.buffers);
            };
            for (sum, more) in self.sums.iter_mut().zip(worker.finish(run)) {
                *sum += more;
            }
        }
        reduction.finish(&mut self.sums, &mut self.buffers, &mut self.reduced);
        self.scores.extend_from_slice(&self.reduced);
    }
}

impl Worker {
    fn start(classifier: Classifier, part: Option<Program>) -> io::Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let workers_mailbox = Arc::clone(&mailbox);
        thread::Builder::new().name("runtime".into()).spawn(move || {
            let mailbox = workers_mailbox;
            let _closed = CloseAtEnd(&mailbox.done);
            let mut buffers = Buffers::default();
            while let Some(mut shard) = mailbox.work.take() {
                shard.run(&classifier, part.as_ref(), &mut buffers);
                mailbox.done.put(shard);
            }
        })?;
        Ok(Self { mailbox, shard: Shard::default() })
    }

    fn begin(&mut self, images: &[Image], only_part: bool) {
        let mut shard = mem::take(&mut self.shard);
        shard.images.clear();
        shard.images.extend_from_slice(images);
        shard.only_part = only_part;
        self.mailbox.work.put(shard);
    }

    /// The scores of the shard, which `run` computes if the worker has not begun.
    fn finish(&mut self, run: impl FnOnce(&mut Shard)) -> &[f32] {
        self.shard = if let Some(mut shard) = self.mailbox.work.take_back() {
            run(&mut shard);
            shard
        } else {
            self.mailbox.done.take().expect("a worker lives as long as its session")
        };
        &self.shard.scores
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.mailbox.work.close();
    }
}

/// Where a session and a worker exchange shards.
#[derive(Debug, Default)]
struct Mailbox {
    work: Slot,
    done: Slot,
}

/// Room for one shard. It allocates nothing, which channels do not promise.
#[derive(Debug, Default)]
struct Slot {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Empty,
    Shard(Shard),
    /// There will be no more.
    Closed,
}

impl Slot {
    fn put(&self, shard: Shard) {
        *self.lock() = Content::Shard(shard);
        self.changed.notify_one();
    }

    fn close(&self) {
        *self.lock() = Content::Closed;
        self.changed.notify_one();
    }

    /// The shard, if nobody has taken it.
    fn take_back(&self) -> Option<Shard> {
        let mut content = self.lock();
        match mem::take(&mut *content) {
            Content::Shard(shard) => Some(shard),
            other => {
                *content = other;
                None
            }
        }
    }

    /// The next shard, waited for by spinning at first; `None` when there will be no more.
    fn take(&self) -> Option<Shard> {
        const SPINS: usize = 32;
        let started = Instant::now();
        loop {
            let mut content = self.lock();
            match mem::take(&mut *content) {
                Content::Shard(shard) => return Some(shard),
                Content::Closed => {
                    *content = Content::Closed;
                    return None;
                }
                Content::Empty if started.elapsed() > SPIN => {
                    drop(self.changed.wait(content).unwrap_or_else(PoisonError::into_inner));
                }
                Content::Empty => {
                    drop(content);
                    (0..SPINS).for_each(|_| hint::spin_loop());
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // nobody panics while holding it
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So that nobody waits for a thread that has ended.
struct CloseAtEnd<'a>(&'a Slot);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_no_worker_begins_is_done_by_the_session() {
        let classifier = Classifier::embedded();
        let images = vec![Image::mnist([7; dataset::PIXELS]); 40];
        let expected = classifier.session(1).unwrap().scores(&images).to_vec();
        let mut session = classifier.session(2).unwrap();
        // a worker whose thread never comes
        session.workers = vec![Worker { mailbox: Arc::default(), shard: Shard::default() }];
        for count in [40, 1] {
            let found = session.scores(&images[..count]).to_vec();
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
            }
            assert_eq!(found.len(), count * 10);
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_scores_in_the_same_order() {
        let classifier = Classifier::embedded();
        let images: Vec<Image> =
            (0..70).map(|i| Image::mnist(std::array::from_fn(|at| (at * i % 251) as u8))).collect();
        for count in [0, 1, 3, 15, 16, 17, 33, 70] {
            let expected: Vec<f32> =
                images[..count].iter().flat_map(|image| classifier.predict(image).logits).collect();
            for threads in [0, 1, 2, 3, 8] {
                let mut session = classifier.session(threads).unwrap();
                // the second finds the first's memory
                for _ in 0..2 {
                    let found = session.scores(&images[..count]);
                    assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(&expected) {
                        let off = (found - expected).abs();
                        assert!(off < 1e-4, "{found} for {expected}, {count} on {threads}");
                    }
                }
            }
        }
    }
}
