//! An estimate of the maximum of instructions that an inference takes, whatever the image; images of a run check it.
//!
//! What an image changes are two things: the engine passes over activations that are 0, and short branches choose the
//! larger of two sums or clamp one. So the program is run with models of the same layers that make every activation other
//! than 0, and every one 0: their weights are 0, and their biases are large. No other number of a model changes what the
//! code does. Of each instruction the larger count of these runs is taken, which counts what is done for zeros and what is
//! done for others; and of each branch over a few instructions both sides are counted as often as the branch.
//!
//! That this is the maximum is checked by every image that is run with the plugin: an image could only take more by
//! executing some instruction of a layer more often than is counted for it here.

use std::collections::BTreeMap;
use std::ops::Range;

use firmware::Model;
use firmware::format::{MAX_ACCUMULATOR, Value, checksum};

use super::counts::Counts;
use super::instruction::Flow;
use super::program::{Core, Program};
use super::{BoardBuilder, BoardError, Machine, laid_out};

/// Instructions that a short branch may go over.
const MAX_SHORT: usize = 64;

/// The maximum of instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructionBound {
    /// Of each layer in order, then of taking rows in; without interrupts.
    pub layers: Vec<u64>,
    /// Of the interrupts by which the rows of an image come.
    pub interrupts: u64,
    /// Instructions of the image that passes over nothing, interrupts left out.
    pub dense: u64,
    /// Functions with an instruction that an image executed more often than is counted here, with its address: if there
    /// is any, the bound is none.
    pub exceeded: Vec<(String, u32)>,
    /// Images that this was checked by.
    pub images: usize,
}

impl InstructionBound {
    /// Whether no image that was run speaks against it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.exceeded.is_empty()
    }

    /// All of them.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.layers.iter().sum::<u64>() + self.interrupts
    }
}

impl BoardBuilder {
    /// The maximum of instructions of a model, checked by what some images did.
    ///
    /// # Errors
    /// As [`Self::run_counted`]; and [`BoardError::Bound`], if the compiler has made other code for it.
    pub fn instruction_bound(
        &self,
        machine: Machine,
        file: &[u8],
        row_period: u32,
        seen: &Counts,
    ) -> Result<InstructionBound, BoardError> {
        let file = laid_out(file, machine.layout())?;
        let model = Model::parse(&file)?;
        let mut most = vec![InstructionCounts::new(); seen.layers.len()];
        let mut dense = 0;
        let mut runs = Vec::new();
        for activation in [Activation::Some, Activation::Zero] {
            let file = with_activations(&file, activation)
                .ok_or(BoardError::Bound("its biases cannot be changed"))?;
            let images = images(&model.header().input);
            let (report, counts) = self.run_counted(machine, &file, &images, row_period, |_| ())?;
            if !is_same_code(&counts.program, &seen.program) {
                return Err(BoardError::Bound("the compiler makes other code for other weights"));
            }
            if activation == Activation::Some {
                dense = report.images.first().map_or(0.0, |it| it.counts.iter().sum()) as u64;
            }
            runs.push(counts);
        }
        let handlers = Handlers::of(&seen.program);
        for counts in &runs {
            for (most, layer) in most.iter_mut().zip(&counts.layers) {
                for (&address, count) in layer.iter().filter(|&(&at, _)| !handlers.have(at)) {
                    let here = most.entry(address).or_default();
                    *here = count.most.max(*here);
                }
            }
        }
        let mut exceeded = Vec::new();
        for (most, layer) in most.iter_mut().zip(&seen.layers) {
            count_both_sides(&seen.program, most);
            for (address, count) in layer {
                let allowed = most.get(address).copied().unwrap_or_default();
                if count.most > allowed && !handlers.have(*address) {
                    exceeded.push((seen.program.function_at(*address).to_owned(), *address));
                }
            }
        }
        let height = model.header().input.shape()[1] as u64;
        let of_interrupt = runs.iter().chain([seen]).map(|run| handlers.instructions(run)).max();
        Ok(InstructionBound {
            layers: most.iter().map(|most| most.values().sum()).collect(),
            interrupts: height * of_interrupt.unwrap_or_default(),
            dense,
            exceeded,
            images: seen.images,
        })
    }
}

/// All ink and none, and blank to the left, to the right and in every other place: what comes after blank windows, and
/// before some.
fn images(input: &Value) -> Vec<Vec<u8>> {
    let row = input.row_len().max(1);
    let inks: [fn(usize, usize) -> bool; 10] = [
        |_, _| true,
        |_, _| false,
        |at, row| 3 * at > row,
        |at, row| 3 * at < 2 * row,
        |at, _| at % 2 > 0,
        |at, _| at / 3 % 2 > 0,
        // thin strokes, between which a window of five or six is just blank
        |at, _| at.is_multiple_of(7),
        |at, _| at.is_multiple_of(8),
        |at, _| at.is_multiple_of(9),
        |at, _| at.is_multiple_of(10),
    ];
    let pixel = |is_ink: bool| if is_ink { u8::MAX } else { 0 };
    inks.map(|ink| (0..input.size()).map(|at| pixel(ink(at % row, row))).collect()).into()
}

/// How often each instruction is executed, by its address.
type InstructionCounts = BTreeMap<u32, u64>;

/// What all activations of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activation {
    /// Any but the byte 0.
    Some,
    /// The byte 0.
    Zero,
}

