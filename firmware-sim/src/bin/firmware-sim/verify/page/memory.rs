//! What an inference needs on a device, as it is planned and estimated before any board runs it.

use firmware::Model;
use firmware_sim::board::{Machine, laid_out};
use firmware_sim::estimate;
use firmware_sim::memory::Memory;
use maud::{Markup, html};

pub(super) fn html(model: Model<'_>) -> Markup {
    let memory = Memory::of(model);
    let instructions = |machine: Machine| -> Option<f64> {
        let file = laid_out(model.bytes(), machine.layout()).ok()?;
        Some(estimate::instructions(machine, Model::parse(&file).ok()?))
    };
    html! {
        p {
            "RAM: " (memory.scratch_bytes) " bytes besides stack, by the plan in the file. Flash: " (memory.file_bytes)
            " bytes besides code. " (memory.macs()) " multiply-accumulates. Estimated instructions of one inference, in millions: "
            @for (number, machine) in Machine::ALL.into_iter().enumerate() {
                @if number > 0 { ", " }
                (machine.name()) " " (instructions(machine).map_or("-".into(), |it| format!("{:.2}", it / 1e6)))
            }
            "."
        }
        p {
            "This page does not say what a board took, or that it gave the same bits: " code { "firmware-sim board" }
            " runs one, and " code { "firmware-sim verify --dossier" } " all of them."
        }
    }
}
