//! The engine on a board: compares every logit with the host's.
//!
//! [`BoardBuilder`] builds an image in `firmware-sim/boards` for an emulated Cortex-M or RISC-V board, and runs it in QEMU;
//! [`SerialBoard`] speaks to a real board.

mod build;
pub mod counts;
mod emulator;
pub mod instruction;
mod instruction_bound;
mod machine;
mod port;
pub mod program;
mod report;
mod serial;
pub mod stack;
pub mod timing;
mod worst_case;

pub use emulator::MAX_ROW_PERIOD;
pub use instruction_bound::InstructionBound;
pub use machine::Machine;
pub use port::Port;
pub use report::{BoardReport, ImageResult};
pub use serial::{BoardInfo, Retries, SerialBoard};
pub use stack::{StackBound, StackError};
pub use worst_case::{StackCase, WorstCase};

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use firmware::format::{FormatError, Layout, Model};
use firmware::link::PROTOCOL;
use safe_io::SingleLine;

use emulator::Pace;
use machine::FLASH_BYTES;
use program::Program;

use crate::error::Error;
use crate::int8::{Header, Int8Network, outputs};

/// Memory for the images of one run.
const IMAGE_BYTES: usize = 16 << 20;

/// Builds board images and runs them.
#[derive(Debug, Clone)]
pub struct BoardBuilder {
    /// The folder `firmware-sim/boards` of this project.
    pub sources: PathBuf,
    /// Where cargo builds to.
    pub target: PathBuf,
}

impl BoardBuilder {
    /// Those of the clone that this program was built in.
    #[must_use]
    pub fn of_this_build() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| package.join("../target"), PathBuf::from);
        Self { sources: package.join("boards"), target: target.join("boards") }
    }

    /// Builds the board image with this model, a `.q8` file, shows it these images, and compares its answers with the
    /// host's. An image is `[row][column][channel]`, as the model takes it.
    ///
    /// `row_period` is in instructions, [`MAX_ROW_PERIOD`] at most; `progress` is told how many images are done.
    ///
    /// # Errors
    /// What is missing and how to get it, or what went wrong. A board that answers otherwise than the host is no
    /// error: see [`BoardReport::agreements`].
    ///
    /// # Panics
    /// Never: images of another size are an error.
    pub fn run(
        &self,
        machine: Machine,
        file: &[u8],
        images: &[Vec<u8>],
        row_period: u32,
        progress: impl FnMut(usize),
    ) -> Result<BoardReport, BoardError> {
        let run = self.run_with_program(machine, file, images, row_period, progress)?;
        Ok(run.0)
    }

    /// As [`Self::run`], and gives the program that ran.
    ///
    /// # Errors
    /// As [`Self::run`], and if the program cannot be read.
    pub fn run_with_program(
        &self,
        machine: Machine,
        file: &[u8],
        images: &[Vec<u8>],
        row_period: u32,
        progress: impl FnMut(usize),
    ) -> Result<(BoardReport, Program), BoardError> {
        let file = laid_out(file, machine.layout())?;
        let folder = tempfile::tempdir()?;
        let run = self.prepare(machine, &file, images, row_period, folder.path())?;
        let program = Program::parse(&std::fs::read(&run.program)?)?;
        Ok((run.read(images, None, progress)?, program))
    }

    /// Builds the board image and writes what it is shown into `folder`; the model is laid out for the machine.
    fn prepare<'a>(
        &self,
        machine: Machine,
        file: &'a [u8],
        images: &[Vec<u8>],
        row_period: u32,
        folder: &Path,
    ) -> Result<PreparedRun<'a>, BoardError> {
        let model = Model::parse(file)?;
        if file.len() > FLASH_BYTES {
            return Err(BoardError::Flash { needed: file.len(), there: FLASH_BYTES });
        }
        let size = model.header().input.size();
        let most = max_images(size);
        if images.is_empty() || images.len() > most {
            return Err(BoardError::Count { found: images.len(), most });
        }
        if let Some(image) = images.iter().find(|image| image.len() != size) {
            return Err(BoardError::Image { found: image.len(), expected: size });
        }
        let (model_path, block_path) = (folder.join("model.q8"), folder.join("images"));
        std::fs::write(&model_path, file)?;
        let pace = Pace::of(row_period);
        let ticks = (pace.nanoseconds(row_period) * machine.timer_hz() / 1_000_000_000) as u32;
        let mut block: Vec<u8> = (images.len() as u32).to_le_bytes().into();
        block.extend(ticks.to_le_bytes());
        block.extend(images.iter().flatten());
        std::fs::write(&block_path, block)?;
        let program = self.build(machine, "inference", &model_path, None)?;
        Ok(PreparedRun { machine, model, program, block_path, pace })
    }

    /// Compares the kernels that are made for this machine with the portable ones, on the machine itself and with
    /// `stack` bytes of stack, by one of the programs `bytes` and `words`: gives how many random calls were equal.
    ///
    /// # Errors
    /// What is missing, or [`BoardError::Emulator`] if they differ or the stack is too small.
    pub fn check_kernels(
        &self,
        machine: Machine,
        program: &str,
        file: &[u8],
        stack: u32,
    ) -> Result<u32, BoardError> {
        let folder = tempfile::tempdir()?;
        let model_path = folder.path().join("model.q8");
        std::fs::write(&model_path, file)?;
        let image = self.build(machine, program, &model_path, Some(stack))?;
        let mut equal = 0;
        // the others are measurements
        for line in emulator::run(machine, &image, None, Pace::USUAL, None)? {
            let line = line?;
            if let Some(count) = line.strip_prefix("equal ") {
                equal = count.parse().map_err(|_| BoardError::UnexpectedOutput(line.clone()))?;
            }
        }
        Ok(equal)
    }
}

