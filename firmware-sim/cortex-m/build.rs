//! Writes the memory map of the board that `BOARD` names, with what must not be linked, and passes the model's path
//! on.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

/// All RAM there is: the target of the whole exercise.
const RAM: u32 = 4096;
/// Of which the stack has this much. It lies lowest, with nothing below: overflowing, it faults.
const STACK: u32 = 584;
/// ARMv6-M has half the registers to work with: more of what the compiler makes of it lies on the stack.
const STACK_V6M: u32 = 1160;

/// Functions that the compiler calls for what a device must not do: Arm IHI 0043, sections 5.1.2 and 5.3.1.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    ("64-bit division", &["__aeabi_ldivmod", "__aeabi_uldivmod"]),
    (
        "floating point",
        &[
            "__aeabi_dadd",
            "__aeabi_dcmpeq",
            "__aeabi_dcmpge",
            "__aeabi_dcmpgt",
            "__aeabi_dcmple",
            "__aeabi_dcmplt",
            "__aeabi_dcmpun",
            "__aeabi_ddiv",
            "__aeabi_dmul",
            "__aeabi_dsub",
            "__aeabi_d2f",
            "__aeabi_d2iz",
            "__aeabi_d2lz",
            "__aeabi_d2uiz",
            "__aeabi_d2ulz",
            "__aeabi_fadd",
            "__aeabi_fcmpeq",
            "__aeabi_fcmpge",
            "__aeabi_fcmpgt",
            "__aeabi_fcmple",
            "__aeabi_fcmplt",
            "__aeabi_fcmpun",
            "__aeabi_fdiv",
            "__aeabi_fmul",
            "__aeabi_fsub",
            "__aeabi_f2d",
            "__aeabi_f2iz",
            "__aeabi_f2lz",
            "__aeabi_f2uiz",
            "__aeabi_f2ulz",
            "__aeabi_i2d",
            "__aeabi_i2f",
            "__aeabi_l2d",
            "__aeabi_l2f",
            "__aeabi_ui2d",
            "__aeabi_ui2f",
            "__aeabi_ul2d",
            "__aeabi_ul2f",
        ],
    ),
];

fn main() {
    println!("cargo::rerun-if-env-changed=BOARD");
    println!("cargo::rerun-if-env-changed=LENET_Q8");
    println!("cargo::rerun-if-env-changed=STACK");
    println!("cargo::rerun-if-env-changed=BUILD_STD");
    println!("cargo::rerun-if-changed=build.rs");
    let board = env::var("BOARD").unwrap_or_else(|_| "mps2-an386".into());
    // QEMU, hw/arm/mps2.c
    let images = match board.as_str() {
        "mps2-an385" | "mps2-an386" => 0x2100_0000_u32,
        "mps2-an500" => 0x6000_0000,
        other => panic!("BOARD={other} is none of mps2-an385, mps2-an386, mps2-an500"),
    };
    let v6m = env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv6m"));
    let stack = if v6m { STACK_V6M } else { STACK };
    let ram = RAM - STACK + stack;
    // the program that compares kernels has few statics and the portable ones, which need more of the stack
    let stack = env::var("STACK").map_or(stack, |bytes| bytes.parse().expect("STACK is a number"));
    let mut map = format!(
        "MEMORY {{\n  \
           FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M\n  \
           RAM (rwx) : ORIGIN = 0x20000000 + {stack}, LENGTH = {ram} - {stack}\n\
         }}\n\
         _stack_start = ORIGIN(RAM);\n\
         _stack_end = 0x20000000;\n\
         _images = {images:#x};\n"
    );
    // With `core` built here, all that the compiler may call comes in one piece, called or not: these proofs are for
    // rustup's targets. That nothing panics is proven either way.
    let forbidden = if env::var_os("BUILD_STD").is_none() { &FORBIDDEN[..] } else { &[] };
    for (what, symbols) in forbidden {
        for symbol in *symbols {
            writeln!(
                map,
                "ASSERT(!DEFINED({symbol}), \"error: {what} on the device, by {symbol}\");"
            )
            .expect("a String takes everything");
        }
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("memory.x"), map).expect("the output folder is writable");
    println!("cargo::rustc-link-search={}", folder.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    let model = env::var("LENET_Q8").expect("LENET_Q8 is the path of a .q8 model");
    println!("cargo::rerun-if-changed={model}");
    println!("cargo::rustc-env=LENET_Q8={model}");
}
