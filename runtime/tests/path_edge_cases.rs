//! Devices, pipes, links, and names with control characters: read, or refused in one line.
#![cfg(all(unix, feature = "cli"))]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use dataset::idx;
use dataset::idx::Part;
use fixtures::mnist_500_folder;
use runtime::{Classifier, EMBEDDED_MODEL};

/// Ends a line, clears a terminal, and colours what follows.
const EVIL: &str = "a\nerror: all is lost\u{1b}[2J\u{1b}[31m.png";
const EVIL_SHOWN: &str = "a\\nerror: all is lost\\u{1b}[2J\\u{1b}[31m.png";

fn runtime() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
    command.stdin(Stdio::null());
    command
}

fn digits() -> PathBuf {
    fixtures::data("digits")
}

fn not_utf8() -> OsString {
    OsString::from_vec(b"five\xff.png".to_vec())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Code 1, and one line of error that holds `part`; nothing on standard output.
fn refuses(arguments: &[&OsStr], part: &str) {
    fixtures::command::refuses(runtime().args(arguments), part);
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Paths that are read to no end, or not at all, with what is said about them.
fn unusual(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let at = |name: &str| folder.join(name);
    symlink("loop", at("loop")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    File::create(at("empty")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    vec![
        ("/dev/zero".into(), "/dev/zero"),
        ("/dev/null".into(), "/dev/null"),
        ("/dev/full".into(), "/dev/full"),
        (at("loop"), "symbolic links"),
        (at("broken"), "No such file"),
        (at("missing"), "No such file"),
        (at("empty"), "empty"),
        (at("empty/below"), "Not a directory"),
        (at("folder"), "folder"),
        (at(EVIL), "[2J"),
        (folder.join(not_utf8()), "five"),
    ]
}

#[test]
fn pictures_models_and_lists_may_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    for (path, said) in unusual(folder.path()) {
        let path = path.as_os_str();
        refuses(&["predict".as_ref(), path], said);
        refuses(&["predict".as_ref(), "x.png".as_ref(), "--model".as_ref(), path], said);
        refuses(&["inspect".as_ref(), path], said);
        refuses(&["evaluate".as_ref(), "--images".as_ref(), path], "");
        // devices that are read as such say nothing about their being devices
        refuses(&["evaluate".as_ref(), "--data".as_ref(), path], "");
        refuses(&["bench".as_ref(), "--data".as_ref(), path], "");
    }
}

#[test]
fn a_dataset_of_unusual_files_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (path, _)) in unusual(folder.path()).into_iter().enumerate() {
        let data = folder.path().join(format!("data {number}"));
        fs::create_dir(&data).unwrap();
        symlink(path, data.join(Part::Test.image_file())).unwrap();
        refuses(&["evaluate".as_ref(), "--data".as_ref(), data.as_ref()], "t10k-images-idx3-ubyte");
    }
}

#[test]
fn names_cannot_fake_lines_nor_steer_the_terminal_and_json_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join(EVIL);
    let odd = folder.path().join(not_utf8());
    for path in [&evil, &odd] {
        fs::copy(digits().join("mnist_5.png"), path).unwrap();
    }
    fs::write(folder.path().join("b\u{202e}gpj.png"), "no picture").unwrap();

    let predict = |more: &[&str]| runtime().arg("predict").arg(folder.path()).args(more).output();
    let output = predict(&[]).unwrap();
    let printed = text(&output.stdout);
    assert_eq!(printed.lines().count(), 2, "{printed:?}");
    assert!(printed.contains(EVIL_SHOWN) && printed.contains("five\u{fffd}.png  5"), "{printed:?}");
    let complaint = text(&output.stderr);
    assert!(complaint.contains("b\\u{202e}gpj.png: not a PNG"), "{complaint:?}");

    let lines = text(&predict(&["--json"]).unwrap().stdout);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let paths: Vec<&str> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths[0], evil.to_str().unwrap());
    assert!(paths[1].ends_with("b\u{202e}gpj.png") && lines[1]["error"].is_string());
    assert!(paths[2].ends_with("five\u{fffd}.png") && lines[2]["digit"] == 5);

    let page = folder.path().join("page\n\u{1b}.PNG");
    let shown = runtime().arg("predict").arg(&evil).arg("--show").arg(&page).output().unwrap();
    assert!(shown.status.success() && image::open(&page).is_ok(), "{}", text(&shown.stderr));
}

#[test]
fn lists_with_names_of_all_kinds_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list\n\u{1b}.csv");
    let evaluate = || runtime().args(["evaluate", "--images"]).arg(&list).output().unwrap();
    fs::copy(digits().join("mnist_5.png"), folder.path().join(EVIL)).unwrap();
    let mut csv = fs::File::create(&list).unwrap();
    write!(
        csv,
        "path,label,source\n\"{EVIL}\",3,\"Ann\n\u{1b}\"\n{EVIL:?},5,Bob\n\"{EVIL}\",5,Bob\n"
    )
    .unwrap();
    let output = evaluate();
    let (printed, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(printed.contains(&format!("  {EVIL_SHOWN}  3 → 5")), "{printed:?}");
    assert!(printed.contains("  Ann\\n\\u{1b}") && !printed.contains('\u{1b}'), "{printed:?}");
    // the second is another name, which is not there
    assert!(complaint.starts_with("error: cannot read ") && complaint.lines().count() == 1);

    fs::write(&list, b"path,label\nfive\xff.png,5\n").unwrap();
    let complaint = text(&evaluate().stderr);
    assert!(
        complaint.contains("list\\n\\u{1b}.csv") && complaint.contains("line 2"),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1);
}

