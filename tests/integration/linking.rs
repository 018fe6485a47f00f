//! Someone else's crate links one of ours by path, without what only our commands need.
//!
//! Cargo takes a package from the workspace's build only if it has the same features there, and so have all packages
//! below it. A crate elsewhere turns on fewer, so that it would build tract once more: ten minutes. After a look at what
//! it depends on, it therefore gets the workspace's features for what is below tract. All above, our crates too, is built
//! as it asks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use dataset::idx::Part;
use firmware::Model;
use firmware_sim::quantize::quantize;
use firmware_sim::source;
use fixtures::{data, mnist_500};
use runtime::EMBEDDED_MODEL;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `cargo` prints.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        // kept between runs, and able to reuse what the workspace has built
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A package such as `syn v3.0.10`, and its features.
type Features = BTreeSet<(String, String)>;

/// The features that packages have on the target, and on the host, where build scripts and macros run.
fn features(folder: &Path, selection: &[&str]) -> [Features; 2] {
    let tree = |edges: &str| -> Features {
        let arguments = ["tree", "--offline", "--prefix", "none", "--format", "{p}|{f}"];
        let printed = cargo(folder, &[&arguments, &["--edges", edges][..], selection].concat());
        let lines = printed.lines().filter_map(|line| line.split_once('|'));
        let package = |words: &str| words.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let features = |words: &str| words.trim_end_matches(" (*)").to_owned();
        lines.map(|(name, words)| (package(name), features(words))).collect()
    };
    let target = tree("normal,dev,no-proc-macro");
    let host = tree("normal,dev,build").difference(&target).cloned().collect();
    [target, host]
}

/// The features of packages in the build that these tests are part of.
fn workspace_features() -> [Features; 2] {
    let training = ["--workspace", "--features", "lenet-tests/training"];
    features(root(), if cfg!(feature = "training") { &training } else { &[] })
}

/// A crate in a folder of its own.
struct Elsewhere {
    folder: TempDir,
    dependency: String,
}

impl Elsewhere {
    /// With these source files, and one of our crates with these features in place of the default ones.
    fn new(dependency: &str, path: &str, features: &[&str], sources: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        for (name, source) in sources {
            fs::write(folder.path().join("src").join(name), source).unwrap();
        }
        let path = root().join(path);
        let dependency = format!(
            "{dependency} = {{ path = '{}', default-features = false, features = {features:?} }}\n",
            path.display()
        );
        let elsewhere = Self { folder, dependency };
        elsewhere.write_manifest(&Default::default());
        elsewhere
    }

    /// Writes `Cargo.toml`, with these packages among the dependencies and the build dependencies.
    fn write_manifest(&self, pins: &[Features; 2]) {
        let [normal, build] = pins.each_ref().map(|pins| {
            let lines = pins.iter().enumerate().map(|(index, (package, features))| {
                let (name, version) = package.split_once(" v").unwrap();
                let features: Vec<&str> = features.split_terminator(',').collect();
                format!(
                    "pin{index} = {{ package = {name:?}, version = \"={version}\", default-features = false, \
                     features = {features:?} }}\n"
                )
            });
            lines.collect::<String>()
        });
        let manifest = format!(
            "[package]\nname = \"reader\"\nedition = \"2024\"\n\
             [dependencies]\n{}{normal}\n[build-dependencies]\n{build}\n\
             [profile.dev]\nopt-level = 1\ndebug = \"line-tables-only\"\n[workspace]\n",
            self.dependency
        );
        let folder = self.folder.path();
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        // the versions that are tested, and already on this machine
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    }

    /// Gives each package below `package` the features that it has in the workspace; those may bring more packages.
    fn share_builds_below(&self, package: &str) {
        let workspace = workspace_features();
        let mut pins: [Features; 2] = Default::default();
        loop {
            let before = pins.clone();
            let own = features(self.folder.path(), &["--package", package]);
            for ((own, workspace), pins) in own.iter().zip(&workspace).zip(&mut pins) {
                let others = own.difference(workspace).map(|(package, _)| package);
                let others: BTreeSet<&String> = others.collect();
                pins.extend(
                    workspace.iter().filter(|(package, _)| others.contains(package)).cloned(),
                );
            }
            if pins == before {
                break;
            }
            self.write_manifest(&pins);
        }
    }

    fn assert_depends_on_none_of(&self, crates: &[&str]) {
        let arguments = ["tree", "--offline", "--edges", "normal", "--prefix", "none"];
        let tree = cargo(self.folder.path(), &arguments);
        for name in crates {
            let found = tree.lines().find(|line| line.starts_with(name));
            assert_eq!(found, None, "the library depends on what only its command needs");
        }
    }

    /// One more dependency, as a line of `Cargo.toml`.
    fn add_dependency(&mut self, line: &str) {
        self.dependency += line;
        self.write_manifest(&Default::default());
    }

    /// What the crate prints, given these arguments.
    fn run(&self, arguments: &[&str]) -> String {
        let run = ["run", "--quiet", "--offline", "--"];
        cargo(self.folder.path(), &[&run, arguments].concat())
    }
}

