//! Chooses kernels for the target: stable Rust has no `cfg(target_feature = "dsp")`, and none for ARMv7-M either.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!(r#"cargo::rustc-check-cfg=cfg(kernels, values("portable", "dsp", "mla"))"#);
    let target = env::var("TARGET").expect("cargo sets it");
    let kernels = if target.starts_with("thumbv7em-") {
        "dsp"
    } else if target.starts_with("thumbv7m-") {
        "mla"
    } else {
        "portable"
    };
    println!(r#"cargo::rustc-cfg=kernels="{kernels}""#);
}
