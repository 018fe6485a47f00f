//! This machine's C compilers, with every warning as an error, and with sanitizers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use firmware::Model;

/// What no line of an emitted file may be warned of.
pub(crate) const WARNINGS: [&str; 6] =
    ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"];

/// What ends a program that reads or writes out of bounds, or does what C leaves undefined.
const SANITIZERS: [&str; 4] =
    ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// The same for clang, of which Debian's comes without a library for it: a program ends without a word.
const TRAPS: [&str; 3] = ["-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"];

/// A compiler that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compiler(&'static str);

impl Compiler {
    /// Those of this machine for itself.
    pub(crate) fn of_this_machine() -> Vec<Self> {
        ["gcc", "clang"].into_iter().filter(|name| is_there(name, name)).map(Self).collect()
    }

    /// Compiles the C source in `folder` with `host.c`, of a model with these outputs.
    pub(crate) fn program(self, folder: &Path, model: Model<'_>) -> PathBuf {
        let program = folder.join("host");
        let mut command = Command::new(self.0);
        command.args(WARNINGS);
        command.args(if self.0 == "gcc" { &SANITIZERS[..] } else { &TRAPS[..] });
        command.args(defines(model));
        let main = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/c_source/host.c");
        command.arg("-I").arg(folder).arg(folder.join("model.c")).arg(main);
        succeeds(command.arg("-o").arg(&program));
        if self.0 == "gcc" {
            // without sanitizers it looks further
            let mut command = Command::new(self.0);
            command.args(WARNINGS).args(["-O2", "-c"]).arg(folder.join("model.c"));
            succeeds(command.arg("-o").arg(folder.join("model.o")));
        }
        program
    }
}

/// What a program has to know of a model that it is compiled with.
pub(crate) fn defines(model: Model<'_>) -> Vec<&'static str> {
    let has_classes = (2..=256).contains(&model.outputs());
    let defines = [(model.holds_outputs(), "-DHOLDS_OUTPUTS"), (has_classes, "-DCLASSES")];
    defines.into_iter().filter(|(holds, _)| *holds).map(|(_, define)| define).collect()
}

/// Whether a program is there; if not, says that its tests are passed over.
pub(crate) fn is_there(name: &str, package: &str) -> bool {
    let is_there = Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success());
    if !is_there {
        println!("{name}: passed over, it is not installed (Debian's package {package})");
    }
    is_there
}

/// Runs a command that must print nothing on standard error.
pub(crate) fn succeeds(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {errors}\n{said}");
    output.stdout
}

/// What the program gives for these images.
pub(crate) fn run(program: &Path, images: &[u8]) -> Vec<i32> {
    let path = program.with_extension("images");
    fs::write(&path, images).unwrap();
    let input = File::open(path).unwrap();
    let bytes = succeeds(Command::new(program).stdin(input));
    bytes.as_chunks().0.iter().map(|number| i32::from_ne_bytes(*number)).collect()
}
