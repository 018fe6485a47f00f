//! Thumb instructions of ARMv6-M, ARMv7E-M and ARMv8-M: Arm DDI 0403E, chapter A5.

use super::{Constant, Flow, Instruction, Stack, Work, signed};

const SP: u8 = 13;
const LR: u8 = 14;
const PC: u8 = 15;

fn bit(register: u8) -> u32 {
    1 << register
}

/// `count` bits from bit `from` on.
fn field(half: u16, from: u32, count: u32) -> u8 {
    ((u32::from(half) >> from) & ((1 << count) - 1)) as u8
}

/// One of 16 bits.
pub(super) fn narrow(address: u32, half: u16) -> Instruction {
    let plain = |work| Instruction::plain(address, 2, work);
    let flowing = |flow| Instruction::flowing(address, 2, flow);
    let target = |offset: i32| address.wrapping_add(4).wrapping_add_signed(offset);
    let moved = |bytes, work| Instruction { stack: Stack::Move(bytes), ..plain(work) };
    let low = |from| field(half, from, 3);
    match half >> 10 {
        0b01_0000 => plain(if field(half, 6, 4) == 13 { Work::Multiply } else { Work::Alu }),
        0b01_0001 => special(address, half),
        0b01_0010 | 0b01_0011 => plain(Work::Load { to: low(8), address: bit(PC) }),
        0b01_0100..=0b01_0111 => {
            let address = bit(low(3)) | bit(low(6));
            match field(half, 9, 3) {
                0..=2 => plain(Work::Store { address, is_indexed: true }),
                _ => plain(Work::Load { to: low(0), address }),
            }
        }
        0b01_1000..=0b10_0111 => {
            let is_of_stack = half >> 12 == 0b1001;
            let (to, base) = if is_of_stack { (low(8), SP) } else { (low(0), low(3)) };
            let address = bit(base);
            if half & 0x800 == 0 {
                plain(Work::Store { address, is_indexed: false })
            } else {
                plain(Work::Load { to, address })
            }
        }
        0b10_1100..=0b10_1111 => match half {
            0xb000..=0xb07f => moved(4 * i32::from(half & 0x7f), Work::Alu),
            0xb080..=0xb0ff => moved(-4 * i32::from(half & 0x7f), Work::Alu),
            0xb400..=0xb5ff => {
                let count = (half & 0x1ff).count_ones();
                moved(-4 * count.cast_signed(), Work::StoreMultiple(count as u8))
            }
            0xbc00..=0xbdff => {
                let count = (half & 0x1ff).count_ones();
                let flow = if half & 0x100 == 0 { Flow::Next } else { Flow::Return };
                let popped = moved(4 * count.cast_signed(), Work::LoadMultiple(count as u8));
                Instruction { flow, ..popped }
            }
            0xb660..=0xb67f | 0xbe00..=0xbeff => plain(Work::System),
            0xbf20 | 0xbf30 => plain(Work::Sleep),
            0xbf00..=0xbfff => plain(Work::Nop),
            _ if half & 0xf500 == 0xb100 => {
                let offset = i32::from(half >> 3 & 0x40 | half >> 2 & 0x3e);
                flowing(Flow::Branch(target(offset)))
            }
            _ => plain(Work::Alu),
        },
        0b11_0000 | 0b11_0001 => plain(Work::StoreMultiple((half & 0xff).count_ones() as u8)),
        0b11_0010 | 0b11_0011 => plain(Work::LoadMultiple((half & 0xff).count_ones() as u8)),
        0b11_0100..=0b11_0111 => match field(half, 8, 4) {
            14 => flowing(Flow::Stop),
            15 => plain(Work::System),
            _ => flowing(Flow::Branch(target(2 * signed(half.into(), 8)))),
        },
        0b11_1000 | 0b11_1001 => flowing(Flow::Jump(target(2 * signed(half.into(), 11)))),
        // shifts, additions, comparisons and addresses
        _ => plain(Work::Alu),
    }
}