/// A board image, and what it is shown.
struct PreparedRun<'a> {
    machine: Machine,
    model: Model<'a>,
    program: PathBuf,
    block_path: PathBuf,
    pace: Pace,
}

impl PreparedRun<'_> {
    /// Runs it to its end.
    fn read(
        &self,
        images: &[Vec<u8>],
        plugin: Option<&str>,
        progress: impl FnMut(usize),
    ) -> Result<BoardReport, BoardError> {
        let block = Some(&*self.block_path);
        let mut lines = emulator::run(self.machine, &self.program, block, self.pace, plugin)?;
        let mut scratch = vec![0; self.model.scratch_words()];
        let mut expected = images.iter().map(|image| {
            outputs(self.model, image, &mut scratch).expect("images and memory are the model's")
        });
        let layers = Int8Network::of(self.model).names().map(str::to_owned).collect();
        let outputs = self.model.outputs();
        let report = report::read(lines.by_ref(), layers, outputs, &mut expected, progress)?;
        // a plugin writes when QEMU ends
        lines.try_for_each(|line| line.map(drop))?;
        Ok(report)
    }
}

/// The same model with its weights laid out for these cores, if they are not: what a board gets.
///
/// # Errors
/// [`BoardError::Format`] if it is no valid model, or [`BoardError::Layout`].
pub fn laid_out(file: &[u8], layout: Layout) -> Result<Cow<'_, [u8]>, BoardError> {
    let model = Model::parse(file)?;
    if model.layers().layout == layout {
        return Ok(file.into());
    }
    let laid_out = Int8Network::of(model).emit(Header::of(model), layout);
    Ok(laid_out.map_err(|error| BoardError::Layout(Box::new(error)))?.into())
}

/// Maximum of images of so many bytes in one run.
#[must_use]
pub const fn max_images(size: usize) -> usize {
    // a number of 16 bits counts them
    let most = IMAGE_BYTES / size - 1;
    if most < u16::MAX as usize { most } else { u16::MAX as usize - 1 }
}

/// Why a board did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// The program was moved away from its sources.
    #[error("the boards' sources are not in {}", SingleLine(.0.display()))]
    Sources(PathBuf),
    /// No Rust for this target.
    #[error("Rust has no target {target} here")]
    Target {
        /// The target.
        target: &'static str,
    },
    /// No emulator.
    #[error("{emulator} is not installed")]
    Qemu {
        /// The program.
        emulator: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// Cargo is missing or failed.
    #[error("the board image does not build:\n{0}")]
    Build(String),
    /// The program with the model in it does not fit.
    #[error("larger than the board's flash: {needed} bytes of {there}: make layers smaller")]
    Flash {
        /// Bytes of both.
        needed: usize,
        /// Bytes of flash.
        there: usize,
    },
    /// More images than fit, or none.
    #[error("{found} images: a board takes 1 to {most} of this size in one run")]
    Count {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A picture of another size than the model takes.
    #[error("an image of {found} bytes: the model takes {expected}")]
    Image {
        /// Its bytes.
        found: usize,
        /// Bytes of the model's input.
        expected: usize,
    },
    /// The file is no valid model.
    #[error("the model cannot be put into flash")]
    Format(#[from] FormatError),
    /// The weights cannot be laid out for the board's core.
    #[error("the weights cannot be laid out for this core")]
    Layout(#[source] Box<Error>),
    /// The plugin that counts cannot be compiled, for want of a compiler.
    #[error("gcc is not installed")]
    Compiler,
    /// The plugin cannot be compiled, or QEMU does not take it.
    #[error("instructions cannot be counted: {0}")]
    Plugin(String),
    /// There is no maximum of instructions.
    #[error("the maximum of instructions is not known: {0}")]
    Bound(&'static str),
    /// What the linker wrote cannot be read.
    #[error("the board image cannot be read")]
    Program(#[from] program::ProgramError),
    /// A file or a program could not be used.
    #[error("cannot run the board")]
    Io(#[from] std::io::Error),
    /// It failed: a fault such as a stack overflow, or a failed check.
    #[error("the board stopped: {0}")]
    Emulator(String),
    /// It hangs.
    #[error("the board printed nothing for {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// What joins a board cannot be used.
    #[error("cannot use {port}")]
    Port {
        /// Which.
        port: Port,
        /// Why.
        source: std::io::Error,
    },
    /// No answer, or none that arrives.
    #[error(
        "no answer from {0}: is the board on, does its program use firmware::link with a model laid out for its core, is it wired both ways and set to the same speed?"
    )]
    Silent(Port),
    /// The board answers images again and again as if it had not seen them.
    #[error(
        "the board lost image {image}, counted from 0, {showings} times one after another: it is reset, or too much of what is sent is damaged"
    )]
    Unreliable {
        /// The number of the image.
        image: usize,
        /// How often it was shown.
        showings: u32,
    },
    /// The firmware was made with another version of [`firmware::link`].
    #[error(
        "the board speaks version {0} of the protocol, this program {PROTOCOL}: build its firmware anew"
    )]
    Protocol(u8),
    /// The board runs another model.
    #[error(
        "the board runs another model, {}: its file has the CRC-32 {found:#010x}, this one, laid out for that board, {given:#010x}: put this one on the board, or give that one",
        if *is_same_onnx { "made from the same ONNX file by another quantisation" } else { "made from another ONNX file" }
    )]
    OtherModel {
        /// Whether both were made from one ONNX file.
        is_same_onnx: bool,
        /// The CRC-32 of the board's.
        found: u32,
        /// Of what was given.
        given: u32,
    },
    /// A line that this version of the boards' programs does not print.
    #[error("unexpected output of the board: {0:?}")]
    UnexpectedOutput(String),
}
