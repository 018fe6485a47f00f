//! The C source on emulated boards, compiled by the cores' own gcc: code, RAM and instructions, beside the Rust engine's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dataset::Image;
use firmware::Model;
use firmware_sim::estimate::Profile;
use firmware_sim::quantize::quantize;
use firmware_sim::{Samples, samples};
use fixtures::benchmarks::{Benchmark, meter, mlperf_tiny};

use super::compiler::{WARNINGS, defines, is_there, succeeds};
use super::{Sample, emit, expected, lenet, test_images, write};

/// A core, what compiles for it and what runs it.
pub(crate) struct Core {
    /// As `boards/profile.csv` calls it.
    pub(crate) name: &'static str,
    /// Prefix of gcc and the programs that come with it, and Debian's package.
    pub(crate) tools: [&'static str; 2],
    pub(crate) flags: &'static [&'static str],
    /// QEMU's program, Debian's package of it, and its board.
    emulator: [&'static str; 3],
    /// In `boards/c`.
    pub(crate) linker_script: &'static str,
    /// Where the images lie.
    images_at: &'static str,
}

const ARM: [&str; 2] = ["arm-none-eabi", "gcc-arm-none-eabi"];

pub(crate) const CORES: [Core; 4] = [
    Core {
        name: "m4",
        tools: ARM,
        flags: &["-mcpu=cortex-m4", "-mthumb"],
        emulator: ["qemu-system-arm", "qemu-system-arm", "mps2-an386"],
        linker_script: "mps2.ld",
        images_at: "0x21000000",
    },
    Core {
        name: "m3",
        tools: ARM,
        flags: &["-mcpu=cortex-m3", "-mthumb"],
        emulator: ["qemu-system-arm", "qemu-system-arm", "mps2-an385"],
        linker_script: "mps2.ld",
        images_at: "0x21000000",
    },
    // QEMU's M0 board has too little flash
    Core {
        name: "v6m",
        tools: ARM,
        flags: &["-mcpu=cortex-m0plus", "-mthumb"],
        emulator: ["qemu-system-arm", "qemu-system-arm", "mps2-an385"],
        linker_script: "mps2.ld",
        images_at: "0x21000000",
    },
    Core {
        name: "rv32imac",
        tools: ["riscv64-unknown-elf", "gcc-riscv64-unknown-elf"],
        // with the register that counts instructions
        flags: &["-march=rv32imac_zicsr", "-mabi=ilp32", "-msmall-data-limit=0"],
        emulator: ["qemu-system-riscv32", "qemu-system-misc", "virt"],
        linker_script: "virt.ld",
        images_at: "0x81000000",
    },
];

#[test]
fn constants_take_what_is_said_on_every_core() {
    for core in CORES {
        if !is_there(&format!("{}-gcc", core.tools[0]), core.tools[1]) {
            continue;
        }
        for seed in 0..20 {
            let sample = Sample::of(seed);
            let source = emit(sample.model());
            let folder = tempfile::tempdir().unwrap();
            write(&source, folder.path());
            let found = core.constants(folder.path());
            assert_eq!(found, source.constant_bytes, "seed {seed}, {}", core.name);
        }
    }
}

/// What a run says.
pub(crate) struct Found {
    pub(crate) outputs: Vec<i32>,
    pub(crate) instructions: f64,
    pub(crate) stack: usize,
    /// Status and instructions of parsing, of the library.
    pub(crate) parse: Vec<i32>,
}

impl Core {
    /// Whether compiler and emulator are there.
    pub(crate) fn is_there(&self) -> bool {
        let [tools, package] = self.tools;
        let [emulator, emulators_package, _] = self.emulator;
        is_there(&format!("{tools}-gcc"), package) && is_there(emulator, emulators_package)
    }

    /// Compiles `model.c`.
    fn object(&self, folder: &Path, level: &str) -> PathBuf {
        let object = folder.join("model.o");
        let mut gcc = Command::new(format!("{}-gcc", self.tools[0]));
        gcc.args(self.flags).args(WARNINGS).args(["-ffreestanding", level, "-c"]);
        succeeds(gcc.arg(folder.join("model.c")).arg("-o").arg(&object));
        object
    }

    /// Bytes of the constants of `model.c`.
    fn constants(&self, folder: &Path) -> usize {
        let mut symbols = Command::new(format!("{}-nm", self.tools[0]));
        symbols.args(["--print-size", "--radix=d"]).arg(self.object(folder, "-O0"));
        let symbols = String::from_utf8(succeeds(&mut symbols)).unwrap();
        let size = |line: &str| {
            let [_, size, "r", _] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                return None;
            };
            size.parse::<usize>().ok()
        };
        symbols.lines().filter_map(size).sum()
    }

