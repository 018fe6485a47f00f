//! Work on several threads, without Python's lock.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, slice, thread};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Maximum number of threads.
const MAX_THREADS: usize = 256;

/// How long work goes on before Ctrl-C is looked for.
const UNTIL_SIGNALS: Duration = Duration::from_millis(200);

/// Threads that a call may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threads(usize);

impl Threads {
    /// As many as Python says; 0 stands for one on each core.
    pub(crate) fn new(count: isize) -> PyResult<Self> {
        match usize::try_from(count) {
            Ok(0) => Ok(Self(thread::available_parallelism().map_or(1, NonZeroUsize::get))),
            Ok(count @ 1..=MAX_THREADS) => Ok(Self(count)),
            _ => Err(PyValueError::new_err(format!(
                "threads is {count}, expected 1 to {MAX_THREADS}, or 0 for one on each core"
            ))),
        }
    }

    /// Runs every piece of `work`, each on the thread that is free next, that of the caller among them.
    ///
    /// # Errors
    /// That of Python's handler of a signal, or an `OSError` if the system has no more threads.
    pub(crate) fn run<T: Send>(
        self,
        py: Python<'_>,
        work: &mut [T],
        run: impl Fn(&mut T) + Sync,
    ) -> PyResult<()> {
        let rest = Mutex::new(work.iter_mut());
        while lock(&rest).len() > 0 {
            py.detach(|| self.share(&rest, &run))?;
            py.check_signals()?;
        }
        Ok(())
    }

    /// Runs pieces of what is left for a while.
    fn share<T: Send>(
        self,
        rest: &Mutex<slice::IterMut<'_, T>>,
        run: &(impl Fn(&mut T) + Sync),
    ) -> io::Result<()> {
        let started = Instant::now();
        let next = || if started.elapsed() < UNTIL_SIGNALS { lock(rest).next() } else { None };
        let work = || {
            while let Some(piece) = next() {
                run(piece);
            }
        };
        let others = self.0.min(lock(rest).len()) - 1;
        thread::scope(|scope| {
            for _ in 0..others {
                thread::Builder::new().spawn_scoped(scope, work)?;
            }
            work();
            Ok(())
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // nobody panics while holding it
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
