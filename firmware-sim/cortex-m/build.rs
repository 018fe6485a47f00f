//! Writes the memory map of the board that `BOARD` names, and passes the model's path on.

use std::path::PathBuf;
use std::{env, fs};

/// All RAM there is: the target of the whole exercise.
const RAM: u32 = 4096;
/// Of which the stack has this much. It lies lowest, with nothing below: overflowing, it faults.
const STACK: u32 = 584;

fn main() {
    println!("cargo::rerun-if-env-changed=BOARD");
    println!("cargo::rerun-if-env-changed=LENET_Q8");
    println!("cargo::rerun-if-changed=build.rs");
    let board = env::var("BOARD").unwrap_or_else(|_| "mps2-an386".into());
    // QEMU, hw/arm/mps2.c
    let images = match board.as_str() {
        "mps2-an385" | "mps2-an386" => 0x2100_0000_u32,
        "mps2-an500" => 0x6000_0000,
        other => panic!("BOARD={other} is none of mps2-an385, mps2-an386, mps2-an500"),
    };
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let map = format!(
        "MEMORY {{\n  \
           FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M\n  \
           RAM (rwx) : ORIGIN = 0x20000000 + {STACK}, LENGTH = {RAM} - {STACK}\n\
         }}\n\
         _stack_start = ORIGIN(RAM);\n\
         _stack_end = 0x20000000;\n\
         _images = {images:#x};\n"
    );
    fs::write(folder.join("memory.x"), map).expect("the output folder is writable");
    println!("cargo::rustc-link-search={}", folder.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    let model = env::var("LENET_Q8").expect("LENET_Q8 is the path of a .q8 model");
    println!("cargo::rerun-if-changed={model}");
    println!("cargo::rustc-env=LENET_Q8={model}");
}
