//! The deepest stack that a program can reach, from the code as it is linked.
//!
//! All paths through each function are followed, whatever their conditions, and all calls: what the prologues, the
//! epilogues and hand-written assembly do to the stack pointer adds up along them. So the bound holds for any input. There
//! is none, and an error says why, if a function may call itself, if a call or a jump goes where the code does not say,
//! or if the stack pointer is set to what is not known.

mod never;
mod targets;

pub use never::NeverCalled;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::instruction::{Constant, Flow, Instruction, Stack, Work};
use super::program::{Core, Program};
use targets::pointers;

/// What is on the stack at its deepest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackBound {
    /// Bytes of the program itself.
    pub program: u32,
    /// Functions from the start to the deepest, each with the bytes that lie on the stack above it.
    pub path: Vec<(String, u32)>,
    /// Bytes of an interrupt: what the core lays on the stack, and its handler. Interrupts do not interrupt each other
    /// here.
    pub interrupt: u32,
    /// Functions that are called through pointers, of which any is taken to be called by each such call.
    pub by_pointer: Vec<String>,
    /// Functions that are linked, and that this model never calls: they are left out.
    pub left_out: Vec<NeverCalled>,
}

/// The stack's top is at a multiple of this, as the ABIs of these cores ask.
const STACK_ALIGNMENT: u32 = 16;

/// Why there is no bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// A function may call itself.
    #[error("recursion: {}", .0.join(" calls "))]
    Recursion(Vec<String>),
    /// A call or jump goes where the code does not say.
    #[error("{function} goes on where the code does not say, at {address:#x}")]
    Unresolved {
        /// Where it is.
        function: String,
        /// Address of the instruction.
        address: u32,
    },
    /// The stack pointer becomes what is not known, or is another on another path.
    #[error("the stack pointer is not known in {function} at {address:#x}")]
    Pointer {
        /// Where it is.
        function: String,
        /// Address of the instruction.
        address: u32,
    },
    /// A function that was left out, and that an image called.
    #[error("{0} was left out as never called, and an image called it")]
    Called(&'static str),
    /// No such symbol.
    #[error("the program has no symbol {0}")]
    Symbol(&'static str),
}

impl StackBound {
    /// Bytes of both.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.program + self.interrupt
    }

    /// That of a board's program: from its start, and of the interrupt by which rows come.
    ///
    /// Faults are left out: they end the run. So are functions that are `never` called.
    ///
    /// # Errors
    /// [`StackError`].
    pub fn of(program: &Program, never: &[NeverCalled]) -> Result<Self, StackError> {
        // what the core lays on the stack, and with it a word where the stack was not at a multiple of eight:
        // Arm DDI 0403E, section B1.5.6. RISC-V cores lay nothing there.
        let (start, handler, frame) = match program.core {
            Core::Thumb => ("Reset", "SysTick", 32 + 4),
            Core::RiscV => ("_abs_start", "_default_start_trap", 0),
        };
        let entry = |name| {
            let address = program.symbol(name).ok_or(StackError::Symbol(name))?;
            Ok(if program.core == Core::Thumb { address & !1 } else { address })
        };
        let (start, handler) = (entry(start)?, entry(handler)?);
        let mut analysis = Analysis::of(program, never);
        let main = analysis.function(start)?;
        let interrupt = frame + analysis.function(handler)?.deepest;
        let by_pointer = analysis.used_pointers.iter().map(|&it| program.function_at(it).into());
        let by_pointer = by_pointer.collect();
        let (path, left_out) = (analysis.path(start), analysis.left_out);
        Ok(Self { program: main.deepest, path, interrupt, by_pointer, left_out })
    }
}

/// What is known of a function.
#[derive(Debug, Clone, Copy)]
struct Function {
    /// Bytes below the stack pointer that it begins with, of it and all that it calls.
    deepest: u32,
    /// The call that is deepest, if one is, and the bytes above it.
    callee: Option<(u32, u32)>,
    returns: bool,
    is_left_out: bool,
}

impl Function {
    const EMPTY: Self = Self { deepest: 0, callee: None, returns: false, is_left_out: false };
}

struct Analysis<'a> {
    program: &'a Program,
    known: HashMap<u32, Function>,
    /// Functions that are being followed.
    open: Vec<u32>,
    /// Functions whose addresses the program holds.
    pointers: BTreeSet<u32>,
    used_pointers: BTreeSet<u32>,
    never: &'a [NeverCalled],
    left_out: Vec<NeverCalled>,
}

/// A place to follow a function from.
#[derive(Debug, Clone, Copy)]
struct Way {
    to: u32,
    /// Bytes on the stack there.
    depth: i32,
    /// Whether an instruction goes there, rather than the one before it on.
    is_jump: bool,
}

