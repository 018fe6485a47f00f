//! Chooses kernels for the target: stable Rust has no `cfg(target_feature = "dsp")`, and none for ARMv7-M either.

use std::env;

/// Cores of ARMv8-M that have the DSP extension unless told otherwise, as `-C target-cpu` names them.
const DSP_CORES: [&str; 4] = ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    println!(r#"cargo::rustc-check-cfg=cfg(kernels, values("portable", "dsp"))"#);
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    let target = env::var("TARGET").expect("cargo sets it");
    if target.starts_with("thumbv8m.main-") {
        println!("cargo::rustc-cfg=armv8m");
    }
    let kernels = if target.starts_with("thumbv7em-") {
        "dsp"
    } else if target.starts_with("thumbv8m.main-") {
        if flags_have_dsp() {
            "dsp"
        } else {
            println!(
                "cargo::warning=kernels for cores without DSP instructions: if the core has them, as most \
                 Cortex-M33 do, add \"-C\", \"target-cpu=cortex-m33\" to this target's rustflags in .cargo/config.toml"
            );
            "portable"
        }
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

/// Whether the compiler is told of a core, or a feature, with DSP instructions. ARMv8-M leaves them to the core.
fn flags_have_dsp() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    // `-C name=value` comes as one piece or as two
    let values = || flags.split('\x1f').map(|flag| flag.trim_start_matches("-C").trim());
    let last = |name| values().filter_map(|flag| flag.strip_prefix(name)).next_back();
    let mut features = values().filter_map(|flag| flag.strip_prefix("target-feature="));
    let feature = features
        .by_ref()
        .flat_map(|list| list.split(','))
        .filter_map(|feature| ["+dsp", "-dsp"].contains(&feature).then_some(feature == "+dsp"));
    let core = last("target-cpu=").is_some_and(|core| DSP_CORES.contains(&core));
    feature.last().unwrap_or(core)
}
