//! The `firmware-sim` command as a user meets it.

mod c_folder;
mod data;
mod dossier;
mod outputs;
mod robustness;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use firmware::Model;
use firmware_sim::board::Machine;
use fixtures::command::fails;
use fixtures::mnist_500_folder;
use network::onnx::Graph;

/// A folder with a model, and a way to run the command in it.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lenet.onnx"), runtime::EMBEDDED_MODEL).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-sim"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn quantize(&self) {
        let output =
            self.run(&["quantize", "lenet.onnx", "--data", &mnist_500(), "-o", "lenet.q8"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Fails with code 1 and one line, which holds every one of `parts`.
    fn refuses(&self, arguments: &[&str], parts: &[&str]) {
        fails(&mut self.command(arguments), parts);
    }
}

fn mnist_500() -> String {
    mnist_500_folder().into_os_string().into_string().unwrap()
}

#[test]
fn flips_are_counted_and_drawn() {
    let bench = Bench::new();
    bench.quantize();
    let data = mnist_500();
    let common = ["inject", "--quantized", "lenet.q8", "--data", &data, "--images", "2"];
    let few = ["--samples", "3", "--part", "bias,weights,rows", "--json", "--picture", "bits.svg"];
    let output = bench.run(&[&common[..], &few].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // a bias and weights of four layers, and rows
    assert_eq!(found["groups"].as_array().unwrap().len(), 9);
    assert_eq!((&found["flash"]["flips"], &found["scratch"]["flips"]), (&24.into(), &3.into()));
    assert_eq!(found["flash"]["by_steps"]["share"], 1.0);
    let picture = fs::read_to_string(bench.path("bits.svg")).unwrap();
    assert!(picture.contains("dense1 weights"), "{picture}");

    fs::write(bench.path("mine.svg"), "<svg/>").unwrap();
    bench.refuses(
        &[&common[..], &["--part", "bias", "--picture", "mine.svg"]].concat(),
        &["mine.svg", "--force"],
    );
    bench.refuses(
        &["inject", "--quantized", "lenet.q8", "--data", &data, "--images", "900"],
        &["--images 900", "500"],
    );
    bench.refuses(&["prove", "--quantized", "lenet.onnx"], &["lenet.onnx", "starts with"]);
    bench.refuses(&["prove", "--quantized", "none.q8"], &["cannot read none.q8"]);
}

#[test]
fn a_model_is_made_and_verified() {
    let bench = Bench::new();
    bench.quantize();
    assert!(Model::parse(&fs::read(bench.path("lenet.q8")).unwrap()).is_ok());
    let data = mnist_500();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    let output = bench.run(&verify);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(" of 500") && text.contains("SQNR"), "{text}");
    assert!(output.stderr.is_empty(), "no progress bar without a terminal");

    let output = bench.run(&[&verify[..], &["--json", "--report", "report.html"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["images"], 500);
    let equal = &json["equal"];
    let [share, low, high] = ["share", "low", "high"].map(|part| equal[part].as_f64().unwrap());
    assert!(0.99 < share && low < share && share <= high && high <= 1.0, "{json}");
    let disagreements = json["unequal"].as_array().unwrap();
    assert_eq!(
        500 - disagreements.len(),
        usize::try_from(equal["count"].as_u64().unwrap()).unwrap()
    );
    for comparison in disagreements {
        assert!(
            comparison["float"] != comparison["int8"] && comparison["turns_at"].is_string(),
            "{json}"
        );
    }
    // too few images to say that answers agree; of what there is none there is no share
    assert!(json["agreement_margin"].is_null() && json["agrees"]["count"] == 0, "{json}");
    assert!(json["agrees_right"]["share"].is_null(), "{json}");
    let verdicts = ["sure", "unsure", "none"].map(|it| json["verdicts"][it]["count"].as_u64());
    assert_eq!(verdicts.map(Option::unwrap).iter().sum::<u64>(), 500);
    let counts = json["logits"]["histogram"].as_array().unwrap().iter();
    assert_eq!(counts.map(|bin| bin[1].as_u64().unwrap()).sum::<u64>(), 5000);
    for (layer, name) in json["layers"].as_array().unwrap().iter().zip(LAYERS) {
        assert_eq!(layer["layer"], name);
        let [sum, bound, limit] =
            ["sum_bits", "bound_bits", "limit_bits"].map(|bits| layer[bits].as_u64().unwrap());
        assert!(sum <= bound && bound <= limit, "{layer}");
        assert!(layer["sqnr_db"].as_f64().unwrap() > 30.0, "{layer}");
    }
    for (name, field) in [("float", "lenet.onnx"), ("int8", "lenet.q8")] {
        assert_eq!(json[name]["path"], field);
        assert_eq!(json[name]["sha256"], sha256(&fs::read(bench.path(field)).unwrap()));
    }

    let page = fs::read_to_string(bench.path("report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 3);
    // the disagreements and the 20 least certain images
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), disagreements.len() + 20);
    assert!(page.contains(json["data"]["sha256"].as_str().unwrap()));
    assert!(!page.contains("NaN") && !page.contains(&u32::MAX.to_string()));
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!elsewhere.contains("http") && !elsewhere.contains("<script"), "one file, no network");
}

const LAYERS: [&str; 4] = ["conv1", "conv2", "dense1", "dense2"];

fn sha256(bytes: &[u8]) -> String {
    let identity = firmware_sim::identity(bytes);
    identity.map(|byte| format!("{byte:02x}")).concat()
}

#[test]
fn a_model_is_written_in_three_forms_and_by_four_calibrations() {
    let bench = Bench::new();
    let data = mnist_500();
    let mut written = vec![];
    for (form, start) in [("q8", "LNQ8"), ("onnx", "\u{8}\u{8}\u{12}"), ("rust", "//! An int8")] {
        let quantize =
            ["quantize", "lenet.onnx", "--data", &data, "--emit", form, "-o", "out"].to_vec();
        let output = bench.run(&quantize);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = fs::read(bench.path("out")).unwrap();
        assert!(bytes.starts_with(start.as_bytes()), "{form}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with(&format!("out: {} bytes", bytes.len())), "{text}");
        written.push(bytes);
    }
    for way in ["max", "mse", "kl"] {
        let quantize =
            ["quantize", "lenet.onnx", "--data", &data, "--calibration", way, "-o", "out"];
        assert!(bench.run(&quantize).status.success());
        let bytes = fs::read(bench.path("out")).unwrap();
        assert!(!written.contains(&bytes), "{way} gives what another way gave");
        written.push(bytes);
    }
    assert_eq!(fs::read_dir(bench.0.path()).unwrap().count(), 2, "and leaves nothing else");
}

#[test]
fn the_plan_of_memory_is_printed() {
    let bench = Bench::new();
    let data = mnist_500();
    let output = bench.run(&["quantize", "lenet.onnx", "--data", &data, "-o", "lenet.q8"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let file = fs::read(bench.path("lenet.q8")).unwrap();
    let words = Model::parse(&file).unwrap().scratch_words();
    for part in [
        "conv2   Conv 5x5 20→50 + ReLU + MaxPool 2x2",
        &format!("RAM    {} bytes", 4 * words),
        &format!("flash  {} bytes", file.len()),
        "MACs   2293000",
        "cores  m3, v6m, rv32imac; for m4, m7, m33 lay it out otherwise, by --for",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // of each core, before any board is touched
    let (_, estimates) = text.split_once("million instructions, an estimate").unwrap();
    for machine in Machine::ALL {
        assert!(estimates.contains(&format!(" {} ", machine.name())), "{text}");
    }
}

#[test]
fn too_little_agreement_fails_after_the_report() {
    let bench = Bench::new();
    // calibrated on a blank page, it cannot hold the activations of ink
    let blank = tempfile::tempdir().unwrap();
    let images = [runtime::Image::mnist([0; runtime::PIXELS])];
    let write = |name, bytes: Vec<u8>| fs::write(blank.path().join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", dataset::idx::emit_images(&images));
    write("train-labels-idx1-ubyte", dataset::idx::emit_labels(&[0]));
    let blank = blank.path().to_str().unwrap();
    assert!(
        bench.run(&["quantize", "lenet.onnx", "--data", blank, "-o", "lenet.q8"]).status.success()
    );
    let data = mnist_500();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", &data];
    // what was found, of how many, how sure that is, what was asked for, and by which option
    let parts = [
        "lenet.q8",
        "lenet.onnx",
        "of 500 images",
        "95 % confidence: ",
        "--min-agreement 0.998, 99.80 %",
    ];
    bench.refuses(&verify, &parts);
    assert!(String::from_utf8_lossy(&bench.run(&verify).stdout).contains("SQNR"));
    assert!(bench.run(&[&verify[..], &["--min-agreement", "0"]].concat()).status.success());
}

#[test]
fn bad_onnx_files_end_in_one_line() {
    let bench = Bench::new();
    fs::write(bench.path("empty.onnx"), []).unwrap();
    fs::write(bench.path("cut.onnx"), &runtime::EMBEDDED_MODEL[..999]).unwrap();
    fs::write(bench.path("text.onnx"), "not a model").unwrap();
    let data = mnist_500();
    for (name, part) in [("missing", "No such file"), ("empty", "empty"), ("cut", ""), ("text", "")]
    {
        let name = format!("{name}.onnx");
        bench.refuses(&["quantize", &name, "--data", &data, "-o", "out.q8"], &[&name, part]);
        assert!(!bench.path("out.q8").exists());
    }
}

#[test]
fn bad_q8_files_end_in_one_line() {
    let bench = Bench::new();
    bench.quantize();
    let good = fs::read(bench.path("lenet.q8")).unwrap();
    fs::write(bench.path("empty.q8"), []).unwrap();
    fs::write(bench.path("cut.q8"), &good[..good.len() - 1]).unwrap();
    fs::write(bench.path("long.q8"), [&good[..], b"x"].concat()).unwrap();
    fs::write(bench.path("onnx.q8"), runtime::EMBEDDED_MODEL).unwrap();
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 4;
    fs::write(bench.path("damaged.q8"), damaged).unwrap();
    let data = mnist_500();
    for (name, part) in [
        ("missing", "No such file"),
        ("empty", "0 bytes"),
        ("cut", "bytes"),
        ("long", "bytes"),
        ("onnx", "starts with"),
        ("damaged", "CRC-32"),
    ] {
        let name = format!("{name}.q8");
        let verify = ["verify", "--model", "lenet.onnx", "--quantized", &name, "--data", &data];
        bench.refuses(&verify, &[&name, part]);
    }
}

#[test]
fn a_q8_of_another_onnx_file_is_refused_by_name() {
    let bench = Bench::new();
    bench.quantize();
    let mut other = runtime::EMBEDDED_MODEL.to_vec();
    let name = other.windows(5).position(|bytes| bytes == b"MNIST").unwrap();
    other[name..][..5].copy_from_slice(b"mnist");
    fs::write(bench.path("other.onnx"), other).unwrap();
    let data = mnist_500();
    let verify = ["verify", "--model", "other.onnx", "--quantized", "lenet.q8", "--data", &data];
    bench.refuses(&verify, &["lenet.q8", "other.onnx", "another ONNX file"]);
}

#[test]
fn calibrations_are_not_judged_by_the_images_that_they_used() {
    let data = mnist_500();
    let parts = ["mnist-500 has 500 training images", "more than 2000"];
    // the second is what the first was called before
    for command in ["compare-calibrations", "calibrate"] {
        Bench::new().refuses(&[command, "lenet.onnx", "--data", &data], &parts);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    let data = mnist_500();
    let quantize = ["quantize", "lenet.onnx", "--data", &data, "-o", "no/such/folder/out.q8"];
    bench.refuses(&quantize, &["cannot write no/such/folder/out.q8"]);
    let quantize = ["quantize", "lenet.onnx", "--data", &data, "-o", "./lenet.onnx"];
    bench.refuses(&quantize, &["cannot write ./lenet.onnx", "name another file"]);
    bench.quantize();
    for input in ["lenet.onnx", "lenet.q8"] {
        let verify =
            ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--report", input];
        bench.refuses(&verify, &["cannot write", input, "name another file"]);
    }
}

#[test]
fn files_of_others_are_replaced_only_by_force() {
    let bench = Bench::new();
    let data = mnist_500();
    fs::write(bench.path("photo.png"), "a photo").unwrap();
    let quantize = ["quantize", "lenet.onnx", "--data", &data, "-o", "photo.png"];
    bench.refuses(&quantize, &["cannot write photo.png", "was not written by", "--force"]);
    assert_eq!(fs::read(bench.path("photo.png")).unwrap(), b"a photo");
    assert!(bench.run(&[&quantize[..], &["--force"]].concat()).status.success());
    fs::write(bench.path("notes"), "LNQ8 are the first letters of my notes").unwrap();
    let over_notes = ["quantize", "lenet.onnx", "--data", &data, "-o", "notes"];
    bench.refuses(&over_notes, &["cannot write notes", "was not written by"]);
    // a model, in whatever form, is ours
    for form in ["onnx", "rust", "q8"] {
        assert!(bench.run(&[&quantize[..], &["--emit", form]].concat()).status.success());
    }
    // but none that somebody changed, or that is damaged
    for form in ["rust", "onnx", "q8"] {
        let model =
            ["quantize", "lenet.onnx", "--data", &data, "--emit", form, "-o", "model"].to_vec();
        assert!(bench.run(&[&model[..], &["--force"]].concat()).status.success());
        assert!(bench.run(&model).status.success());
        let ours = fs::read(bench.path("model")).unwrap();
        let mut damaged = ours.clone();
        damaged[ours.len() / 2] ^= 1;
        let mut changes = vec![damaged, [&ours[..], b"\n// mine\n"].concat()];
        if form == "onnx" {
            let mut graph = Graph::parse(&ours).unwrap();
            graph.metadata.insert("note".into(), "mine".into());
            changes.push(graph.emit());
        }
        for changed in changes {
            fs::write(bench.path("model"), &changed).unwrap();
            bench.refuses(&model, &["cannot write model", "was not written by", "--force"]);
            assert!(fs::read(bench.path("model")).unwrap() == changed, "{form}");
        }
    }
    // not even by force what the same command reads
    let own = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), own.path().join(entry.file_name())).unwrap();
    }
    let own = own.path().to_str().unwrap();
    let images = format!("{own}/train-images-idx3-ubyte.gz");
    let over_data = ["quantize", "lenet.onnx", "--data", own, "-o", &images, "--force"];
    bench.refuses(&over_data, &["train-images-idx3-ubyte.gz", "read by the same command"]);
    fs::write(bench.path("page.html"), "<html>a diary").unwrap();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "photo.png", "--data", &data];
    let verify = [&verify[..], &["--report", "page.html"]].concat();
    bench.refuses(&verify, &["cannot write page.html", "--force"]);
    assert!(bench.run(&[&verify[..], &["--force"]].concat()).status.success());
    assert!(bench.run(&verify).status.success());
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    fs::write(bench.path("page.html"), page.replace("Layer by layer", "My findings")).unwrap();
    bench.refuses(&verify, &["cannot write page.html", "was not written by", "--force"]);
}

#[test]
fn on_few_images_no_answer_says_that_it_agrees_and_training_images_agree_dishonestly() {
    let bench = Bench::new();
    let data = mnist_500();
    let output = bench.run(&["quantize", "lenet.onnx", "--data", &data, "-o", "lenet.q8"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(
            "no answer says that it agrees with float: that takes at least 2995 training images, and there are 500"
        ),
        "{text}"
    );
    let seen = tempfile::tempdir().unwrap();
    for (from, to) in [("train", "train"), ("train", "t10k")] {
        for kind in ["images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"] {
            let from = mnist_500_folder().join(format!("{from}-{kind}"));
            fs::copy(from, seen.path().join(format!("{to}-{kind}"))).unwrap();
        }
    }
    let seen = seen.path().to_str().unwrap();
    let verify = ["verify", "--model", "lenet.onnx", "--quantized", "lenet.q8", "--data", seen];
    let output = bench.run(&verify);
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.starts_with("warning: 500 of 500 test images"), "{warning}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("agrees           0.00 %  (0 of 500"), "{text}");
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let bench = Bench::new();
    for arguments in [
        &["quantize"][..],
        &["verify", "--model", "lenet.onnx"],
        &["verify", "--model", "a", "--quantized", "b", "--min-agreement", "1.5"],
    ] {
        assert_eq!(bench.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
