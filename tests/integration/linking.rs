//! Someone else's crate links one of ours by path, without what only our commands need.

use std::fs;
use std::path::Path;
use std::process::Command;

use dataset::idx::Part;
use firmware::{Model, Scratch};
use firmware_sim::quantize::quantize;
use firmware_sim::source;
use fixtures::{data, mnist_500};
use runtime::EMBEDDED_MODEL;
use tempfile::TempDir;

/// A crate in a folder of its own.
struct Elsewhere(TempDir);

impl Elsewhere {
    /// With these source files, and one of our crates without its default features.
    fn new(dependency: &str, path: &str, sources: &[(&str, &str)]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let manifest = format!(
            "[package]\nname = \"reader\"\nedition = \"2024\"\n\
             [dependencies]\n{dependency} = {{ path = '{}', default-features = false }}\n\
             [profile.dev]\nopt-level = 1\ndebug = \"line-tables-only\"\n[workspace]\n",
            root.join(path).display()
        );
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        // the versions that are tested, and already on this machine
        fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        for (name, source) in sources {
            fs::write(folder.path().join("src").join(name), source).unwrap();
        }
        Self(folder)
    }

    /// What `cargo` prints.
    fn cargo(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(self.0.path())
            // kept between runs, and able to reuse what the workspace has built
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn assert_depends_on_none_of(&self, crates: &[&str]) {
        let tree = self.cargo(&["tree", "--offline", "--edges", "normal", "--prefix", "none"]);
        for name in crates {
            let found = tree.lines().find(|line| line.starts_with(name));
            assert_eq!(found, None, "the library depends on what only its command needs");
        }
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
    let elsewhere = Elsewhere::new("runtime", "runtime", &[("main.rs", READER)]);
    let five = data("digits/mnist_5.png");
    let printed = elsewhere.cargo(&["run", "--quiet", "--offline", "--", five.to_str().unwrap()]);
    assert_eq!(printed, "5\n");
    elsewhere.assert_depends_on_none_of(&["clap ", "sha2 ", "base16ct "]);
}

const DEVICE: &str = r#"
mod lenet;

fn main() {
    let model = lenet::model().expect("the source holds what was written");
    let image = std::array::from_fn(|i| (i * 7 / 28) as u8);
    println!("{:?}", model.infer(&image, &mut firmware::Scratch::new()).0);
}
"#;

#[test]
fn a_crate_elsewhere_holds_the_int8_model_as_source_and_gives_its_logits() {
    let q8 = quantize(EMBEDDED_MODEL, &mnist_500(Part::Train).images[..50], &[]).unwrap();
    let model = Model::new(&q8).unwrap();
    let source = source::emit(model);
    let elsewhere = Elsewhere::new(
        "firmware",
        "firmware-sim/firmware",
        &[("main.rs", DEVICE), ("lenet.rs", &source)],
    );
    let image = std::array::from_fn(|i| (i * 7 / 28) as u8);
    let logits = model.infer(&image, &mut Scratch::new()).0;
    assert_eq!(elsewhere.cargo(&["run", "--quiet", "--offline"]), format!("{logits:?}\n"));
    elsewhere.assert_depends_on_none_of(&["runtime ", "clap ", "rayon "]);
}
