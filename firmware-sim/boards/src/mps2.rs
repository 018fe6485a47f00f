//! Cortex-M on the MPS2 boards.

use core::arch::asm;

use cortex_m::Peripherals;
pub use cortex_m::asm::wfi as sleep;
use cortex_m::peripheral::syst::SystClkSource;
pub use cortex_m_rt::entry;
use cortex_m_rt::{ExceptionFrame, exception};
use firmware::link::Counter;

pub use crate::cortex::{guard_stack, stack_pointer};

use crate::console;

/// The CMSDK APB timer 0 of the MPS2 boards: counts down at the processor's clock, 32 bits.
/// Arm DDI 0479C, section 4.3: <https://developer.arm.com/documentation/ddi0479/c>.
const TIMER: usize = if cfg!(armv8m) { 0x5000_0000 } else { 0x4000_0000 };
const CONTROL: *mut u32 = TIMER as *mut u32;
const VALUE: *mut u32 = (TIMER + 4) as *mut u32;
const RELOAD: *mut u32 = (TIMER + 8) as *mut u32;
const ENABLE: u32 = 1;

/// Nanoseconds of a tick: 25 MHz, on AN505 20 MHz.
pub const TICK_NS: i32 = if cfg!(armv8m) { 50 } else { 40 };

/// What a computer on the serial line is told.
pub const CHIP: &str = if cfg!(armv8m) { "MPS2, Cortex-M33" } else { "MPS2, Cortex-M" };
/// The core's clock.
pub const CLOCK_HZ: u32 = 1_000_000_000 / TICK_NS.unsigned_abs();
/// What counts ticks.
pub const COUNTER: Counter = Counter::Timer;

/// The CMSDK UART 0 of the MPS2 boards, and its registers, words: Arm DDI 0479C, section 4.4.
const UART: *mut u32 = if cfg!(armv8m) { 0x5020_0000 } else { 0x4000_4000 } as *mut u32;
const DATA: usize = 0;
const STATE: usize = 1;
const UART_CONTROL: usize = 2;
const DIVISOR: usize = 4;

/// Prepares the serial line, at 115,200 baud.
pub fn start_serial() {
    const BOTH_WAYS: u32 = 0b11;
    // SAFETY: the addresses are those of this board's UART, which nothing else uses.
    unsafe {
        UART.add(DIVISOR).write_volatile(CLOCK_HZ / 115_200);
        UART.add(UART_CONTROL).write_volatile(BOTH_WAYS);
    }
}

/// Waits for a byte.
#[must_use]
pub fn read_byte() -> u8 {
    const IS_FULL: u32 = 1 << 1;
    // SAFETY: as above.
    unsafe {
        while UART.add(STATE).read_volatile() & IS_FULL == 0 {}
        UART.add(DATA).read_volatile() as u8
    }
}

/// Sends a byte, once there is room.
pub fn write_byte(byte: u8) {
    const IS_FULL: u32 = 1;
    // SAFETY: as above.
    unsafe {
        while UART.add(STATE).read_volatile() & IS_FULL != 0 {}
        UART.add(DATA).write_volatile(byte.into());
    }
}

/// Lets the counter run.
pub fn start_counter() {
    // SAFETY: the addresses are those of this board's timer, which nothing else uses.
    unsafe {
        RELOAD.write_volatile(u32::MAX);
        VALUE.write_volatile(u32::MAX);
        CONTROL.write_volatile(ENABLE);
    }
}

/// Ticks of [`TICK_NS`].
#[must_use]
pub fn counter() -> u32 {
    // SAFETY: as above; reading changes nothing.
    !unsafe { VALUE.read_volatile() }
}

/// Executes `2 · turns` instructions, and a few around them.
#[inline(never)]
pub fn spin(turns: u32) {
    // SAFETY: counts a register down, no more.
    unsafe {
        asm!(
            "2:", "subs {turns}, #1", "bne 2b",
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
}

/// Interrupts every `period` ticks of the processor's clock, for the action of [`on_row!`](crate::on_row).
pub fn start_row_clock(period: u32) {
    // SAFETY: nothing else uses this timer.
    let mut timer = unsafe { Peripherals::steal() }.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(period - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

/// Sets the action of the row clock's interrupt.
#[macro_export]
macro_rules! on_row {
    ($action:path) => {
        #[cortex_m_rt::exception]
        fn SysTick() {
            $action();
        }
    };
}

/// A bus error or the like, such as a stack that overflows: the run failed.
#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    semihosting::process::exit(console::FAULT)
}
