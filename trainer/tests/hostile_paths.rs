//! What is no ordinary file, and names that are no ordinary names: used, or refused before training in one line.
#![cfg(unix)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::thread;

use dataset::idx::Part;
use fixtures::command::refuses;
use fixtures::mnist_500_folder;
use runtime::Classifier;

fn trainer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.stdin(Stdio::null());
    command
}

/// An epoch of two steps.
fn short() -> Command {
    let mut command = trainer();
    command.args(["--epochs", "1", "--batch-size", "256", "--device", "cpu", "--data"]);
    command.arg(mnist_500_folder());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_cannot_be_kept_is_refused_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("mine"), "mine").unwrap();
    symlink("loop", at("loop")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let long = "n".repeat(250);
    for option in ["--export", "--checkpoint", "--json", "--report"] {
        for (name, part) in [
            ("folder", "it is a folder"),
            ("no/such", "No such file"),
            ("mine/below", "Not a directory"),
            ("loop", "symbolic links"),
            (&long, "longer than 247 bytes"),
            ("no\n\u{1b}/such", "no\\n\\u{1b}/such"),
        ] {
            refuses(short().arg(option).arg(at(name)), part);
        }
    }
    for option in ["--export", "--checkpoint"] {
        refuses(short().arg(option).arg(at("pipe")), "no file that could be read again");
    }
    refuses(short().arg("--plots").arg(at("mine")), "name a folder");
    refuses(short().arg("--plots").arg("/proc"), "cannot write /proc/samples.png");
    assert_eq!(fs::read(at("mine")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn two_results_are_never_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("deep")).unwrap();
    // the model would be taken for the checkpoint, and removed
    refuses(short().arg("--export").arg(at("lenet.checkpoint")), "--export and --checkpoint");
    for other in ["deep/../lenet.onnx", "./lenet.onnx"] {
        refuses(
            short().arg("--export").arg(at("lenet.onnx")).arg("--json").arg(at(other)),
            "is to be --export and --json: name two files",
        );
    }
    let mut here = short();
    here.current_dir(folder.path()).args(["--report", "page"]).arg("--json").arg(at("page"));
    refuses(&mut here, "--json and --report");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn histories_go_through_pipes_and_names_may_be_any() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let evil = folder.path().join("a\nerror: lost\u{1b}[2J");
    fs::create_dir(&evil).unwrap();
    let data = evil.join(OsString::from_vec(b"my\n\xff\x1bdigits".to_vec()));
    symlink(mnist_500_folder(), &data).unwrap();
    let model = evil.join("lenet.onnx");
    let mut command = trainer();
    command.args(["--epochs", "1", "--device", "cpu", "--data"]).arg(&data);
    command.arg("--export").arg(&model).arg("--json").arg(&pipe);
    command.arg("--plots").arg(evil.join("plots")).arg("--report").arg(evil.join("page.html"));
    let output = command.output().unwrap();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!printed.contains('\u{1b}') && !printed.contains("\nerror"), "{printed:?}");
    assert!(printed.contains("my\\n\u{fffd}\\u{1b}digits: 500 training"), "{printed}");
    let history: serde_json::Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert_eq!(history["epoch"], 1);
    assert_eq!(Classifier::load(&model).unwrap().classes().len(), 10);
}

#[test]
fn a_full_standard_output_costs_no_model_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("lenet.onnx");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = short().arg("--export").arg(&model).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected =
        "error: cannot write to standard output: No space left on device (os error 28)\n";
    assert_eq!(text(&output.stderr), expected);
    Classifier::load(&model).unwrap();
    let status = short().arg("--export").arg("no/such").stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn datasets_of_devices_and_links_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    symlink("loop", at("loop")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    fs::write(at("file"), "").unwrap();
    let train = |data: &OsStr| {
        let mut command = trainer();
        command.args(["--epochs", "1", "--device", "cpu", "--data"]).arg(data);
        command
    };
    for path in [at("loop"), at("broken"), at("file"), "/dev/null".into(), "/dev/zero".into()] {
        refuses(&mut train(path.as_os_str()), "is no folder");
    }
    let file = Part::Train.image_file();
    for (number, target) in ["/dev/zero", "/dev/null", "nowhere", file].into_iter().enumerate() {
        let data = at(&number.to_string());
        fs::create_dir(&data).unwrap();
        symlink(target, data.join(file)).unwrap();
        refuses(&mut train(data.as_os_str()), file);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }
}

#[test]
fn a_checkpoint_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("empty"), "").unwrap();
    fs::write(at("promising"), [0xff; 64]).unwrap();
    symlink("/dev/zero", at("zero")).unwrap();
    for (name, part) in [
        ("missing", "No such file"),
        ("empty", "not a checkpoint"),
        ("promising", "not a checkpoint"),
        ("zero", "no file that could be read again"),
    ] {
        let mut command = short();
        let output = command.arg("--resume").arg("--checkpoint").arg(at(name)).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(name) && error.contains(part), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
