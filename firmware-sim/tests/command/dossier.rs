//! The folder that `verify --dossier` writes.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::ffi::OsStr;
use std::fs;
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Bench, mnist_500, sha256};

const NAMES: [&str; 3] = ["dossier.html", "dossier.json", "sbom.cdx.json"];

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|it| (it.file_name().into_string().unwrap(), fs::read_to_string(it.path()).unwrap()))
        .collect()
}

/// Writes a dossier to this folder, with these arguments more, and gives its files and the exit code.
fn dossier(bench: &Bench, folder: &str, more: &[&str]) -> (BTreeMap<String, String>, Option<i32>) {
    let data = mnist_500();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let output = bench.run(&[&verify[..], &["--dossier", folder], more].concat());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() || message.starts_with("error: "), "{message}");
    (files(&bench.path(folder)), output.status.code())
}

/// No folder of this computer.
fn assert_names_no_folder(bench: &Bench, files: &BTreeMap<String, String>) {
    let home = std::env::var("HOME").unwrap_or_else(|_| "/home/".into());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let bench = fs::canonicalize(bench.path("")).unwrap();
    for folder in [sources, bench, PathBuf::from(mnist_500()), PathBuf::from(home), "/home/".into()]
    {
        let folder = folder.to_str().unwrap();
        if folder.len() < 2 {
            continue;
        }
        for (name, text) in files {
            assert!(!text.contains(folder), "{name} names {folder}");
        }
    }
}

#[test]
fn a_dossier_has_the_same_bytes_each_time_and_names_no_folder() {
    let bench = Bench::new();
    bench.quantize();
    let (first, code) =
        dossier(&bench, "first", &["--without", "boards,proofs,soft-errors,robustness"]);
    assert_eq!(code, Some(0));
    let (second, _) =
        dossier(&bench, "second", &["--without", "boards,proofs,soft-errors,robustness"]);
    // a folder of ours is written again
    let (again, _) =
        dossier(&bench, "first", &["--without", "boards,proofs,soft-errors,robustness"]);
    for other in [&second, &again] {
        assert!(first.keys().eq(other.keys()));
        for (name, text) in &first {
            assert!(other[name] == *text, "{name} differs");
        }
    }
    assert_names_no_folder(&bench, &first);

    let json: Value = serde_json::from_str(&first["dossier.json"]).unwrap();
    assert!(
        json["verdict"].as_str().unwrap().starts_with("Passed: all 2 demands are met; 4 kinds"),
        "{json:#}"
    );
    assert_eq!(json["date"], Value::Null);
    // what did not run says so by itself, in its place and at the end
    let boards = &json["chapters"]["boards"];
    assert_eq!(
        (&boards["is_shown"], &boards["reason"]),
        (&false.into(), &"`--without boards` was given".into())
    );
    let not_shown = json["not_shown"].as_array().unwrap();
    let limits = not_shown.iter().find(|it| it["about"] == boards["title"]).unwrap();
    assert_eq!(limits["limits"][0], "not shown: not run: `--without boards` was given");
    assert_eq!(not_shown.last().unwrap()["about"], "In general");
    let page = &first["dossier.html"];
    let (body, verdict) = (page.find("<body>").unwrap(), page.find("Passed: ").unwrap());
    assert!(
        page[body..].starts_with("<body><p class=\"result\"><strong class=\"passed\">Passed"),
        "{verdict}"
    );
    assert!(page.contains("What was not shown") && !page.contains("<script"));
    for (name, text) in first.iter().filter(|(name, _)| *name != "dossier.json") {
        assert_eq!(json["files"][name], sha256(text.as_bytes()), "{name}");
    }
    let answers = &json["chapters"]["answers"]["found"];
    let matrix = answers["confusion"]["matrix"].as_array().unwrap();
    let rows = matrix.iter().map(|row| row.as_array().unwrap().iter());
    assert_eq!(rows.flatten().map(|count| count.as_u64().unwrap()).sum::<u64>(), 500);
    assert_eq!(answers["verification"]["images"], 500);
    assert_eq!(answers["verification"]["data"]["path"], "mnist-500");
}

