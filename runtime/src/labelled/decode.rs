//! Decoding many pictures on all cores, in bounded memory.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use dataset::folder::Picture;
use image::DynamicImage;

use crate::error::Error;
use crate::picture::{self, Limits};

/// Larger pictures are decoded one at a time; this many pixels take up to 256 MB each while they are decoded.
const LARGE_PIXELS: u64 = 16_000_000;

/// Maximum number of threads: each may hold a picture of [`LARGE_PIXELS`].
const MAX_THREADS: usize = 16;

/// Decodes pictures on all cores, and gives what `work` makes of each, in the order of `pictures`.
///
/// `work` is told the picture's place in `pictures`; `progress`, how many are done. Each core holds one picture, and of those
/// of more than 16 megapixels only one is held at a time.
pub fn decode_each<T: Send>(
    pictures: &[Picture],
    limits: Limits,
    work: impl Fn(usize, &DynamicImage) -> T + Sync,
    progress: impl Fn(usize) + Sync,
) -> Vec<Result<T, Error>> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = threads.min(MAX_THREADS).min(pictures.len());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let large = Mutex::new(());
    let run = || {
        let mut results = vec![];
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(Picture { path, .. }) = pictures.get(index) else { return results };
            let small = Limits { pixels: limits.pixels.min(LARGE_PIXELS), ..limits };
            let loaded = check_file(path).and_then(|()| picture::load(path, small));
            let result = match loaded {
                Err(error) if is_too_large(&error) && limits.pixels > LARGE_PIXELS => {
                    // a panic in another thread ends all, and leaves nothing behind the lock
                    let _alone = large.lock().unwrap_or_else(PoisonError::into_inner);
                    picture::load(path, limits).map(|picture| work(index, &picture))
                }
                loaded => loaded.map(|picture| work(index, &picture)),
            };
            results.push((index, result));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut results = run();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Refuses pipes and devices, which would wait for a writer or have no end.
fn check_file(path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "a pipe or a device");
            Err(Error::Read { path: path.to_owned(), source })
        }
        // what else is wrong, opening it tells
        _ => Ok(()),
    }
}

fn is_too_large(error: &Error) -> bool {
    match error {
        Error::File { source, .. } => is_too_large(source),
        error => matches!(error, Error::TooManyPixels { .. }),
    }
}
