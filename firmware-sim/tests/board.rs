//! The engine on emulated boards. Each test needs QEMU and Rust for the boards, which `firmware-sim/boards/setup`
//! installs and `tests/run` uses; so without `--ignored` they are passed over.

use std::fs;
use std::path::Path;
use std::process::Command;

use dataset::idx::Part;
use firmware::format::File;
use firmware::rows::Model;
use firmware::{Answer, LayerId};
use firmware_sim::board::{BoardBuilder, BoardError, BoardReport, Machine, version_2};
use firmware_sim::quantize::quantize;
use fixtures::mnist_500;
use runtime::{EMBEDDED_MODEL, Image};

/// A model that is confident: the margin's images are the same 500 again and again, since a board only has to apply the
/// margin, not to deserve it.
fn model() -> Box<File> {
    let training = mnist_500(Part::Train).images;
    let q8 = quantize(EMBEDDED_MODEL, &training, &[&training[..]; 6].concat()).unwrap();
    version_2(Model::parse(&q8).unwrap()).unwrap()
}

fn run(machine: Machine, images: &[Image], row_period: u32) -> BoardReport {
    BoardBuilder::of_this_build().run(machine, &model(), images, row_period, |_| ()).unwrap()
}

/// All RAM of an inference, and what there is of flash beside the parameters: the targets of the firmware.
const RAM: usize = 4096;
const CODE_AND_TABLES: usize = 24 * 1024;
const PARAMETERS: usize = 432_820;

/// No target, but what it took when it was measured, and a little.
const RAM_RISCV: usize = 5 * 1024;

fn assert_equal_and_small(report: &BoardReport, images: usize) {
    assert_eq!((report.agreements(), report.lost, report.dropped), (images, 0, 0));
    assert!(report.ram() <= RAM, "{} bytes of RAM", report.ram());
    assert!(report.flash - PARAMETERS <= CODE_AND_TABLES, "{} bytes of flash", report.flash);
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn a_thousand_images_give_every_logit_of_the_host() {
    let images = [mnist_500(Part::Test).images, mnist_500(Part::Train).images].concat();
    let report = run(Machine::M4, &images, Machine::M4.row_period());
    assert_equal_and_small(&report, 1000);
    let confident = report.images.iter().filter(|image| image.answer != Answer::Unsure).count();
    assert!(confident > 950, "{confident}");
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn other_cores_give_the_same() {
    let images = &mnist_500(Part::Test).images[..50];
    for machine in [Machine::M3, Machine::M7] {
        assert_equal_and_small(&run(machine, images, machine.row_period()), 50);
    }
    let report = run(Machine::V6m, &images[..10], Machine::V6m.row_period());
    assert_eq!((report.agreements(), report.dropped), (10, 0));
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn another_architecture_gives_the_same() {
    let images = &mnist_500(Part::Test).images[..50];
    let report = run(Machine::Rv32imac, images, Machine::Rv32imac.row_period());
    assert_eq!((report.agreements(), report.lost, report.dropped), (50, 0, 0));
    assert!(report.ram() <= RAM_RISCV, "{} bytes of RAM", report.ram());
    assert!(report.flash - PARAMETERS <= CODE_AND_TABLES, "{} bytes of flash", report.flash);
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn each_machine_s_kernels_are_the_portable_ones() {
    for machine in Machine::ALL {
        let equal = BoardBuilder::of_this_build().check_kernels(machine, &model(), 1536).unwrap();
        assert_eq!(equal, 300, "{}", machine.title());
    }
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn a_stack_that_overflows_is_a_fault_and_not_a_wrong_answer() {
    for machine in [Machine::M4, Machine::Rv32imac] {
        let outcome = BoardBuilder::of_this_build().check_kernels(machine, &model(), 320);
        assert!(matches!(outcome, Err(BoardError::Emulator(_))), "{machine:?}: {outcome:?}");
    }
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn a_camera_that_is_too_fast_loses_frames_and_spoils_none() {
    for (machine, row_period) in [(Machine::M4, 60_000), (Machine::Rv32imac, 300_000)] {
        let report = run(machine, &mnist_500(Part::Test).images[..50], row_period);
        assert!(report.dropped > 0 && report.lost > 0, "{report:?}");
        assert_eq!(report.agreements(), report.images.len(), "what is read whole is read right");
        assert_eq!(report.images.len() + report.lost, 50);
    }
}

/// Instructions repeat exactly, but for what another compiler makes of the code around the kernels.
const TOLERANCE: f64 = 1.02;

#[test]
#[ignore = "needs QEMU: tests/run"]
fn no_layer_takes_more_instructions_than_the_committed_profile_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards");
    let profile = fs::read_to_string(folder.join("profile.csv")).unwrap();
    let report = run(Machine::M4, &mnist_500(Part::Test).images[..100], Machine::M4.row_period());
    let layers = [LayerId::Conv1, LayerId::Conv2, LayerId::Dense1, LayerId::Dense2];
    let lines: Vec<_> = profile.lines().skip(1).collect();
    assert_eq!(lines.len(), layers.len());
    for (line, layer) in lines.into_iter().zip(layers) {
        let ["m4", _, _, mean, _] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let (found, committed) = (report.instructions(Some(layer)).0, mean.parse::<f64>().unwrap());
        assert!(found <= committed * TOLERANCE, "{layer:?}: {found:.0}, were {committed:.0}");
    }
}

/// That each proof can fail: a program that does what none may, and what the build says of it.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn what_a_device_must_not_do_does_not_link_and_the_line_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.q8");
    fs::write(&path, zerocopy::IntoBytes::as_bytes(&*model())).unwrap();
    let builder = BoardBuilder::of_this_build();
    let build = |machine: Machine, feature: &str| {
        let output = Command::new("cargo")
            .args(["build", "--release", "--locked", "--bin", "broken", "--features", feature])
            .args(["--target", machine.target(), "--manifest-path"])
            .arg(builder.sources.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&builder.target)
            .env("LENET_Q8", &path)
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
