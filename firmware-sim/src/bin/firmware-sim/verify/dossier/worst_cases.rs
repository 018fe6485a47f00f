//! Worst cases: what no input exceeds, and what was only measured.

use firmware_sim::board::{StackBound, StackCase};
use firmware_sim::memory::Memory;
use maud::html;
use serde_json::{Value, json};

use super::Subject;
use super::boards::{Boards, Run, parameter_bytes};
use super::evidence::{Evidence, Finding};

pub(super) fn evidence(subject: &Subject, boards: &Boards) -> Evidence {
    let report = subject.report;
    let memory = Memory::of(report.int8);
    let layers = &report.verification.layers;
    let ran: Vec<_> = boards.ran().collect();
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
            @for (machine, Run { report, stack }) in &ran {
                tr {
                    td { (machine.title()) ": stack" }
                    @match &stack.bound {
                        Ok(bound) => {
                            td { (bound.bytes()) " bytes, of " (stack.there) " that there are; " (report.stack) " were seen" }
                            td { "every input" }
                        }
                        Err(_) => { td { (report.stack) " bytes" } td { "the images that ran, only" } }
                    }
                    td { (how(stack)) }
                }
                tr {
                    td { (machine.title()) ": instructions" } td { (format!("{:.0}", report.total().1)) }
                    td { "the images that ran, only" } td { "counting in QEMU" }
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
        "boards": ran.iter().map(|(machine, Run { report, stack })| json!({
            "machine": machine.name(), "stack_seen": report.stack, "stack_there": stack.there,
            "stack_bound": stack.bound.as_ref().ok().map(StackBound::bytes), "instructions_seen": report.total().1,
        })).collect::<Value>(),
    });
    let mut finding = Finding::new(html, json);
    for (machine, Run { stack, .. }) in &ran {
        finding = match &stack.bound {
            Ok(bound) => finding.demand(
                format!(
                    "{}: no stack is deeper than there is: {} of {} bytes",
                    machine.title(),
                    bound.bytes(),
                    stack.there
                ),
                stack.fits(),
            ),
            Err(reason) => finding.limit(format!(
                "{}: a bound of the stack for every input: {reason}",
                machine.title()
            )),
        };
    }
    finding
        .limit("A maximum of instructions for every input: what is counted is the maximum of the images that ran; zeros are passed over; `board --worst-case` says what an image without zeros takes")
        .limit("A worst-case execution time: there is no model of any core's pipeline or memory in this chapter; `board --cycles` models some")
        .limit("The stack of another program than the board image here: that of your firmware has other frames and interrupts")
        .into()
}

/// What a bound of the stack rests on.
fn how(stack: &StackCase) -> String {
    let Ok(bound) = &stack.bound else { return "painting the stack".into() };
    let left_out: Vec<String> =
        bound.left_out.iter().map(|it| format!("{} ({})", it.function, it.why)).collect();
    let left_out = if left_out.is_empty() { "none".to_owned() } else { left_out.join(", ") };
    format!(
        "the frames and calls of the linked code, with an interrupt at the deepest place; calls left out since this model never makes them: {left_out}"
    )
}