/// With registers above the eighth.
fn special(address: u32, half: u16) -> Instruction {
    let plain = Instruction::plain(address, 2, Work::Alu);
    let to = field(half, 0, 3) | field(half, 7, 1) << 3;
    let from = field(half, 3, 4);
    let flow = match field(half, 8, 2) {
        3 if half & 0x80 != 0 => Flow::CallRegister(from, 0),
        3 if from == LR => Flow::Return,
        3 => Flow::JumpRegister(from, 0),
        1 => Flow::Next,
        2 if to == PC && from == LR => Flow::Return,
        _ if to == PC => Flow::Table,
        _ if to == SP => return Instruction { stack: Stack::Set, ..plain },
        _ => Flow::Next,
    };
    if flow == Flow::Next { plain } else { Instruction::flowing(address, 2, flow) }
}

/// One of 32 bits, in two halves.
pub(super) fn wide(address: u32, first: u16, second: u16) -> Instruction {
    let plain = |work| Instruction::plain(address, 4, work);
    match first >> 9 {
        0b111_0100 if first & 0x40 == 0 => multiple(address, first, second),
        0b111_0100 => dual(address, first, second),
        0b111_0101 => {
            let is_set = field(second, 8, 4) == SP;
            let stack = if is_set { Stack::Set } else { Stack::Keep };
            Instruction { stack, ..plain(Work::Alu) }
        }
        0b111_1000..=0b111_1011 if second & 0x8000 != 0 => control(address, first, second),
        0b111_1000..=0b111_1011 => immediate(address, first, second),
        0b111_1100 => single(address, first, second),
        0b111_1101 if first & 0x100 == 0 => plain(Work::Alu),
        0b111_1101 => plain(product(first, second)),
        // a coprocessor's: may move the stack pointer
        _ => Instruction { stack: Stack::Set, ..plain(Work::Float) },
    }
}

fn product(first: u16, second: u16) -> Work {
    match (field(first, 4, 4), field(second, 4, 4)) {
        (0, 0) if second >> 12 == 15 => Work::Multiply,
        (0, 0 | 1) => Work::MultiplyAccumulate,
        (0b1001 | 0b1011, 15) => Work::Divide,
        // SMLALxy, SMLALD and SMLSLD are of halves
        (0b1100 | 0b1101, operation) if operation >= 8 => Work::Dsp,
        (8.., _) => Work::LongMultiply,
        _ => Work::Dsp,
    }
}

/// Several registers.
fn multiple(address: u32, first: u16, second: u16) -> Instruction {
    let count = second.count_ones();
    let is_load = first & 0x10 != 0;
    let is_down = field(first, 7, 2) == 2;
    let bytes = 4 * count.cast_signed();
    let writes_back = first & 0x20 != 0 && field(first, 0, 4) == SP;
    let stack = match (writes_back, is_down) {
        (false, _) => Stack::Keep,
        (true, true) => Stack::Move(-bytes),
        (true, false) => Stack::Move(bytes),
    };
    let flow = if is_load && second & 0x8000 != 0 { Flow::Return } else { Flow::Next };
    let work =
        if is_load { Work::LoadMultiple(count as u8) } else { Work::StoreMultiple(count as u8) };
    Instruction { flow, stack, ..Instruction::plain(address, 4, work) }
}

/// Two registers, exclusive ones, and tables of branches.
fn dual(address: u32, first: u16, second: u16) -> Instruction {
    let plain = |work| Instruction::plain(address, 4, work);
    if first & 0xfff0 == 0xe8d0 && second & 0xffe0 == 0xf000 {
        return Instruction::flowing(address, 4, Flow::Table);
    }
    let (is_before, is_up, writes_back) = (first & 0x100, first & 0x80, first & 0x20);
    if is_before == 0 && writes_back == 0 {
        return plain(Work::Atomic);
    }
    let bytes = 4 * i32::from(second & 0xff);
    let stack = match writes_back != 0 && field(first, 0, 4) == SP {
        true if is_up == 0 => Stack::Move(-bytes),
        true => Stack::Move(bytes),
        false => Stack::Keep,
    };
    let work = if first & 0x10 != 0 { Work::LoadMultiple(2) } else { Work::StoreMultiple(2) };
    Instruction { stack, ..plain(work) }
}

