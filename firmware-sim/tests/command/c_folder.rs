//! `quantize --emit c`: a folder, in which only what the command wrote is replaced.

use std::fs;

use super::{Bench, mnist_500};

/// All files of the folder.
const FILES: [&str; 10] = [
    "model.h",
    "model.c",
    "README.md",
    "library.properties",
    "library.json",
    "idf_component.yml",
    "CMakeLists.txt",
    "zephyr/module.yml",
    "zephyr/CMakeLists.txt",
    "examples/Classify/Classify.ino",
];

#[test]
fn c_source_is_a_folder_that_is_written_again_but_for_what_was_changed() {
    let bench = Bench::new();
    let data = mnist_500();
    let emit = ["quantize", "lenet.onnx", "--data", &data, "--emit", "c", "-o", "out"];
    let run = || {
        let output = bench.run(&emit);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let [said, warned] = run();
    assert!(warned.is_empty(), "{warned}");
    assert!(said.starts_with("out: C source, "), "{said}");
    assert!(said.contains("\nRAM    2292 bytes, besides stack"), "{said}");
    let read = |file: &str| fs::read_to_string(bench.path("out").join(file)).unwrap();
    let written = FILES.map(read);
    assert_eq!(run(), [&said[..], ""]);
    assert_eq!(FILES.map(read), written, "the same bytes again");

    // a file for builds that somebody changed is left as it is, and named
    let sketch = bench.path("out/examples/Classify/Classify.ino");
    fs::write(&sketch, "void setup() {}").unwrap();
    assert!(run()[1].contains("out/examples/Classify/Classify.ino: left as it is"));
    assert_eq!(fs::read(&sketch).unwrap(), b"void setup() {}");

    // the model itself has to be whole
    let source = bench.path("out/model.c");
    fs::write(&source, read("model.c") + "int mine;\n").unwrap();
    bench.refuses(&emit, &["cannot write out/model.c", "was not written by", "--force"]);
    assert!(read("model.c").ends_with("int mine;\n"));
    assert!(bench.run(&[&emit[..], &["--force"]].concat()).status.success());
    assert_eq!(FILES.map(read), written);
}

#[test]
fn c_source_goes_into_no_file_no_missing_folder_and_not_over_what_is_read() {
    let bench = Bench::new();
    let data = mnist_500();
    let emit = |out| ["quantize", "lenet.onnx", "--data", &data, "--emit", "c", "-o", out];
    bench.refuses(&emit("lenet.onnx"), &["cannot write lenet.onnx", "C source is a folder"]);
    bench.refuses(&emit("no/such/folder"), &["cannot write no/such/folder", "No such file"]);
    fs::create_dir(bench.path("out")).unwrap();
    fs::copy(bench.path("lenet.onnx"), bench.path("out/model.c")).unwrap();
    let over = ["quantize", "out/model.c", "--data", &data, "--emit", "c", "--force", "-o", "out"];
    bench.refuses(&over, &["cannot write out/model.c", "read by the same command"]);
}

#[test]
fn a_folder_has_the_source_of_one_model() {
    let bench = Bench::new();
    let data = mnist_500();
    let named = |name| {
        ["quantize", "lenet.onnx", "--data", &data, "--emit", "c", "--name", name, "-o", "out"]
    };
    assert!(bench.run(&named("eye")).status.success());
    assert!(bench.run(&named("eye")).status.success());
    let words = ["cannot write out", "out/eye.c is of another model", "name another folder"];
    bench.refuses(&named("ear"), &words);
    assert!(!bench.path("out/ear.c").exists());
}

#[test]
fn c_source_for_one_core_is_wrong_usage() {
    let bench = Bench::new();
    let output = bench.run(&["quantize", "lenet.onnx", "--emit", "c", "--for", "m4", "-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("leave --for out"), "{text}");
    assert!(!bench.path("out").exists());
}

#[test]
fn a_name_is_for_c_source_alone() {
    let bench = Bench::new();
    let output = bench.run(&["quantize", "lenet.onnx", "--name", "eye", "-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("only C source has a --name"), "{text}");
    assert!(!bench.path("out").exists());
}
