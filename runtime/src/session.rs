//! A classifier for one caller: its memory is kept from batch to batch, and its threads wait for the next.

use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::chain::Buffers;
use crate::classifier::Classifier;
use crate::image28::Image28;

/// Fewer images than this are not worth waking a thread for.
const LEAST_SHARE: usize = 8;

/// Scores batches one after the other. After the first of a size, one allocates nothing.
#[derive(Debug)]
pub struct Session {
    classifier: Classifier,
    buffers: Buffers,
    scores: Vec<f32>,
    helpers: Vec<Helper>,
}

/// A thread that takes a share of each batch.
#[derive(Debug)]
struct Helper {
    shares: SyncSender<Share>,
    done: Receiver<Share>,
    /// Here while the helper has no work.
    share: Share,
}

/// Images, and what became of them.
#[derive(Debug, Default)]
struct Share {
    images: Vec<Image28>,
    scores: Vec<f32>,
}

impl Session {
    pub(crate) fn new(classifier: &Classifier, threads: NonZeroUsize) -> io::Result<Self> {
        let helpers = (1..threads.get()).map(|_| Helper::start(classifier.clone()));
        Ok(Self {
            classifier: classifier.clone(),
            buffers: Buffers::default(),
            scores: vec![],
            helpers: helpers.collect::<io::Result<_>>()?,
        })
    }

    /// The scores of each image, one image after the other; [`Classifier::prediction`] says what they mean.
    ///
    /// Where there is more than one thread, each takes an equal share of a large batch. One image is never worth it.
    ///
    /// # Panics
    /// Never, as [`Classifier::classify`].
    pub fn scores(&mut self, images: &[Image28]) -> &[f32] {
        let shares = (images.len() / LEAST_SHARE).clamp(1, self.helpers.len() + 1);
        let length = images.len().div_ceil(shares);
        let (own, others) = images.split_at(length.min(images.len()));
        let alive = "a helper ends with its session";
        let busy = others.chunks(length.max(1)).zip(&mut self.helpers).map(|(images, helper)| {
            let mut share = mem::take(&mut helper.share);
            share.images.clear();
            share.images.extend_from_slice(images);
            helper.shares.send(share).expect(alive);
        });
        let busy = busy.count();
        self.classifier.score(own, &mut self.buffers, &mut self.scores);
        for helper in &mut self.helpers[..busy] {
            helper.share = helper.done.recv().expect(alive);
            self.scores.extend_from_slice(&helper.share.scores);
        }
        &self.scores
    }
}

impl Helper {
    fn start(classifier: Classifier) -> io::Result<Self> {
        let (shares, work) = sync_channel::<Share>(1);
        let (finished, done) = sync_channel(1);
        thread::Builder::new().name("runtime".into()).spawn(move || {
            let mut buffers = Buffers::default();
            for mut share in work {
                classifier.score(&share.images, &mut buffers, &mut share.scores);
                if finished.send(share).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { shares, done, share: Share::default() })
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
        for count in [0, 1, 15, 16, 17, 33, 70] {
            let expected: Vec<f32> = images[..count]
                .iter()
                .flat_map(|image| classifier.classify(image).logits)
                .collect();
            for threads in [1, 2, 3, 8] {
                let mut session = classifier.session(NonZeroUsize::new(threads).unwrap()).unwrap();
                // the second finds the first's memory
                for _ in 0..2 {
                    assert_eq!(session.scores(&images[..count]), expected, "{count} on {threads}");
                }
            }
        }
    }
}