const READER: &str = r#"
fn main() {
    let path = std::env::args_os().nth(1).expect("usage: reader IMAGE");
    let image = runtime::preprocess::load(path.as_ref()).expect("the picture is readable");
    println!("{}", runtime::Classifier::embedded().read(&image).digit());
}
"#;

#[test]
fn a_crate_elsewhere_links_the_runtime_and_predicts() {
    let elsewhere = Elsewhere::new("runtime", "runtime", &[], &[("main.rs", READER)]);
    elsewhere.assert_depends_on_none_of(&[
        "tract",
        "prost ",
        "syn ",
        "imageproc ",
        "nalgebra ",
        "clap ",
        "sha2 ",
    ]);
    assert_eq!(elsewhere.run(&[data("digits/mnist_5.png").to_str().unwrap()]), "5\n");
}

const READER_OF_MODELS: &str = r#"
fn main() {
    let [_, model, image] = &std::env::args_os().collect::<Vec<_>>()[..] else { panic!("usage: reader MODEL IMAGE") };
    let image = runtime::preprocess::load(image.as_ref()).expect("the picture is readable");
    let model = runtime::Classifier::load(model.as_ref()).expect("the model is readable");
    println!("{}", model.read(&image).digit());
}
"#;

#[test]
fn a_crate_elsewhere_reads_a_model_and_a_photo() {
    let sources = [("main.rs", READER_OF_MODELS)];
    let elsewhere = Elsewhere::new("runtime", "runtime", &["jpeg", "tract"], &sources);
    elsewhere.assert_depends_on_none_of(&["clap ", "sha2 ", "base16ct ", "ab_glyph "]);
    elsewhere.share_builds_below("tract-onnx");
    let model = root().join("runtime/lenet.onnx");
    let image = data("digits/drawn_7_pen_on_paper.jpg");
    assert_eq!(elsewhere.run(&[model.to_str().unwrap(), image.to_str().unwrap()]), "7\n");
}

const DEVICE: &str = r#"
mod lenet;

fn main() {
    let model = lenet::model().expect("the source holds what was written");
    let image: [u8; 784] = std::array::from_fn(|i| (i * 7 / 28) as u8);
    let mut scratch = [0; lenet::SCRATCH_WORDS];
    println!("{:?}", model.infer(&image, &mut scratch).expect("the image has its size").0);
}
"#;

#[test]
fn a_crate_elsewhere_holds_the_int8_model_as_source_and_gives_its_logits() {
    let q8 = quantize(EMBEDDED_MODEL, &mnist_500(Part::Train).images[..50], &[]).unwrap();
    let model = Model::parse(&q8).unwrap();
    let source = source::emit(model);
    let elsewhere = Elsewhere::new(
        "firmware",
        "firmware-sim/firmware",
        &[],
        &[("main.rs", DEVICE), ("lenet.rs", &source)],
    );
    let image: [u8; 784] = std::array::from_fn(|i| (i * 7 / 28) as u8);
    let mut scratch = vec![0; model.scratch_words()];
    let logits = model.infer(&image, &mut scratch).unwrap().0;
    elsewhere.assert_depends_on_none_of(&["runtime ", "clap ", "rayon "]);
    assert_eq!(elsewhere.run(&[]), format!("{logits:?}\n"));
}

/// The firmware to copy of the crate's page, with a model as source in place of a file, as the page says.
fn copied_firmware() -> String {
    let page = fs::read_to_string(root().join("firmware-sim/firmware/README.md")).unwrap();
    let (_, page) = page.split_once("## A firmware to copy").unwrap();
    let (_, page) = page.split_once("```rust,no_run\n").unwrap();
    let (program, _) = page.split_once("```").unwrap();
    // lines that a reader leaves out stand for the chip
    let lines = program.lines().filter(|line| !line.contains("macro_rules!"));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let program = lines.join("\n");
    let (before, rest) = program.split_once("/// Words of weights").unwrap();
    let (_, after) = rest.split_once("type Camera = ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    let parsed = "Model::parse_linked(&FLASH.0)";
    assert!(after.contains(parsed));
    format!(
        "mod model;\nuse model::{{Camera, SIZES}};\n{before}{}",
        after.replace(parsed, "model::model()")
    )
}

#[test]
fn the_firmware_to_copy_takes_a_model_as_source() {
    let q8 = quantize(EMBEDDED_MODEL, &mnist_500(Part::Train).images[..50], &[]).unwrap();
    let source = source::emit(Model::parse(&q8).unwrap());
    let sources = [("main.rs", &copied_firmware()[..]), ("model.rs", &source)];
    let mut elsewhere = Elsewhere::new("firmware", "firmware-sim/firmware", &[], &sources);
    elsewhere.add_dependency("critical-section = { version = '1.2', features = ['std'] }\n");
    cargo(elsewhere.folder.path(), &["build", "--quiet", "--offline"]);
}
