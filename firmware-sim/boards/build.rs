//! Writes the memory map of the board that `BOARD` names, with what must not be linked, and passes the model's path
//! on.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

use firmware::format::{Kind, Record};
use firmware::{Dimensions, Model};

/// All RAM there is for LeNet: the target of the whole exercise. Other networks get what they need.
const RAM: u32 = 4096;
/// Of which the stack has at least this much. It lies lowest, with nothing below: overflowing, it faults.
const STACK: u32 = 896;
/// Routines that LeNet does not use need more stack, up to this much more.
const MORE_STACK: u32 = 384;
/// The kernels of ARMv7-M need more registers than there are.
const STACK_V7M: u32 = 992;
/// ARMv6-M has half the registers to work with: more of what the compiler makes of it lies on the stack.
const STACK_V6M: u32 = 992;
/// RISC-V lays sixteen registers on it in an interrupt, which may come while a lost frame is told.
const STACK_RISCV: u32 = 976;

/// Flash of the boards that are no chip's.
const FLASH: u32 = 4 << 20;
/// QEMU's board with an STM32F405.
const CHIP: &str = "netduinoplus2";
/// RAM and flash of an STM32F405 with a megabyte: DS8626, section 4. It has another 64 KB of RAM elsewhere.
const STM32F405: [u32; 2] = [128 << 10, 1 << 20];

/// Functions that the compiler calls for what a device must not do: Arm IHI 0043, sections 5.1.2 and 5.3.1.
const FORBIDDEN_ARM: [(&str, &str); 2] = [
    ("64-bit division", "__aeabi_ldivmod __aeabi_uldivmod"),
    (
        "floating point",
        "__aeabi_dadd __aeabi_dcmpeq __aeabi_dcmpge __aeabi_dcmpgt __aeabi_dcmple __aeabi_dcmplt \
         __aeabi_dcmpun __aeabi_ddiv __aeabi_dmul __aeabi_dsub __aeabi_d2f __aeabi_d2iz __aeabi_d2lz \
         __aeabi_d2uiz __aeabi_d2ulz __aeabi_fadd __aeabi_fcmpeq __aeabi_fcmpge __aeabi_fcmpgt \
         __aeabi_fcmple __aeabi_fcmplt __aeabi_fcmpun __aeabi_fdiv __aeabi_fmul __aeabi_fsub __aeabi_f2d \
         __aeabi_f2iz __aeabi_f2lz __aeabi_f2uiz __aeabi_f2ulz __aeabi_i2d __aeabi_i2f __aeabi_l2d \
         __aeabi_l2f __aeabi_ui2d __aeabi_ui2f __aeabi_ul2d __aeabi_ul2f",
    ),
];

/// The same on RISC-V: <https://gcc.gnu.org/onlinedocs/gccint/Libgcc.html>, sections 4.1 and 4.2.
const FORBIDDEN_RISCV: [(&str, &str); 2] = [
    ("64-bit division", "__divdi3 __divmoddi4 __moddi3 __udivdi3 __udivmoddi4 __umoddi3"),
    (
        "floating point",
        "__addsf3 __subsf3 __mulsf3 __divsf3 __eqsf2 __nesf2 __ltsf2 __lesf2 __gtsf2 __gesf2 __unordsf2 \
         __fixsfsi __fixsfdi __fixunssfsi __fixunssfdi __floatsisf __floatdisf __floatunsisf \
         __floatundisf __adddf3 __subdf3 __muldf3 __divdf3 __eqdf2 __nedf2 __ltdf2 __ledf2 __gtdf2 \
         __gedf2 __unorddf2 __fixdfsi __fixdfdi __fixunsdfsi __fixunsdfdi __floatsidf __floatdidf \
         __floatunsidf __floatundidf __extendsfdf2 __truncdfsf2",
    ),
];

