//! One machine instruction: what it does to the flow of control and to the stack, and what kind of work it is.
//!
//! The decoders tell apart what matters to a bound of the stack and to timing, no more: an addition and a shift are the
//! same to them. What they do not know they say so of, and no bound is made over it.

mod riscv;
mod thumb;

use super::program::Core;

/// An instruction at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Where it lies.
    pub address: u32,
    /// Bytes: 2 or 4.
    pub len: u32,
    /// Where control goes next.
    pub flow: Flow,
    /// What becomes of the stack pointer.
    pub stack: Stack,
    /// What kind of work it is.
    pub work: Work,
    /// Whether an `IT` before it decides if it is executed.
    pub is_conditional: bool,
    /// Part of an address that a register is set to.
    pub constant: Option<Constant>,
    /// On RISC-V: the registers that must be known when it is executed, a bit for each; not what a store stores.
    pub reads: u32,
}

/// Where control goes after an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// To the next one.
    Next,
    /// There, or to the next one.
    Branch(u32),
    /// There.
    Jump(u32),
    /// Into a function, and back to the next one.
    Call(u32),
    /// Into a function whose address is a register's value and this offset.
    CallRegister(u8, i32),
    /// To the address that is a register's value and this offset: into a function, or by a table.
    JumpRegister(u8, i32),
    /// To a place in this function, by a table.
    Table,
    /// Out of the function.
    Return,
    /// Nowhere: it traps.
    Stop,
}

/// What becomes of the stack pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// It stays.
    Keep,
    /// So many bytes are added to it.
    Move(i32),
    /// It is set to another register's value.
    Set,
}

/// Part of an address that a register is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constant {
    /// The register is set to this number.
    Is(u8, u32),
    /// Its upper half is set to this.
    Upper(u8, u16),
    /// The first register is set to the second's value and this.
    Sum(u8, u8, i32),
}

/// Kinds of work, as far as timing tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Arithmetic, logic, shifts and moves.
    Alu,
    /// A 32-bit product.
    Multiply,
    /// A product that is added or subtracted.
    MultiplyAccumulate,
    /// Products of halves, such as `SMLAD`.
    Dsp,
    /// A 64-bit product, or its high half.
    LongMultiply,
    /// A quotient or remainder.
    Divide,
    /// One register is loaded.
    Load {
        /// Register.
        to: u8,
        /// Registers that the address is made of, a bit for each.
        address: u32,
    },
    /// Several are, so many.
    LoadMultiple(u8),
    /// One register is stored.
    Store {
        /// Registers that the address is made of, a bit for each.
        address: u32,
        /// Whether it is a register's value that is added to the base.
        is_indexed: bool,
    },
    /// Several are, so many.
    StoreMultiple(u8),
    /// Only the flow of control.
    Branch,
    /// Loads and stores that nothing may come between.
    Atomic,
    /// Barriers, and registers of the system.
    System,
    /// `NOP` and `IT`.
    Nop,
    /// Waits for an interrupt.
    Sleep,
    /// Floating point.
    Float,
    /// Not known to the decoder.
    Unknown,
}

impl Work {
    /// Its name in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alu => "alu",
            Self::Multiply => "multiply",
            Self::MultiplyAccumulate => "multiply-accumulate",
            Self::Dsp => "dsp multiply",
            Self::LongMultiply => "long multiply",
            Self::Divide => "divide",
            Self::Load { .. } => "load",
            Self::LoadMultiple(_) => "load multiple",
            Self::Store { .. } => "store",
            Self::StoreMultiple(_) => "store multiple",
            Self::Branch => "branch",
            Self::Atomic => "atomic",
            Self::System => "system",
            Self::Nop => "nop",
            Self::Sleep => "sleep",
            Self::Float => "float",
            Self::Unknown => "unknown",
        }
    }
}

impl Instruction {
    /// One of these bytes, that only goes on.
    const fn plain(address: u32, len: u32, work: Work) -> Self {
        let (flow, stack) = (Flow::Next, Stack::Keep);
        let (is_conditional, constant, reads) = (false, None, 0);
        Self { address, len, flow, stack, work, is_conditional, constant, reads }
    }

    const fn flowing(address: u32, len: u32, flow: Flow) -> Self {
        Self { flow, ..Self::plain(address, len, Work::Branch) }
    }

    /// Where the next one lies.
    #[must_use]
    pub const fn end(&self) -> u32 {
        self.address.wrapping_add(self.len)
    }
}

/// Instructions of a piece of code, from its first byte on; a part of one at the end is left out.
#[must_use]
pub fn decode(core: Core, address: u32, bytes: &[u8]) -> Vec<Instruction> {
    let mut instructions = Vec::with_capacity(bytes.len() / 2);
    let mut at = 0;
    // of those that an `IT` decides about
    let mut conditional = 0;
    while let Some(low) = half(bytes, at) {
        let here = address.wrapping_add(at as u32);
        let is_wide = match core {
            Core::Thumb => low >> 11 >= 0b11101,
            Core::RiscV => low & 3 == 3,
        };
        let mut instruction = match (core, is_wide) {
            (Core::Thumb, false) => thumb::narrow(here, low),
            (Core::RiscV, false) => riscv::compressed(here, low),
            (_, true) => {
                let Some(high) = half(bytes, at + 2) else { break };
                match core {
                    Core::Thumb => thumb::wide(here, low, high),
                    Core::RiscV => riscv::full(here, u32::from(high) << 16 | u32::from(low)),
                }
            }
        };
        if conditional > 0 {
            conditional -= 1;
            instruction.is_conditional = true;
        }
        if core == Core::Thumb && low & 0xff00 == 0xbf00 && low & 0xf != 0 {
            conditional = 4 - (low & 0xf).trailing_zeros();
        }
        at += instruction.len as usize;
        instructions.push(instruction);
    }
    instructions
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*half))
}

/// The lowest `bits` bits of a number, with a sign.
const fn signed(value: u32, bits: u32) -> i32 {
    (value << (32 - bits)).cast_signed() >> (32 - bits)
}
