//! What a kill or Ctrl-C leaves, and how a run goes on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use fixtures::mnist_500_folder;

use crate::{text, trainer};

/// A run of six epochs of eight steps, into `path`; it takes a second or two.
fn long_run(path: &Path, resume: bool) -> Command {
    let mut command = trainer();
    command
        .args(["--epochs", "6", "--batch-size", "64", "--device", "cpu", "--data"])
        .arg(mnist_500_folder());
    command.arg("--export").arg(path).stdout(Stdio::piped()).stderr(Stdio::piped());
    if resume {
        command.arg("--resume");
    }
    command
}

/// What [`long_run`] exports when nothing stops it.
fn undisturbed(folder: &Path) -> Vec<u8> {
    let path = folder.join("undisturbed.onnx");
    let output = long_run(&path, false).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!path.with_extension("checkpoint").exists());
    fs::read(path).unwrap()
}

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_to_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let expected = undisturbed(folder.path());
    let path = folder.path().join("lenet.onnx");
    let checkpoint = path.with_extension("checkpoint");
    let mut kills = 0;
    let output = loop {
        // each try has a little longer than the one before, so that one of them ends
        let patience = Duration::from_millis(60 * (kills + 3));
        let mut child = long_run(&path, checkpoint.exists()).spawn().unwrap();
        thread::sleep(patience);
        if child.try_wait().unwrap().is_some() {
            break child.wait_with_output().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    };
    assert!(output.status.success(), "after {kills} kills: {}", text(&output.stderr));
    assert!(kills > 2, "{kills}");
    assert!(fs::read(&path).unwrap() == expected);
    assert!(!checkpoint.exists());
}

#[test]
fn ctrl_c_saves_within_an_epoch_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let expected = undisturbed(folder.path());
    let path = folder.path().join("lenet.onnx");
    let mut child = long_run(&path, false).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(printed.any(|line| line.unwrap().starts_with("    1")), "the first epoch");
    let interrupted =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("lenet.checkpoint") && error.contains("--resume"), "{error}");
    assert!(!path.exists());

    let unasked = long_run(&path, false).output().unwrap();
    assert_eq!(unasked.status.code(), Some(1));
    assert!(text(&unasked.stderr).contains("go on with --resume, or delete it"));
    let other = long_run(&path, true).args(["--seed", "2"]).output().unwrap();
    assert!(text(&other.stderr).contains("seed is 1 there and 2 here"), "{}", text(&other.stderr));

    let report = folder.path().join("report.html");
    let resumed = long_run(&path, true).arg("--report").arg(&report).output().unwrap();
    assert!(resumed.status.success(), "{}", text(&resumed.stderr));
    let told = text(&resumed.stdout);
    assert!(told.contains("\n    1 ") && told.contains("\n    6 "), "{told}");
    let page = fs::read_to_string(report).unwrap();
    assert!(page.contains("<tr><th>1</th>") && page.contains("<tr><th>6</th>"));
    assert!(fs::read(&path).unwrap() == expected);
}

#[test]
fn there_must_be_something_to_resume() {
    let folder = tempfile::tempdir().unwrap();
    let output = long_run(&folder.path().join("lenet.onnx"), true).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("lenet.checkpoint"), "{}", text(&output.stderr));
}
