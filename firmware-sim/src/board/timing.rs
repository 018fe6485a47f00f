//! Modelled cycles: how long counted instructions take by what the makers of the cores have published.
//!
//! Nothing here is measured. Where a manual gives a range, both ends are kept. Memory takes no time beyond an access,
//! but for flash if it is given wait states: then each word of code that is fetched and each word that is read from flash
//! takes so many cycles more, as if nothing were fetched ahead or kept.

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign};

use super::counts::{Count, LayerCounts};
use super::instruction::{Flow, Instruction, Work};
use super::program::Program;

/// A core whose timing is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Arm DDI 0484C, section 3.3, with the multiplier of one cycle.
    CortexM0Plus,
    /// Arm DDI 0337I, sections 3.3.1 and 3.3.2.
    CortexM3,
    /// Arm 100166 (before: DDI 0439), sections 3.3.1 and 3.3.2.
    CortexM4,
    /// The RISC-V core of the RP2350, with the fast multiplier and the branch predictor.
    Hazard3,
}

/// Cycles, from as few to as many as the manual leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cycles {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
}

impl Cycles {
    const fn of(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    const fn exactly(cycles: u64) -> Self {
        Self { low: cycles, high: cycles }
    }

    fn times(self, count: u64) -> Self {
        Self { low: self.low * count, high: self.high * count }
    }
}

impl Add for Cycles {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }
}

impl AddAssign for Cycles {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Instructions and cycles of one kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkCycles {
    /// Instructions.
    pub executed: u64,
    /// How long they take.
    pub cycles: Cycles,
}

/// An instruction with what stands around it.
struct Place<'a> {
    here: &'a Instruction,
    before: Option<&'a Instruction>,
    next: Option<&'a Instruction>,
}

impl Timing {
    /// What the core is called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::CortexM0Plus => "Cortex-M0+",
            Self::CortexM3 => "Cortex-M3",
            Self::CortexM4 => "Cortex-M4",
            Self::Hazard3 => "Hazard3",
        }
    }

    /// Where its timing is published.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::CortexM0Plus => "Arm DDI 0484C, table 3-1",
            Self::CortexM3 => "Arm DDI 0337I, table 3-1 and section 3.3.2",
            Self::CortexM4 => "Arm 100166, table 3-1 and section 3.3.2",
            Self::Hazard3 => "Hazard3's documentation, instruction cycle counts",
        }
    }

    /// Cycles of each kind of work in a layer.
    #[must_use]
    pub fn by_work(
        self,
        program: &Program,
        counts: &LayerCounts,
        wait_states: u32,
    ) -> BTreeMap<&'static str, WorkCycles> {
        let mut works: BTreeMap<&'static str, WorkCycles> = BTreeMap::new();
        let instructions = &program.instructions;
        for (&address, count) in counts {
            let Ok(index) = instructions.binary_search_by_key(&address, |it| it.address) else {
                continue;
            };
            let Some(here) = instructions.get(index) else { continue };
            // only what lies right before and behind it is executed so
            let before = index.checked_sub(1).and_then(|before| instructions.get(before));
            let before = before.filter(|it| it.end() == address && it.flow == Flow::Next);
            let next = instructions.get(index + 1).filter(|it| it.address == here.end());
            let place = Place { here, before, next };
            let cycles = self.cycles(program, &place, count) + fetches(here, count, wait_states);
            let work = works.entry(here.work.name()).or_default();
            work.executed += count.executed;
            work.cycles += cycles;
        }
        works
    }

    /// Cycles of a layer.
    #[must_use]
    pub fn total(self, program: &Program, counts: &LayerCounts, wait_states: u32) -> Cycles {
        let works = self.by_work(program, counts, wait_states);
        works.values().fold(Cycles::default(), |sum, work| sum + work.cycles)
    }

    fn cycles(self, program: &Program, place: &Place<'_>, count: &Count) -> Cycles {
        let taken = match place.here.flow {
            Flow::Next | Flow::Stop => 0,
            Flow::Branch(_) => count.taken.min(count.executed),
            // of what an `IT` decides about, what it does not skip
            _ if place.here.is_conditional => count.taken.min(count.executed),
            _ => count.executed,
        };
        let executed = count.executed;
        match self {
            Self::CortexM0Plus => {
                m0_plus(place.here).times(executed) + refill_m0_plus(place.here).times(taken)
            }
            Self::CortexM3 => m3(place).times(executed) + REFILL.times(taken),
            Self::CortexM4 => m4(place).times(executed) + REFILL.times(taken),
            Self::Hazard3 => {
                hazard3(place).times(executed) + jumps_hazard3(program, place.here, executed, taken)
            }
        }
    }
}

