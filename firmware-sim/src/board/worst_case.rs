//! What a model takes at worst on a board, whatever the image.

use std::fs;
use std::path::{Path, PathBuf};

use firmware::Model;

use super::counts::Counts;
use super::program::Program;
use super::stack::{NeverCalled, StackBound, StackError};
use super::{BoardBuilder, BoardError, InstructionBound, Machine, laid_out};

/// What a model takes at worst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorstCase {
    /// The deepest stack.
    pub stack: StackCase,
    /// The maximum of instructions; or why it is not known.
    pub instructions: Result<InstructionBound, &'static str>,
}

/// The deepest stack of a board's program with a model, and how much there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackCase {
    /// The deepest; or why there is no bound.
    pub bound: Result<StackBound, StackError>,
    /// Bytes that there are: what is deeper is a fault.
    pub there: u32,
}

impl StackCase {
    /// That of a board's program, which was linked with this model.
    #[must_use]
    pub fn of(program: &Program, model: Model<'_>) -> Self {
        let symbol = |name| program.symbol(name).unwrap_or_default();
        Self {
            bound: StackBound::of(program, &NeverCalled::of(model.layers())),
            there: symbol("_stack_start").saturating_sub(symbol("_stack_end")),
        }
    }

    /// Whether what there is holds the deepest.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.bound.as_ref().is_ok_and(|bound| bound.bytes() <= self.there)
    }
}

/// Whether an image of a run went through a function that nobody is said to call.
fn is_called(never: &NeverCalled, seen: &Counts) -> bool {
    let executed = seen.layers.iter().flatten().filter(|(_, count)| count.executed > 0);
    let mut functions = executed.map(|(&address, _)| seen.program.function_at(address));
    never.caller.is_empty() && functions.any(|name| name.ends_with(never.function))
}

impl BoardBuilder {
    /// What this model takes at worst; `seen` is what some images did, [`Self::run_counted`], by which it is checked.
    ///
    /// # Errors
    /// As [`Self::run_counted`]. That there is no bound of the stack or of the instructions is no error: it is told why.
    pub fn worst_case(
        &self,
        machine: Machine,
        file: &[u8],
        row_period: u32,
        seen: &Counts,
    ) -> Result<WorstCase, BoardError> {
        let file = laid_out(file, machine.layout())?;
        let mut stack = StackCase::of(&seen.program, Model::parse(&file)?);
        if let Ok(bound) = &stack.bound
            && let Some(called) = bound.left_out.iter().find(|it| is_called(it, seen))
        {
            stack.bound = Err(StackError::Called(called.function));
        }
        let instructions = match self.instruction_bound(machine, &file, row_period, seen) {
            Ok(bound) => Ok(bound),
            Err(BoardError::Bound(reason)) => Err(reason),
            Err(error) => return Err(error),
        };
        Ok(WorstCase { stack, instructions })
    }

    /// The board image with this model, and its ELF file, which is put into `folder` beside the model.
    ///
    /// # Errors
    /// As [`Self::worst_case`].
    pub fn program(
        &self,
        machine: Machine,
        file: &[u8],
        folder: &Path,
    ) -> Result<(Program, PathBuf), BoardError> {
        let file = laid_out(file, machine.layout())?;
        let model_path = folder.join("model.q8");
        fs::write(&model_path, file)?;
        let image = self.build(machine, "inference", &model_path, None)?;
        Ok((Program::parse(&fs::read(&image)?)?, image))
    }
}
