//! What is no ordinary file, and names that are no ordinary names: read, or refused in one line.
#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use dataset::idx;
use dataset::idx::Part;
use firmware::Model;
use fixtures::command::refuses;
use fixtures::mnist_500_folder;

fn firmware_sim(command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_firmware-sim"));
    program.stdin(Stdio::null()).arg(command);
    program
}

fn lenet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/lenet.onnx")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn models_and_data_may_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    symlink("loop", at("loop")).unwrap();
    fs::write(at("empty"), "").unwrap();
    for path in [
        "/dev/zero".into(),
        "/dev/null".into(),
        at("loop"),
        at("empty"),
        at("missing"),
        folder.path().into(),
    ] {
        let named = path.to_str().unwrap();
        refuses(
            firmware_sim("quantize")
                .arg(&path)
                .arg("--data")
                .arg(mnist_500_folder())
                .arg("-o")
                .arg(at("out.q8")),
            named,
        );
        refuses(
            firmware_sim("quantize")
                .arg(lenet())
                .arg("--data")
                .arg(&path)
                .arg("-o")
                .arg(at("out.q8")),
            named,
        );
        refuses(
            firmware_sim("verify")
                .arg("--model")
                .arg(lenet())
                .arg("--data")
                .arg(mnist_500_folder())
                .arg("--quantized")
                .arg(&path),
            named,
        );
        refuses(
            firmware_sim("board")
                .arg("--data")
                .arg(mnist_500_folder())
                .arg("--quantized")
                .arg(&path),
            named,
        );
    }
    let sources = at("no\nsuch\u{1b}");
    refuses(
        firmware_sim("board")
            .args(["--images", "1", "--data"])
            .arg(mnist_500_folder())
            .arg("--sources")
            .arg(sources),
        "no\\nsuch\\u{1b}",
    );
    assert!(!at("out.q8").exists());
}

#[test]
fn models_come_through_pipes_and_a_full_output_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let feed = thread::spawn({
        let pipe = at("pipe");
        move || fs::write(pipe, runtime::EMBEDDED_MODEL)
    });
    let data = at("data");
    fs::create_dir(&data).unwrap();
    let split = idx::load(&mnist_500_folder(), Part::Train).unwrap();
    let (images, labels) = (&split.images[..20], &split.labels[..20]);
    fs::write(data.join(Part::Train.image_file()), idx::emit_images(images)).unwrap();
    fs::write(data.join(Part::Train.label_file()), idx::emit_labels(labels)).unwrap();
    let quantize = |model: &Path| {
        let mut command = firmware_sim("quantize");
        command.arg(model).arg("--data").arg(&data).arg("-o").arg(at("out.q8"));
        command
    };
    assert!(quantize(&at("pipe")).output().unwrap().status.success());
    feed.join().unwrap().unwrap();
    assert!(Model::parse(&fs::read(at("out.q8")).unwrap()).is_ok());

    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = quantize(&lenet()).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("No space left on device"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert!(quantize(&lenet()).stdout(writer).status().unwrap().success());
}
