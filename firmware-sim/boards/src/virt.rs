//! RISC-V on QEMU's board `virt`.
//!
//! All its memory is RAM, of which a part stands for flash: see `build.rs`.

use core::arch::{asm, naked_asm};

use firmware::link::Counter;
pub use riscv::asm::wfi as sleep;
use riscv::register::{Permission, Range, mie, minstret, pmpaddr0, pmpcfg0, time};
pub use riscv_rt::entry;

use crate::console;
use crate::memory::{self, TestImages};

/// When the timer interrupts, in its ticks of 100 ns; 64 bits, the low half first. QEMU, `hw/riscv/virt.c` and
/// `hw/intc/riscv_aclint.c`.
const MTIMECMP: *mut [u32; 2] = 0x0200_4000 as *mut [u32; 2];

/// Nanoseconds of a tick of the counter, in QEMU 7.2: see [`counter`].
pub const TICK_NS: i32 = 1;

/// What a computer on the serial line is told.
pub const CHIP: &str = "QEMU's virt, RV32IMAC";
/// The core's clock: it has none.
pub const CLOCK_HZ: u32 = 0;
/// What counts ticks.
pub const COUNTER: Counter = Counter::Timer;

/// A 16550 and its registers, bytes: QEMU, `hw/riscv/virt.c`, and Texas Instruments SLLS057D, table 3.
const UART: *mut u8 = 0x1000_0000 as *mut u8;
const DATA: usize = 0;
const STATE: usize = 5;

/// Prepares the serial line: it is ready.
pub fn start_serial() {}

/// Waits for a byte.
#[must_use]
pub fn read_byte() -> u8 {
    const IS_FULL: u8 = 1;
    // SAFETY: the addresses are those of this board's UART, which nothing else uses.
    unsafe {
        while UART.add(STATE).read_volatile() & IS_FULL == 0 {}
        UART.add(DATA).read_volatile()
    }
}

/// Sends a byte, once there is room.
pub fn write_byte(byte: u8) {
    const IS_EMPTY: u8 = 1 << 5;
    // SAFETY: as above.
    unsafe {
        while UART.add(STATE).read_volatile() & IS_EMPTY == 0 {}
        UART.add(DATA).write_volatile(byte);
    }
}

/// Lets the counter run, which it does by itself.
pub fn start_counter() {}

/// Instructions. QEMU 7.2 gives the nanoseconds of `-icount` instead, 64 for each: 32 bits wrap after 67 million.
#[must_use]
pub fn counter() -> u32 {
    minstret::read() as u32
}

/// Executes `2 · turns` instructions, and a few around them.
#[inline(never)]
pub fn spin(turns: u32) {
    // SAFETY: counts a register down, no more.
    unsafe {
        asm!(
            "2:", "addi {turns}, {turns}, -1", "bnez {turns}, 2b",
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
}

/// Interrupts every `period` ticks of 100 ns, for the action of [`on_row!`](crate::on_row).
pub fn start_row_clock(period: u32) {
    set_timer(time::read64() + u64::from(period));
    // SAFETY: what an interrupt shares with the program is behind critical sections.
    unsafe {
        mie::set_mtimer();
        riscv::interrupt::enable();
    }
}

/// Sets the timer for the row after the one that is due.
pub fn await_next_row() {
    // SAFETY: the address is that of this board's timer, which nothing else uses; reading changes nothing.
    let [low, high] = unsafe { MTIMECMP.read_volatile() };
    let due = u64::from(high) << 32 | u64::from(low);
    set_timer(due + u64::from(TestImages::loaded().row_period));
}

fn set_timer(due: u64) {
    let halves = MTIMECMP.cast::<u32>();
    // SAFETY: as above. Between the writes it is due later than either time, so that it does not interrupt: The RISC-V
    // Instruction Set Manual, volume II, section 3.2.1.
    unsafe {
        halves.write_volatile(u32::MAX);
        halves.add(1).write_volatile((due >> 32) as u32);
        halves.write_volatile(due as u32);
    }
}

/// Sets the action of the row clock's interrupt.
#[macro_export]
macro_rules! on_row {
    ($action:path) => {
        #[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineTimer)]
        fn machine_timer() {
            $crate::machine::await_next_row();
            $action();
        }
    };
}

/// Forbids the memory below the stack, so that an overflow is a fault at once.
///
/// A locked entry of the physical memory protection holds for machine mode too: The RISC-V Instruction Set Manual,
/// volume II, section 3.7.
pub fn guard_stack() {
    const MEGABYTE: usize = 1 << 20;
    let region = memory::stack_end() - MEGABYTE;
    // SAFETY: the region holds nothing; all other memory stays as it was.
    unsafe {
        // in units of four bytes; as many ones at the end as make it this large
        pmpaddr0::write(region >> 2 | ((MEGABYTE >> 3) - 1));
        pmpcfg0::set_pmp(0, Range::NAPOT, Permission::NONE, true);
    }
}

/// Where the stack ends at present.
#[must_use]
pub fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack)) };
    pointer
}

/// Begins every trap, before `riscv-rt` lays registers on the stack. Interrupts go on there. An exception does not:
/// it ends the run, with the whole stack for it, since one that has overflowed would only fault again.
///
/// # Safety
///
/// Only `riscv-rt` goes here.
#[unsafe(naked)]
#[unsafe(export_name = "_pre_default_start_trap")]
unsafe extern "C" fn trap() {
    naked_asm!(
        "csrw mscratch, t0",
        "csrr t0, mcause",
        "bgez t0, 2f", // interrupts have the sign bit
        "csrr t0, mscratch",
        "j _pre_default_start_trap_ret",
        "2:",
        "la sp, _stack_start",
        "j {fault}",
        fault = sym fault,
    )
}

/// A forbidden access or the like, such as a stack that overflows: the run failed.
extern "C" fn fault() -> ! {
    semihosting::process::exit(console::FAULT)
}
