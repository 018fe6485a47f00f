//! The `trainer` command on the committed images: what it writes, what it refuses, and what a kill leaves.

mod interruption;
mod pictures;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use dataset::idx::{Part, Split};
use dataset::{Image, idx};
use fixtures::mnist_500_folder;
use runtime::Classifier;

fn trainer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.stdin(Stdio::null());
    command
}

/// Two epochs of four steps, into `path`.
fn train(path: &Path, more: &[&str]) -> Output {
    trainer()
        .args(["--epochs", "2", "--batch-size", "128", "--device", "cpu", "--data"])
        .arg(mnist_500_folder())
        .arg("--export")
        .arg(path)
        .args(more)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn equal_seeds_give_equal_files_and_other_seeds_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, seed| {
        let path = folder.path().join(name);
        let output = train(&path, &["--seed", seed]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        fs::read(path).unwrap()
    };
    let first = file("first.onnx", "7");
    assert!(first == file("second.onnx", "7"));
    assert!(first != file("third.onnx", "8"));
}

#[test]
fn the_report_and_the_history_say_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let (model, history) = (folder.path().join("lenet.onnx"), folder.path().join("history.jsonl"));
    let output = train(&model, &["--json", history.to_str().unwrap()]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for said in
        ["500 training and 500 test images", "CPU", "of 500 images right", "precision", "exported"]
    {
        assert!(printed.contains(said), "{said} in\n{printed}");
    }
    let lines: Vec<serde_json::Value> = fs::read_to_string(history)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["epoch"], index + 1);
        let accuracy = line["validation_accuracy"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&accuracy));
        assert!(line["training_loss"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn plots_and_report_are_whole_and_change_nothing_about_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, model, plots, report] =
        ["plain.onnx", "lenet.onnx", "deep/plots", "deep/plots/report.html"]
            .map(|name| folder.path().join(name));
    assert!(train(&plain, &[]).status.success());
    let more = ["--plots", plots.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let output = train(&model, &more);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read(&plain).unwrap() == fs::read(&model).unwrap());
    for path in [&plots, &report] {
        assert!(text(&output.stdout).contains(path.to_str().unwrap()));
    }
    for name in ["samples", "curves", "confusion", "worst", "filters"] {
        let png = image::open(plots.join(name).with_extension("png")).unwrap();
        let svg = fs::read_to_string(plots.join(name).with_extension("svg")).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(document.root_element().attribute("width"), Some(&*png.width().to_string()));
    }
    assert_eq!(fs::read_dir(&plots).unwrap().count(), 11);
    let page = fs::read_to_string(&report).unwrap();
    let sha256 = base16ct::lower::encode_string(&sha2::Digest::finalize(
        <sha2::Sha256 as sha2::Digest>::new_with_prefix(fs::read(&model).unwrap()),
    ));
    for said in ["LeNet on mnist-500", "of 500 test images right", "Wilson", "<th>2</th>", &sha256]
    {
        assert!(page.contains(said), "{said}");
    }
    assert_eq!(page.matches("<svg ").count(), 5);
}

#[test]
fn a_reader_that_leaves_early_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("lenet.onnx");
    let mut run = trainer();
    run.args(["--epochs", "2", "--device", "cpu", "--data"]).arg(mnist_500_folder());
    run.arg("--export").arg(&model).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = run.spawn().unwrap();
    drop(run.stdout.take());
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(model.exists());
}

#[test]
fn the_exported_graph_is_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lenet.onnx");
    assert!(train(&path, &[]).status.success());
    let graph = network::onnx::Graph::parse(&fs::read(path).unwrap()).unwrap();
    let operators: Vec<&str> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
    assert_eq!(
        operators,
        [
            "Cast", "Sub", "Mul", "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Flatten",
            "Gemm", "Relu", "Gemm"
        ]
    );
    assert_eq!((graph.opset, graph.ir_version), (13, 8));
    assert_eq!(
        (graph.inputs[0].name.as_str(), graph.inputs[0].to_string().as_str()),
        ("image", "uint8 [batch, 1, 28, 28]")
    );
    assert_eq!(
        (graph.outputs[0].name.as_str(), graph.outputs[0].to_string().as_str()),
        ("logits", "float32 [batch, 10]")
    );
    assert_eq!(graph.metadata["dataset"], "mnist-500");
    assert_eq!(graph.metadata["classes"], "0,1,2,3,4,5,6,7,8,9");
    for key in
        ["dataset.sha256", "pixels", "recipe", "seed", "test.accuracy", "validation.accuracy"]
    {
        assert!(!graph.metadata[key].is_empty(), "{key}");
    }
}

