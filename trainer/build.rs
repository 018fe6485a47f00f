//! Writes the place of libtorch into the program, so that it starts without `LD_LIBRARY_PATH`,
//! and its version, for reports.
//!
//! The workspace's own tests, which link `trainer` on demand, use this script too.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    // said by torch-sys, wherever it found libtorch
    let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    let folder = std::fs::canonicalize(&folder).map_or(folder, |path| path.display().to_string());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    let version = std::fs::read_to_string(Path::new(&folder).join("../build-version"));
    let version = version.map_or("unknown".into(), |version| version.trim().to_owned());
    println!("cargo::rustc-env=LIBTORCH_VERSION={version}");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // libtorch registers its CPU and CUDA kernels when it is loaded: keep what no symbol asks for
        println!("cargo::rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo::rustc-link-arg=-ltorch");
    }
}
