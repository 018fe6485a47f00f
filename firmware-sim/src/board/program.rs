//! A linked program: its code, its functions and the bytes that lie in flash.

use std::collections::BTreeMap;
use std::ops::Range;

use object::read::elf::ElfFile32;
use object::{
    Architecture, Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind,
    SymbolKind, elf,
};

use super::instruction::{Instruction, decode};

/// Families of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Core {
    /// ARMv6-M, ARMv7-M and ARMv8-M.
    Thumb,
    /// RV32IMAC.
    RiscV,
}

/// A linked program.
#[derive(Debug, Clone)]
pub struct Program {
    /// What it is for.
    pub core: Core,
    /// The instructions in order, of all code.
    pub instructions: Vec<Instruction>,
    /// Names of the functions by their addresses, as people write them.
    pub functions: BTreeMap<u32, String>,
    /// Addresses of all symbols by their names.
    symbols: BTreeMap<String, u32>,
    /// What is no code: sections with their bytes, and of sections of code the parts between.
    data: Vec<(Range<u32>, Vec<u8>)>,
    /// Objects by their addresses: what they are called, and their bytes.
    objects: BTreeMap<u32, (String, u32)>,
}

/// Why a program cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Not such a file.
    #[error("no ELF file of 32 bits: {0}")]
    Elf(String),
    /// For another processor.
    #[error("not a program for ARM or RISC-V")]
    Core,
}

impl From<object::Error> for ProgramError {
    fn from(error: object::Error) -> Self {
        Self::Elf(error.to_string())
    }
}

