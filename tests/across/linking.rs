//! Someone else's crate links `runtime` by path and predicts, without the command's dependencies.

use std::fs;
use std::path::Path;
use std::process::Command;

const MAIN: &str = r#"
fn main() {
    let path = std::env::args_os().nth(1).expect("usage: reader IMAGE");
    let image = runtime::preprocess::load(path.as_ref()).expect("the picture is readable");
    println!("{}", runtime::Classifier::embedded().read(&image).digit());
}
"#;

#[test]
fn a_crate_elsewhere_links_the_library_and_predicts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"reader\"\nedition = \"2024\"\n\
         [dependencies]\nruntime = {{ path = {:?}, default-features = false }}\n\
         [profile.dev]\nopt-level = 1\ndebug = \"line-tables-only\"\n[workspace]\n",
        root.join("runtime")
    );
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), MAIN).unwrap();
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    // the versions that are tested, and already on this machine
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(folder.path())
            // kept between runs, and able to reuse what the workspace has built
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let five = crate::data("digits/mnist_5.png");
    assert_eq!(cargo(&["run", "--quiet", "--offline", "--", five.to_str().unwrap()]), "5\n");
    let tree = cargo(&["tree", "--offline", "--edges", "normal", "--prefix", "none"]);
    for command_only in ["clap ", "sha2 ", "base16ct "] {
        let found = tree.lines().find(|line| line.starts_with(command_only));
        assert_eq!(found, None, "the library depends on what only its command needs");
    }
}