/// The embedded model with other words in its metadata, of the same length.
fn reworded(from: &str, to: &str) -> Vec<u8> {
    let mut model = EMBEDDED_MODEL.to_vec();
    let at = model.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
    model[at..][..to.len()].copy_from_slice(to.as_bytes());
    model
}

#[test]
fn models_cannot_steer_the_terminal_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.onnx");
    fs::write(&path, reworded("0,1,2,3,4,5,6,7,8,9", "0,1,2,3,\u{7},\u{1b},6,7,8,9")).unwrap();
    assert_eq!(Classifier::load(&path).unwrap().classes()[5], "\\u{1b}");
    let image = digits().join("mnist_5.png");
    for arguments in [
        vec!["inspect".as_ref(), path.as_os_str()],
        vec!["predict".as_ref(), image.as_os_str(), "--model".as_ref(), path.as_os_str()],
        vec![
            "evaluate".as_ref(),
            "--data".as_ref(),
            mnist_500_folder().leak().as_os_str(),
            "--model".as_ref(),
            path.as_os_str(),
        ],
    ] {
        let output = runtime().args(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("\\u{1b}") && !output.stdout.contains(&0x1b));
    }
}

#[test]
fn a_folder_gives_its_files_and_waits_for_no_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    pipe(&at("pipe.png"));
    fs::create_dir(at("folder.png")).unwrap();
    symlink("/dev/zero", at("zero.png")).unwrap();
    symlink("nowhere", at("broken.png")).unwrap();
    symlink(digits().join("mnist_7.png"), at("seven.png")).unwrap();
    let output = runtime().arg("predict").arg(folder.path()).output().unwrap();
    let (printed, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(printed.contains("seven.png  7") && printed.lines().count() == 1, "{printed}");
    let complaints: Vec<&str> = complaint.lines().collect();
    let [note, error] = complaints[..] else { panic!("{complaint}") };
    assert!(error.starts_with("error: ") && error.contains("broken.png"), "{complaint}");
    let skipped = "skipped 1 folder (folder.png), 2 pipes or devices (pipe.png, zero.png)";
    assert!(note.starts_with("note: folder ") && note.ends_with(skipped), "{complaint}");
    assert_eq!(output.status.code(), Some(1), "one picture could not be read");
}

#[test]
fn pictures_models_and_data_come_through_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let feed = |name: &str, bytes: Vec<u8>| {
        let path = at(name);
        pipe(&path);
        thread::spawn(move || fs::write(path, bytes))
    };
    let split = idx::load(&mnist_500_folder(), Part::Test).unwrap();
    let feeds = [
        feed("picture", fs::read(digits().join("mnist_5.png")).unwrap()),
        feed("model", EMBEDDED_MODEL.to_vec()),
        feed(Part::Test.image_file(), idx::emit_images(&split.images)),
        feed(Part::Test.label_file(), idx::emit_labels(&split.labels)),
    ];
    let output =
        runtime().arg("predict").arg(at("picture")).arg("--model").arg(at("model")).output();
    assert!(text(&output.unwrap().stdout).contains("picture  5"));
    let output = runtime().args(["evaluate", "--data"]).arg(folder.path()).output().unwrap();
    assert!(text(&output.stdout).contains("of 500"), "{}", text(&output.stderr));
    for feed in feeds {
        feed.join().unwrap().unwrap();
    }
    let mut child = runtime();
    child.args(["predict", "-"]).stdin(File::open(digits().join("mnist_5.png")).unwrap());
    assert!(text(&child.output().unwrap().stdout).contains("-  5"));
    refuses(&["predict".as_ref(), "-".as_ref()], "standard input: the file is empty");
    // or without a name, where a file or a pipe is there
    let five = digits().join("mnist_5.png");
    let output = runtime().arg("predict").stdin(File::open(&five).unwrap()).output().unwrap();
    assert!(text(&output.stdout).starts_with("-  5"), "{}", text(&output.stderr));
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&fs::read(&five).unwrap()).unwrap();
    drop(writer);
    let output = runtime().args(["predict", "--json"]).stdin(reader).output().unwrap();
    assert!(text(&output.stdout).starts_with(r#"{"path":"-","digit":5"#));
    for arguments in [&["predict"][..], &["predict", "--show"]] {
        let output = runtime().args(arguments).output().unwrap(); // /dev/null is no data, as a terminal is none
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        let expected =
            "error: no pictures were named: name files or folders, or pipe a picture in\n";
        assert!(complaint.starts_with(expected), "{complaint}");
    }
    let mut child = runtime();
    let output = child.args(["predict", "-"]).stdin(File::open(folder.path()).unwrap()).output();
    assert!(text(&output.unwrap().stderr).contains("Is a directory"));
}

#[test]
fn a_model_comes_through_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    fs::write(&model, EMBEDDED_MODEL).unwrap();
    let five = digits().join("mnist_5.png");
    let five = five.to_str().unwrap();
    let ask = |arguments: &[&str]| {
        runtime().args(arguments).stdin(File::open(&model).unwrap()).output().unwrap()
    };
    let output = ask(&["predict", five, "--model", "-"]);
    assert!(text(&output.stdout).contains("mnist_5.png  5"), "{}", text(&output.stderr));
    for arguments in [&["inspect", "-"][..], &["inspect", "--model", "-"]] {
        let output = ask(arguments);
        let printed = text(&output.stdout);
        let expected = format!("standard input, {} bytes", EMBEDDED_MODEL.len());
        assert!(printed.contains(&expected), "{printed}{}", text(&output.stderr));
    }
    for arguments in [&["predict", "-", "--model", "-"][..], &["predict", "--model", "-"]] {
        assert_eq!(ask(arguments).status.code(), Some(2), "{arguments:?}");
    }
    refuses(&["inspect".as_ref(), "-".as_ref()], "standard input: the file is empty");
}