    /// Bytes of the code of `model.c`.
    fn code(&self, folder: &Path, level: &str) -> usize {
        let object = self.object(folder, level);
        let mut size = Command::new(format!("{}-size", self.tools[0]));
        let sections = String::from_utf8(succeeds(size.arg("-A").arg(object))).unwrap();
        let lines = sections.lines().filter(|line| line.starts_with(".text"));
        let bytes =
            |line: &str| line.split_whitespace().nth(1).and_then(|it| it.parse::<usize>().ok());
        lines.filter_map(bytes).sum::<usize>()
    }

    /// Runs the model on these images.
    fn run(&self, folder: &Path, level: &str, model: Model<'_>, images: &[Vec<u8>]) -> Found {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/c");
        let program: PathBuf = folder.join(self.name);
        let mut gcc = Command::new(format!("{}-gcc", self.tools[0]));
        gcc.args(self.flags).args(WARNINGS).args(["-ffreestanding", "-nostdlib", level, "-T"]);
        gcc.arg(sources.join(self.linker_script)).arg("-I").arg(folder);
        gcc.args(defines(model)).arg(folder.join("model.c")).arg(sources.join("board.c"));
        succeeds(gcc.args(["-lgcc", "-o"]).arg(&program));
        self.emulate(folder, images)
    }

    /// Runs the program that has the core's name, on these images.
    pub(crate) fn emulate(&self, folder: &Path, images: &[Vec<u8>]) -> Found {
        let mut block = (images.len() as u32).to_le_bytes().to_vec();
        block.extend(images.concat());
        fs::write(folder.join("block"), block).unwrap();
        let [emulator, _, board] = self.emulator;
        let mut qemu = Command::new(emulator);
        qemu.current_dir(folder).args(["-machine", board, "-bios", "none", "-display", "none"]);
        qemu.args(["-serial", "none", "-monitor", "none", "-icount", "shift=6,sleep=off"]);
        qemu.args(["-chardev", "stdio,id=host,signal=off", "-semihosting-config"]);
        qemu.args(["enable=on,target=native,chardev=host", "-kernel", self.name, "-device"]);
        qemu.arg(format!("loader,file=block,addr={},force-raw=on", self.images_at));
        let text = String::from_utf8(succeeds(&mut qemu)).unwrap();
        let numbers = |about: &'static str| -> Vec<i32> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(about));
            lines.flat_map(str::split_whitespace).map(|word| word.parse().unwrap()).collect()
        };
        let counts = numbers("instructions");
        assert_eq!(counts.len(), images.len(), "{text}");
        Found {
            outputs: numbers("outputs"),
            instructions: counts.iter().copied().map(f64::from).sum::<f64>() / counts.len() as f64,
            stack: numbers("stack")[0] as usize,
            parse: numbers("parse"),
        }
    }
}

/// Name, `.q8` file and images of a network.
type Case = (&'static str, Vec<u8>, Vec<Vec<u8>>);

/// Networks and images as the committed profile of the Rust engine was made with.
fn measured() -> Vec<Case> {
    let of_benchmark = |benchmark: Benchmark| {
        let pictures = benchmark.pictures(40).into_iter();
        let pictures: Vec<Image> =
            pictures.map(|pixels| Image::new(benchmark.shape, pixels).unwrap()).collect();
        let q8 = quantize(&benchmark.onnx, &pictures, &[]).unwrap();
        let model = Model::parse(&q8).unwrap();
        let images = samples::frames(model, Samples::Images(&pictures), &[0, 1, 2, 3]).unwrap();
        (benchmark.name, q8, images)
    };
    let mut all = vec![("lenet", lenet(), test_images()[..20].to_vec())];
    all.extend([meter()].into_iter().chain(mlperf_tiny()).map(of_benchmark));
    all
}

/// Code for LeNet on an M4, in bytes.
const CODE: usize = 12 * 1024;

/// Prints what the README quotes.
#[test]
#[ignore = "needs QEMU and cross compilers: tests/run"]
fn boards_give_the_engines_outputs_without_a_library() {
    let cores: Vec<Core> = CORES.into_iter().filter(Core::is_there).collect();
    let profile = Profile::committed().measured;
    println!("network      core      gcc  code  RAM, struct and stack  instructions  Rust's");
    for (name, q8, images) in measured() {
        let model = Model::parse(&q8).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let source = emit(model);
        write(&source, folder.path());
        let expected = expected(model, &images, false);
        for core in &cores {
            for level in ["-Os", "-O2"] {
                let code = core.code(folder.path(), level);
                assert!(code <= CODE, "{code} bytes of code");
                let Found { outputs, instructions, stack, .. } =
                    core.run(folder.path(), level, model, &images);
                assert!(outputs == expected, "{name} on {}", core.name);
                let of_rust = profile
                    .iter()
                    .filter(|layer| layer.machine == core.name && layer.network == name);
                println!(
                    "{name:12} {:9} {level} {code:5}  {:5} + {stack:4}  {:7.3} M  {:7.3} M",
                    core.name,
                    source.memory_bytes,
                    instructions / 1e6,
                    of_rust.map(|layer| layer.mean).sum::<f64>() / 1e6
                );
            }
        }
    }
}