/// One register.
fn single(address: u32, first: u16, second: u16) -> Instruction {
    let (base, register) = (field(first, 0, 4), field(second, 12, 4));
    let (is_load, is_word) = (first & 0x10 != 0, field(first, 5, 2) == 2);
    let has_immediate = first & 0x80 != 0 || base == PC || second & 0x800 != 0;
    let writes_back = first & 0x80 == 0 && second & 0x900 == 0x900 && base != PC;
    let bytes = i32::from(second & 0xff);
    let bytes = if second & 0x200 == 0 { -bytes } else { bytes };
    let mut stack = if writes_back && base == SP { Stack::Move(bytes) } else { Stack::Keep };
    let index = if has_immediate { 0 } else { bit(field(second, 0, 4)) };
    let registers = bit(base) | index;
    let plain = |work| Instruction::plain(address, 4, work);
    if !is_load {
        let work = Work::Store { address: registers, is_indexed: !has_immediate };
        return Instruction { stack, ..plain(work) };
    }
    if register == PC && !is_word {
        // a hint that memory will be read
        return plain(Work::Nop);
    }
    if register == SP {
        stack = Stack::Set;
    }
    let flow = match register == PC {
        true if writes_back && base == SP => Flow::Return,
        true => Flow::JumpRegister(PC, 0),
        false => Flow::Next,
    };
    Instruction { flow, stack, ..plain(Work::Load { to: register, address: registers }) }
}

/// Arithmetic with a number.
fn immediate(address: u32, first: u16, second: u16) -> Instruction {
    let plain = Instruction::plain(address, 4, Work::Alu);
    let (to, from) = (field(second, 8, 4), field(first, 0, 4));
    let twelve = u32::from(first & 0x400) << 1 | u32::from(second >> 4 & 0x700 | second & 0xff);
    let is_plain = first & 0x200 != 0;
    let operation = field(first, 4, 5);
    if is_plain && matches!(operation, 4 | 12) {
        let number = (u16::from(from) << 12) | twelve as u16;
        let constant = match operation {
            4 => Constant::Is(to, number.into()),
            _ => Constant::Upper(to, number),
        };
        return Instruction { constant: Some(constant), ..plain };
    }
    if to != SP {
        return plain;
    }
    let bytes = if is_plain { twelve } else { expand(twelve) }.cast_signed();
    let adds = if is_plain { operation == 0 } else { operation >> 1 == 8 };
    let subtracts = if is_plain { operation == 10 } else { operation >> 1 == 13 };
    let stack = match from == SP {
        true if adds => Stack::Move(bytes),
        true if subtracts => Stack::Move(-bytes),
        _ => Stack::Set,
    };
    Instruction { stack, ..plain }
}

/// The number that twelve bits stand for: section A5.3.2.
fn expand(twelve: u32) -> u32 {
    let byte = twelve & 0xff;
    match twelve >> 8 {
        0 => byte,
        1 => byte << 16 | byte,
        2 => byte << 24 | byte << 8,
        3 => byte * 0x0101_0101,
        _ => (0x80 | twelve & 0x7f).rotate_right(twelve >> 7),
    }
}

/// Branches, and registers of the system.
fn control(address: u32, first: u16, second: u16) -> Instruction {
    let flowing = |flow| Instruction::flowing(address, 4, flow);
    let here = address.wrapping_add(4);
    let (first_bits, second_bits) = (u32::from(first), u32::from(second));
    let sign = first_bits >> 10 & 1;
    let low = second_bits & 0x7ff;
    if second & 0x1000 != 0 {
        let [j1, j2] = [second_bits >> 13 & 1, second_bits >> 11 & 1].map(|it| 1 ^ it ^ sign);
        let offset = sign << 23 | j1 << 22 | j2 << 21 | (first_bits & 0x3ff) << 11 | low;
        let target = here.wrapping_add_signed(2 * signed(offset, 24));
        return flowing(if second & 0x4000 != 0 { Flow::Call(target) } else { Flow::Jump(target) });
    }
    if first & 0x380 != 0x380 {
        let [j1, j2] = [second_bits >> 13 & 1, second_bits >> 11 & 1];
        let offset = sign << 19 | j2 << 18 | j1 << 17 | (first_bits & 0x3f) << 11 | low;
        return flowing(Flow::Branch(here.wrapping_add_signed(2 * signed(offset, 20))));
    }
    match first {
        0xf7f0..=0xf7ff => flowing(Flow::Stop),
        0xf3af => Instruction::plain(address, 4, Work::Nop),
        0xf380..=0xf3ff => Instruction::plain(address, 4, Work::System),
        _ => Instruction { stack: Stack::Set, ..Instruction::plain(address, 4, Work::Unknown) },
    }
}
