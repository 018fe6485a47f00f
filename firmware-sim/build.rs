//! Says whether the target has ARM's DSP extension: stable Rust has no `cfg(target_feature = "dsp")` yet.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(dsp)");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("thumbv7em-") {
        println!("cargo::rustc-cfg=dsp");
    }
}
