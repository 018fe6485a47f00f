//! Cortex-M on the MPS2 boards.

use core::arch::asm;

use cortex_m::Peripherals;
pub use cortex_m::asm::wfi as sleep;
use cortex_m::peripheral::syst::SystClkSource;
pub use cortex_m_rt::entry;
use cortex_m_rt::{ExceptionFrame, exception};

use crate::{console, memory};

/// The CMSDK APB timer 0 of the MPS2 boards: counts down at the processor's clock, 32 bits.
/// Arm DDI 0479C, section 4.3: <https://developer.arm.com/documentation/ddi0479/c>.
const TIMER: usize = if cfg!(armv8m) { 0x5000_0000 } else { 0x4000_0000 };
const CONTROL: *mut u32 = TIMER as *mut u32;
const VALUE: *mut u32 = (TIMER + 4) as *mut u32;
const RELOAD: *mut u32 = (TIMER + 8) as *mut u32;
const ENABLE: u32 = 1;

/// Nanoseconds of a tick: 25 MHz, on AN505 20 MHz.
pub const TICK_NS: i32 = if cfg!(armv8m) { 50 } else { 40 };

/// What the board's own interrupts call, of which none is let through: without this table there is one of 240, as many
/// as any Cortex-M has.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 32] = {
    unsafe extern "C" {
        fn DefaultHandler();
    }
    [DefaultHandler; 32]
};

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

/// Forbids the memory below the stack, so that an overflow is a fault at once: QEMU's MPS2 boards let a program read
/// zeros and write nothing where there is no memory.
///
/// A region of the memory protection unit: Arm DDI 0403E, section B3.5.
#[cfg(not(armv8m))]
pub fn guard_stack() {
    const MEGABYTE: u32 = 19 << 1; // 2^(19 + 1) bytes
    const ENABLE: u32 = 1;
    const DEFAULT_MAP_ELSEWHERE: u32 = 1 << 2;
    let region = memory::stack_end() as u32 - (1 << 20);
    // SAFETY: the region holds nothing; all other memory stays as it was. No access is the access bits' zero.
    unsafe {
        let mpu = Peripherals::steal().MPU;
        mpu.rnr.write(0);
        mpu.rbar.write(region);
        mpu.rasr.write(MEGABYTE | ENABLE);
        mpu.ctrl.write(DEFAULT_MAP_ELSEWHERE | ENABLE);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Sets the limit of the stack, so that an overflow is a fault at once: Arm DDI 0553, section B3.21.
#[cfg(armv8m)]
pub fn guard_stack() {
    // SAFETY: the stack, which ends here, is nowhere below it.
    unsafe { cortex_m::register::msplim::write(memory::stack_end() as u32) };
}

/// Where the stack ends at present.
#[must_use]
pub fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack)) };
    pointer
}

/// A bus error or the like, such as a stack that overflows: the run failed.
#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    semihosting::process::exit(console::FAULT)
}
