//! What both models answer on the test images: shares with their intervals, class by class, and layer by layer.

use maud::{PreEscaped, html};
use serde_json::json;

use super::Subject;
use super::evidence::{Evidence, Finding};
use crate::verify::page::classes::Confusion;
use crate::verify::{json, page};

pub(super) fn evidence(subject: &Subject) -> anyhow::Result<Evidence> {
    let report = subject.report;
    let verification = report.verification;
    let confusion = Confusion::of(report);
    let differ: Vec<_> = verification.disagreements().copied().collect();
    let html = html! {
        @if report.is_classifier { (page::shares(report)) } @else { (page::outputs(report)) }
        @if let Some(confusion) = &confusion { h3 { "Class by class" } (confusion.html()) }
        h3 { "Layer by layer" }
        p {
            "What each layer hands on, in int8 and in float; errors include those of the layers before. LSB is one unit of the layer's "
            "int8 values. Of the last layer it is one unit of its sums in 32 bits, which is far finer: there a mean error of hundreds is small, as "
            "the SQNR says."
        }
        (page::layers(&verification.layers))
        div.plots {
            @for svg in page::plots(report)? { figure { (PreEscaped(svg)) } }
        }
        @if report.is_classifier {
            h3 { "Images on which the two models differ" }
            @if differ.is_empty() { p { "None." } } @else { (page::gallery(report, &differ)?) }
            h3 { "Least certain in int8" }
            (page::gallery(report, &verification.least_certain())?)
        } @else {
            h3 { "Largest differences" }
            (page::differences(&verification.most_different()))
        }
    };
    let mut whole = json::object(report);
    // as `--json` has it, but for folders
    for (name, source) in [("float", &report.onnx), ("int8", &report.q8), ("data", &report.data)] {
        whole[name]["path"] = source.name().into();
    }
    let json = json!({
        "verification": whole,
        "confusion": confusion.map(|it| it.json()),
    });
    let mut finding = Finding::new(html, json);
    if verification.labelled() == 0 {
        finding = finding.limit("How many answers are right: the data have no labels");
    }
    if report.of_no_class.is_none() && report.is_classifier {
        finding = finding.limit("What the device says of images of none of the classes: the data hold none, in a folder or a CSV file as `none`");
    }
    Ok(finding
        .limit("Accuracy in any subset but the classes, such as light, device or writer: the data name none")
        .into())
}