impl<'a> Analysis<'a> {
    fn of(program: &'a Program, never: &'a [NeverCalled]) -> Self {
        Self {
            program,
            known: HashMap::new(),
            open: Vec::new(),
            pointers: pointers(program),
            used_pointers: BTreeSet::new(),
            never,
            left_out: Vec::new(),
        }
    }

    fn name(&self, address: u32) -> String {
        self.program.function_at(address).into()
    }

    /// Follows a function, and all that it calls.
    fn function(&mut self, entry: u32) -> Result<Function, StackError> {
        let caller = self.open.last().map_or("", |&open| self.program.function_at(open));
        let name = self.program.function_at(entry);
        if let Some(never) = self.never.iter().find(|never| never.is(caller, name)) {
            if !self.left_out.contains(never) {
                self.left_out.push(never.clone());
            }
            return Ok(Function { returns: true, is_left_out: true, ..Function::EMPTY });
        }
        if let Some(&known) = self.known.get(&entry) {
            return Ok(known);
        }
        if let Some(from) = self.open.iter().position(|&open| open == entry) {
            let around = self.open.get(from..).unwrap_or_default().iter().chain([&entry]);
            return Err(StackError::Recursion(around.map(|&it| self.name(it)).collect()));
        }
        self.open.push(entry);
        let function = self.follow(entry)?;
        self.open.pop();
        self.known.insert(entry, function);
        Ok(function)
    }

    /// All paths of a function.
    fn follow(&mut self, entry: u32) -> Result<Function, StackError> {
        let mut function = Function::EMPTY;
        // bytes on the stack before an instruction
        let mut depths: BTreeMap<u32, i32> = BTreeMap::new();
        let mut coming = vec![Way { to: entry, depth: 0, is_jump: true }];
        let mut table_depth = None;
        loop {
            let Some(Way { to: address, depth, is_jump }) = coming.pop() else {
                // what a table leads to is what nothing else does
                let rest = self.program.body(entry).iter().map(|it| it.address);
                let rest = rest.filter(|address| !depths.contains_key(address)).min();
                match (rest, table_depth) {
                    (Some(to), Some(depth)) => coming.push(Way { to, depth, is_jump: false }),
                    _ => return Ok(function),
                }
                continue;
            };
            let pointer = StackError::Pointer { function: self.name(address), address };
            match depths.get(&address) {
                Some(&known) if known == depth => continue,
                Some(_) => return Err(pointer),
                None => {}
            }
            // falls into the next function, or jumps to one
            if address != entry && self.program.functions.contains_key(&address) {
                // what fills up behind a table is never executed
                if table_depth.is_some() && !is_jump {
                    continue;
                }
                let next = self.call(&mut function, address, depth)?;
                function.returns |= next.returns;
                continue;
            }
            let Some(&instruction) = self.program.at(address) else {
                // what a table leads to never runs into data: this is what fills up before one
                if table_depth.is_some() {
                    continue;
                }
                return Err(StackError::Unresolved { function: self.name(entry), address });
            };
            depths.insert(address, depth);
            if let Some(depth) = self.step(&mut function, entry, instruction, depth, &mut coming)? {
                table_depth = Some(depth);
            }
        }
    }

    /// One instruction: adds where control may go. Gives the depth before a table whose entries are not known.
    fn step(
        &mut self,
        function: &mut Function,
        entry: u32,
        instruction: Instruction,
        depth: i32,
        coming: &mut Vec<Way>,
    ) -> Result<Option<i32>, StackError> {
        let Instruction { address, flow, stack, work, is_conditional, .. } = instruction;
        let pointer = || StackError::Pointer { function: self.name(address), address };
        if work == Work::Unknown {
            return Err(pointer());
        }
        let after = match stack {
            // the start, and what ends a run, begin anew at the top
            Stack::Set | Stack::Move(_) if self.restarts(instruction) => 0,
            Stack::Keep => depth,
            Stack::Move(bytes) => depth - bytes,
            Stack::Set => return Err(pointer()),
        };
        // of a function that loads LR itself, in assembly, a return may go to a place in it
        if flow == Flow::Return && after > 0 && work == Work::Branch && self.loads_return(entry) {
            return Ok(Some(after));
        }
        let is_split = is_conditional && flow == Flow::Next && after != depth;
        if after < 0 || is_split || (flow == Flow::Return && after != 0) {
            return Err(pointer());
        }
        if after.cast_unsigned() > function.deepest {
            (function.deepest, function.callee) = (after.cast_unsigned(), None);
        }
        let next = Way { to: instruction.end(), depth: after, is_jump: false };
        let jump = |to| Way { to, depth: after, is_jump: true };
        match flow {
            Flow::Next => coming.push(next),
            Flow::Branch(target) => coming.extend([next, jump(target)]),
            Flow::Jump(target) => coming.push(jump(target)),
            Flow::Call(target) => {
                if self.call(function, target, after)?.returns {
                    coming.push(next);
                }
            }
            // a function that was gone to so would return with the stack pointer of another: it is a place in this one
            Flow::JumpRegister(..) if after != 0 && !self.is_resolved(entry, instruction) => {
                return Ok(Some(after));
            }
            Flow::CallRegister(..) | Flow::JumpRegister(..) => {
                let targets = self.targets(entry, instruction);
                let is_call = matches!(flow, Flow::CallRegister(..));
                if targets.inside.is_empty() && targets.functions.is_empty() {
                    let function = self.name(entry);
                    return Err(StackError::Unresolved { function, address });
                }
                coming.extend(targets.inside.into_iter().map(jump));
                for target in targets.functions {
                    let callee = self.call(function, target, after)?;
                    match is_call {
                        true if callee.returns => coming.push(next),
                        true => {}
                        false => function.returns |= callee.returns,
                    }
                }
            }
            Flow::Table => return Ok(Some(after)),
            Flow::Return => function.returns = true,
            Flow::Stop => {}
        }
        if is_conditional && !matches!(flow, Flow::Next | Flow::Branch(_)) {
            coming.push(Way { depth, ..next });
        }
        Ok(None)
    }

