//! Worst cases: what no input exceeds, and what was only measured.

use firmware_sim::memory::Memory;
use maud::html;
use serde_json::{Value, json};

use super::Subject;
use super::boards::{Boards, parameter_bytes};
use super::evidence::{Evidence, Finding};

pub(super) fn evidence(subject: &Subject, boards: &Boards) -> Evidence {
    let report = subject.report;
    let memory = Memory::of(report.int8);
    let layers = &report.verification.layers;
    let measured: Vec<_> =
        boards.ran().map(|(machine, it)| (machine, it.stack, it.total().1)).collect();
    let html = html! {
        table.text {
            tr { th { "what" } th { "worst case" } th { "holds for" } th { "shown by" } }
            tr {
                td { "accumulators" }
                td {
                    @for layer in layers { (layer.layer) ": " (layer.bound_bits) " of " (layer.limit_bits) " bits" br; }
                }
                td { "every input" }
                td { "the sum of magnitudes of each channel's weights, in the file, checked at every parse" }
            }
            tr {
                td { "scratch memory" } td { (memory.scratch_bytes) " bytes" } td { "every input" }
                td { "the plan in the file, computed anew and compared at every parse; the caller gives the memory" }
            }
            tr {
                td { "flash of the model" } td { (memory.file_bytes) " bytes, of which " (parameter_bytes(report.int8)) " are weights and biases" }
                td { "every input" } td { "the length of the file" }
            }
            tr {
                td { "panics, allocations, floats and 64-bit divisions on the device" } td { "none" } td { "every input" }
                td { "linking: a board image with any of them does not link, which tests show" }
            }
            @for (machine, stack, instructions) in &measured {
                tr {
                    td { (machine.title()) ": stack, instructions" } td { (stack) " bytes, " (format!("{instructions:.0}")) }
                    td { "the images that ran, only" } td { "painting the stack; counting in QEMU" }
                }
            }
        }
    };
    let json = json!({
        "accumulator_bits": layers.iter().map(|it| json!({
            "layer": it.layer, "bound_bits": it.bound_bits, "limit_bits": it.limit_bits, "reached_bits": it.accumulator_bits,
        })).collect::<Value>(),
        "scratch_bytes": memory.scratch_bytes,
        "file_bytes": memory.file_bytes,
        "measured": measured.iter().map(|(machine, stack, instructions)| json!({
            "machine": machine.name(), "stack": stack, "instructions": instructions,
        })).collect::<Value>(),
    });
    Finding::new(html, json)
        .limit("A bound of the stack for every input: what is painted is the deepest of the images that ran; `board --worst-case` bounds it by the linked code")
        .limit("A maximum of instructions for every input: what is counted is the maximum of the images that ran; zeros are passed over on cores without DSP instructions; `board --worst-case` says what an image without zeros takes")
        .limit("A worst-case execution time: there is no model of any core's pipeline or memory in this chapter; `board --cycles` models some")
        .into()
}
