//! Instructions of RV32IMAC: The RISC-V Instruction Set Manual, volume I, chapters 2, 7, 8 and 16.

use super::{Constant, Flow, Instruction, Stack, Work, signed};

const RA: u8 = 1;
const SP: u8 = 2;

fn register(word: u32, from: u32) -> u8 {
    (word >> from & 31) as u8
}

/// An instruction that sets a register to what need not be known.
fn setting(plain: Instruction, to: u8) -> Instruction {
    let stack = if to == SP { Stack::Set } else { Stack::Keep };
    Instruction { stack, ..plain }
}

/// `to = from + number`
fn sum(plain: Instruction, to: u8, from: u8, number: i32) -> Instruction {
    if to == SP && from == SP {
        return Instruction { stack: Stack::Move(number), ..plain };
    }
    let constant = Some(Constant::Sum(to, from, number));
    Instruction { constant, ..setting(plain, to) }
}

/// One of 16 bits.
pub(super) fn compressed(address: u32, half: u16) -> Instruction {
    let word = u32::from(half);
    let [near, far] = [2, 7].map(|from| 1 << ((word >> from & 7) + 8));
    let [to, other] = [7, 2].map(|from| 1_u32 << register(word, from));
    let reads = match (word & 3, half >> 13) {
        (0, 0) | (2, 2 | 6) => 1 << SP,
        (0, _) | (1, 6 | 7) => far,
        (1 | 2, 0) => to,
        // shifts and `andi` have no second register
        (1, 4) => far | if half >> 10 & 3 == 3 { near } else { 0 },
        (2, 4) => to | other,
        _ => 0,
    };
    Instruction { reads: reads & !1, ..flow_of_compressed(address, half) }
}

fn flow_of_compressed(address: u32, half: u16) -> Instruction {
    let word = u32::from(half);
    let plain = |work| Instruction::plain(address, 2, work);
    let flowing = |flow| Instruction::flowing(address, 2, flow);
    let bit = |from: u32, to: u32| (word >> from & 1) << to;
    let number = signed(bit(12, 5) | word >> 2 & 31, 6);
    let target = |offset: i32| address.wrapping_add_signed(offset);
    let (to, other) = (register(word, 7), register(word, 2));
    let [near, far] = [2, 7].map(|from| (word >> from & 7) as u8 + 8);
    let jump = signed(
        bit(12, 11)
            | bit(11, 4)
            | (word >> 9 & 3) << 8
            | bit(8, 10)
            | bit(7, 6)
            | bit(6, 7)
            | (word >> 3 & 7) << 1
            | bit(2, 5),
        12,
    );
    let branch = signed(
        bit(12, 8)
            | (word >> 10 & 3) << 3
            | (word >> 5 & 3) << 6
            | (word >> 3 & 3) << 1
            | bit(2, 5),
        9,
    );
    match (word & 3, half >> 13) {
        (_, _) if half == 0 => flowing(Flow::Stop),
        (0, 0) | (1, 4) => plain(Work::Alu),
        (0, 2) => plain(Work::Load { to: near, address: 1 << far }),
        (0, 6) => plain(Work::Store { address: 1 << far, is_indexed: false }),
        (1, 0) => sum(plain(Work::Alu), to, to, number),
        (1, 1) => flowing(Flow::Call(target(jump))),
        (1, 2) | (2, 0) => setting(plain(Work::Alu), to),
        (1, 3) if to == SP => {
            let bytes = bit(12, 9) | bit(6, 4) | bit(5, 6) | (word >> 3 & 3) << 7 | bit(2, 5);
            Instruction { stack: Stack::Move(signed(bytes, 10)), ..plain(Work::Alu) }
        }
        (1, 3) => {
            let constant = Some(Constant::Is(to, (number << 12).cast_unsigned()));
            Instruction { constant, ..plain(Work::Alu) }
        }
        (1, 5) => flowing(Flow::Jump(target(jump))),
        (1, _) => flowing(Flow::Branch(target(branch))),
        (2, 2) => setting(plain(Work::Load { to, address: 1 << SP }), to),
        (2, 4) => match (half >> 12 & 1, to, other) {
            (0, RA, 0) => flowing(Flow::Return),
            (0, _, 0) => flowing(Flow::JumpRegister(to, 0)),
            (_, 0, 0) => plain(Work::System),
            (_, _, 0) => flowing(Flow::CallRegister(to, 0)),
            _ => setting(plain(Work::Alu), to),
        },
        (2, 6) => plain(Work::Store { address: 1 << SP, is_indexed: false }),
        _ => Instruction { stack: Stack::Set, ..plain(Work::Unknown) },
    }
}

/// One of 32 bits.
pub(super) fn full(address: u32, word: u32) -> Instruction {
    let [from, other] = [15, 20].map(|at| 1_u32 << register(word, at));
    let reads = match word & 0x7f {
        0x63 | 0x33 | 0x2f => from | other,
        0x67 | 0x03 | 0x23 | 0x13 => from,
        0x73 if word >> 12 & 7 < 4 => from,
        _ => 0,
    };
    Instruction { reads: reads & !1, ..flow_of_full(address, word) }
}

fn flow_of_full(address: u32, word: u32) -> Instruction {
    let plain = |work| Instruction::plain(address, 4, work);
    let flowing = |flow| Instruction::flowing(address, 4, flow);
    let bit = |from: u32, to: u32| (word >> from & 1) << to;
    let (to, from, kind) = (register(word, 7), register(word, 15), word >> 12 & 7);
    let number = word.cast_signed() >> 20;
    match word & 0x7f {
        0x37 | 0x17 => {
            let base = if word & 0x20 == 0 { address } else { 0 };
            let value = base.wrapping_add(word & 0xffff_f000);
            let constant = Some(Constant::Is(to, value));
            Instruction { constant, ..setting(plain(Work::Alu), to) }
        }
        0x6f => {
            let offset = bit(31, 20) | word & 0xf_f000 | bit(20, 11) | (word >> 21 & 0x3ff) << 1;
            let target = address.wrapping_add_signed(signed(offset, 21));
            flowing(if to == 0 { Flow::Jump(target) } else { Flow::Call(target) })
        }
        0x67 => flowing(match (to, from, number) {
            (0, RA, 0) => Flow::Return,
            (0, ..) => Flow::JumpRegister(from, number),
            _ => Flow::CallRegister(from, number),
        }),
        0x63 => {
            let offset =
                bit(31, 12) | bit(7, 11) | (word >> 25 & 0x3f) << 5 | (word >> 8 & 0xf) << 1;
            flowing(Flow::Branch(address.wrapping_add_signed(signed(offset, 13))))
        }
        0x03 => setting(plain(Work::Load { to, address: 1 << from }), to),
        0x23 => plain(Work::Store { address: 1 << from, is_indexed: false }),
        0x13 if kind == 0 => sum(plain(Work::Alu), to, from, number),
        0x33 if word >> 25 == 1 => {
            let product = match kind {
                0 => Work::Multiply,
                1..=3 => Work::LongMultiply,
                _ => Work::Divide,
            };
            setting(plain(product), to)
        }
        0x13 | 0x33 => setting(plain(Work::Alu), to),
        0x0f => plain(Work::System),
        0x73 => match word {
            // mret
            0x3020_0073 => Instruction { flow: Flow::Return, ..plain(Work::System) },
            0x1050_0073 => plain(Work::Sleep),
            _ => setting(plain(Work::System), if kind == 0 { 0 } else { to }),
        },
        0x2f => setting(plain(Work::Atomic), to),
        _ => Instruction { stack: Stack::Set, ..plain(Work::Unknown) },
    }
}