    /// Whether a function loads the register that it would return by, one alone.
    fn loads_return(&self, entry: u32) -> bool {
        const LR: u8 = 14;
        let is_thumb = self.program.core == Core::Thumb;
        let loads = |it: &Instruction| matches!(it.work, Work::Load { to: LR, .. });
        is_thumb && self.program.body(entry).iter().any(loads)
    }

    fn call(
        &mut self,
        caller: &mut Function,
        target: u32,
        depth: i32,
    ) -> Result<Function, StackError> {
        let other = self.function(target)?;
        let above = depth.cast_unsigned();
        let deepest = above + other.deepest;
        if !other.is_left_out && deepest >= caller.deepest {
            (caller.deepest, caller.callee) = (deepest, Some((target, above)));
        }
        Ok(other)
    }

    /// The functions from `entry` to the deepest.
    fn path(&self, entry: u32) -> Vec<(String, u32)> {
        let mut path = vec![(self.name(entry), 0)];
        let (mut at, mut bytes) = (entry, 0);
        while let Some(&Function { callee: Some((callee, above)), .. }) = self.known.get(&at) {
            (at, bytes) = (callee, bytes + above);
            path.push((self.name(at), bytes));
        }
        path
    }

    /// Whether it sets the stack pointer to the top of the stack, or to a part of that address: on RISC-V, two
    /// instructions that set a register to it, of which the register may be the stack pointer, or an alignment of it.
    fn restarts(&self, instruction: Instruction) -> bool {
        const SP: u8 = 2;
        let Some(top) = self.program.symbol("_stack_start") else { return false };
        if self.program.core != Core::RiscV {
            return false;
        }
        let before = self.before(instruction.address, 2);
        let value = match (instruction.constant, instruction.stack) {
            (Some(Constant::Is(_, upper)), _) => Some(upper),
            (None, Stack::Move(lower)) => match before.first().and_then(|it| it.constant) {
                Some(Constant::Is(SP, upper)) => Some(upper.wrapping_add_signed(lower)),
                _ => None,
            },
            (None, Stack::Set) => match before.iter().map(|it| it.constant).collect::<Vec<_>>()[..]
            {
                [Some(Constant::Sum(to, from, lower)), Some(Constant::Is(set, upper))]
                    if to == from && from == set =>
                {
                    Some(upper.wrapping_add_signed(lower))
                }
                _ => None,
            },
            _ => None,
        };
        // of the upper part alone, the lower one comes with the next instruction; else the top, rounded as the ABI asks
        let slack = if matches!(instruction.constant, Some(Constant::Is(..))) {
            4096
        } else {
            STACK_ALIGNMENT
        };
        value.is_some_and(|value| value.abs_diff(top) < slack)
    }

    /// Whether a word of a table is a function: in one of known length, of handlers, a label in assembly is one too.
    fn is_entry(&self, word: u32, has_labels: bool) -> bool {
        self.program.functions.contains_key(&word) || has_labels && self.program.at(word).is_some()
    }

    /// Up to `count` instructions before an address, the nearest first.
    fn before(&self, address: u32, count: usize) -> Vec<&'a Instruction> {
        let end = self.program.instructions.partition_point(|it| it.address < address);
        self.program.instructions[..end].iter().rev().take(count).collect()
    }
}

#[cfg(test)]
mod tests;
