//! Whether the engine is linked for the one model that `LNQ_MODEL` names.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LNQ_MODEL");
    println!("cargo::rustc-check-cfg=cfg(one_model)");
    if std::env::var_os("LNQ_MODEL").is_some() {
        println!("cargo::rustc-cfg=one_model");
    }
}
