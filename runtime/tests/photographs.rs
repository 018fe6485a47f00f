//! The command with a model of photographs: colours, sizes, names of classes, and a mean per channel.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dataset::{Image, idx};
use fixtures::graph::GraphBuilder;
use image::{Rgb, RgbImage};
use network::onnx::{Attribute, Port, Values};
use tempfile::TempDir;

/// `[channels, height, width]`
const SHAPE: [usize; 3] = [3, 4, 6];

/// A folder with a model whose scores are the sums of the red and of the blue channel.
struct Bench(TempDir);

impl Bench {
    fn new(metadata: &[(&str, &str)]) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        let mut network = GraphBuilder::new("float32");
        network.graph.inputs = vec![Port::of_batches("image", "float32", &SHAPE)];
        let all = [&[("classes", r#"["red, or so", "blue"]"#)], metadata].concat();
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        network.graph.metadata = all.into_iter().map(pair).collect();
        let weights = (0..2 * 72).map(|at| f32::from(!(24..2 * 72 - 24).contains(&at))).collect();
        let network = network
            .constant("weights", &[2, 72], Values::F32(weights))
            .zeros("bias", &[2])
            .flatten()
            .node("Gemm", &["weights", "bias"], &[("transB", Attribute::Int(1))]);
        fs::write(bench.at("model.onnx"), network.emit(2)).unwrap();
        // a third is red, the rest blue
        let flag = RgbImage::from_fn(60, 20, |x, _| match x {
            0..20 => Rgb([200, 0, 0]),
            _ => Rgb([0, 0, 150]),
        });
        flag.save(bench.at("flag.png")).unwrap();
        RgbImage::from_pixel(9, 9, Rgb([250, 0, 10])).save(bench.at("red.png")).unwrap();
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn runtime(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
        let (name, arguments) = arguments.split_first().unwrap();
        command.args([name, "--model", "model.onnx"]).args(arguments);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// What a command that succeeds prints.
    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.runtime(arguments).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {message}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn classes_have_names_and_json_has_both_name_and_number() {
    let bench = Bench::new(&[]);
    assert!(bench.prints(&["predict", "red.png"]).starts_with("red.png  red, or so  "));
    let line = bench.prints(&["predict", "red.png", "--json"]);
    assert!(line.starts_with(r#"{"path":"red.png","digit":0,"class":"red, or so","#), "{line}");
}

#[test]
fn metadata_and_flags_say_what_becomes_of_a_picture() {
    let class = |bench: &Bench, flags: &[&str]| {
        let line = bench.prints(&[&["predict", "flag.png"], flags].concat());
        line.split("  ").nth(1).unwrap().to_owned()
    };
    let (plain, cropping) = (Bench::new(&[]), Bench::new(&[("preprocess", "crop")]));
    // the red third sums up to less than the rest
    assert_eq!(class(&plain, &[]), "blue");
    assert_eq!(class(&plain, &["--mean", "0,0,0.3", "--std", "1,1,0.5"]), "red, or so");
    // 30 of 60 columns are kept, 5 of them red
    assert_eq!(class(&cropping, &["--std", "0.1,1,0.9"]), "red, or so");
    assert_eq!(class(&cropping, &["--std", "0.3,1,0.9"]), "blue");
    assert_eq!(class(&cropping, &["--std", "0.3,1,0.9", "--preprocess", "pad"]), "red, or so");
    // of equals the first
    assert_eq!(class(&plain, &["--color", "grey"]), "red, or so");
}

#[test]
fn what_does_not_fit_the_model_is_refused_by_name() {
    let bench = Bench::new(&[]);
    for (flags, reason) in [
        (&["--preprocess", "digit"][..], "the model takes 3 channels, 4 rows and 6 columns"),
        (&["--mean", "0.5,0.5"], "of 2 channels; the model takes 3"),
        (&["--mean", "0.5,0.5", "--std", "1,1,1"], "2 means and 3 standard deviations"),
    ] {
        let arguments = [&["predict", "red.png"], flags].concat();
        fixtures::command::refuses(&mut bench.runtime(&arguments), reason);
    }
    let bench = Bench::new(&[("preprocess", "squeeze\n")]);
    let reason = "preprocess is `squeeze\\n`, expected digit, stretch, crop or pad";
    fixtures::command::refuses(&mut bench.runtime(&["predict", "red.png"]), reason);
}

#[test]
fn a_dataset_in_colour_is_evaluated_and_one_of_other_pictures_is_refused() {
    let bench = Bench::new(&[]);
    let image = |pixel: [u8; 3]| Image::from_rgb(6, 4, &pixel.repeat(24)).unwrap();
    let write = |folder: &str, images: &[Image]| {
        let folder = bench.at(folder);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("t10k-images-idx4-ubyte"), idx::emit_images(images)).unwrap();
        fs::write(folder.join("t10k-labels-idx1-ubyte"), idx::emit_labels(&[0, 1])).unwrap();
    };
    write("colours", &[image([200, 0, 0]), image([0, 0, 200])]);
    let printed = bench.prints(&["evaluate", "--data", "colours"]);
    assert!(printed.contains("2 of 2") && printed.contains("no match"), "{printed}");
    let timed = bench.prints(&["bench", "--seconds", "0.01", "--batch", "1", "--data", "colours"]);
    assert_eq!(timed.lines().count(), 4, "{timed}");
    bench.prints(&["bench", "--seconds", "0.01", "--batch", "1"]); // on noise
    let small = Image::from_rgb(2, 1, &[0; 6]).unwrap();
    write("small", &[small.clone(), small]);
    let reason = "a picture of 3 channels, 1 row and 2 columns, expected 3 channels, 4 rows and 6 columns; pass --data";
    fixtures::command::refuses(&mut bench.runtime(&["evaluate", "--data", "small"]), reason);
}

#[test]
fn of_a_model_that_rejects_a_class_the_accuracy_of_the_others_stands_beside() {
    let bench = Bench::new(&[("classes.rejected", "1")]);
    for (name, class) in [("a", "red, or so"), ("b", "blue"), ("c", "blue")] {
        let folder = bench.at("photos").join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(bench.at("red.png"), folder.join(format!("{name}.png"))).unwrap();
    }
    let printed = bench.prints(&["evaluate", "--data", "photos"]);
    for part in [
        "accuracy   33.33 %  (1 of 3; ",
        "others    100.00 %  (1 of 1 without `blue`)\n",
        "no match",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
    assert!(
        printed.contains("            blue/b.png = red, or so/a.png = blue/c.png\n"),
        "{printed}"
    );
    let json = bench.prints(&["evaluate", "--json", "--data", "photos"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["others"], serde_json::json!({ "without": "blue", "right": 1, "of": 1 }));
}

#[test]
fn too_many_pictures_for_a_page_are_refused_before_any_is_read() {
    let bench = Bench::new(&[]);
    let folder = bench.at("many");
    fs::create_dir(&folder).unwrap();
    let copy = |number: usize| fs::copy(bench.at("red.png"), folder.join(format!("{number}.png")));
    for number in 0..100 {
        copy(number).unwrap();
    }
    bench.prints(&["predict", "many", "--show", "page.png"]);
    let page = |path: &Path| image::open(path).unwrap();
    assert!(page(&bench.at("page.png")).height() > 100 * 168);
    fs::remove_file(bench.at("page.png")).unwrap();
    copy(100).unwrap();
    let mut command = bench.runtime(&["predict", "many", "--show", "page.png"]);
    fixtures::command::refuses(&mut command, "at most 100 pictures on a page, and these are 101");
    assert!(!bench.at("page.png").exists());
}
