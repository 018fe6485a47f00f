//! How often each instruction of a program is executed, counted by a plugin of QEMU.
//!
//! The plugin, `firmware-sim/boards/plugin/count.c`, is compiled when it is needed. It counts where the program itself
//! measures: between two reads of its clock. Which layer each of these pieces of a run belongs to follows from the order
//! in which the engine works, which is that of the host.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use firmware::{Model, Progress};

use super::machine::FLASH_BYTES;
use super::program::Program;
use super::{BoardBuilder, BoardError, BoardReport, Machine, laid_out};

/// What an instruction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How often it was executed.
    pub executed: u64,
    /// After how many of these control went on elsewhere than behind it.
    pub taken: u64,
    /// Reads from flash.
    pub flash_reads: u64,
    /// How often it was executed by the image that did so most.
    pub most: u64,
}

/// Counts of all instructions in one layer, or in taking rows in, by their addresses.
pub type LayerCounts = BTreeMap<u32, Count>;

/// What a run of some images did.
#[derive(Debug, Clone)]
pub struct Counts {
    /// The program that ran.
    pub program: Program,
    /// Of each layer in order, then of taking rows in: the sums over all images.
    pub layers: Vec<LayerCounts>,
    /// Number of images.
    pub images: usize,
}

/// Parts of a run that are not measured.
const NOTHING: u8 = 0x7f;
/// Marks what an image ends with.
const LAST: u8 = 0x80;

impl BoardBuilder {
    /// As [`Self::run`], and counts how often each instruction is executed.
    ///
    /// # Errors
    /// Those, and [`BoardError::Compiler`] and [`BoardError::Plugin`]. An image that is lost is an error: there is no
    /// telling what was counted for it.
    pub fn run_counted(
        &self,
        machine: Machine,
        file: &[u8],
        images: &[Vec<u8>],
        row_period: u32,
        progress: impl FnMut(usize),
    ) -> Result<(BoardReport, Counts), BoardError> {
        let file = laid_out(file, machine.layout())?;
        let folder = tempfile::tempdir()?;
        let run = self.prepare(machine, &file, images, row_period, folder.path())?;
        let program = Program::parse(&fs::read(&run.program)?)?;
        self.compile_plugin(folder.path())?;
        fs::write(folder.path().join("pieces"), pieces(run.model, images))?;
        let arguments = arguments(machine, &program)?;
        let report = run.read(images, Some(&arguments), progress)?;
        if report.lost > 0 {
            return Err(BoardError::Plugin(format!("{} images were lost", report.lost)));
        }
        let layers = run.model.layers().records.len();
        let layers = read(&folder.path().join("counts"), layers + 1)?;
        Ok((report, Counts { program, layers, images: images.len() }))
    }

    /// Writes what a run needs into a folder, for other emulators of the same core: the `program`, an ELF file, the block of
    /// `images` that it looks for in memory, and `pieces`, to which layer each piece between two reads of its clock belongs
    /// (127 is none; an image ends where 128 is added).
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn write_run(
        &self,
        machine: Machine,
        file: &[u8],
        images: &[Vec<u8>],
        folder: &Path,
    ) -> Result<(), BoardError> {
        let file = laid_out(file, machine.layout())?;
        let run = self.prepare(machine, &file, images, 1_000_000, folder)?;
        fs::copy(&run.program, folder.join("program"))?;
        fs::write(folder.join("pieces"), pieces(run.model, images))?;
        Ok(())
    }

    /// Compiles the plugin into a folder.
    fn compile_plugin(&self, folder: &Path) -> Result<(), BoardError> {
        let source = self.sources.join("plugin/count.c");
        if !source.is_file() {
            return Err(BoardError::Sources(self.sources.clone()));
        }
        let plugin = folder.join("count.so");
        let output = Command::new("gcc")
            .args(["-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden", "-o"])
            .args([&plugin, &source])
            .output()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => BoardError::Compiler,
                _ => BoardError::Io(error),
            })?;
        if output.status.success() {
            Ok(())
        } else {
            Err(BoardError::Plugin(String::from_utf8_lossy(&output.stderr).trim().into()))
        }
    }
}

/// What QEMU is told: the plugin and its arguments, with files in the folder where it runs.
fn arguments(machine: Machine, program: &Program) -> Result<String, BoardError> {
    let none = || BoardError::Plugin("the program has no code".into());
    let first = program.instructions.first().ok_or_else(none)?;
    let last = program.instructions.last().ok_or_else(none)?;
    let flash = program.symbol("_flash").unwrap_or_default();
    let clock = machine.clock().map_or("register".into(), |address| format!("{address:#x}"));
    Ok(format!(
        "./count.so,code={:#x},end={:#x},flash={flash:#x},flash_end={:#x},clock={clock},pieces=pieces,out=counts",
        first.address,
        last.end(),
        flash + FLASH_BYTES as u32
    ))
}

/// What each piece of a run belongs to, from one read of the clock to the next: as `boards/src/bin/inference.rs` reads it.
fn pieces(model: Model<'_>, images: &[Vec<u8>]) -> Vec<u8> {
    let layers = model.layers().records.len();
    let (rows, last_layer) = (layers as u8, layers as u8 - 1);
    // `measure_clock`: before and after, twice
    let mut pieces = vec![NOTHING; 4];
    let mut scratch = vec![0; model.scratch_words()];
    for image in images {
        let mut rows_left = image.chunks_exact(model.header().input.row_len().max(1));
        let Some(mut frame) = model.start(&mut scratch) else { break };
        let mut is_computed = false;
        loop {
            pieces.push(NOTHING);
            match frame.step() {
                Progress::Computed(layer) => {
                    is_computed |= layer + 1 == layers;
                    pieces.push(layer as u8);
                }
                Progress::NeedsRow => {
                    let Some(row) = rows_left.next() else { break };
                    frame.push_row(row);
                    // waiting for the row, and taking it
                    pieces.extend([NOTHING, rows]);
                }
                Progress::Ready => break,
            }
        }
        // `print`
        pieces.push(NOTHING);
        let printed = frame.finish_in_blocks(|_, _| {
            if !is_computed {
                pieces.push(last_layer);
            }
            pieces.push(NOTHING);
        });
        debug_assert!(printed.is_some(), "all rows are there");
        if let Some(last) = pieces.last_mut() {
            *last |= LAST;
        }
    }
    pieces
}

/// Reads what the plugin wrote.
fn read(path: &Path, parts: usize) -> Result<Vec<LayerCounts>, BoardError> {
    let unexpected = |line: &str| BoardError::UnexpectedOutput(line.into());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(BoardError::Plugin("QEMU wrote no counts: it may have no plugins".into()));
        }
        Err(error) => return Err(error.into()),
    };
    let mut layers = vec![LayerCounts::new(); parts];
    for line in text.lines() {
        if line == "end" {
            return Ok(layers);
        }
        let numbers: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        let Ok(&[part, address, executed, taken, flash_reads, most]) = numbers.as_deref() else {
            return Err(unexpected(line));
        };
        let part = usize::try_from(part).ok().and_then(|part| layers.get_mut(part));
        let count = Count { executed, taken, flash_reads, most };
        part.ok_or_else(|| unexpected(line))?.insert(address as u32, count);
    }
    Err(unexpected("no end"))
}