#[test]
fn a_date_is_only_what_is_given() {
    let bench = Bench::new();
    bench.quantize();
    let data = mnist_500();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let arguments = [
        &verify[..],
        &["--without", "boards,proofs,soft-errors,robustness", "--dossier", "dossier"],
    ]
    .concat();
    let mut command = bench.command(&arguments);
    assert!(command.env("SOURCE_DATE_EPOCH", "951782400").output().unwrap().status.success());
    let files = files(&bench.path("dossier"));
    assert!(files["dossier.html"].contains("2000-02-29 00:00 UTC"));
    if let Some(bill) = files.get("sbom.cdx.json") {
        assert!(bill.contains("\"timestamp\": \"2000-02-29T00:00:00Z\""), "{bill}");
    }
    let mut command = bench.command(&arguments);
    fixtures::command::fails(
        command.env("SOURCE_DATE_EPOCH", "today"),
        &["SOURCE_DATE_EPOCH is today"],
    );
    #[cfg(unix)]
    fixtures::command::fails(
        command.env("SOURCE_DATE_EPOCH", OsStr::from_bytes(b"\xff5")),
        &["SOURCE_DATE_EPOCH is"],
    );
}

#[test]
fn a_demand_that_is_not_met_fails_after_the_dossier_says_so() {
    let bench = Bench::new();
    bench.quantize();
    let path = bench.path("PATH");
    fs::create_dir(&path).unwrap();
    // without any program on the path, a board that is named cannot run
    let data = mnist_500();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let more =
        ["--machine", "m4", "--without", "proofs,soft-errors,robustness", "--dossier", "dossier"];
    let arguments = [&verify[..], &more].concat();
    let mut command = bench.command(&arguments);
    fixtures::command::fails(
        command.env("PATH", &path),
        &["dossier", "not met", "Cortex-M4", "not run"],
    );
    let files = files(&bench.path("dossier"));
    assert!(files["dossier.html"].contains("Failed: 1 of 3 demands are not met"));
    let json: Value = serde_json::from_str(&files["dossier.json"]).unwrap();
    assert_eq!(json["passes"], false);
    // and nothing else of that folder's tools either
    assert_eq!(json["chapters"]["bill_of_materials"]["is_shown"], false);
    assert_eq!(json["chapters"]["inputs"]["found"]["tools"]["rustc"], "not here");
    assert!(!files.contains_key("sbom.cdx.json"));
}

