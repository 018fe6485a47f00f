//! `trainer/run` with a cargo that only says how it was called: nothing is built or fetched.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A machine with a fake cargo, a libtorch of the user's own, and a trainer that is built or not.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder };
        fs::create_dir_all(machine.at("libtorch/lib")).unwrap();
        let cargo = "if [ \"$1\" = --version ]; then echo cargo 1; else echo cargo \"$@\"; fi";
        machine.program("bin/cargo", cargo);
        machine
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn build(&self) {
        self.program("target/release/trainer", "echo the program \"$@\"");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("run"));
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        command.args(arguments).env("PATH", path).env("CARGO_TARGET_DIR", self.at("target"));
        command.env("LIBTORCH", self.at("libtorch")).env_remove("LIBTORCH_USE_PYTORCH");
        command.env_remove("CXX").current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        parts(&self.command(arguments).output().unwrap())
    }
}

fn parts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_needs_no_build() {
    let machine = Machine::new();
    let (code, printed, errors) = machine.run(&["--help"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(printed.contains("Usage: trainer/run") && !printed.contains("cargo"), "{printed}");
    machine.build();
    assert_eq!(machine.run(&["doctor", "--help"]).1, "the program doctor --help\n");
}

#[test]
fn the_first_build_is_announced_and_the_next_run_is_quiet() {
    let machine = Machine::new();
    let (code, printed, errors) = machine.run(&["--epochs", "1"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("5 to 15 minutes"), "{errors}");
    let [build, run] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed}") };
    assert!(build.contains(" build --release") && !build.contains("--quiet"), "{build}");
    assert!(run.contains(" run --quiet --release") && run.ends_with("-- --epochs 1"), "{run}");

    machine.build();
    let (_, printed, errors) = machine.run(&["--epochs", "1"]);
    assert_eq!((printed.lines().count(), errors.as_str()), (1, ""), "{printed}");
    assert!(printed.contains(" run --quiet --release"), "{printed}");
}

#[test]
fn what_would_fail_after_the_build_fails_before_it() {
    let machine = Machine::new();
    fs::create_dir_all(machine.at("photos/cat")).unwrap();
    fs::create_dir(machine.at("empty")).unwrap();
    for (arguments, part) in [
        (&["--data", "nope"][..], "nope is no folder"),
        (&["--data=empty", "--epochs", "1"], "empty has no train-images-idx*-ubyte"),
    ] {
        let (code, printed, errors) = machine.run(arguments);
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains(part) && errors.contains("--download"), "{errors}");
    }
    assert_eq!(machine.run(&["--data", "empty", "--download"]).0, Some(0));
    assert_eq!(machine.run(&["--data", "photos"]).0, Some(0), "the trainer looks at pictures");
    let mnist = fixtures::mnist_500_folder();
    assert_eq!(machine.run(&["--data", mnist.to_str().unwrap()]).0, Some(0));

    let output = machine.command(&["doctor"]).env("CXX", "/no/compiler").output().unwrap();
    let (code, printed, _) = parts(&output);
    assert_eq!(code, Some(1));
    assert!(printed.contains("compiler  fault  there is no /no/compiler"), "{printed}");
    let output = machine.command(&[]).env("LIBTORCH", "/no/libtorch").output().unwrap();
    let (code, _, errors) = parts(&output);
    assert_eq!(code, Some(1));
    assert!(errors.contains("LIBTORCH is /no/libtorch"), "{errors}");
}

#[test]
fn without_a_home_the_way_out_is_told() {
    let machine = Machine::new();
    for arguments in [&["doctor"][..], &["--setup-only"], &[]] {
        let mut command = machine.command(arguments);
        for name in ["HOME", "XDG_CACHE_HOME", "LIBTORCH"] {
            command.env_remove(name);
        }
        let (code, _, errors) = parts(&command.output().unwrap());
        assert_eq!((code, errors.lines().count()), (Some(1), 1), "{errors}");
        assert!(errors.contains("set one of them, or LIBTORCH"), "{errors}");
    }
}