fn main() {
    println!("cargo::rerun-if-env-changed=BOARD");
    println!("cargo::rerun-if-env-changed=MODEL_Q8");
    println!("cargo::rerun-if-env-changed=STACK");
    println!("cargo::rerun-if-env-changed=BUILD_STD");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").expect("cargo sets it");
    let riscv = target.starts_with("riscv32");
    // ARMv8-M bounds the stack by a register, and its boards have a secure alias of all they have
    let v8m = target.starts_with("thumbv8m");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    if v8m {
        println!("cargo::rustc-cfg=armv8m");
    }
    let default = match () {
        () if riscv => "virt",
        () if v8m => "mps2-an505",
        () => "mps2-an386",
    };
    let board = env::var("BOARD").unwrap_or_else(|_| default.into());
    let is_chip = board == CHIP;
    println!("cargo::rustc-check-cfg=cfg(stm32f405)");
    if is_chip {
        println!("cargo::rustc-cfg=stm32f405");
    }
    let [flash, ram, images] = addresses(&board);
    let model = env::var("MODEL_Q8").expect("MODEL_Q8 is the path of a .q8 model");
    println!("cargo::rerun-if-changed={model}");
    println!("cargo::rustc-env=MODEL_Q8={model}");
    let flash_bytes = fs::read(&model).unwrap_or_else(|error| panic!("{model}: {error}"));
    // the program itself looks only whether they are unchanged
    let parsed = match Model::parse(&flash_bytes) {
        Ok(parsed) => parsed,
        Err(error) => panic!("{model}: {error}"),
    };
    let dimensions = Dimensions::of(&flash_bytes);
    let stack = match &target[..] {
        v6m if v6m.starts_with("thumbv6m") => STACK_V6M,
        v7m if v7m.starts_with("thumbv7m") => STACK_V7M,
        _ if riscv => STACK_RISCV,
        _ => STACK,
    };
    // up to three rows wait, each with its place; the rest is for what the program itself holds
    let queue = dimensions.height.min(3) as u32 * (words(dimensions.row_len) + 4);
    // the program `serial` holds a count for each layer, and others have that on the stack
    let counts = 4 * dimensions.layers as u32;
    let [ram_len, flash_len] = if is_chip { STM32F405 } else { [RAM, FLASH] };
    let statics =
        4 * dimensions.scratch_words as u32 + queue + 64 + if is_chip { counts } else { 0 };
    let stack = stack + counts;
    // what is left of the RAM, if that is enough for routines that LeNet has
    let is_of_lenet = |layer: &Record| layer.pooled != 0 || layer.kind == Kind::Dense.code();
    let is_enough = parsed.layers().records.iter().all(is_of_lenet) && statics + stack <= ram_len;
    let left = ram_len.saturating_sub(statics);
    let stack = if is_enough { left } else { left.max(stack + MORE_STACK) };
    // the program that compares kernels has few statics and the portable ones, which need more of the stack; `serial` on
    // these boards is told its stack too
    let stack = env::var("STACK").map_or(stack, |bytes| bytes.parse().expect("STACK is a number"));
    let stack = stack.next_multiple_of(8);
    let more = if env::var_os("STACK").is_some() { counts } else { 0 };
    let size = ram_len.max(stack + statics + more).next_multiple_of(8);
    let mut map = format!(
        "MEMORY {{\n  \
           FLASH (rx) : ORIGIN = {flash:#x}, LENGTH = {flash_len}\n  \
           STACK (rw) : ORIGIN = {ram:#x}, LENGTH = {stack}\n  \
           RAM (rwx) : ORIGIN = {ram:#x} + {stack}, LENGTH = {size} - {stack}\n\
         }}\n\
         _flash = ORIGIN(FLASH);\n\
         _stack_start = ORIGIN(RAM);\n\
         _stack_end = ORIGIN(STACK);\n\
         _images = {images:#x};\n"
    );
    if riscv {
        for (section, region) in [
            ("TEXT", "FLASH"),
            ("RODATA", "FLASH"),
            ("DATA", "RAM"),
            ("BSS", "RAM"),
            ("HEAP", "RAM"),
            ("STACK", "STACK"),
        ] {
            writeln!(map, "REGION_ALIAS(\"REGION_{section}\", {region});")
                .expect("a String takes everything");
        }
    }
    forbid(&mut map, riscv);
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("memory.x"), map).expect("the output folder is writable");
    // no interrupt has a handler of its own
    fs::write(folder.join("device.x"), "").expect("the output folder is writable");
    println!("cargo::rustc-link-search={}", folder.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic");
    if riscv {
        // Debian's linker takes it for 64 bits unless told
        println!("cargo::rustc-link-arg-bins=-melf32lriscv");
    }
}

/// Where a board has its flash, its RAM, and the images that are loaded.
fn addresses(board: &str) -> [u32; 3] {
    // QEMU, hw/arm/mps2.c, hw/arm/mps2-tz.c and hw/riscv/virt.c
    match board {
        // no images are loaded
        CHIP => [0x0800_0000, 0x2000_0000, 0],
        "mps2-an385" | "mps2-an386" => [0, 0x2000_0000, 0x2100_0000_u32],
        "mps2-an500" => [0, 0x2000_0000, 0x6000_0000],
        // the secure aliases of two of its memories, where it starts
        "mps2-an505" => [0x1000_0000, 0x3800_0000, 0x8000_0000],
        // one memory, which begins with where the processor starts; a megabyte is left below what stands for RAM
        "virt" => [0x8000_0000_u32, 0x8080_0000_u32, 0x8100_0000],
        other => {
            panic!(
                "BOARD={other} is none of mps2-an385, mps2-an386, mps2-an500, mps2-an505, netduinoplus2, virt"
            )
        }
    }
}

/// Adds to a linker script that it fails where something is linked that a device must not do.
fn forbid(map: &mut String, riscv: bool) {
    // With `core` built here, all that the compiler may call comes in one piece, called or not: these proofs are for
    // rustup's targets. That nothing panics is proven either way.
    let forbidden = match env::var_os("BUILD_STD") {
        Some(_) => &[][..],
        None if riscv => &FORBIDDEN_RISCV,
        None => &FORBIDDEN_ARM,
    };
    for (what, symbols) in forbidden {
        for symbol in symbols.split(' ') {
            writeln!(
                map,
                "ASSERT(!DEFINED({symbol}), \"error: {what} on the device, by {symbol}\");"
            )
            .expect("a String takes everything");
        }
    }
}

/// So many bytes as whole words.
const fn words(bytes: usize) -> u32 {
    bytes.next_multiple_of(4) as u32
}
