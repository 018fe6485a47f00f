//! How many instructions a model takes on a board, estimated before any is touched.
//!
//! What a layer has to do is counted in five numbers, [`Work::counts`], of which its instructions are a weighted sum. The
//! weights, for each board and each routine of the engine, are not written down: they are fitted to the profiles of the
//! benchmark networks, `firmware-sim/boards/profile.csv`, whenever they are needed. So who measures anew, by
//!
//! ```text
//! PROFILE=write cargo test -p firmware-sim --test board -- --ignored profile
//! ```
//!
//! has fitted anew.

mod fit;
mod profile;
mod rows;

pub use profile::{HEADER, Measured, Profile};
pub use rows::{row_period, rows};

use firmware::Model;
use firmware::format::Record;

use crate::board::{BoardReport, Machine};
use crate::int8::Int8Network;

/// Name of what is no layer: taking rows of the image in.
const ROWS: &str = "Rows";

/// What a layer has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Name of the layer, or `rows`.
    pub layer: String,
    /// The engine's routine that does it, as [`firmware::format::Routine`] names them, or `Rows`.
    pub routine: String,
    /// Multiply-accumulates; those of them by values that are seldom 0, since some kernels pass over zeros; values that are
    /// read for them, each once for all output channels; sums; and steps, in each of which a row is made.
    pub counts: [usize; 5],
}

impl Work {
    /// Steps, in each of which a row is made, or taken in.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.counts[4]
    }

    /// Of a model as it is laid out: of the layers in order, and of taking rows in.
    #[must_use]
    pub fn of(model: Model<'_>) -> Vec<Self> {
        let layers = model.layers();
        let network = Int8Network::of(model);
        let of_layer = |(index, record): (usize, &Record)| {
            let int8 = &network.layers.get(index)?.layer;
            let geometry = layers.geometry(index)?;
            let sums: usize = int8.accumulators().iter().product();
            let reads = match int8.outputs() {
                // a pool reads its windows, a sum two values
                0 if geometry.kernel == [1; 2] => 2 * sums,
                0 => sums * geometry.kernel.iter().product::<usize>(),
                outputs => sums / outputs * record.taps(layers.value(geometry.source)?),
            };
            // zeros come from a ReLU, of which the byte 0 is the sign
            let is_relu = geometry.source > 0 && layers.value(geometry.source)?.zero == 0;
            let nonzero_macs = if is_relu { 0 } else { int8.macs() };
            Some(Self {
                layer: int8.name().to_owned(),
                routine: format!("{:?}", layers.routine(index)?),
                counts: [int8.macs(), nonzero_macs, reads, sums, geometry.steps()],
            })
        };
        let input = layers.input;
        let [_, height, _] = input.shape();
        let rows = Self {
            layer: ROWS.to_lowercase(),
            routine: ROWS.into(),
            counts: [0, 0, input.size(), 0, height],
        };
        layers.records.iter().enumerate().filter_map(of_layer).chain([rows]).collect()
    }
}

/// Expected instructions of an inference on `machine`, for a model that is laid out for it.
#[must_use]
pub fn instructions(machine: Machine, model: Model<'_>) -> f64 {
    Profile::committed().estimate(machine, &Work::of(model))
}

/// What a board's report says of a model, which was laid out for it.
#[must_use]
pub fn measured(
    machine: Machine,
    network: &str,
    model: Model<'_>,
    report: &BoardReport,
) -> Vec<Measured> {
    let works = Work::of(model).into_iter().enumerate();
    let measured = |(index, work)| {
        let (mean, most) = report.of_layer(index);
        Measured { machine: machine.name().into(), network: network.into(), work, mean, most }
    };
    works.map(measured).collect()
}