/// The committed images with every label changed, as a dataset in `folder`.
fn relabelled(folder: &Path, change: impl Fn(u8) -> u8) {
    fs::create_dir(folder).unwrap();
    for part in [Part::Train, Part::Test] {
        let Split { images, labels } = idx::load(&mnist_500_folder(), part).unwrap();
        let labels: Vec<u8> = labels.into_iter().map(&change).collect();
        fs::write(folder.join(part.image_file()), idx::emit_images(&images)).unwrap();
        fs::write(folder.join(part.label_file()), idx::emit_labels(&labels)).unwrap();
    }
}

#[test]
fn images_that_are_no_drawings_are_only_shifted_unless_asked_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let greys = folder.path().join("greys");
    relabelled(&greys, |digit| digit);
    for part in [Part::Train, Part::Test] {
        let Split { images, .. } = idx::load(&mnist_500_folder(), part).unwrap();
        let grey = |image: &Image| {
            let pixels: Vec<u8> = image.pixels().iter().map(|pixel| 64 + pixel / 2).collect();
            Image::new([1, 28, 28], pixels).unwrap()
        };
        let images: Vec<Image> = images.iter().map(grey).collect();
        fs::write(greys.join(part.image_file()), idx::emit_images(&images)).unwrap();
    }
    let says_so = |data: &Path, more: &[&str]| {
        let mut command = trainer();
        command.args(["--epochs", "1", "--device", "cpu", "--data"]).arg(data).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).contains("\naugment   shift, since")
    };
    assert!(says_so(&greys, &[]));
    assert!(!says_so(&greys, &["--augment", "digits"]));
    assert!(!says_so(&mnist_500_folder(), &[]));
}

#[test]
fn any_number_of_classes_from_2_to_256_reaches_the_model_with_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    let train = |data: &Path, more: &[&str]| {
        let mut command = trainer();
        command.args(["--epochs", "1", "--device", "cpu", "--data"]).arg(data);
        command.arg("--export").arg(&model).args(more).output().unwrap()
    };
    let (halves, many) = (folder.path().join("halves"), folder.path().join("many"));
    relabelled(&halves, |digit| digit / 5);
    relabelled(&many, |digit| digit * 28 + 3);

    let output = train(&halves, &["--classes", "below 5, 5 or more"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\n  below 5  "), "{}", text(&output.stdout));
    assert_eq!(Classifier::load(&model).unwrap().classes(), ["below 5", "5 or more"]);

    let output = train(&many, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(Classifier::load(&model).unwrap().classes().len(), 9 * 28 + 3 + 1);

    let output = train(&many, &["--classes", "cat,dog"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("labels up to 255"), "{}", text(&output.stderr));
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    for arguments in [
        &["--epochs", "0"][..],
        &["--epochs", "many"],
        &["--batch-size", "0"],
        &["--lr", "-1"],
        &["--lr", "nan"],
        &["--device", "gpu"],
        &["--seed", "-1"],
        &["--classes", "one"],
        &["--network", "lenett"],
        &["--network", "8c3-"],
        &["--augment", "some"],
        &["--steps", "0"],
        &["lenet.onnx"],
    ] {
        let output = trainer().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}");
    }
}

#[test]
fn what_cannot_work_ends_in_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    for entry in mnist_500_folder().read_dir().unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, broken.join(path.file_name().unwrap())).unwrap();
    }
    let truncated = broken.join("train-images-idx3-ubyte");
    fs::write(&truncated, [0, 0, 8, 3, 0, 0]).unwrap();
    let nowhere = folder.path().join("no/such/lenet.onnx");
    let (good, model) = (mnist_500_folder(), folder.path().join("lenet.onnx"));
    let cases: [(&Path, &Path, &str, &Path); 4] = [
        (&good, &nowhere, "cpu", &nowhere),
        (&good, folder.path(), "cpu", folder.path()),
        (&broken, &model, "cpu", &truncated),
        (&good, &model, "cuda:200", Path::new("cuda")),
    ];
    for (data, export, device, named) in cases {
        let output = trainer()
            .arg("--data")
            .arg(data)
            .arg("--export")
            .arg(export)
            .args(["--device", device])
            .output()
            .unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(&named.display().to_string()), "{error}");
        assert!(!model.exists());
    }
}