/// What wait states of flash add.
fn fetches(here: &Instruction, count: &Count, wait_states: u32) -> Cycles {
    // words that begin within it: the others came with an instruction before
    let words = here.end().div_ceil(4) - here.address.div_ceil(4);
    // of a target in the middle of a word, that word too; where it is not known, it is taken to be so
    let is_within = match here.flow {
        Flow::Branch(to) | Flow::Jump(to) | Flow::Call(to) => !to.is_multiple_of(4),
        Flow::Next | Flow::Stop => false,
        _ => true,
    };
    let again = if is_within { count.taken } else { 0 };
    let words = u64::from(words) * count.executed + again + count.flash_reads;
    Cycles::exactly(words * u64::from(wait_states))
}

/// Without what a taken branch adds.
fn m0_plus(here: &Instruction) -> Cycles {
    Cycles::exactly(match here.work {
        Work::Load { .. } | Work::Store { .. } => 2,
        Work::LoadMultiple(count) | Work::StoreMultiple(count) => 1 + u64::from(count),
        // barriers and the system's registers are of 32 bits
        Work::System if here.len == 4 => 3,
        _ => 1,
    })
}

/// What a taken branch adds.
fn refill_m0_plus(here: &Instruction) -> Cycles {
    Cycles::exactly(match (here.flow, here.work) {
        (Flow::Call(_), _) | (Flow::Return, Work::LoadMultiple(_)) => 2,
        _ => 1,
    })
}

/// The manuals' `P`: by the target's alignment and width, and whether the core guesses it early.
const REFILL: Cycles = Cycles::of(1, 3);

fn m3(place: &Place<'_>) -> Cycles {
    match place.here.work {
        Work::MultiplyAccumulate => Cycles::exactly(2),
        // those that add take 4 to 7
        Work::LongMultiply => Cycles::of(3, 7),
        _ => m4(place),
    }
}

fn m4(place: &Place<'_>) -> Cycles {
    let is_after_load = |address: u32| match place.before.map(|it| it.work) {
        Some(Work::Load { to, .. }) => address >> to & 1 == 0,
        _ => false,
    };
    // an address that has just been computed may come a cycle later
    let late = match place.before.map(|it| it.work) {
        Some(
            Work::Load { .. } | Work::Store { .. } | Work::LoadMultiple(_) | Work::StoreMultiple(_),
        ) => 0,
        _ => 1,
    };
    match place.here.work {
        // of several loads in a row all but the first take one
        Work::Load { address, .. } if is_after_load(address) => Cycles::exactly(1),
        Work::Store { address, is_indexed } if !is_indexed || is_after_load(address) => {
            Cycles::of(1, 1 + late)
        }
        Work::Load { .. } | Work::Store { .. } => Cycles::of(2, 2 + late),
        Work::LoadMultiple(count) | Work::StoreMultiple(count) => {
            let cycles = 1 + u64::from(count);
            Cycles::of(cycles, cycles + late)
        }
        Work::Divide => Cycles::of(2, 12),
        Work::System => Cycles::of(1, 4),
        Work::Atomic => Cycles::exactly(2),
        // an `IT` may be folded into what stands before it
        Work::Nop => Cycles::of(0, 1),
        // two for the load and one for the addition
        Work::Branch if place.here.flow == Flow::Table && place.here.len == 4 => Cycles::exactly(3),
        _ => Cycles::exactly(1),
    }
}

fn hazard3(place: &Place<'_>) -> Cycles {
    let is_needed_next =
        |to: u8| place.next.is_some_and(|next| to != 0 && next.reads >> to & 1 != 0);
    match place.here.work {
        Work::Load { to, .. } if is_needed_next(to) => Cycles::exactly(2),
        Work::Divide => Cycles::of(18, 19),
        Work::Atomic => Cycles::exactly(4),
        _ => Cycles::exactly(1),
    }
}

