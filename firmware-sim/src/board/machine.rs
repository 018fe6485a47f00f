//! The boards that QEMU knows, with what is built for each.

use firmware::format::Layout;

use super::timing::Timing;

/// Bytes of flash that every board has, or what stands for it: `firmware-sim/boards/build.rs`.
pub(super) const FLASH_BYTES: usize = 4 << 20;

/// A board that QEMU knows, and what is built for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// Cortex-M3 on MPS2 AN385.
    M3,
    /// Cortex-M4 on MPS2 AN386.
    M4,
    /// Cortex-M7 on MPS2 AN500.
    M7,
    /// Cortex-M33 with DSP instructions, as it is sold, on MPS2 AN505.
    M33,
    /// Code for Cortex-M0 (ARMv6-M), on the M3 of AN385: QEMU's M0 board has too little flash.
    V6m,
    /// RISC-V with 32 bits, multiplication, atomic and compressed instructions, on QEMU's own board.
    Rv32imac,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::M3, Self::M4, Self::M7, Self::M33, Self::V6m, Self::Rv32imac];

    /// What the command line calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::M3 => "m3",
            Self::M4 => "m4",
            Self::M7 => "m7",
            Self::M33 => "m33",
            Self::V6m => "v6m",
            Self::Rv32imac => "rv32imac",
        }
    }

    /// Other names that the command line takes.
    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::V6m => &["m0", "m0+"],
            Self::Rv32imac => &["rv32"],
            _ => &[],
        }
    }

    /// The machine of one of these names.
    ///
    /// ```
    /// use firmware_sim::board::Machine;
    ///
    /// assert_eq!(Machine::named("rv32"), Some(Machine::Rv32imac));
    /// assert_eq!(Machine::named("m5"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_named = |machine: &Self| machine.name() == name || machine.aliases().contains(&name);
        Self::ALL.into_iter().find(is_named)
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::M3 => "Cortex-M3, mps2-an385",
            Self::M4 => "Cortex-M4, mps2-an386",
            Self::M7 => "Cortex-M7, mps2-an500",
            Self::M33 => "Cortex-M33, mps2-an505",
            Self::V6m => "ARMv6-M code, mps2-an385",
            Self::Rv32imac => "RV32IMAC, virt",
        }
    }

    /// QEMU's name of the board.
    pub(super) const fn board(self) -> &'static str {
        match self {
            Self::M3 | Self::V6m => "mps2-an385",
            Self::M4 => "mps2-an386",
            Self::M7 => "mps2-an500",
            Self::M33 => "mps2-an505",
            Self::Rv32imac => "virt",
        }
    }

    /// The QEMU that has it, and Debian's package of that.
    pub(super) const fn emulator(self) -> [&'static str; 2] {
        match self {
            Self::Rv32imac => ["qemu-system-riscv32", "qemu-system-misc"],
            _ => ["qemu-system-arm", "qemu-system-arm"],
        }
    }

    /// Rust's name of the target.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::M3 => "thumbv7m-none-eabi",
            Self::M4 | Self::M7 => "thumbv7em-none-eabi",
            Self::M33 => "thumbv8m.main-none-eabi",
            Self::V6m => "thumbv6m-none-eabi",
            Self::Rv32imac => "riscv32imac-unknown-none-elf",
        }
    }

    /// The linker beside Debian's Rust: of `binutils-arm-none-eabi` or `binutils-riscv64-unknown-elf`.
    pub(super) const fn debian_linker(self) -> &'static str {
        match self {
            Self::Rv32imac => "riscv64-unknown-elf-ld",
            _ => "arm-none-eabi-ld",
        }
    }

    /// Where the images lie, and the image in flash looks for them: QEMU, `hw/arm/mps2.c`, `hw/arm/mps2-tz.c`
    /// and `hw/riscv/virt.c`.
    pub(super) const fn images_at(self) -> u32 {
        match self {
            Self::M3 | Self::M4 | Self::V6m => 0x2100_0000,
            Self::M7 => 0x6000_0000,
            Self::M33 => 0x8000_0000,
            Self::Rv32imac => 0x8100_0000,
        }
    }

    /// Ticks a second of the timer that rows come by: the same files, and `hw/intc/riscv_aclint.c`.
    pub(super) const fn timer_hz(self) -> u64 {
        match self {
            Self::M3 | Self::M4 | Self::M7 | Self::V6m => 25_000_000,
            Self::M33 => 20_000_000,
            Self::Rv32imac => 10_000_000,
        }
    }

    /// How long its instructions take, where that is published.
    #[must_use]
    pub const fn timing(self) -> Option<Timing> {
        match self {
            Self::V6m => Some(Timing::CortexM0Plus),
            Self::M3 => Some(Timing::CortexM3),
            Self::M4 => Some(Timing::CortexM4),
            Self::Rv32imac => Some(Timing::Hazard3),
            Self::M7 | Self::M33 => None,
        }
    }

    /// Where the program reads its clock, in memory; of RISC-V it is a register of the core: `boards/src/mps2.rs` and
    /// `boards/src/virt.rs`.
    pub(super) const fn clock(self) -> Option<u32> {
        match self {
            Self::M3 | Self::M4 | Self::M7 | Self::V6m => Some(0x4000_0004),
            Self::M33 => Some(0x5000_0004),
            Self::Rv32imac => None,
        }
    }

    /// The layout of weights that this machine's kernels are made for.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match self {
            Self::M4 | Self::M7 | Self::M33 => Layout::Words,
            Self::M3 | Self::V6m | Self::Rv32imac => Layout::Bytes,
        }
    }
}
