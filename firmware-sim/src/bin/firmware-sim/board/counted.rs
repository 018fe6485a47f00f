//! What is shown beside a run whose instructions are counted.

use firmware_sim::board::{BoardBuilder, BoardError, BoardReport, Machine, WorstCase};

use super::cycles::ModelledCycles;
use crate::cli;

/// As far as it was asked for.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) cycles: Option<ModelledCycles>,
    pub(super) worst_case: Option<WorstCase>,
}

impl Counted {
    /// Shows a board images by a model, which is laid out for it.
    pub(super) fn run(
        wanted: &cli::Counted,
        builder: &BoardBuilder,
        machine: Machine,
        (file, images): (&[u8], &[Vec<u8>]),
        row_period: u32,
        progress: impl FnMut(usize),
    ) -> Result<(BoardReport, Self), BoardError> {
        let (report, counts) = builder.run_counted(machine, file, images, row_period, progress)?;
        let timing = machine.timing().filter(|_| wanted.cycles);
        let cycles =
            timing.map(|timing| ModelledCycles::of(timing, &counts, &report, wanted.wait_states));
        let worst_case = if wanted.worst_case {
            Some(builder.worst_case(machine, file, row_period, &counts)?)
        } else {
            None
        };
        Ok((report, Self { cycles, worst_case }))
    }
}
