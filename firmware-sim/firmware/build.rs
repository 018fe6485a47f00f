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
    println!(
        r#"cargo::rustc-check-cfg=cfg(bytes_kernels, values("portable", "rv32", "v6m", "v7m"))"#
    );
    // an architecture's code runs on all that extend it; of RISC-V those that multiply
    let bytes_kernels = match target.split_once('-').map_or("", |(architecture, _)| architecture) {
        "thumbv6m" | "thumbv8m.base" => "v6m",
        "thumbv7m" | "thumbv7em" | "thumbv8m.main" => "v7m",
        riscv if riscv.starts_with("riscv32im") => "rv32",
        _ => "portable",
    };
    println!(r#"cargo::rustc-cfg=bytes_kernels="{bytes_kernels}""#);
}