/// What jumps and branches add: the predictor holds the backward branch that was taken last, so that of a loop without
/// another loop in it the first and the last turn are mispredicted.
fn jumps_hazard3(program: &Program, here: &Instruction, executed: u64, taken: u64) -> Cycles {
    let unaligned = |to: u32| {
        let is_wide = program.at(to).is_some_and(|it| it.len == 4);
        u64::from(is_wide && !to.is_multiple_of(4))
    };
    match here.flow {
        Flow::Branch(to) => {
            let is_innermost = to <= here.address
                && program
                    .instructions
                    .iter()
                    .skip(program.instructions.partition_point(|it| it.address < to))
                    .take_while(|it| it.address < here.address)
                    .all(|it| !matches!(it.flow, Flow::Branch(back) if back <= it.address));
            let mispredicted = if is_innermost {
                let ends = executed - taken;
                // each turn after the first is predicted
                ends + taken.min(ends)
            } else {
                taken
            };
            let entered = if is_innermost { taken.min(executed - taken) } else { taken };
            Cycles::exactly(mispredicted + unaligned(to) * entered)
        }
        Flow::Jump(to) | Flow::Call(to) => Cycles::exactly((1 + unaligned(to)) * taken),
        Flow::Next | Flow::Stop => Cycles::default(),
        _ => Cycles::of(taken, 2 * taken),
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::Core;
    use super::*;

    /// Cycles of each instruction, executed once and taken so often.
    fn cycles(timing: Timing, core: Core, halves: &[u16], taken: u64) -> Cycles {
        let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let program = Program::of_code(core, &bytes, &[]);
        let count = Count { executed: 1, taken, flash_reads: 0, most: 1 };
        let counts = program.instructions.iter().map(|it| (it.address, count)).collect();
        timing.total(&program, &counts, 0)
    }

    #[test]
    fn an_m0_plus_takes_what_table_3_1_says() {
        let of = |code: &[u16], taken| cycles(Timing::CortexM0Plus, Core::Thumb, code, taken);
        for (code, taken, expected) in [
            (&[0x1840][..], 0, 1), // adds r0, r0, r1
            (&[0x4348], 0, 1),     // muls r0, r1
            (&[0x6808], 0, 2),     // ldr r0, [r1]
            (&[0x6008], 0, 2),     // str r0, [r1]
            (&[0xc807], 0, 4),     // ldmia r0, {r0-r2}
            (&[0xb5f0], 0, 6),     // push {r4-r7, lr}
            (&[0xbdf0], 1, 8),     // pop {r4-r7, pc}
            (&[0xd0fe], 0, 1),     // beq
            (&[0xd0fe], 1, 2),
            (&[0xe7fe], 1, 2),         // b
            (&[0xf000, 0xf800], 1, 3), // bl
            (&[0x4770], 1, 2),         // bx lr
            (&[0xf3bf, 0x8f4f], 0, 3), // dsb
        ] {
            assert_eq!(of(code, taken), Cycles::exactly(expected), "{code:x?}");
        }
    }

    #[test]
    fn loads_of_an_m4_are_pipelined_unless_one_gives_the_address_of_the_next() {
        let of = |code: &[u16]| cycles(Timing::CortexM4, Core::Thumb, code, 0).low;
        // the examples of section 3.3.2
        assert_eq!(of(&[0x6808, 0x6811]), 3); // ldr r0, [r1]; ldr r1, [r2]
        assert_eq!(of(&[0x5888, 0x6158]), 3); // ldr r0, [r1, r2]; str r0, [r3, #20]
        assert_eq!(of(&[0x5888, 0x5099]), 3); // ldr r0, [r1, r2]; str r1, [r3, r2]
        assert_eq!(of(&[0x6809, 0x680a]), 4); // ldr r1, [r1]; ldr r2, [r1]
        // smlad r0, r1, r2, r0
        assert_eq!(of(&[0xfb21, 0x0002]), 1);
    }

    #[test]
    fn a_load_of_hazard3_stalls_only_what_needs_it() {
        let of = |code: &[u16]| cycles(Timing::Hazard3, Core::RiscV, code, 0);
        // c.lw a0, 0(a1); c.add a2, a0; and of another register
        assert_eq!(of(&[0x4188, 0x962a]), Cycles::exactly(3));
        assert_eq!(of(&[0x4188, 0x9636]), Cycles::exactly(2));
    }

    #[test]
    fn flash_takes_its_wait_states_for_each_word() {
        let code: Vec<u8> = [0x1840_u16; 4].iter().flat_map(|half| half.to_le_bytes()).collect();
        let program = Program::of_code(Core::Thumb, &code, &[]);
        let count = Count { executed: 10, taken: 0, flash_reads: 0, most: 0 };
        let counts = program.instructions.iter().map(|it| (it.address, count)).collect();
        let with = Timing::CortexM0Plus.total(&program, &counts, 3).low;
        assert_eq!(with, 4 * 10 + 3 * 2 * 10);
    }
}
