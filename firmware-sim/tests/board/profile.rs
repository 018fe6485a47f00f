//! Instructions of each layer of the benchmark networks, on each core.

use std::fs;
use std::path::Path;

use dataset::idx::Part;
use firmware::Model;
use firmware_sim::board::{BoardBuilder, Machine, laid_out};
use firmware_sim::estimate::{self, Measured};
use firmware_sim::quantize::quantize;
use firmware_sim::{Samples, samples};
use fixtures::benchmarks::{Benchmark, meter, mlperf_tiny, probes};
use fixtures::mnist_500;
use runtime::{EMBEDDED_MODEL, Image};

/// A model whose answers agree with float's: the margin's images are the same 500 again and again, since a board only
/// has to apply the margin, not to deserve it.
pub(crate) fn lenet() -> Vec<u8> {
    let training = mnist_500(Part::Train).images;
    quantize(EMBEDDED_MODEL, &training, &[&training[..]; 6].concat()).unwrap()
}

/// All but the M7, which takes what the M4 takes.
pub(crate) const PROFILED: [Machine; 5] =
    [Machine::M4, Machine::M33, Machine::M3, Machine::V6m, Machine::Rv32imac];

/// Instructions of each layer; `pictures` are `[channel][row][column]`.
fn profile(machine: Machine, name: &str, q8: &[u8], pictures: &[Image]) -> Vec<Measured> {
    let file = laid_out(q8, machine.layout()).unwrap();
    let model = Model::parse(&file).unwrap();
    let all: Vec<usize> = (0..pictures.len()).collect();
    let images = samples::frames(model, Samples::Images(pictures), &all).unwrap();
    let row_period = estimate::row_period(machine, model);
    let builder = BoardBuilder::of_this_build();
    let report = builder.run(machine, &file, &images, row_period, |_| ()).unwrap();
    assert_eq!((report.agreements(), report.lost), (pictures.len(), 0), "{name}, {machine:?}");
    estimate::measured(machine, name, model, &report)
}

pub(crate) fn of_benchmark(machine: Machine, benchmark: &Benchmark) -> Vec<Measured> {
    let pictures = benchmark.pictures(40).into_iter();
    let pictures: Vec<Image> =
        pictures.map(|pixels| Image::new(benchmark.shape, pixels).unwrap()).collect();
    let q8 = quantize(&benchmark.onnx, &pictures, &[]).unwrap();
    profile(machine, benchmark.name, &q8, &pictures[..4])
}

pub(crate) fn of_lenet(machine: Machine) -> Vec<Measured> {
    profile(machine, "lenet", &lenet(), &mnist_500(Part::Test).images[..20])
}

/// Writes the committed profile anew.
pub(crate) fn write() {
    let mut lines = vec![estimate::HEADER.to_owned()];
    let mut add = |measured: Vec<Measured>| lines.extend(measured.iter().map(Measured::line));
    for machine in PROFILED {
        add(of_lenet(machine));
        add(of_benchmark(machine, &meter()));
        for benchmark in mlperf_tiny().iter().chain(&probes()) {
            add(of_benchmark(machine, benchmark));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/profile.csv");
    fs::write(path, lines.join("\n") + "\n").unwrap();
}
