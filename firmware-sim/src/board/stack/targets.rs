//! Where calls and jumps go that take their target from a register.

use std::collections::BTreeSet;

use super::Analysis;
use crate::board::instruction::{Constant, Flow, Instruction};
use crate::board::program::{Core, Program};

/// Objects of this name hold the model: no addresses, whatever their bytes.
const MODEL: &str = "boards::MODEL";

/// How far back the address of a table is set, in instructions.
const LOOK_BACK: usize = 24;

/// Where an indirect jump or call may go.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// Within the function.
    pub(super) inside: BTreeSet<u32>,
    pub(super) functions: BTreeSet<u32>,
}

impl Analysis<'_> {
    /// Whether the code says where a jump through a register goes.
    pub(super) fn is_resolved(&self, entry: u32, instruction: Instruction) -> bool {
        self.stated_targets(entry, instruction).is_some()
    }

    /// Where a call or a jump through a register may go: where the code says, or else to any function whose address the
    /// program holds.
    pub(super) fn targets(&mut self, entry: u32, instruction: Instruction) -> Targets {
        self.stated_targets(entry, instruction).unwrap_or_else(|| {
            self.used_pointers.extend(&self.pointers);
            Targets { functions: self.pointers.clone(), ..Targets::default() }
        })
    }

    /// Those that instructions before it give, on RISC-V: a far address in two parts, or a table.
    fn stated_targets(&self, entry: u32, instruction: Instruction) -> Option<Targets> {
        let (register, offset, is_call) = match instruction.flow {
            Flow::CallRegister(register, offset) => (register, offset, true),
            Flow::JumpRegister(register, offset) => (register, offset, false),
            _ => return None,
        };
        if self.program.core != Core::RiscV {
            return None;
        }
        let mut targets = Targets::default();
        let before = self.before(instruction.address, LOOK_BACK);
        if let Some(Constant::Is(set, value)) = before.first().and_then(|it| it.constant)
            && set == register
        {
            let target = value.wrapping_add_signed(offset);
            let is_function = is_call || self.program.functions.contains_key(&target);
            let set = if is_function { &mut targets.functions } else { &mut targets.inside };
            set.insert(target);
        } else if !is_call {
            self.read_table(entry, &before, &mut targets);
        }
        (!targets.inside.is_empty() || !targets.functions.is_empty()).then_some(targets)
    }

    /// The entries of a table whose address is set before a jump by it.
    fn read_table(&self, entry: u32, before: &[&Instruction], targets: &mut Targets) {
        let pair = before.windows(2).find_map(|pair| match [pair[1].constant, pair[0].constant] {
            [Some(Constant::Is(to, upper)), Some(Constant::Sum(sum, from, lower))]
                if to == sum && to == from =>
            {
                Some(upper.wrapping_add_signed(lower))
            }
            _ => None,
        });
        let Some(table) = pair else { return };
        let len = self.program.object_len(table);
        let body = self.program.body(entry);
        let ends = (body.first(), body.last());
        let (Some(first), Some(last)) = ends else { return };
        for address in (table..).step_by(4).take_while(|at| len.is_none_or(|len| at - table < len))
        {
            match self.program.word(address) {
                // of a table of known length some entries are for nothing
                Some(0) if len.is_some() => {}
                Some(word) if word != entry && (first.address..=last.address).contains(&word) => {
                    targets.inside.insert(word);
                }
                Some(word) if self.is_entry(word, len.is_some()) => {
                    targets.functions.insert(word);
                }
                _ => break,
            }
        }
    }
}

/// Functions whose addresses are in the program: in its data, or set in registers.
pub(super) fn pointers(program: &Program) -> BTreeSet<u32> {
    let function = |value: u32| {
        let address = match program.core {
            Core::Thumb if value & 1 == 0 => return None,
            Core::Thumb => value - 1,
            Core::RiscV => value,
        };
        program.functions.contains_key(&address).then_some(address)
    };
    let mut pointers: BTreeSet<u32> = program.words_outside(MODEL).filter_map(function).collect();
    // what registers are known to hold, as far as one path goes
    let mut registers = [None; 32];
    for instruction in &program.instructions {
        let (register, value) = match instruction.constant {
            Some(Constant::Is(register, value)) => (register, Some(value)),
            Some(Constant::Upper(register, upper)) => {
                let low = registers[usize::from(register)];
                (register, low.map(|low: u32| u32::from(upper) << 16 | low & 0xffff))
            }
            Some(Constant::Sum(to, from, more)) => {
                let from = registers[usize::from(from)];
                (to, from.map(|from: u32| from.wrapping_add_signed(more)))
            }
            None => continue,
        };
        registers[usize::from(register)] = value;
        pointers.extend(value.and_then(function));
    }
    pointers
}
