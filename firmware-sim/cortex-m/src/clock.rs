//! Instructions, counted by a timer: with QEMU's `-icount` its time is a function of them alone.

/// The CMSDK APB timer 0 of the MPS2 boards: counts down at 25 MHz, 32 bits.
/// Arm DDI 0479C, section 4.3: <https://developer.arm.com/documentation/ddi0479/c>.
const CONTROL: *mut u32 = 0x4000_0000 as *mut u32;
const VALUE: *mut u32 = 0x4000_0004 as *mut u32;
const RELOAD: *mut u32 = 0x4000_0008 as *mut u32;
const ENABLE: u32 = 1;

/// A clock that runs.
#[derive(Debug, Clone, Copy)]
pub struct Clock(());

impl Clock {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        // SAFETY: the addresses are those of this board's timer, which nothing else uses.
        unsafe {
            RELOAD.write_volatile(u32::MAX);
            VALUE.write_volatile(u32::MAX);
            CONTROL.write_volatile(ENABLE);
        }
        Self(())
    }

    /// Ticks since some moment, wrapping after 171 seconds.
    #[must_use]
    pub fn now(self) -> u32 {
        // SAFETY: as above; reading changes nothing.
        !unsafe { VALUE.read_volatile() }
    }

    /// Ticks since an earlier moment.
    #[must_use]
    pub fn since(self, moment: u32) -> u32 {
        self.now().wrapping_sub(moment)
    }
}

/// Executes `2 · turns` instructions, and a few around them.
#[inline(never)]
pub fn spin(turns: u32) {
    // SAFETY: counts a register down, no more.
    unsafe {
        core::arch::asm!(
            "2:", "subs {turns}, #1", "bne 2b",
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
}
