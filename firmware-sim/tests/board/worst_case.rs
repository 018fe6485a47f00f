//! Bounds that hold for any image, beside what a run shows.

use std::process::Command;

use dataset::idx::Part;
use firmware::Model;
use firmware_sim::board::instruction::Flow;
use firmware_sim::board::{BoardBuilder, BoardError, Machine, StackCase, laid_out};
use firmware_sim::quantize::quantize;
use firmware_sim::{Samples, estimate, samples};
use fixtures::benchmarks::{meter, mlperf_tiny};
use fixtures::mnist_500;
use runtime::Image;

use super::profile::lenet;
use super::{row_period, run};

#[test]
#[ignore = "needs QEMU: tests/run"]
fn no_stack_is_deeper_than_its_bound_and_every_board_has_that_much() {
    for machine in Machine::ALL {
        let file = laid_out(&lenet(), machine.layout()).unwrap().into_owned();
        let folder = tempfile::tempdir().unwrap();
        let (program, _) =
            BoardBuilder::of_this_build().program(machine, &file, folder.path()).unwrap();
        let stack = StackCase::of(&program, Model::parse(&file).unwrap());
        let report = run(machine, &mnist_500(Part::Test).images[..2], row_period(machine));
        let bound = stack.bound.as_ref().unwrap_or_else(|error| panic!("{machine:?}: {error}"));
        let bytes = bound.bytes() as usize;
        println!("{}: {} of {bytes} bytes of stack seen", machine.name(), report.stack);
        assert!(report.stack <= bytes, "{machine:?}: {} of {bytes}", report.stack);
        // beyond what was seen is an interrupt at the deepest
        assert!(bytes < report.stack + 80, "{machine:?}: {} of {bytes}", report.stack);
        assert!(stack.fits(), "{machine:?}: {bytes} of {}", stack.there);
    }
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn no_image_takes_more_instructions_than_the_bound() {
    // one for each set of kernels
    for machine in [Machine::M4, Machine::M3, Machine::V6m, Machine::Rv32imac] {
        let images = mnist_500(Part::Test).images;
        let mut images: Vec<Vec<u8>> =
            images[..6].iter().map(|image| image.pixels().to_vec()).collect();
        images.extend([vec![255; 784], vec![0; 784], [0, 255].repeat(392), [255, 0].repeat(392)]);
        images.push((0..784).map(|at| if at % 13 < 6 { 0 } else { at as u8 }).collect());
        let (builder, row_period) = (BoardBuilder::of_this_build(), row_period(machine));
        let counted = builder.run_counted(machine, &lenet(), &images, row_period, |_| ());
        let Some((report, counts)) = unless_gcc_is_missing(counted) else { return };
        let bound = builder.instruction_bound(machine, &lenet(), row_period, &counts).unwrap();
        let (seen, most) = (report.total().1, bound.instructions() as f64);
        println!("{}: {seen:.0} of {most} instructions seen", machine.name());
        assert_eq!(bound.exceeded, [], "{machine:?}");
        assert!(seen <= most, "{machine:?}: {seen} of {bound:?}");
        // all that is beyond what was counted without zeros is what short branches go over, and what zeros cost
        assert!(most < 1.1 * bound.dense as f64, "{machine:?}: {bound:?}");
    }
}

/// Padding, and layers of other kinds than LeNet's.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn networks_of_other_layers_have_bounds_that_hold() {
    let ds_cnn = mlperf_tiny().into_iter().find(|it| it.name == "ds_cnn").unwrap();
    for (machine, benchmark) in [(Machine::M4, meter()), (Machine::Rv32imac, ds_cnn)] {
        let pictures = benchmark.pictures(40).into_iter();
        let pictures: Vec<Image> =
            pictures.map(|pixels| Image::new(benchmark.shape, pixels).unwrap()).collect();
        let q8 = quantize(&benchmark.onnx, &pictures, &[]).unwrap();
        let file = laid_out(&q8, machine.layout()).unwrap();
        let model = Model::parse(&file).unwrap();
        let images = samples::frames(model, Samples::Images(&pictures), &[0, 1, 2, 3]).unwrap();
        let (builder, row_period) =
            (BoardBuilder::of_this_build(), estimate::row_period(machine, model));
        let counted = builder.run_counted(machine, &file, &images, row_period, |_| ());
        let Some((report, counts)) = unless_gcc_is_missing(counted) else { return };
        let worst = builder.worst_case(machine, &file, row_period, &counts).unwrap();
        let bound = worst.stack.bound.unwrap();
        let (seen, most) = (report.total().1, worst.instructions.as_ref().unwrap().instructions());
        println!(
            "{} on {}: {} of {} bytes, {seen:.0} of {most} instructions",
            benchmark.name,
            machine.name(),
            report.stack,
            bound.bytes()
        );
        assert!(report.stack <= bound.bytes() as usize, "{bound:?}");
        assert!(seen <= most as f64, "{:?}", worst.instructions);
        assert_eq!(worst.instructions.unwrap().exceeded, []);
    }
}

