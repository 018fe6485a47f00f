//! What all boards with a Cortex-M have.

use core::arch::asm;

use crate::memory;

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
        let mpu = cortex_m::Peripherals::steal().MPU;
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
