//! What all programs for a board need: the model, the memory map, a clock and a console.
//!
//! What differs from machine to machine, start, timers, traps, is in [`machine`]: `mps2` for Cortex-M, `virt` for
//! RISC-V, with the same items; and `stm32f405` for a chip that is sold, with those that the program `serial` needs.
#![no_std]

pub mod clock;
pub mod console;
#[cfg(target_arch = "arm")]
mod cortex;
pub mod memory;
#[cfg(all(target_arch = "arm", not(stm32f405)))]
pub mod mps2;
#[cfg(stm32f405)]
pub mod stm32f405;
#[cfg(target_arch = "riscv32")]
pub mod virt;

#[cfg(all(target_arch = "arm", not(stm32f405)))]
pub use mps2 as machine;
#[cfg(stm32f405)]
pub use stm32f405 as machine;
#[cfg(target_arch = "riscv32")]
pub use virt as machine;

use firmware::Dimensions;

/// The bytes of the model in flash, where words of it are read in place.
#[repr(align(4))]
struct Aligned<T: ?Sized>(T);

const BYTES: &[u8] = include_bytes!(env!("MODEL_Q8"));

static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("MODEL_Q8")));

/// What the model is made for.
pub const DIMENSIONS: Dimensions = Dimensions::of(BYTES);

/// Rows that may wait: of images of fewer rows a whole one.
pub const WAITING: usize = if DIMENSIONS.height < 3 { DIMENSIONS.height } else { 3 };

/// The `.q8` file that this image was built with.
#[must_use]
pub fn model() -> &'static [u8] {
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
