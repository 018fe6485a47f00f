//! A classifier for one caller: its memory is kept from batch to batch, and its threads wait for the next.

use std::hint;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::slice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::chain::{Buffers, Chain, Join};
use crate::classifier::Classifier;
use crate::image28::Image28;

/// With fewer images than this for each, threads work on one image together.
const LEAST_SHARE: usize = 8;

/// A thread looks for more work for so long before it sleeps: to wake it takes longer than an image.
const AWAKE: Duration = Duration::from_micros(50);

/// Scores batches one after the other. After the first batches, one allocates nothing.
#[derive(Debug)]
pub struct Session {
    classifier: Classifier,
    buffers: Buffers,
    scores: Vec<f32>,
    helpers: Vec<Helper>,
    /// For images that are scored together: this thread's part, how parts are joined, and how many helpers have one.
    split: Option<(Chain, Join, usize)>,
    /// Of this thread's part.
    sums: Vec<f32>,
    joined: Vec<f32>,
}

/// A thread that takes a share of each batch, or a part of an image.
#[derive(Debug)]
struct Helper {
    desk: Arc<Desk>,
    /// Here while the helper has no work.
    share: Share,
}

/// Work, and what came of it.
#[derive(Debug, Default)]
struct Share {
    images: Vec<Image28>,
    /// Whether it is the helper's part of an image, not some of the images.
    only_part: bool,
    scores: Vec<f32>,
}

impl Session {
    pub(crate) fn new(classifier: &Classifier, threads: NonZeroUsize) -> io::Result<Self> {
        let (parts, join) = classifier.engine().split(threads.get()).unzip();
        let mut parts = parts.unwrap_or_default().into_iter();
        let own = parts.next();
        let helping = parts.len();
        let helpers = (1..threads.get()).map(|_| Helper::start(classifier.clone(), parts.next()));
        let helpers = helpers.collect::<io::Result<_>>()?;
        Ok(Self {
            classifier: classifier.clone(),
            buffers: Buffers::default(),
            scores: vec![],
            helpers,
            split: own.zip(join).map(|(own, join)| (own, join, helping)),
            sums: vec![],
            joined: vec![],
        })
    }

    /// The scores of each image, one image after the other; [`Classifier::prediction`] says what they mean.
    ///
    /// Where there is more than one thread, each takes an equal share of a large batch. On each image of a small one
    /// they work together, which adds up the same products in another order.
    ///
    /// # Panics
    /// Never, as [`Classifier::classify`].
    pub fn scores(&mut self, images: &[Image28]) -> &[f32] {
        let shares = (images.len() / LEAST_SHARE).clamp(1, self.helpers.len() + 1);
        if shares == 1 && self.split.is_some() {
            self.scores.clear();
            for image in images {
                self.score_together(image);
            }
            return &self.scores;
        }
        let length = images.len().div_ceil(shares);
        let (own, others) = images.split_at(length);
        let mut busy = 0;
        for (images, helper) in others.chunks(length.max(1)).zip(&mut self.helpers) {
            helper.begin(images, false);
            busy += 1;
        }
        self.classifier.score(own, &mut self.buffers, &mut self.scores);
        for helper in &mut self.helpers[..busy] {
            self.scores.extend_from_slice(helper.finish());
        }
        &self.scores
    }

    /// Appends the scores of one image, to which each thread gives its part.
    fn score_together(&mut self, image: &Image28) {
        let Some((own, join, helping)) = &self.split else { return };
        let (helpers, image) = (&mut self.helpers[..*helping], slice::from_ref(image));
        for helper in &mut *helpers {
            helper.begin(image, true);
        }
        let normalization = self.classifier.engine().normalization();
        own.score(image, normalization, &mut self.buffers, &mut self.sums);
        for helper in helpers {
            for (sum, more) in self.sums.iter_mut().zip(helper.finish()) {
                *sum += more;
            }
        }
        join.finish(&mut self.sums, &mut self.buffers, &mut self.joined);
        self.scores.extend_from_slice(&self.joined);
    }
}

impl Helper {
    fn start(classifier: Classifier, part: Option<Chain>) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let helpers_desk = Arc::clone(&desk);
        thread::Builder::new().name("runtime".into()).spawn(move || {
            let desk = helpers_desk;
            let _closed = CloseAtEnd(&desk.done);
            let mut buffers = Buffers::default();
            while let Some(mut share) = desk.work.take() {
                let Share { images, only_part, scores } = &mut share;
                match &part {
                    Some(part) if *only_part => {
                        let normalization = classifier.engine().normalization();
                        part.score(images, normalization, &mut buffers, scores);
                    }
                    _ => classifier.score(images, &mut buffers, scores),
                }
                desk.done.put(share);
            }
        })?;
        Ok(Self { desk, share: Share::default() })
    }

    fn begin(&mut self, images: &[Image28], only_part: bool) {
        let mut share = mem::take(&mut self.share);
        share.images.clear();
        share.images.extend_from_slice(images);
        share.only_part = only_part;
        self.desk.work.put(share);
    }

    fn finish(&mut self) -> &[f32] {
        self.share = self.desk.done.take().expect("a helper lives as long as its session");
        &self.share.scores
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.desk.work.close();
    }
}

/// Where a session and a helper hand over work.
#[derive(Debug, Default)]
struct Desk {
    work: Slot,
    done: Slot,
}

/// A place for one share. It allocates nothing, which channels do not promise.
#[derive(Debug, Default)]
struct Slot {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Nothing,
    Share(Share),
    /// There will be no more.
    Closed,
}

impl Slot {
    fn put(&self, share: Share) {
        *self.lock() = Content::Share(share);
        self.changed.notify_one();
    }

    fn close(&self) {
        *self.lock() = Content::Closed;
        self.changed.notify_one();
    }

    /// The next share, awaited awake at first; none when there will be no more.
    fn take(&self) -> Option<Share> {
        const SPINS: usize = 32;
        let started = Instant::now();
        loop {
            let mut content = self.lock();
            match mem::take(&mut *content) {
                Content::Share(share) => return Some(share),
                Content::Closed => {
                    *content = Content::Closed;
                    return None;
                }
                Content::Nothing if started.elapsed() > AWAKE => {
                    drop(self.changed.wait(content).unwrap_or_else(PoisonError::into_inner));
                }
                Content::Nothing => {
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
    fn any_number_of_threads_gives_the_same_scores_in_the_same_order() {
        let classifier = Classifier::embedded();
        let images: Vec<Image28> =
            (0..70).map(|i| Image28(std::array::from_fn(|at| (at * i % 251) as u8))).collect();
        for count in [0, 1, 3, 15, 16, 17, 33, 70] {
            let expected: Vec<f32> = images[..count]
                .iter()
                .flat_map(|image| classifier.classify(image).logits)
                .collect();
            for threads in [1, 2, 3, 8] {
                let mut session = classifier.session(NonZeroUsize::new(threads).unwrap()).unwrap();
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
