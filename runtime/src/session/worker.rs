//! A thread that takes a shard of each batch, or a part of the network.
//!
//! It has a mailbox of two slots: the session puts a shard of the images into one, the worker puts it back with its
//! scores into the other. An image takes some 20 µs and waking a sleeping thread about as long, so whoever waits spins
//! for [`SPIN`] before it sleeps. A shard moves from one thread to the other with its memory, and a slot is a mutex
//! around a value rather than a channel, so that after the first batches nothing is allocated.

use std::hint;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dataset::Image;

use crate::classifier::Classifier;
use crate::engine::{Buffers, Program};

/// How long a thread looks for more work before it sleeps: to wake it takes longer than an image.
const SPIN: Duration = Duration::from_micros(50);

/// For how many times as long as it was waited for, a worker that was late gets no work: at first, and at most.
const PAUSES: [u32; 2] = [4, 256];

/// A worker, as its session sees it.
#[derive(Debug)]
pub(super) struct Worker {
    mailbox: Arc<Mailbox>,
    /// `None` while the worker has it.
    shard: Option<Shard>,
    ready: bool,
    /// When it gets work again after it was late.
    pause_end: Option<Instant>,
    /// For how many times as long as it is waited for, if it is late again.
    next_pause: u32,
}

/// Work, and its result.
#[derive(Debug, Default)]
struct Shard {
    images: Vec<Image>,
    /// Whether it is the worker's part of an image, not some of the images.
    only_part: bool,
    scores: Vec<f32>,
}

impl Worker {
    pub(super) fn start(classifier: Classifier, part: Option<Program>) -> io::Result<Self> {
        let mut worker = Self::of(Arc::default());
        worker.shard = None;
        let mailbox = Arc::clone(&worker.mailbox);
        thread::Builder::new().name("runtime".into()).spawn(move || {
            let mut buffers = Buffers::default();
            for program in part.iter().chain([classifier.program()]) {
                program.grow(classifier.float_input(), &mut buffers);
            }
            mailbox.done.put(Shard::default());
            while let Some(mut shard) = mailbox.work.take(None) {
                let Shard { images, only_part, scores } = &mut shard;
                match &part {
                    Some(part) if *only_part => {
                        let float_input = classifier.float_input();
                        part.run(images, float_input, &mut buffers, scores, &mut |_, run| run());
                    }
                    _ => classifier.score(images, &mut buffers, scores),
                }
                mailbox.done.put(shard);
            }
        })?;
        Ok(worker)
    }

    /// Waits until its thread has begun, and has all the memory that it needs.
    pub(super) fn wait_for_begin(&mut self) {
        self.shard = self.mailbox.done.take(None);
    }

    fn of(mailbox: Arc<Mailbox>) -> Self {
        Self {
            mailbox,
            shard: Some(Shard::default()),
            ready: false,
            pause_end: None,
            next_pause: PAUSES[0],
        }
    }

    /// Whether it can take work of the next batch, for which this is called once.
    pub(super) fn prepare(&mut self) -> bool {
        if self.shard.is_none() {
            // what was waited for in vain
            self.shard = self.mailbox.done.take_at_once();
        }
        let pauses = self.pause_end.is_some_and(|end| Instant::now() < end);
        self.ready = !pauses && self.shard.is_some();
        self.ready
    }

    /// What [`Self::prepare`] said last.
    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Gives it work, for which it is ready; `outputs` are the scores of one image.
    pub(super) fn begin(&mut self, images: &[Image], only_part: bool, outputs: usize) {
        let Some(mut shard) = self.shard.take() else { return };
        shard.images.clear();
        shard.images.extend_from_slice(images);
        shard.only_part = only_part;
        // room that it may come to need only later, if it is late now
        shard.scores.clear();
        shard.scores.reserve(images.len() * outputs);
        self.mailbox.work.put(shard);
    }

    /// The scores; `None` if it has not begun, or takes longer than `patience` from now.
    pub(super) fn finish(&mut self, patience: Duration) -> Option<&[f32]> {
        self.shard = self.mailbox.work.take_at_once();
        if self.shard.is_none() {
            self.shard = self.mailbox.done.take(Some(patience));
            if let Some(shard) = &self.shard {
                self.next_pause = (self.next_pause / 2).max(PAUSES[0]);
                return Some(&shard.scores);
            }
        }
        self.pause_end = Instant::now().checked_add(patience * self.next_pause);
        self.next_pause = (4 * self.next_pause).min(PAUSES[1]);
        None
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

    /// The shard, if there is one now.
    fn take_at_once(&self) -> Option<Shard> {
        let mut content = self.lock();
        match mem::take(&mut *content) {
            Content::Shard(shard) => Some(shard),
            other => {
                *content = other;
                None
            }
        }
    }

    /// The next shard, waited for by spinning at first; `None` when there will be no more, or not within the limit.
    fn take(&self, limit: Option<Duration>) -> Option<Shard> {
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
                Content::Empty => {}
            }
            let waited = started.elapsed();
            let left = limit.map(|limit| limit.saturating_sub(waited));
            match left {
                Some(Duration::ZERO) => return None,
                _ if waited < SPIN => {
                    drop(content);
                    (0..SPINS).for_each(|_| hint::spin_loop());
                    // who is waited for may have to run on this core
                    thread::yield_now();
                }
                None => drop(self.changed.wait(content).unwrap_or_else(PoisonError::into_inner)),
                Some(left) => {
                    let woken = self.changed.wait_timeout(content, left);
                    drop(woken.unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // nobody panics while holding it
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Worker {
    /// One whose thread never comes.
    pub(super) fn stuck() -> Self {
        Self::of(Arc::default())
    }

    /// One whose thread takes work, and gives it back later than anybody waits for, without scores.
    pub(super) fn slow() -> Self {
        let worker = Self::of(Arc::default());
        let mailbox = Arc::clone(&worker.mailbox);
        thread::spawn(move || {
            while let Some(shard) = mailbox.work.take(None) {
                thread::sleep(Duration::from_secs(1));
                mailbox.done.put(shard);
            }
        });
        worker
    }
}
