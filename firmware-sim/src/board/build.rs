//! Builds board images with cargo, by rustup's targets or else by Debian's Rust and its sources of `core`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::machine::FLASH_BYTES;
use super::{BoardBuilder, BoardError, Machine};

/// Debian's compiler, for machines where rustup has no network: `rustc-web`, `cargo-web` and `rust-web-src`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core";

impl BoardBuilder {
    /// Builds a program of the board's package, with another stack than it has by itself or not, and gives the path of a
    /// copy of it in the model's folder: another run may build another one at any time.
    pub(super) fn build(
        &self,
        machine: Machine,
        program: &str,
        model: &Path,
        stack: Option<u32>,
    ) -> Result<PathBuf, BoardError> {
        if !self.sources.join("Cargo.toml").is_file() {
            return Err(BoardError::Sources(self.sources.clone()));
        }
        let target = machine.target();
        // until the copy is made; cargo's own lock ends with the build
        fs::create_dir_all(&self.target)?;
        let lock = File::create(self.target.join("build.lock"))?;
        lock.lock()?;
        let mut cargo = cargo(machine)?;
        let output = cargo
            // where cargo looks for its configuration
            .current_dir(&self.sources)
            .args(["build", "--release", "--locked", "--target", target, "--bin", program])
            .arg("--target-dir")
            .arg(std::path::absolute(&self.target)?)
            .env("BOARD", machine.board())
            .env("MODEL_Q8", model)
            // meant for the build of this program, if cargo runs it
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .envs(stack.map(|bytes| ("STACK", bytes.to_string())))
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(match flash_overflow(&message) {
                Some(more) => BoardError::Flash { needed: FLASH_BYTES + more, there: FLASH_BYTES },
                None => BoardError::Build(message.trim().into()),
            });
        }
        let copy = model.with_file_name(program);
        fs::copy(self.target.join(target).join("release").join(program), &copy)?;
        Ok(copy)
    }
}

/// By how many bytes a program is larger than the flash, if that is what the linker says: `section '.rodata' will not fit
/// in region 'FLASH': overflowed by 9 bytes`, or the GNU linker's ``region `FLASH' overflowed by 9 bytes``. Of each section
/// that is beyond it says so, the last with all of it.
fn flash_overflow(message: &str) -> Option<usize> {
    let bytes = |line: &str| {
        let (_, rest) = line.split_once("FLASH'")?;
        let (_, rest) = rest.split_once("overflowed by ")?;
        rest.split(' ').next()?.parse().ok()
    };
    message.lines().filter_map(bytes).max()
}

/// The cargo that can build for this target.
fn cargo(machine: Machine) -> Result<Command, BoardError> {
    let target = machine.target();
    let folder =
        Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let has_core = folder.is_ok_and(|output| {
        output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    });
    if has_core {
        return Ok(Command::new("cargo"));
    }
    if ![DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_SOURCES].iter().all(|path| Path::new(path).exists()) {
        return Err(BoardError::Target { target });
    }
    let mut cargo = Command::new(DEBIAN_CARGO);
    let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace(['-', '.'], "_"));
    cargo
        .args(["-Zbuild-std=core"])
        .env("BUILD_STD", "1")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTDOC", "/usr/bin/rustdoc")
        .env(linker, machine.debian_linker());
    Ok(cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_says_by_how_much_the_flash_is_too_small() {
        let message = "error: linking with `rust-lld` failed: exit status: 1\n  \
             = note: rust-lld: error: section '.text' will not fit in region 'FLASH': overflowed by 17 bytes\n          \
             rust-lld: error: section '.rodata' will not fit in region 'FLASH': overflowed by 900 bytes\n";
        assert_eq!(flash_overflow(message), Some(900));
        let message = "ld: region `FLASH' overflowed by 12 bytes";
        assert_eq!(flash_overflow(message), Some(12));
        let message = "section '.bss' will not fit in region 'RAM': overflowed by 5 bytes";
        assert_eq!(flash_overflow(message), None);
    }
}
