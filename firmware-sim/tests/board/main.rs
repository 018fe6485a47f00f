//! The engine on emulated boards. Each test needs QEMU and Rust for the boards, which `firmware-sim/boards/setup`
//! installs and `tests/run` uses; so without `--ignored` they are passed over.

mod cycles;
mod profile;
mod random;
mod serial;
mod worst_case;

use std::fs;
use std::process::Command;
use std::slice;

use dataset::idx::Part;
use firmware::format::Layout;
use firmware::{Logits, Model};
use firmware_sim::board::{BoardBuilder, BoardError, BoardReport, Machine, laid_out};
use firmware_sim::estimate::{self, Measured, Profile};
use firmware_sim::quantize::quantize;
use fixtures::benchmarks::{lone_dense, meter};
use fixtures::mnist_500;
use profile::lenet;
use runtime::Image;

/// Instructions from a row to the next: more than the slowest row takes.
fn row_period(machine: Machine) -> u32 {
    let file = lenet();
    let file = laid_out(&file, machine.layout()).unwrap();
    estimate::row_period(machine, Model::parse(&file).unwrap())
}

fn run(machine: Machine, images: &[Image], row_period: u32) -> BoardReport {
    let images: Vec<Vec<u8>> = images.iter().map(|image| image.pixels().to_vec()).collect();
    BoardBuilder::of_this_build().run(machine, &lenet(), &images, row_period, |_| ()).unwrap()
}

/// All RAM of an inference: the target on every core.
const RAM: usize = 4096;
/// What there is of flash beside the parameters: no target, but what it took when it was measured, and a little.
const CODE_AND_TABLES: usize = 38 * 1024;
const PARAMETERS: usize = 432_820;