/// Whether two programs are the same but for numbers, such as a checksum, that registers are set to.
fn is_same_code(one: &Program, other: &Program) -> bool {
    let kinds = |program: &Program| {
        let instructions = program.instructions.iter();
        instructions.map(|it| (it.address, it.len, it.flow, it.work)).collect::<Vec<_>>()
    };
    kinds(one) == kinds(other)
}

/// A model of the same layers whose activations are so, in a file that is as long; `None` if that is no valid model.
fn with_activations(file: &[u8], activation: Activation) -> Option<Vec<u8>> {
    /// What activations become, beside the byte that stands for 0.
    const SOME: f64 = 64.0;
    let model = Model::parse(file).ok()?;
    let mut changed = file.to_vec();
    let offset = |part: *const u8| part.addr() - file.as_ptr().addr();
    let layers = model.layers();
    for layer in 0..layers.records.len() {
        // of a pooling they are what goes in
        if layers.weights(layer).is_none() {
            continue;
        }
        let bytes = model.weights(layer);
        let start = offset(bytes.as_ptr());
        changed.get_mut(start..start + bytes.len())?.fill(0);
        let channels = model.channels(layer);
        let start = offset(channels.as_ptr().cast());
        let fields = changed.get_mut(start..start + size_of_val(channels))?;
        for (channel, fields) in channels.iter().zip(fields.as_chunks_mut::<16>().0) {
            let multiplier = channel.multiplier();
            let real = f64::from(multiplier.mantissa()) / 2f64.powi(multiplier.shift().into());
            let some = (SOME / real).clamp(1.0, MAX_ACCUMULATOR.into()) as i32;
            // or as near as an accumulator may come, which is as near as any image comes
            let bias = match activation {
                Activation::Some => some,
                Activation::Zero => -MAX_ACCUMULATOR.cast_signed(),
            };
            // `Channel`: the bias, and its magnitude as the bound
            fields[..4].copy_from_slice(&bias.to_le_bytes());
            fields[8..12].copy_from_slice(&bias.unsigned_abs().to_le_bytes());
        }
    }
    let (content, stored) = changed.split_last_chunk_mut()?;
    *stored = checksum(content).to_le_bytes();
    Model::parse(&changed).ok()?;
    Some(changed)
}

/// Functions that only the interrupt's handler runs.
struct Handlers {
    /// Where they lie, the one that is entered last at the end.
    ranges: Vec<Range<u32>>,
}

impl Handlers {
    fn of(program: &Program) -> Self {
        let names: &[&str] = match program.core {
            Core::Thumb => &["SysTick"],
            Core::RiscV => &[
                "_default_start_trap",
                "_pre_default_start_trap",
                "_start_trap_rust",
                "MachineTimer",
            ],
        };
        let range = |name: &&str| {
            let address = program.symbol(name)?;
            let address = if program.core == Core::Thumb { address & !1 } else { address };
            // behind a label in assembly others may follow, up to the next function
            let end = program.functions.range(address + 1..).next();
            Some(address..end.map_or(u32::MAX, |(&end, _)| end))
        };
        Self { ranges: names.iter().filter_map(range).collect() }
    }

    fn have(&self, address: u32) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }

    /// Mean of the instructions of one interrupt, rounded up.
    fn instructions(&self, run: &Counts) -> u64 {
        let entry = self.ranges.last().map(|range| range.start);
        let (mut executed, mut entered) = (0, 0);
        for (&address, count) in run.layers.iter().flatten().filter(|&(&at, _)| self.have(at)) {
            executed += count.executed;
            entered += if Some(address) == entry { count.executed } else { 0 };
        }
        executed.div_ceil(entered.max(1))
    }
}

/// Counts each side of a branch over a few instructions as often as the branch.
fn count_both_sides(program: &Program, counts: &mut InstructionCounts) {
    let branches: Vec<(u32, u64)> = counts.iter().map(|(&at, &count)| (at, count)).collect();
    for (address, count) in branches {
        let Some(here) = program.at(address) else { continue };
        let Flow::Branch(to) = here.flow else { continue };
        let Some(side) = straight(program, here.end(), to) else { continue };
        let mut sides = side.addresses;
        if let Some(join) = side.jumps_to {
            match straight(program, to, join) {
                Some(Side { addresses, jumps_to: None }) => sides.extend(addresses),
                _ => continue,
            }
        }
        for at in sides {
            let here = counts.entry(at).or_default();
            *here = count.max(*here);
        }
    }
}

/// A few instructions without a loop or a call among them.
struct Side {
    addresses: Vec<u32>,
    /// Where the last one jumps, forward, if it does.
    jumps_to: Option<u32>,
}

/// The instructions from one address to before another, if they are such.
fn straight(program: &Program, from: u32, to: u32) -> Option<Side> {
    let mut side = Side { addresses: Vec::new(), jumps_to: None };
    let mut at = from;
    while at != to {
        if at > to || side.jumps_to.is_some() || side.addresses.len() >= MAX_SHORT {
            return None;
        }
        let here = program.at(at)?;
        side.addresses.push(at);
        match here.flow {
            Flow::Next => {}
            // it may leave early
            Flow::Branch(other) if other > at => {}
            Flow::Jump(join) if join >= to => side.jumps_to = Some(join),
            _ => return None,
        }
        at = here.end();
    }
    Some(side)
}
