//! By what criterion the model on the device is the model that was trained.

use maud::html;
use serde_json::json;

use super::Subject;
use super::boards::{Boards, Run};
use super::evidence::{Evidence, Finding};
use crate::share::percent;
use crate::verify::text::known;

pub(super) fn evidence(subject: &Subject, boards: &Boards) -> Evidence {
    let report = subject.report;
    let verification = report.verification;
    let images = verification.images();
    let agreement = report.share(verification.agreements());
    let gap = format!(
        "outputs differ by at most {:.4}, RMS {:.4}, SQNR {} dB, on {images} samples",
        verification.max_difference(),
        verification.rms_difference(),
        known(verification.sqnr_db(), 2)
    );
    let equal: Vec<String> = boards
        .ran()
        .map(|(machine, Run { report, .. })| {
            format!("{}: {} of {}", machine.name(), report.agreements(), report.images.len())
        })
        .collect();
    let on_boards = if equal.is_empty() {
        "not shown here: no board ran".to_owned()
    } else {
        format!("all logits equal on {}", equal.join(", "))
    };
    let html = html! {
        table.text {
            tr { th { "step" } th { "criterion" } th { "found" } }
            tr {
                td { "float model (ONNX) → int8 model (.q8)" }
                td { "approximated: the same class, but for a share of images that was allowed" }
                td { @if report.is_classifier { "the same class: " (agreement) "; " } (gap) }
            }
            tr {
                td { "int8 model → engine on this computer" }
                td { "exact: every output, bit for bit, on every sample" }
                td { "equal on " (images) " of " (images) " samples: two implementations, float kernels on whole numbers and the firmware's engine; the command stops otherwise" }
            }
            tr {
                td { "engine on this computer → engine on a core" }
                td { "exact: every output, bit for bit" }
                td { (on_boards) }
            }
        }
        @if let Some(margin) = report.agreement_margin().filter(|_| report.is_classifier) {
            p {
                "On the device an answer says by itself that float gives the same class, from a margin of " (margin)
                " on. Of these " (report.among_agreeing(verification.agreeing_disagreements())) " differ all the same on these images."
            }
        }
    };
    let json = json!({
        "float_to_int8": {
            "criterion": "approximated",
            "agreement": report.is_classifier.then(|| super::super::json::share(&agreement)),
            "largest_difference": verification.max_difference(),
            "rms_difference": verification.rms_difference(),
            "sqnr_db": verification.sqnr_db(),
        },
        "int8_to_engine": { "criterion": "exact", "samples": images, "equal": images },
        "engine_to_cores": { "criterion": "exact", "boards": boards.equality() },
    });
    let finding = Finding::new(html, json)
        .limit("That the float engine here computes what the ONNX standard defines: it is compared with ONNX Runtime, tract and libtorch by tests of \
                their own, within 3.3e-6 of a logit, and not by this command")
        .limit("Equality of engine and cores for every input: it is shown for the images that ran, and for random networks and images by tests");
    let finding = finding.demand(
        "both models take the same input: their first layers agree, within int8's error",
        report.takes_same_input(),
    );
    match &report.gate {
        None => finding,
        Some(gate) => finding.demand(
            format!(
                "int8 and float give the same class: {}; {} was demanded, and is missed if the whole interval is below it",
                gate.found,
                percent(gate.min)
            ),
            gate.passes(),
        ),
    }
    .into()
}
