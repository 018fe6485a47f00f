//! The library `lnq`, which `firmware-capi` is in C: the README's program on this machine under sanitizers, and the engine's
//! outputs on emulated boards, beside what the emitted source takes there.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use firmware::Model;
use firmware::format::Layout;
use firmware_sim::board::{BoardBuilder, Machine, laid_out};

use super::board::{CORES, Core, Found};
use super::compiler::{WARNINGS, defines, is_there, succeeds};
use super::synthetic::{Network, Random};
use super::{expected, lenet, test_images};

const CAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/firmware/capi");

/// The Rust target of a core that these tests know.
fn target(core: &Core) -> &'static str {
    Machine::named(core.name).unwrap().target()
}

/// Whether Rust has a target; if not, says that its tests are passed over.
fn has_target(target: &str) -> bool {
    let folder =
        succeeds(Command::new("rustc").args(["--print", "target-libdir", "--target", target]));
    let is_there = Path::new(String::from_utf8(folder).unwrap().trim()).is_dir();
    if !is_there {
        println!("{target}: passed over, it is not installed (rustup target add {target})");
    }
    is_there
}

/// Builds the library, with all routines or those of one model.
fn library(target: &str, model: Option<&Path>) -> PathBuf {
    let boards = BoardBuilder::of_this_build().target;
    // where link-check builds it
    let folder = boards.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--profile",
        "firmware",
        "--package",
        "firmware-capi",
    ]);
    cargo.args(["--target", target, "--target-dir"]).arg(folder).current_dir(CAPI);
    cargo.env_remove("RUSTFLAGS").env_remove("LNQ_MODEL");
    cargo.envs(model.map(|path| ("LNQ_MODEL", path)));
    succeeds(&mut cargo);
    folder.join(target).join("firmware/liblnq.a")
}

