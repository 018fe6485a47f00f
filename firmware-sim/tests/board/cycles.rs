//! Modelled cycles beside another model of the same core: rp2040js's Cortex-M0+.

use std::collections::BTreeMap;
use std::process::Command;

use dataset::idx::Part;
use firmware_sim::board::timing::Timing;
use firmware_sim::board::{BoardBuilder, BoardError, Machine};
use fixtures::mnist_500;

use super::profile::lenet;
use super::row_period;

/// By kind of work: instructions and cycles.
type Works = BTreeMap<&'static str, [u64; 2]>;

/// rp2040js reads the same table of the manual, instruction by instruction: so this shows that ours are counted right, and
/// where the two read the table differently, and not how long a chip takes.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn cycles_of_a_cortex_m0_plus_are_those_of_rp2040js() {
    const IMAGES: usize = 3;
    let builder = BoardBuilder::of_this_build();
    let emulator = builder.sources.join("rp2040js");
    let setup = "firmware-sim/boards/rp2040js/setup does it";
    if !emulator.join("node_modules/rp2040js").is_dir() {
        return println!("passed over: rp2040js is not installed; {setup}");
    }
    let images = &mnist_500(Part::Test).images[..IMAGES];
    let images: Vec<Vec<u8>> = images.iter().map(|image| image.pixels().to_vec()).collect();
    let period = row_period(Machine::V6m);
    let counted = builder.run_counted(Machine::V6m, &lenet(), &images, period, |_| ());
    let (_, counts) = match counted {
        Err(BoardError::Compiler) => {
            return println!("passed over: gcc is not installed; boards/c/setup does it");
        }
        counted => counted.unwrap(),
    };
    let folder = tempfile::tempdir().unwrap();
    builder.write_run(Machine::V6m, &lenet(), &images, folder.path()).unwrap();
    let file = |name| folder.path().join(name);
    let output = Command::new("node")
        .arg(emulator.join("cycles.js"))
        .args([file("program"), file("images"), file("pieces")])
        .output();
    let Ok(output) = output else { return println!("passed over: no node; {setup}") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut ours = Works::new();
    for layer in &counts.layers {
        for (work, it) in Timing::CortexM0Plus.by_work(&counts.program, layer, 0) {
            let [executed, cycles] = ours.entry(work).or_default();
            *executed += it.executed;
            *cycles += it.cycles.high;
        }
    }
    let mut theirs = Works::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let numbers: Vec<u64> = line.split(' ').map(|it| it.parse().unwrap()).collect();
        let work = counts.program.at(numbers[0] as u32).unwrap().work;
        let [executed, cycles] = theirs.entry(work.name()).or_default();
        *executed += numbers[1];
        *cycles += numbers[2];
    }
    println!("{:<16} {:>12} {:>12} {:>12}", "an image", "instructions", "modelled", "rp2040js");
    for (work, [executed, cycles]) in &ours {
        let [other, other_cycles] = theirs.get(work).copied().unwrap_or_default();
        let [executed, cycles, other, other_cycles] =
            [*executed, *cycles, other, other_cycles].map(|it| it / IMAGES as u64);
        println!("{work:<16} {executed:>12} {cycles:>12} {other_cycles:>12}");
        // where the pieces of a run begin and end, one or the other counts the read of the clock
        assert!(executed.abs_diff(other) <= 200, "{work}: {executed}, {other}");
    }
    let sum = |works: &Works| works.values().map(|[_, cycles]| cycles).sum::<u64>() as f64;
    let (ours, theirs) = (sum(&ours) / IMAGES as f64, sum(&theirs) / IMAGES as f64);
    println!(
        "all: modelled {ours:.0}, rp2040js {theirs:.0}: {:+.3} %",
        100.0 * (ours / theirs - 1.0)
    );
    assert!((ours / theirs - 1.0).abs() < 0.01, "{ours}, {theirs}");
}
