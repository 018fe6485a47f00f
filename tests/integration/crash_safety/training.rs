//! Kills of `trainer`, which writes several files and a checkpoint to resume from.

use std::fs;
use std::path::Path;
use std::process::Command;

use fixtures::mnist_500_folder;

use super::{Files, KILLS, KillTimes, command, kill_after, run_to_end, text};

/// A short training.
fn training(out: &Path) -> Command {
    let mut command = command("trainer");
    command.args(["--recipe", "original", "--epochs", "2", "--batch-size", "128"]);
    command.args(["--device", "cpu", "--threads", "1", "--data"]).arg(mnist_500_folder());
    command.arg("--export").arg(out.join("lenet.onnx"));
    command
}

/// The same, with every output that a training can write.
fn full_training(out: &Path) -> Command {
    let mut command = training(out);
    for (option, name) in
        [("--json", "history.jsonl"), ("--report", "report.html"), ("--plots", "plots")]
    {
        command.arg(option).arg(out.join(name));
    }
    command
}

/// The files that a training has written so far, and how many a kill left under temporary names. The checkpoint is not
/// among them: it only says whether there is something to resume.
fn training_files(out: &Path) -> (Files, usize) {
    let mut found = Files::new();
    for folder in [out, &out.join("plots")] {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found.remove("lenet.checkpoint");
    let count = found.len();
    found.retain(|name, _| !name.starts_with('.'));
    let left = count - found.len();
    (found, left)
}

/// Whether a file is as in an undisturbed run, but for the times in it.
fn is_whole(name: &str, found: &[u8], reference: &Files) -> bool {
    match name {
        "history.jsonl" => {
            let lines = text(found);
            lines.ends_with("}\n") && lines.lines().count() == 2
        }
        "report.html" => text(found).ends_with("</html>\n"),
        name => reference[name] == found,
    }
}

#[test]
#[ignore = "trains a hundred times; the module's doc has the command"]
fn a_killed_training_leaves_whole_files_and_resumes_to_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let empty_out = || {
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).unwrap();
    };
    empty_out();
    run_to_end(full_training(&out));
    empty_out();
    let run = run_to_end(full_training(&out));
    let (reference, _) = training_files(&out);
    assert_eq!(reference.len(), 3 + 10);
    let (mut finished, mut resumed, mut left) = (0, 0, 0);
    let mut kill_times = KillTimes::new(run, 4);
    for kill in 0..KILLS {
        let delay = kill_times.next();
        empty_out();
        let ended = kill_after(full_training(&out), delay);
        kill_times.record(ended);
        finished += usize::from(ended);
        let (found, temporary) = training_files(&out);
        left += temporary;
        for (name, bytes) in &found {
            assert!(is_whole(name, bytes, &reference), "{name} after kill {kill} at {delay:?}");
        }
        let mut again = training(&out);
        if out.join("lenet.checkpoint").exists() {
            again.arg("--resume");
            resumed += 1;
        }
        run_to_end(again);
        let (found, _) = training_files(&out);
        assert!(found["lenet.onnx"] == reference["lenet.onnx"], "resumed after kill {kill}");
        assert!(!out.join("lenet.checkpoint").exists());
    }
    println!(
        "trainer: {KILLS} kills within {run:.0?}: {finished} runs had finished, {resumed} had a checkpoint to resume from, \
         {left} files under a temporary name; all ended in the same model"
    );
    assert!(finished < KILLS && resumed > 0);
}
