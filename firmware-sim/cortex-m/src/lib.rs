//! What both programs for the board need: the model, the memory, the clock and a way to tell.
#![no_std]

pub mod clock;
pub mod memory;
pub mod report;

use firmware_sim::format;

/// The bytes of the model in flash, where words of it are read in place.
#[repr(align(4))]
struct Aligned<T>(T);

static MODEL: Aligned<[u8; format::LEN]> = Aligned(*include_bytes!(env!("LENET_Q8")));

/// The `.q8` file that this image was built with.
#[must_use]
pub fn model() -> &'static [u8; format::LEN] {
    &MODEL.0
}

/// The proof that nothing panics: an image in which something may does not link, since this is defined nowhere.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        #[link_name = "error: this build can panic, and must not"]
        fn reachable_panic() -> !;
    }
    // SAFETY: never called: it would not have linked.
    unsafe { reachable_panic() }
}

/// A bus error or the like, such as a stack that overflows: the run failed.
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(report::FAULT)
}
