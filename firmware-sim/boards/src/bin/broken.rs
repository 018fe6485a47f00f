//! What no build may contain, one thing per feature: `tests/board.rs` sees each of them fail, with a line that says why.
#![no_std]
#![no_main]

use boards::console;
use boards::machine::entry;
use boards::memory;

#[cfg(feature = "_allocator")]
extern crate alloc;

#[entry]
fn main() -> ! {
    // a number that the compiler does not know
    let number = memory::stack_high_water();
    #[cfg(feature = "_panic")]
    let number = usize::from(boards::model()[number]);
    #[cfg(feature = "_allocator")]
    let number = alloc::vec![7_u8; number].len();
    #[cfg(feature = "_float")]
    let number = (number as f32 * 1.5) as usize;
    #[cfg(feature = "_division")]
    let number = (u64::MAX / (number as u64 | 1)) as usize;
    console::line(c"number", &[number as i32]);
    semihosting::process::exit(0)
}
