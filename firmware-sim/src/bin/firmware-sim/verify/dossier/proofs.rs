//! What holds for every sum that a channel may reach, shown by computing all of them.

use std::fmt::Write;

use firmware_sim::proof::{LayerProof, prove, sums};
use maud::html;

use super::Subject;
use super::evidence::{Evidence, Finding};
use crate::cli::Kind;
use crate::model;
use crate::provenance::{SEAL, sealed};

pub(super) fn evidence(subject: &Subject) -> Evidence {
    if let Some(left_out) = subject.left_out(Kind::Proofs) {
        return left_out;
    }
    let int8 = subject.report.int8;
    let bar = model::progress_bar(0, "accumulators");
    bar.set_length(sums(int8));
    let proof = prove(int8, |more| bar.inc(more));
    bar.finish_and_clear();
    let result = |layer: &LayerProof| match layer.counterexample {
        Some(fault) => format!("no: {fault}"),
        None if layer.is_requantised => "all".into(),
        None if layer.channels > 0 => "goes out as it is".into(),
        None => "hands bytes on".into(),
    };
    let mut log = format!(
        "{}, SHA-256 {}\nof every channel, every accumulator from minus its bound to its bound, by the engine's function and by its definition in 128 bits\n\n",
        subject.report.q8.name(),
        subject.report.q8.hex()
    );
    for layer in &proof.layers {
        let LayerProof { layer: name, channels, sums, bound, reached: [low, high], .. } = layer;
        let _ = writeln!(
            log,
            "{name}: {channels} channels, {sums} accumulators compared; reached {low} to {high}, largest bound {bound}; {}",
            result(layer)
        );
    }
    let _ = writeln!(log, "\n{SEAL}");
    let html = html! {
        p {
            "Of every channel, every accumulator from minus its bound to its bound, a whole number after the other, was requantised by the engine's "
            "function and by its definition in 128 bits: both give the same, it is a byte, and it is never less than that of the accumulator before. That the "
            "bound is at least what any input reaches, and that no sum on the way leaves its bits, follows from the weights in the file. The log: "
            a href="proofs.txt" { "proofs.txt" } "."
        }
        table {
            tr {
                th { "layer" } th { "channels" } th { "accumulators compared" } th { "smallest reached" } th { "largest" } th { "bound in the file" }
                th.names { "as the definition says" }
            }
            @for layer in &proof.layers {
                tr {
                    td { (layer.layer) } td { (layer.channels) } td { (layer.sums) } td { (layer.reached[0]) } td { (layer.reached[1]) }
                    td { (layer.bound) } td.names { (result(layer)) }
                }
            }
        }
    };
    Finding::new(html, proof.json())
        .demand(
            format!(
                "no sum overflows, and every accumulator is requantised as the definition says: {} accumulators of {} channels compared",
                proof.sums(),
                proof.requantised_channels()
            ),
            proof.holds(),
        )
        .file("proofs.txt", sealed(&log))
        .limit("That sums which are packed two or three to a register are unpacked exactly: an SMT solver shows it, by `firmware-sim/firmware/proofs/run`, and tests at the bounds; this command runs neither")
        .limit("That the compiler and the core compute what the source of the engine's function says: boards are compared by images")
        .into()
}