#[test]
fn a_folder_of_others_is_not_written_over() {
    let bench = Bench::new();
    bench.quantize();
    let data = mnist_500();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let refused = |folder: &str, parts: &[&str]| {
        let arguments = [
            &verify[..],
            &["--without", "boards,proofs,soft-errors,robustness", "--dossier", folder],
        ]
        .concat();
        bench.refuses(&arguments, parts);
    };
    for name in NAMES {
        let folder = bench.path(&format!("of-others-{name}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(name), "mine").unwrap();
        refused(folder.to_str().unwrap(), &[name, "--force"]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"mine");
    }
    refused("lenet.onnx", &["lenet.onnx", "it is no folder"]);
    refused("no/such/folder", &["no/such/folder"]);
    // a report is no file of a dossier, nor in its place
    fs::create_dir(bench.path("both")).unwrap();
    for (dossier, report, part) in [
        ("both", "both/proofs.txt", "a dossier writes to this folder"),
        ("both", "both", "it is a folder"),
        ("new", "new", "a dossier writes to this folder"),
    ] {
        let both = ["--dossier", dossier, "--report", report];
        bench.refuses(&[&verify[..], &both].concat(), &[report, part]);
    }
    // files beside ours are left alone; of ours, one that somebody changed is not replaced
    let (_, code) = dossier(&bench, "mine", &["--without", "boards,proofs,soft-errors,robustness"]);
    assert_eq!(code, Some(0));
    fs::write(bench.path("mine/notes.txt"), "mine").unwrap();
    let (found, code) =
        dossier(&bench, "mine", &["--without", "boards,proofs,soft-errors,robustness"]);
    assert_eq!((code, &found["notes.txt"][..]), (Some(0), "mine"));
    fs::remove_file(bench.path("mine/dossier.html")).unwrap();
    fs::create_dir(bench.path("mine/dossier.html")).unwrap();
    refused("mine", &["dossier.html", "it is no file"]);
    fs::remove_dir(bench.path("mine/dossier.html")).unwrap();
    let changed = found["dossier.json"].replace("Passed", "PASSED");
    fs::write(bench.path("mine/dossier.json"), changed).unwrap();
    refused("mine", &["dossier.json", "--force"]);
    let (_, code) =
        dossier(&bench, "mine", &["--without", "boards,proofs,soft-errors,robustness", "--force"]);
    assert_eq!(code, Some(0));
}

#[test]
fn boards_are_for_a_dossier() {
    let bench = Bench::new();
    let left_out = ["--dossier", "c", "--machine", "m4", "--without", "boards"];
    for flags in
        [&["--machine", "m4"][..], &["--board-images", "3"], &["--without", "boards"], &left_out]
    {
        let verify = ["verify", "--model", "a", "--quantized", "b"];
        let output = bench.run(&[&verify[..], flags].concat());
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
#[ignore = "needs QEMU and two minutes: `-- --ignored dossier`"]
fn a_dossier_with_boards_has_the_same_bytes_each_time() {
    let bench = Bench::new();
    bench.quantize();
    let more = ["--machine", "m4,rv32", "--board-images", "10", "--without", "robustness"];
    let (first, code) = dossier(&bench, "first", &more);
    assert_eq!(code, Some(0));
    let (second, _) = dossier(&bench, "second", &more);
    assert!(first == second);
    assert_names_no_folder(&bench, &first);
    let json: Value = serde_json::from_str(&first["dossier.json"]).unwrap();
    for board in json["chapters"]["boards"]["found"]["boards"].as_array().unwrap() {
        assert_eq!((&board["equal"], &board["images"]), (&10.into(), &10.into()), "{board}");
    }
    for chapter in ["proofs", "soft_errors"] {
        assert_eq!(json["chapters"][chapter]["is_shown"], true, "{chapter}");
    }
    assert!(first.contains_key("proofs.txt"));
}

/// The table that a dossier quotes.
#[test]
fn every_requirement_names_a_test_that_is_there() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(package.join("requirements.csv")).unwrap();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("id;requirement;file;test"));
    let mut texts: BTreeMap<u32, &str> = BTreeMap::new();
    for line in lines {
        let [id, text, file, name] = line.split(';').collect::<Vec<_>>()[..] else {
            panic!("{line:?} has not four fields")
        };
        let id: u32 = id.parse().unwrap();
        assert_eq!(*texts.entry(id).or_insert(text), text, "one number, one requirement");
        let source = fs::read_to_string(package.join("..").join(file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        let (before, _) = source
            .split_once(&format!("fn {name}("))
            .unwrap_or_else(|| panic!("{file} has no test {name}"));
        let attributes = &before[before.trim_end().len().saturating_sub(200)..];
        assert!(attributes.contains("#[test]"), "{name} in {file} is no test");
    }
    let ids = 1..=u32::try_from(texts.len()).unwrap();
    assert!(texts.keys().copied().eq(ids), "numbers without a gap: {texts:?}");
}

#[test]
#[ignore = "needs PyPI once: cargo test -p firmware-sim --test command -- --ignored dossier"]
fn the_bill_of_materials_is_what_cyclonedx_defines() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/baselines/environment");
    let python = Command::new(script).arg("sbom").output().unwrap();
    if !python.status.success() {
        eprintln!("skipped: CycloneDX's schema cannot be installed from here (PyPI)");
        return;
    }
    let bench = Bench::new();
    bench.quantize();
    let (files, _) =
        dossier(&bench, "dossier", &["--without", "boards,proofs,soft-errors,robustness"]);
    assert!(files.contains_key("sbom.cdx.json"));
    let check = "import sys\n\
                 from cyclonedx.schema import SchemaVersion\n\
                 from cyclonedx.validation.json import JsonStrictValidator\n\
                 error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())\n\
                 sys.exit(error and str(error))";
    let python = String::from_utf8(python.stdout).unwrap();
    let mut command = Command::new(python.trim_end());
    let output = command.args(["-c", check]).arg(bench.path("dossier/sbom.cdx.json")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
