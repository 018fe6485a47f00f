//! Worst cases: what no input exceeds, and what was only measured.

use firmware_sim::board::{InstructionBound, Machine, StackBound, StackCase};
use firmware_sim::memory::Memory;
use maud::html;
use serde_json::{Value, json};

use super::Subject;
use super::boards::{Boards, CountedRun, Run, parameter_bytes};
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
                td { "accumulators, in bits" }
                td {
                    @for layer in layers { (layer.layer) ": " (layer.bound_bits) " of " (layer.limit_bits) br; }
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
            @if !ran.is_empty() { tr {
                td { "panics, allocations, floats and 64-bit divisions on the device" } td { "none" } td { "every input" }
                td { "linking: a board image with any of them does not link, which tests show" }
            } }
            @for (machine, Run { report, stack, counted }) in &ran {
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
                    td { (machine.title()) ": instructions" }
                    @match estimate(counted) {
                        Some(estimate) => {
                            td { "estimated at most " (estimate.instructions()) "; " (format!("{:.0}", report.total().1)) " were seen" }
                            td { "every input, if the estimate is right" }
                            td {
                                "counting each instruction in QEMU, of models whose activations are all 0 or all not, each with what takes more; no image of "
                                (estimate.images) " executes an instruction more often"
                            }
                        }
                        None => {
                            td { (format!("{:.0}", report.total().1)) } td { "the images that ran, only" } td { "counting in QEMU" }
                        }
                    }
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
        "boards": ran.iter().map(|(machine, Run { report, stack, counted })| json!({
            "machine": machine.name(), "stack_seen": report.stack, "stack_there": stack.there,
            "stack_bound": stack.bound.as_ref().ok().map(StackBound::bytes), "instructions_seen": report.total().1.round(),
            "instructions_estimated_maximum": estimate(counted).map(InstructionBound::instructions),
        })).collect::<Value>(),
    });
    let mut finding = Finding::new(html, json);
    if ran.is_empty() {
        finding = finding.limit("Stack and instructions of any board: none ran");
    }
    for (machine, run) in ran {
        finding = of_board(finding, machine, run);
    }
    finding
        .limit("That an estimated maximum of instructions is one: images can only refute it; whoever needs a proof has to analyse the code")
        .limit("A worst-case execution time: modelled cycles are means of the images that ran, and no board was measured")
        .limit("The stack of another program than the board image here: that of your firmware has other frames and interrupts")
        .into()
}

/// Adds what is demanded of a board that ran, and what it does not show.
fn of_board(finding: Finding, machine: Machine, run: &Run) -> Finding {
    let Run { stack, counted, .. } = run;
    let title = machine.title();
    let found = match &stack.bound {
        Ok(bound) => format!("{} of {} bytes", bound.bytes(), stack.there),
        Err(reason) => format!("no bound: {reason}"),
    };
    let finding =
        finding.demand(format!("{title}: no stack is deeper than there is: {found}"), stack.fits());
    let reason = match counted.as_ref().map(|it| &it.instructions) {
        Ok(Ok(estimate)) if estimate.is_shown() => return finding,
        Ok(Ok(_)) => "an image took more than the estimate, which is wrong".into(),
        Ok(Err(reason)) => format!("it was not estimated: {reason}"),
        Err(reason) => format!("it was not estimated: {reason}"),
    };
    finding.limit(format!("{title}: a maximum of instructions for every input: {reason}"))
}

/// The estimate of the maximum of instructions, unless an image has refuted it.
fn estimate(counted: &Result<CountedRun, String>) -> Option<&InstructionBound> {
    counted.as_ref().ok()?.instructions.as_ref().ok().filter(|it| it.is_shown())
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