fn unless_gcc_is_missing<T>(counted: Result<T, BoardError>) -> Option<T> {
    if matches!(counted, Err(BoardError::Compiler)) {
        println!("passed over: gcc is not installed; firmware-sim/boards/c/setup does it");
        return None;
    }
    Some(counted.unwrap())
}

/// The clock is one of instructions, so it and the plugin must agree.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn the_plugin_counts_what_the_board_s_clock_says() {
    for machine in [Machine::M4, Machine::M33, Machine::Rv32imac] {
        let images = &mnist_500(Part::Test).images[..3];
        let images: Vec<Vec<u8>> = images.iter().map(|image| image.pixels().to_vec()).collect();
        let (builder, row_period) = (BoardBuilder::of_this_build(), row_period(machine));
        let counted = builder.run_counted(machine, &lenet(), &images, row_period, |_| ());
        let Some((report, counts)) = unless_gcc_is_missing(counted) else { return };
        for (layer, layer_counts) in counts.layers.iter().enumerate() {
            let counted = layer_counts.values().map(|it| it.executed).sum::<u64>() as f64 / 3.0;
            let (clock, _) = report.of_layer(layer);
            // a tick of the clock is a few instructions
            let allowed = 100.0 + clock * 1e-4;
            assert!((counted - clock).abs() < allowed, "{machine:?}, {layer}: {counted}, {clock}");
        }
    }
}

/// Where instructions lie, how long they are, and where branches and calls go.
#[test]
#[ignore = "needs Rust for the boards: tests/run"]
fn the_decoders_read_the_code_as_objdump_does() {
    let mut compared = 0;
    for machine in Machine::ALL {
        let objdump = match machine {
            Machine::Rv32imac => "riscv64-unknown-elf-objdump",
            _ => "arm-none-eabi-objdump",
        };
        let folder = tempfile::tempdir().unwrap();
        let (program, path) =
            BoardBuilder::of_this_build().program(machine, &lenet(), folder.path()).unwrap();
        let Ok(output) = Command::new(objdump).arg("-d").arg(path).output() else {
            println!(
                "passed over: {objdump} is not installed; firmware-sim/boards/c/setup does it"
            );
            continue;
        };
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            // `     ac4:	f7ff fa73 	bl	1810 <name>`
            let Some((address, rest)) = line.split_once(":\t") else { continue };
            let address = u32::from_str_radix(address.trim(), 16).unwrap();
            let mut columns = rest.split('\t').map(str::trim);
            let (bytes, name) = (columns.next().unwrap(), columns.next().unwrap_or_default());
            let operands = columns.next().unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            let found = program.at(address).unwrap_or_else(|| panic!("{machine:?}: {line}"));
            assert_eq!(found.len as usize, bytes.replace(' ', "").len() / 2, "{machine:?}: {line}");
            let target = match found.flow {
                Flow::Branch(to) | Flow::Jump(to) | Flow::Call(to) => to,
                Flow::Next => {
                    let is_branch = name.starts_with('b') && operands.contains(" <");
                    assert!(!is_branch, "{machine:?}: {line}");
                    continue;
                }
                _ => continue,
            };
            let stated = operands.split(" <").next().unwrap().rsplit([',', ' ']).next().unwrap();
            assert_eq!(u32::from_str_radix(stated, 16), Ok(target), "{machine:?}: {line}");
            compared += 1;
        }
    }
    println!("{compared} branches go where objdump says");
}
