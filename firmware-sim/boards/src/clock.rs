//! Instructions, counted by the machine: with QEMU's `-icount` its time is a function of them alone.

use crate::machine;

/// A clock that runs.
#[derive(Debug, Clone, Copy)]
pub struct Clock(());

impl Clock {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        machine::start_counter();
        Self(())
    }

    /// Ticks since some moment, wrapping after no fewer instructions than 67 million.
    #[must_use]
    pub fn now(self) -> u32 {
        machine::counter()
    }

    /// Ticks since an earlier moment.
    #[must_use]
    pub fn since(self, moment: u32) -> u32 {
        self.now().wrapping_sub(moment)
    }
}