#[test]
fn what_cannot_be_printed_is_told_and_a_reader_that_left_is_none_of_our_business() {
    let five = digits().join("mnist_5.png");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let commands: [Vec<&OsStr>; 4] = [
        vec!["predict".as_ref(), five.as_os_str()],
        vec!["predict".as_ref(), "--json".as_ref(), five.as_os_str()],
        vec!["inspect".as_ref()],
        vec![
            "bench".as_ref(),
            "--seconds".as_ref(),
            "0.01".as_ref(),
            "--batch".as_ref(),
            "1".as_ref(),
            "--data".as_ref(),
            mnist_500_folder().leak().as_os_str(),
        ],
    ];
    for arguments in &commands {
        let output = runtime().args(arguments).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let expected =
            "error: cannot write to standard output: No space left on device (os error 28)\n";
        assert_eq!(text(&output.stderr), expected);

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = runtime().args(arguments).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    }
    // nor does a full standard error turn one failure into another
    let status = runtime().args(["predict", "missing.png"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_page_is_written_for_a_reader_that_left_too() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.png");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = runtime();
    command.arg("predict").arg(digits()).arg("--show").arg(&page).stdout(writer);
    assert!(command.status().unwrap().success());
    image::open(page).unwrap();
}

#[test]
fn pages_and_contact_sheets_go_where_they_may_and_harm_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let five = digits().join("mnist_5.png");
    let list = digits().join("manifest.csv");
    fs::write(at("mine.png"), "mine").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("loop.png", at("loop.png")).unwrap();
    let long = "n".repeat(250) + ".png";
    for (name, part) in [
        ("folder", "it is a folder"),
        ("no/such.png", "No such file"),
        ("mine.png/page.png", "Not a directory"),
        ("mine.png", "was not written by this program"),
        ("mine.jpg", "a name that ends in .png"),
        ("mine", "a name that ends in .png"),
        ("loop.png", "symbolic links"),
        (&long, "longer than 247 bytes"),
    ] {
        let path = at(name);
        refuses(&["predict".as_ref(), five.as_ref(), "--show".as_ref(), path.as_ref()], part);
        refuses(
            &[
                "evaluate".as_ref(),
                "--images".as_ref(),
                list.as_ref(),
                "--sheet".as_ref(),
                path.as_ref(),
            ],
            part,
        );
    }
    assert_eq!(fs::read(at("mine.png")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);

    pipe(&at("pipe"));
    let reader = thread::spawn({
        let path = at("pipe");
        move || fs::read(path).unwrap()
    });
    let output =
        runtime().arg("predict").arg(&five).arg("--show").arg(at("pipe")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    image::load_from_memory(&reader.join().unwrap()).unwrap();

    let mut forced = runtime();
    forced.arg("predict").arg(&five).arg("--force").arg("--show").arg(at("mine.png"));
    assert!(forced.status().unwrap().success());
    image::open(at("mine.png")).unwrap();

    // a device that takes nothing, made here: were it replaced, the system would not miss it
    let full = at("full");
    let made = Command::new("mknod").arg(&full).args(["c", "1", "7"]).output();
    if made.is_ok_and(|made| made.status.success())
        && File::options().write(true).open(&full).is_ok()
    {
        let path = full.as_os_str();
        let output = runtime().arg("predict").arg(&five).arg("--show").arg(path).output().unwrap();
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            complaint.contains("cannot write ") && complaint.contains("No space left"),
            "{complaint}"
        );
        assert!(!fs::metadata(&full).unwrap().is_file());
    } else {
        println!("passed over: only root makes devices");
    }
}