#[test]
fn the_doctor_finds_this_machine_well_and_a_broken_dataset_not() {
    let folder = tempfile::tempdir().unwrap();
    let doctor = |data: &Path| trainer().args(["doctor", "--data"]).arg(data).output().unwrap();
    let output = doctor(&mnist_500_folder());
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for subject in ["libtorch", "CUDA", "threads", "500 training and 500 test images"] {
        assert!(printed.contains(subject), "{subject} in\n{printed}");
    }
    let broken = folder.path().join("broken");
    relabelled(&broken, |digit| digit);
    fs::write(broken.join("train-images-idx3-ubyte"), "no images").unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for (data, fault) in [
        (&broken, "→ mend or delete what is broken"),
        (&empty, "holds no dataset: it is empty"),
        (&folder.path().join("nope"), "nope is no folder"),
    ] {
        let output = doctor(data);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains(fault), "{}", text(&output.stdout));
    }
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_folder_that_was_named_is_never_filled_with_mnist_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("photos/cat")).unwrap();
    fs::create_dir_all(at("photos/dog")).unwrap();
    fs::write(at("photos/cat/1.jpg"), "").unwrap();
    fs::create_dir(at("empty")).unwrap();
    for (name, parts) in [
        ("nope", ["nope is no folder", "--download"]),
        ("empty", ["it is empty; expected are four IDX files", "--download"]),
        ("photos", ["photos", "picture"]),
    ] {
        let output = trainer().args(["--device", "cpu", "--data"]).arg(at(name)).output().unwrap();
        let refusal = text(&output.stderr);
        assert_eq!((output.status.code(), refusal.lines().count()), (Some(1), 1), "{refusal}");
        for part in parts {
            assert!(refusal.contains(part), "{part} in {refusal}");
        }
    }
    assert!(!at("nope").exists() && fs::read_dir(at("empty")).unwrap().count() == 0);
    assert_eq!(fs::read_dir(at("photos")).unwrap().count(), 2);
}

#[test]
fn the_other_spelling_of_the_names_trains_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mnist-500");
    fs::create_dir(&data).unwrap();
    for entry in mnist_500_folder().read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().replace("-idx", ".idx");
        fs::copy(&path, data.join(name)).unwrap();
    }
    let [here, there] = ["here.onnx", "there.onnx"].map(|name| folder.path().join(name));
    assert!(train(&here, &[]).status.success());
    let mut command = trainer();
    command.args(["--epochs", "2", "--batch-size", "128", "--device", "cpu", "--data"]).arg(&data);
    let output = command.arg("--export").arg(&there).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read(here).unwrap() == fs::read(there).unwrap());
    assert_eq!(fs::read_dir(&data).unwrap().count(), 4);
}

#[test]
fn plots_and_reports_that_cannot_be_written_are_refused_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for (option, path) in [("--plots", &file), ("--report", &folder.path().join("no/such.html"))] {
        let model = folder.path().join("lenet.onnx");
        let output = train(&model, &[option, path.to_str().unwrap()]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(output.stdout.is_empty() && !model.exists());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_training_that_diverges_fails_early_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("lenet.onnx");
    for recipe in ["best", "original"] {
        for export in [false, true] {
            let mut command = trainer();
            command.args(["--epochs", "50", "--lr", "1e9", "--device", "cpu", "--data"]);
            command.arg(mnist_500_folder()).args(["--recipe", recipe, "--batch-size", "64"]);
            if export {
                command.arg("--export").arg(&model);
            }
            let output = command.output().unwrap();
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{error}");
            assert!(error.contains("diverged") && error.contains("in epoch "), "{error}");
            assert!(error.contains("--lr below 1000000000"), "{error}");
            assert!(!text(&output.stdout).contains("\n   50 "), "{}", text(&output.stdout));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn files_of_others_are_replaced_only_by_force_and_ours_always() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let [model, json, page, plots] =
        ["lenet.onnx", "history.jsonl", "report.html", "plots"].map(at);
    let (worst, filters) = (plots.join("worst.png"), plots.join("filters.svg"));
    fs::create_dir(&plots).unwrap();
    let train_all = |force: bool| {
        let mut command = trainer();
        command.args(["--epochs", "1", "--device", "cpu", "--data"]).arg(mnist_500_folder());
        command.arg("--export").arg(&model).arg("--json").arg(&json);
        command.arg("--report").arg(&page).arg("--plots").arg(&plots);
        command.args(force.then_some("--force")).output().unwrap()
    };
    let succeeds = |output: Output| assert!(output.status.success(), "{}", text(&output.stderr));
    succeeds(train_all(false));
    succeeds(train_all(false));
    let checkpoint = at("lenet.checkpoint");
    for path in [&model, &json, &page, &worst, &filters, &checkpoint] {
        let ours = fs::read(path).ok();
        fs::write(path, "mine").unwrap();
        let output = train_all(false);
        let refusal = text(&output.stderr);
        assert_eq!((output.status.code(), refusal.lines().count()), (Some(1), 1), "{refusal}");
        assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
        assert!(
            refusal.contains("choose another name") && refusal.contains("--force"),
            "{refusal}"
        );
        assert_eq!(fs::read(path).unwrap(), b"mine");
        match ours {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    }
    fs::write(&model, "mine").unwrap();
    fs::write(&worst, "mine").unwrap();
    fs::write(&checkpoint, "mine").unwrap();
    succeeds(train_all(true));
    Classifier::load(&model).unwrap();
    assert!(image::open(&worst).is_ok() && !checkpoint.exists());
}