impl Program {
    /// Reads an ELF file that still has its symbols.
    ///
    /// # Errors
    /// [`ProgramError`], whatever the bytes.
    pub fn parse(file: &[u8]) -> Result<Self, ProgramError> {
        let elf: ElfFile32<'_, Endianness> = ElfFile32::parse(file)?;
        let core = match elf.architecture() {
            Architecture::Arm => Core::Thumb,
            Architecture::Riscv32 => Core::RiscV,
            _ => return Err(ProgramError::Core),
        };
        let mut program = Self {
            core,
            instructions: Vec::new(),
            functions: BTreeMap::new(),
            symbols: BTreeMap::new(),
            data: Vec::new(),
            objects: BTreeMap::new(),
        };
        // where code begins and ends: `$t` and `$x` before code, `$d` before what is none
        let mut marks = BTreeMap::new();
        for symbol in elf.symbols() {
            let (name, address) = (symbol.name().unwrap_or_default(), symbol.address() as u32);
            if let Some(mark) = name.strip_prefix('$') {
                marks.insert(address, mark.starts_with(['t', 'x']));
                continue;
            }
            // labels within assembly are of no kind
            if symbol.kind() == SymbolKind::Text {
                // of Thumb the lowest bit is set
                let address = if core == Core::Thumb { address & !1 } else { address };
                program.functions.insert(address, plain_name(name));
            } else if symbol.kind() == SymbolKind::Data {
                program.objects.insert(address, (plain_name(name), symbol.size() as u32));
            }
            program.symbols.insert(name.to_owned(), address);
        }
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            let is_loaded = sh_flags.contains(elf::SHF_ALLOC);
            let bytes = section.data()?;
            // the vectors are the hardware's: no call takes them
            let is_passed_over = section.kind() == SectionKind::UninitializedData
                || section.name() == Ok(".vector_table");
            if !is_loaded || bytes.is_empty() || is_passed_over {
                continue;
            }
            program.add_section(section.address() as u32, bytes, section.kind(), &marks);
        }
        program.instructions.sort_by_key(|it| it.address);
        Ok(program)
    }

    fn add_section(
        &mut self,
        start: u32,
        bytes: &[u8],
        kind: SectionKind,
        marks: &BTreeMap<u32, bool>,
    ) {
        let end = start.saturating_add(bytes.len() as u32);
        // of a section of code without marks, all is
        let mut pieces = vec![(start, kind == SectionKind::Text)];
        if kind == SectionKind::Text {
            pieces.extend(marks.range(start..end).map(|(&at, &is_code)| (at, is_code)));
        }
        let ends = pieces.iter().skip(1).map(|&(at, _)| at).chain([end]).collect::<Vec<_>>();
        for ((at, is_code), end) in pieces.into_iter().zip(ends) {
            let piece = bytes.get((at - start) as usize..(end - start) as usize);
            let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { continue };
            if is_code {
                self.instructions.extend(decode(self.core, at, piece));
            } else {
                self.data.push((at..end, piece.to_vec()));
            }
        }
    }

    /// The address of a symbol, of Thumb code with its lowest bit set.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u32> {
        self.symbols.get(name).copied()
    }

    /// The instruction at an address.
    #[must_use]
    pub fn at(&self, address: u32) -> Option<&Instruction> {
        let index = self.instructions.binary_search_by_key(&address, |it| it.address).ok()?;
        self.instructions.get(index)
    }

    /// Instructions of the function that begins there: those before the next function.
    #[must_use]
    pub fn body(&self, entry: u32) -> &[Instruction] {
        let end = self.functions.range(entry.saturating_add(1)..).next();
        let end = end.map_or(u32::MAX, |(&address, _)| address);
        let from = self.instructions.partition_point(|it| it.address < entry);
        let to = self.instructions.partition_point(|it| it.address < end);
        self.instructions.get(from..to).unwrap_or_default()
    }

    /// The name of the function that an address is in.
    #[must_use]
    pub fn function_at(&self, address: u32) -> &str {
        self.functions.range(..=address).next_back().map_or("start", |(_, name)| name)
    }

    /// A word of what is no code.
    #[must_use]
    pub fn word(&self, address: u32) -> Option<u32> {
        let (range, bytes) = self.data.iter().find(|(range, _)| range.contains(&address))?;
        let bytes = bytes.get((address - range.start) as usize..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    /// Bytes of the object that begins at an address.
    #[must_use]
    pub fn object_len(&self, address: u32) -> Option<u32> {
        self.objects.get(&address).map(|&(_, len)| len)
    }

    /// All words of what is no code, but for objects whose names begin so.
    pub(super) fn words_outside(&self, prefix: &str) -> impl Iterator<Item = u32> {
        let mut without: Vec<Range<u32>> = Vec::new();
        for (&address, (name, len)) in &self.objects {
            if name.starts_with(prefix) {
                without.push(address..address.saturating_add(*len));
            }
        }
        self.data.iter().flat_map(move |(range, bytes)| {
            let skipped = (range.start.wrapping_neg() % 4) as usize;
            let words = bytes.get(skipped..).unwrap_or_default().as_chunks().0;
            let first = range.start + skipped as u32;
            let without = without.clone();
            (first..).step_by(4).zip(words).filter_map(move |(address, word)| {
                let is_outside = !without.iter().any(|range| range.contains(&address));
                is_outside.then(|| u32::from_le_bytes(*word))
            })
        })
    }
}

/// A name as people write it, without the compiler's hash.
fn plain_name(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(test)]
impl Program {
    /// One of this code, with functions at these addresses.
    pub(super) fn of_code(core: Core, bytes: &[u8], functions: &[(u32, &'static str)]) -> Self {
        let functions = || functions.iter().map(|&(address, name)| (address, name.to_owned()));
        Self {
            core,
            instructions: decode(core, 0, bytes),
            functions: functions().collect(),
            symbols: functions().map(|(address, name)| (name, address)).collect(),
            data: Vec::new(),
            objects: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_program_is_refused_and_nothing_panics() {
        for bytes in [
            &b""[..],
            b"\x7fELF",
            &[0x7f; 64],
            b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0",
        ] {
            assert!(matches!(Program::parse(bytes), Err(ProgramError::Elf(_))), "{bytes:?}");
        }
    }
}
