//! A classifier for one caller: its memory is kept from batch to batch, and its threads wait for the next.
//!
//! On a busy machine a worker thread may not run for a while, just when it has work. So a session waits for no worker
//! longer than its own part took, and then does the worker's part itself; and a worker that was late gets no work for
//! some time, longer each time. So more threads take hardly longer than one, however busy the machine is.

mod worker;

use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::slice;
use std::thread;
use std::time::Instant;

use dataset::Image;

use crate::classifier::Classifier;
use crate::engine::{Buffers, Program, Reduction};
use crate::input::Input;
use crate::prediction::Prediction;

use worker::Worker;

/// Minimum images of a shard: with fewer for each, threads work on one image together.
const MIN_SHARD: usize = 8;

/// Scores batches one after the other. After the first batches, [`Session::scores`] allocates nothing.
///
/// The caller's thread works too; of `n` threads, `n − 1` wait for work. On a busy machine a thread may wait for a core just
/// when it has work. So the session waits for none longer than its own part took: then it takes the work back, and does it
/// itself. A thread that was late gets no work for a while, longer each time, and the caller's thread does all of it
/// meanwhile. So several threads are hardly ever slower than one; the scores do not depend on who computes them, but for
/// the order in which the products of a small batch are added up.
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
    /// Of what this thread does in a worker's place.
    more: Vec<f32>,
    reduced: Vec<f32>,
}

impl Classifier {
    /// A [`Session`] for many batches one after the other, on this number of threads, that of the caller among them; 0
    /// stands for one on each core. The [`Session`] says what happens on a busy machine.
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
        let mut workers = workers.collect::<io::Result<Vec<_>>>()?;
        // whatever a worker does not do in time is done here: what that takes is there from the beginning
        let mut buffers = Buffers::default();
        let parts = split.iter().flat_map(|(parts, _)| parts);
        for program in parts.chain([classifier.program()]) {
            program.grow(classifier.float_input(), &mut buffers);
        }
        workers.iter_mut().for_each(Worker::wait_for_begin);
        Ok(Self {
            classifier: classifier.clone(),
            images: vec![],
            buffers,
            scores: vec![],
            workers,
            split,
            sums: vec![],
            more: vec![],
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
        // room also for what workers are too late for
        let classes = self.classifier.classes().len();
        for scores in [&mut self.scores, &mut self.more] {
            scores.clear();
            scores.reserve(images.len() * classes);
        }
        let mut images = images;
        if images.len() < 2 * MIN_SHARD {
            while let [image, later @ ..] = images
                && self.score_together(image)
            {
                images = later;
            }
            self.score_alone(images);
            return &self.scores;
        }
        let ready = self.workers.iter_mut().filter_map(|worker| worker.prepare().then_some(()));
        let length = images.len().div_ceil((images.len() / MIN_SHARD).min(ready.count() + 1));
        let (own, others) = images.split_at(length);
        let ready = self.workers.iter_mut().filter(|worker| worker.is_ready());
        for (images, worker) in others.chunks(length).zip(ready) {
            worker.begin(images, false, classes);
        }

        let started = Instant::now();
        self.classifier.score(own, &mut self.buffers, &mut self.scores);
        let patience = started.elapsed();
        let ready = self.workers.iter_mut().filter(|worker| worker.is_ready());
        for (images, worker) in others.chunks(length).zip(ready) {
            if let Some(scores) = worker.finish(patience) {
                self.scores.extend_from_slice(scores);
            } else {
                self.classifier.score(images, &mut self.buffers, &mut self.more);
                self.scores.extend_from_slice(&self.more);
            }
        }
        &self.scores
    }

    /// Appends the scores of images, without workers.
    fn score_alone(&mut self, images: &[Image]) {
        if !images.is_empty() {
            self.classifier.score(images, &mut self.buffers, &mut self.more);
            self.scores.extend_from_slice(&self.more);
        }
    }

    /// Appends the scores of one image, to which each thread gives its part; false if there are no parts, or a worker
    /// cannot take one.
    fn score_together(&mut self, image: &Image) -> bool {
        let Some((parts, reduction)) = &self.split else { return false };
        let Some((own, parts)) = parts.split_first() else { return false };
        let workers = &mut self.workers[..parts.len()];
        let mut ready = true;
        for worker in &mut *workers {
            ready &= worker.prepare();
        }
        if !ready {
            return false;
        }
        let image = slice::from_ref(image);
        for (worker, part) in workers.iter_mut().zip(parts) {
            worker.begin(image, true, part.outputs());
            self.more.clear();
            self.more.reserve(part.outputs());
        }
        let float_input = self.classifier.float_input();
        let mut run = |part: &Program, sums: &mut Vec<f32>| {
            part.run(image, float_input, &mut self.buffers, sums, &mut |_, run| run());
        };
        let started = Instant::now();
        run(own, &mut self.sums);
        let patience = started.elapsed();
        for (worker, part) in workers.iter_mut().zip(parts) {
            let sums = if let Some(sums) = worker.finish(patience) {
                sums
            } else {
                run(part, &mut self.more);
                &self.more
            };
            for (sum, more) in self.sums.iter_mut().zip(sums) {
                *sum += more;
            }
        }
        reduction.finish(&mut self.sums, &mut self.buffers, &mut self.reduced);
        self.scores.extend_from_slice(&self.reduced);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that a session with this worker gives the scores of one without, again and again.
    #[track_caller]
    fn assert_scores_with(worker: Worker) {
        let classifier = Classifier::embedded();
        let images = vec![Image::mnist([7; dataset::PIXELS]); 40];
        let expected = classifier.session(1).unwrap().scores(&images).to_vec();
        let mut session = classifier.session(2).unwrap();
        session.workers = vec![worker];
        for count in [40, 1, 3, 40, 17, 1] {
            let found = session.scores(&images[..count]).to_vec();
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
            }
            assert_eq!(found.len(), count * 10);
        }
    }

    #[test]
    fn work_that_no_worker_begins_is_done_by_the_session() {
        assert_scores_with(Worker::stuck());
    }

    #[test]
    fn work_that_a_worker_does_not_finish_is_done_by_the_session() {
        assert_scores_with(Worker::slow());
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