/// The C program in the README.
fn program_of_the_readme() -> String {
    let readme = fs::read_to_string(format!("{CAPI}/README.md")).unwrap();
    let (_, rest) = readme.split_once("```c\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Its three functions: rows of the images of a file, and a line for each sure answer.
const CAMERA: &str = r#"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

const uint8_t *camera_row(void);
void show(uint32_t class_number, uint32_t agrees);
void fail(const char *why);

const uint8_t *camera_row(void)
{
    static uint8_t row[28];

    if (fread(row, 1, sizeof row, stdin) != sizeof row) {
        exit(0);
    }
    return row;
}

void show(uint32_t class_number, uint32_t agrees)
{
    printf("%u %u\n", (unsigned)class_number, (unsigned)agrees);
}

void fail(const char *why)
{
    printf("%s\n", why);
}
"#;

#[test]
fn the_readme_s_program_gives_the_engine_s_answers_without_undefined_behaviour() {
    const HOST: &str = "x86_64-unknown-linux-gnu";
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        println!("the README's program: passed over, it is tested on x86-64 with Linux alone");
        return;
    }
    if !is_there("gcc", "gcc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // its memory is that of the layout for an M4; a computer takes both
    let bytes = lenet();
    let q8 = laid_out(&bytes, Layout::Words).unwrap();
    let model = Model::parse(&q8).unwrap();
    fs::write(path("model.q8"), &q8).unwrap();
    fs::write(path("main.c"), program_of_the_readme()).unwrap();
    fs::write(path("camera.c"), CAMERA).unwrap();
    let images = test_images();
    fs::write(path("images"), images.concat()).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(WARNINGS).args(["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    gcc.args(["-I", CAPI, "main.c", "camera.c"]).arg(library(HOST, None));
    succeeds(gcc.args(["-o", "program"]).current_dir(folder.path()));
    let input = fs::File::open(path("images")).unwrap();
    let said = succeeds(Command::new(path("program")).stdin(input));
    let mut lines = String::new();
    let mut scratch = vec![0; model.scratch_words()];
    for image in &images {
        let answer = model.infer(image, &mut scratch).unwrap().answer(model);
        if answer.verdict == firmware::Verdict::Sure {
            writeln!(lines, "{} {}", answer.class, u8::from(answer.agrees)).unwrap();
        }
    }
    assert!(lines.lines().count() > 400, "{lines}");
    assert_eq!(String::from_utf8(said).unwrap(), lines);
    // what a person sees who forgets the alignment or takes another file
    fs::write(path("model.q8"), &q8[..q8.len() - 4]).unwrap();
    succeeds(gcc.current_dir(folder.path()));
    let output = Command::new(path("program")).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "the file is cut off, or too long\n");
}

impl Core {
    /// Compiles `board.c` with the library for the model in `folder`, and gives the bytes of flash beside that.
    fn link(&self, folder: &Path, library: &Path, model: Model<'_>, parse: &str) -> usize {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/c");
        let input = &model.header().input;
        let mut gcc = Command::new(format!("{}-gcc", self.tools[0]));
        gcc.args(self.flags).args(WARNINGS).args(["-ffreestanding", "-nostdlib", "-O2"]);
        gcc.args(["-Wl,--gc-sections,-z,noexecstack", "-T"]).arg(sources.join(self.linker_script));
        gcc.arg("-I").arg(sources.join("library")).args(["-I", CAPI]).args(defines(model));
        gcc.arg(format!("-DPARSE={parse}"));
        for (name, number) in [
            ("ROWS", usize::from(input.height.get())),
            ("ROW_BYTES", input.row_len()),
            ("OUTPUTS", model.outputs()),
            ("SCRATCH_WORDS", model.scratch_words()),
        ] {
            gcc.arg(format!("-DMODEL_{name}={number}"));
        }
        gcc.arg(sources.join("board.c")).arg(library).args(["-lgcc", "-o", self.name]);
        succeeds(gcc.current_dir(folder));
        let mut size = Command::new(format!("{}-size", self.tools[0]));
        let sections = succeeds(size.arg("-A").arg(folder.join(self.name)));
        let sections = String::from_utf8(sections).unwrap();
        let text = sections.lines().find(|line| line.starts_with(".text")).unwrap();
        let bytes: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        bytes - model.bytes().len()
    }
}

/// Prints what the README quotes.
#[test]
#[ignore = "needs QEMU, cross compilers and Rust for the boards: tests/run"]
fn boards_give_the_engines_outputs_by_the_library() {
    let many = Network::with_many_outputs(&mut Random(5));
    let mut random = Random(7);
    let images = (0..2).map(|_| many.image(&mut random)).collect();
    let networks = [
        ("many outputs", many.file(Layout::Bytes), images),
        ("lenet", lenet(), test_images()[..20].to_vec()),
    ];
    println!(
        "network       core       linked    by                  flash  RAM, struct and stack    parse  instructions"
    );
    // those that a core of each kind of kernels has
    let cores = CORES.iter().filter(|core| core.name != "m3");
    for core in cores.filter(|core| core.is_there() && has_target(target(core))) {
        let layout = Machine::named(core.name).unwrap().layout();
        for (name, q8, images) in &networks {
            let q8 = laid_out(q8, layout).unwrap();
            let model = Model::parse(&q8).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("model.q8");
            fs::write(&path, &q8).unwrap();
            let expected = expected(model, images, false);
            for (linked, path, parse) in [
                ("all", None, "lnq_parse"),
                ("one model", Some(&path), "lnq_parse"),
                ("one model", Some(&path), "lnq_parse_embedded"),
            ] {
                let library = library(target(core), path.map(PathBuf::as_path));
                let flash = core.link(folder.path(), &library, model, parse);
                let Found { outputs, instructions, stack, parse: parsed } =
                    core.emulate(folder.path(), images);
                assert_eq!(parsed[0], 0, "{name} on {}", core.name);
                assert!(outputs == expected, "{name} on {}", core.name);
                println!(
                    "{name:13} {:9} {linked:9} {parse:18} {flash:6}  {:5} + {stack:4}            {:7}  {:7.3} M",
                    core.name,
                    4 * (model.scratch_words() + 8 + 16),
                    parsed[1],
                    instructions / 1e6,
                );
            }
        }
    }
}
