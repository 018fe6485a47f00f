//! Checks the model that `MODEL_Q8` names and passes its path on; tells the linker about the chip.

use std::path::Path;
use std::{env, fs};

use firmware::Model;

fn main() {
    println!("cargo::rerun-if-env-changed=MODEL_Q8");
    let Ok(model) = env::var("MODEL_Q8") else {
        panic!(
            "MODEL_Q8 is not set: it is the path of a .q8 file, which `firmware-sim quantize` makes"
        );
    };
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let path = Path::new(&folder).join(&model);
    let file = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // the program itself looks only whether it is unchanged
    if let Err(error) = Model::parse(&file) {
        panic!("{}: {error}", path.display());
    }
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rustc-env=MODEL_Q8={}", path.display());

    let Ok(memory) = fs::read_to_string(Path::new(&folder).join("memory.x")) else {
        // esp-hal knows its chips' memory
        println!("cargo::rustc-link-arg-bins=-Tlinkall.x");
        return;
    };
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rustc-link-search={folder}");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    if memory.contains("BOOT2") {
        // embassy-rp has what lies there, by which an RP2040 reads the rest of its flash
        println!("cargo::rustc-link-arg-bins=-Tlink-rp.x");
    }
}
