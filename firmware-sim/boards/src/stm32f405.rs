//! STM32F405, by its registers: RM0090, <https://www.st.com/resource/en/reference_manual/dm00031020.pdf>.
//!
//! QEMU's board `netduinoplus2` has its memories, its USART, and its `SysTick`; clocks and pins it takes for set. The chip
//! runs by its internal oscillator here, as it comes out of reset. Only the program `serial` is made for it.

use cortex_m::Peripherals;
pub use cortex_m::asm::wfi as sleep;
use cortex_m::peripheral::SCB;
use cortex_m::peripheral::syst::SystClkSource;
pub use cortex_m_rt::entry;
use cortex_m_rt::{ExceptionFrame, exception};
use firmware::link::Counter;

pub use crate::cortex::{guard_stack, stack_pointer};

/// What a computer on the serial line is told.
pub const CHIP: &str = "STM32F405, Cortex-M4";
/// The core's clock, and that of its USART.
pub const CLOCK_HZ: u32 = 16_000_000;
/// What counts cycles: the DWT stands still in QEMU.
pub const COUNTER: Counter = Counter::SysTick;

/// Bits a second on the line.
const BAUD: u32 = 115_200;

/// Section 7.3.
const CLOCKS_OF_PORTS: *mut u32 = 0x4002_3830 as *mut u32;
const CLOCKS_OF_USARTS: *mut u32 = 0x4002_3844 as *mut u32;
/// Section 8.4: pins A9 and A10, which are the USART's as function 7.
const PIN_MODES: *mut u32 = 0x4002_0000 as *mut u32;
const PIN_FUNCTIONS: *mut u32 = 0x4002_0024 as *mut u32;
/// Section 30.6: USART1, in words.
const USART: *mut u32 = 0x4001_1000 as *mut u32;
const STATUS: usize = 0;
const DATA: usize = 1;
const DIVISOR: usize = 2;
const CONTROL: usize = 3;

/// Prepares the serial line, at 115,200 baud: the board sends by pin A9 and receives by A10.
pub fn start_serial() {
    const FUNCTIONS: u32 = 0b10_10 << 18;
    const USARTS: u32 = 7 << 4 | 7 << 8;
    const ON: u32 = 1 << 13;
    const SEND_AND_RECEIVE: u32 = 1 << 3 | 1 << 2;
    // SAFETY: the addresses are those of this chip, and nothing else uses them.
    unsafe {
        change(CLOCKS_OF_PORTS, 0, 1);
        change(CLOCKS_OF_USARTS, 0, 1 << 4);
        change(PIN_FUNCTIONS, 0xff << 4, USARTS);
        change(PIN_MODES, 0b11_11 << 18, FUNCTIONS);
        USART.add(DIVISOR).write_volatile((CLOCK_HZ + BAUD / 2) / BAUD);
        USART.add(CONTROL).write_volatile(ON | SEND_AND_RECEIVE);
    }
}

/// Takes bits of a register away and sets others.
///
/// # Safety
///
/// It must be one, whose change does no harm.
unsafe fn change(register: *mut u32, away: u32, set: u32) {
    // SAFETY: the caller says so.
    unsafe { register.write_volatile(register.read_volatile() & !away | set) };
}

/// Waits for a byte.
#[must_use]
pub fn read_byte() -> u8 {
    const IS_FULL: u32 = 1 << 5;
    // SAFETY: as above. Reading the data takes away that some were lost before, too.
    unsafe {
        while USART.add(STATUS).read_volatile() & IS_FULL == 0 {}
        USART.add(DATA).read_volatile() as u8
    }
}

/// Sends a byte, once there is room.
pub fn write_byte(byte: u8) {
    const IS_EMPTY: u32 = 1 << 7;
    // SAFETY: as above.
    unsafe {
        while USART.add(STATUS).read_volatile() & IS_EMPTY == 0 {}
        USART.add(DATA).write_volatile(byte.into());
    }
}

/// Lets the counter run.
pub fn start_counter() {
    // SAFETY: nothing else uses this timer.
    let mut timer = unsafe { Peripherals::steal() }.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(0x00ff_ffff);
    timer.clear_current();
    timer.enable_counter();
}

/// Cycles, of 24 bits: it counts down.
#[must_use]
pub fn counter() -> u32 {
    !cortex_m::peripheral::SYST::get_current()
}

/// A bus error or the like, such as a stack that overflows: begins anew, which the computer sees.
#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    SCB::sys_reset()
}