fn assert_equal_and_small(report: &BoardReport, images: usize) {
    assert_eq!((report.agreements(), report.lost, report.dropped), (images, 0, 0));
    assert!(report.ram() <= RAM, "{} bytes of RAM", report.ram());
    assert!(report.flash - PARAMETERS <= CODE_AND_TABLES, "{} bytes of flash", report.flash);
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn a_thousand_images_give_every_logit_of_the_host() {
    let images = [mnist_500(Part::Test).images, mnist_500(Part::Train).images].concat();
    let report = run(Machine::M4, &images, row_period(Machine::M4));
    assert_equal_and_small(&report, 1000);
    let q8 = lenet();
    let model = Model::parse(&q8).unwrap();
    let agree = |logits: &[i32]| Logits(logits).answer(model).agrees;
    let agreements = report.images.iter().filter(|image| agree(&image.logits)).count();
    assert!(agreements > 950, "{agreements}");
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn other_cores_give_the_same() {
    let images = &mnist_500(Part::Test).images[..50];
    for machine in [Machine::M3, Machine::M7, Machine::M33] {
        assert_equal_and_small(&run(machine, images, row_period(machine)), 50);
    }
    assert_equal_and_small(&run(Machine::V6m, &images[..10], row_period(Machine::V6m)), 10);
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn another_architecture_gives_the_same() {
    let images = &mnist_500(Part::Test).images[..50];
    let report = run(Machine::Rv32imac, images, row_period(Machine::Rv32imac));
    assert_equal_and_small(&report, 50);
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn each_machine_s_kernels_are_the_portable_ones() {
    for machine in Machine::ALL {
        for (program, tiles) in [("bytes", 1000), ("words", 1200)] {
            let builder = BoardBuilder::of_this_build();
            let equal = builder.check_kernels(machine, program, &lenet(), 3072).unwrap();
            assert_eq!(equal, tiles, "{program} on {}", machine.title());
        }
    }
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn a_stack_that_overflows_is_a_fault_and_not_a_wrong_answer() {
    // the guard is a region of memory, a register for the stack, a locked entry
    for machine in [Machine::M4, Machine::M33, Machine::Rv32imac] {
        let outcome = BoardBuilder::of_this_build().check_kernels(machine, "words", &lenet(), 320);
        assert!(matches!(outcome, Err(BoardError::Emulator(_))), "{machine:?}: {outcome:?}");
    }
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn a_camera_that_is_too_fast_loses_frames_and_spoils_none() {
    for (machine, row_period) in [(Machine::M4, 90_000), (Machine::Rv32imac, 240_000)] {
        let report = run(machine, &mnist_500(Part::Test).images[..50], row_period);
        assert!(report.dropped > 0 && report.lost > 0, "{report:?}");
        assert!(!report.images.is_empty(), "some are read: {report:?}");
        assert_eq!(report.agreements(), report.images.len(), "what is read whole is read right");
        assert_eq!(report.images.len() + report.lost, 50);
    }
}

/// By the file alone, and by what the linker says of both.
#[test]
#[ignore = "needs Rust for the boards: tests/run"]
fn a_model_that_is_larger_than_the_flash_is_refused_by_both_sizes() {
    for (height, width, least) in [(64, 64, 4 << 20), (42, 97, (4 << 20) + 1)] {
        let network = lone_dense(height, width, 1024);
        let pixels = network.pictures(1).remove(0);
        let picture = Image::new(network.shape, pixels.clone()).unwrap();
        let q8 = quantize(&network.onnx, &[picture], &[]).unwrap();
        for machine in [Machine::M4, Machine::Rv32imac] {
            let pixels = slice::from_ref(&pixels);
            let error = BoardBuilder::of_this_build().run(machine, &q8, pixels, 1_000_000, |_| ());
            let error = error.unwrap_err();
            let BoardError::Flash { needed, there } = error else { panic!("{error}") };
            assert!(there == 4 << 20 && needed > least && needed < least + (60 << 10), "{error}");
            assert!(error.to_string().starts_with("larger than the board's flash: "), "{error}");
        }
    }
}

/// Instructions repeat exactly, but for what another compiler makes of the code around the kernels.
const TOLERANCE: f64 = 1.02;

/// With `PROFILE=write` in the environment the profile of all benchmarks is written anew instead, and with it what
/// `quantize` estimates.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn no_layer_takes_more_instructions_than_the_committed_profile_says() {
    if std::env::var("PROFILE").is_ok_and(|what| what == "write") {
        return profile::write();
    }
    let committed = Profile::committed().measured;
    for machine in profile::PROFILED {
        for found in [profile::of_lenet(machine), profile::of_benchmark(machine, &meter())].concat()
        {
            let is_same = |it: &&Measured| {
                (&it.machine, &it.network, &it.work)
                    == (&found.machine, &found.network, &found.work)
            };
            let line = committed.iter().find(is_same);
            let line = line.unwrap_or_else(|| panic!("a line for {}", found.line()));
            assert!(
                found.mean <= line.mean * TOLERANCE + 1.0,
                "{}: were {}",
                found.line(),
                line.mean
            );
        }
    }
}

/// The same core without DSP instructions gets the kernels of the M3: for a file of the other layout there are none,
/// rather than slow ones.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn an_m33_that_is_built_without_dsp_refuses_words_and_runs_bytes() {
    let builder = BoardBuilder::of_this_build();
    let folder = tempfile::tempdir().unwrap();
    let (target, path) = (Machine::M33.target(), folder.path().join("model.q8"));
    let output = |layout: Layout| {
        fs::write(&path, laid_out(&lenet(), layout).unwrap()).unwrap();
        let build = Command::new("cargo")
            .args(["build", "--release", "--locked", "--bin", "inference", "--target", target])
            .arg("--manifest-path")
            .arg(builder.sources.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(builder.target.join("without-dsp"))
            .env("MODEL_Q8", &path)
            // instead of what `.cargo/config.toml` says
            .env("RUSTFLAGS", "-C target-cpu=generic")
            .output()
            .unwrap();
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
        let image = builder.target.join("without-dsp").join(target).join("release/inference");
        let output = Command::new("qemu-system-arm")
            .args(["-machine", "mps2-an505", "-display", "none", "-serial", "none"])
            .args(["-monitor", "none", "-icount", "shift=6,sleep=off"])
            .args(["-semihosting-config", "enable=on,target=native,chardev=host"])
            .args(["-chardev", "stdio,id=host,signal=off", "-kernel"])
            .arg(image)
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(output(Layout::Words), "no-model\n");
    // there are no images, and so it ends at once
    let bytes = output(Layout::Bytes);
    assert!(bytes.starts_with("spin ") && bytes.contains("\nend 0 "), "{bytes}");
}

/// That each proof can fail: a program that does what none may, and what the build says of it.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn what_a_device_must_not_do_does_not_link_and_the_line_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.q8");
    fs::write(&path, lenet()).unwrap();
    let builder = BoardBuilder::of_this_build();
    let build = |machine: Machine, feature: &str| {
        let output = Command::new("cargo")
            .args(["build", "--release", "--locked", "--bin", "broken", "--features", feature])
            .args(["--target", machine.target(), "--manifest-path"])
            .arg(builder.sources.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&builder.target)
            .env("MODEL_Q8", &path)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    for (machine, float, division) in [
        (Machine::M4, "__aeabi_", "__aeabi_uldivmod"),
        (Machine::Rv32imac, "__mulsf3", "__udivdi3"),
    ] {
        assert!(build(machine, "").0, "without any of it, it links");
        for (feature, line) in [
            ("_panic", "error: this build can panic, and must not".into()),
            ("_allocator", "error: no global memory allocator found".into()),
            ("_float", format!("error: floating point on the device, by {float}")),
            ("_division", format!("error: 64-bit division on the device, by {division}")),
        ] {
            let (linked, message) = build(machine, feature);
            assert!(!linked && message.contains(&line), "{feature}: {message}");
        }
    }
}
