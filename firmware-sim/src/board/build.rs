//! Builds board images with cargo, by rustup's targets or else by Debian's Rust and its sources of `core`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{BoardBuilder, BoardError, Machine};

/// Debian's compiler, for machines where rustup has no network: `rustc-web`, `cargo-web` and `rust-web-src`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core";

impl BoardBuilder {
    /// Builds a program of the board's package, with another stack than it has by itself or not, and gives its path.
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
            return Err(BoardError::Build(String::from_utf8_lossy(&output.stderr).trim().into()));
        }
        Ok(self.target.join(target).join("release").join(program))
    }
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
