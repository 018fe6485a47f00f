//! The report as a page: one file, with its plots and pictures inside.

pub(super) mod classes;
mod memory;
pub(crate) mod plots;

use std::io::Cursor;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dataset::Image;
use firmware_sim::verify::{Comparison, LayerFidelity, Reconstruction};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use safe_io::{PAGE_STYLE, SingleLine};

use classes::Confusion;

use super::text::known;
use super::{Report, Source, verdict};
use crate::provenance::GENERATOR;
use crate::share::{Gate, Share, percent};

pub(super) fn html(report: &Report) -> anyhow::Result<String> {
    let verification = report.verification;
    let disagreements: Vec<Comparison> = verification.disagreements().copied().collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta name="viewport" content="width=device-width";
                title { "int8 against float: " (report.q8.name()) }
                style { (PreEscaped(PAGE_STYLE)) }
            }
            body {
                h1 { "Int8 against float" }
                @if let Some(Gate { found, .. }) = &report.gate {
                    p.result { "Int8 and float agree on " (found.count) " of " (found.all) " images" }
                }
                @if let Some(trained_on) = report.trained_on {
                    p { "Warning: " (trained_on.to_string()) "." }
                }
                @if let Some(gate) = &report.gate {
                    p {
                        (if gate.passes() { "Passed" } else { "Failed" })
                        ": at least " (percent(gate.min)) " was asked for, and fails where the 95 % interval lies below it."
                    }
                }
                @if report.assumes_classes {
                    p { "Classes are called after the folders, in the order of their names: the ONNX file names none." }
                }
                h2 { "The run" }
                (facts(&report.origin.facts()))
                (sources(report))
                h2 { "Answers" }
                @if report.is_classifier { (shares(report)) } @else { (outputs(report)) }
                @if let Some(confusion) = Confusion::of(report) { (confusion.html()) }
                h2 { "Memory and instructions" }
                (memory::html(report.int8))
                h2 { "Layer by layer" }
                p {
                    "What each layer hands on, in int8 and in float; errors include those of the layers before. "
                    "LSB is one unit of the layer's int8 values, and of the last layer's sums; accumulator bits are what the images needed, what any "
                    "input could need by the bounds in the model, and what the engine has."
                }
                (layers(&verification.layers))
                div.plots {
                    @for svg in plots(report)? { figure { (PreEscaped(svg)) } }
                }
                @if report.is_classifier {
                    h2 { "Disagreements" }
                    @if disagreements.is_empty() {
                        p { "None." }
                    } @else {
                        (confusion(report))
                        (gallery(report, &disagreements)?)
                    }
                    h2 { "Least certain in int8" }
                    (gallery(report, &verification.least_certain())?)
                } @else {
                    h2 { "Largest differences" }
                    (differences(&verification.most_different()))
                }
            }
        }
    };
    Ok(page.into_string())
}

/// Names and values, one below the other.
pub(super) fn facts<N: AsRef<str>>(facts: &[(N, String)]) -> Markup {
    html! {
        dl {
            @for (name, value) in facts { dt { (SingleLine(name.as_ref())) } dd { (SingleLine(value)) } }
        }
    }
}

pub(super) fn sources(report: &Report) -> Markup {
    let header = report.int8.header();
    let source = |name, source: &Source| {
        html! {
            tr { td { (name) } td { (source.name()) } td { code { (source.hex()) } } }
        }
    };
    html! {
        table {
            tr { th { "" } th { "file" } th { "SHA-256" } }
            (source("float model", &report.onnx))
            (source("int8 model", &report.q8))
            (source(if report.is_classifier { "test images and labels" } else { "samples" }, &report.data))
        }
        p {
            "The int8 model was calibrated on " (header.calibration_images.get()) " training images; "
            @if let Some(margin) = report.agreement_margin() {
                "its answers say that they agree with float from a margin of " (margin) " logit units on."
            } @else {
                "no answer says that it agrees with float."
            }
        }
    }
}

/// Of outputs that are no classes.
pub(super) fn outputs(report: &Report) -> Markup {
    let verification = report.verification;
    html! {
        p {
            (report.int8.outputs()) " outputs of each of " (verification.images()) " samples, int8 against float: they differ by at most "
            (format!("{:.4}", verification.max_difference())) ", mean " (format!("{:.4}", verification.mean_difference()))
            ", RMS " (format!("{:.4}", verification.rms_difference())) "; SQNR " (known(verification.sqnr_db(), 2)) " dB."
        }
        @if let Some(Reconstruction { float, int8, max_change }) = verification.reconstruction() {
            p {
                "Reconstruction of what goes in, mean squared error: float " (format!("{float:.4}")) ", int8 "
                (format!("{int8:.4}")) "; of a sample it differs by at most " (percent(max_change)) "."
            }
        }
    }
}

/// The samples of which the outputs differ most.
pub(super) fn differences(comparisons: &[Comparison]) -> Markup {
    html! {
        table {
            tr { th { "sample" } th { "largest difference" } th { "reconstruction error, float" } th { "int8" } }
            @for comparison in comparisons {
                tr {
                    td { (comparison.image) }
                    td { (format!("{:.4}", comparison.max_difference)) }
                    @for model in 0..2 {
                        td {
                            (comparison.reconstruction.map_or("-".into(), |errors| format!("{:.4}", errors[model])))
                        }
                    }
                }
            }
        }
    }
}

/// Of a classifier the margins too.
pub(super) fn plots(report: &Report) -> anyhow::Result<Vec<String>> {
    let mut plots = plots::all(report.verification)?.to_vec();
    if !report.is_classifier {
        plots.pop();
    }
    Ok(plots)
}

pub(super) fn shares(report: &Report) -> Markup {
    let verification = report.verification;
    let answers = report.answers();
    let header =
        html! { tr { th { "" } th { "share" } th { "images" } th { "95 % interval (Wilson)" } } };
    let row = |name, share: &Share| {
        html! {
            tr {
                td { (name) }
                td { (share.percent()) }
                td { (share.count) " of " (share.all) }
                td { (share.interval_percent()) }
            }
        }
    };
    html! {
        table {
            (header)
            (row("right, float", &report.among_labelled(verification.float_correct())))
            (row("right, int8", &report.among_labelled(verification.int8_correct())))
            @if let Some(gate) = &report.gate { (row("agreement", &gate.found)) }
        }
        @if let Some(verdicts) = report.verdicts_of_no_class() {
            p { "Of pictures that are of no class:" }
            table {
                (header)
                @for (name, share) in &verdicts { (row(name, share)) }
            }
        }
        @if !answers.is_empty() {
            p {
                "What the device says of its answers: how sure it is, or that a picture is none of the classes; and "
                "whether float surely gives the same class."
            }
            table {
                (header)
                @for (name, share) in &answers { (row(name, share)) }
            }
        }
    }
}

pub(super) fn layers(layers: &[LayerFidelity]) -> Markup {
    html! {
        table {
            tr {
                th { "layer" } th { "SQNR" } th { "cosine" } th { "mean error" } th { "max error" } th { "saturated" }
                th { "dead channels" } th { "accumulator bits" } th { "proven" } th { "limit" }
            }
            @for layer in layers {
                tr {
                    td { (layer.layer) }
                    td { (known(layer.sqnr_db, 2)) " dB" }
                    td { (known(layer.cosine, 6)) }
                    td { (format!("{:.3} LSB", layer.mean_error_lsb)) }
                    td { (format!("{:.1} LSB", layer.max_error_lsb)) }
                    td { (format!("{:.4} %", layer.saturated * 100.0)) }
                    td { (layer.dead_channels) " of " (layer.channels) }
                    td { (layer.accumulator_bits) } td { (layer.bound_bits) } td { (layer.limit_bits) }
                }
            }
        }
    }
}

fn confusion(report: &Report) -> Markup {
    html! {
        table {
            tr { th { "float" } th { "int8" } th { "images" } }
            @for ((float, int8), count) in report.verification.confusion() {
                tr { td { (report.class(float)) } td { (report.class(int8)) } td { (count) } }
            }
        }
    }
}

/// Pictures with both models' answers.
pub(super) fn gallery(report: &Report, comparisons: &[Comparison]) -> anyhow::Result<Markup> {
    let picture =
        |comparison: &Comparison| report.content.image(comparison.image).map(png).transpose();
    let pictures: Vec<Option<String>> =
        comparisons.iter().map(picture).collect::<Result<_, _>>()?;
    Ok(html! {
        div.gallery {
            @for (comparison, picture) in comparisons.iter().zip(pictures) {
                figure {
                    @if let Some(picture) = picture {
                        img alt={ "image " (comparison.image) } src={ "data:image/png;base64," (picture) };
                    }
                    figcaption {
                        "image " (comparison.image)
                        @if let Some(label) = comparison.label { ", a " (report.class(label.into())) } br;
                        "float " (report.class(comparison.float)) (format!(" by {:.3}", comparison.float_margin)) br;
                        "int8 " (report.class(comparison.int8)) (format!(" by {:.3}", comparison.int8_margin))
                        ", " (verdict(comparison.verdict)) @if comparison.agrees { ", agrees" }
                        @if let Some(layer) = comparison.first_diverging_layer { br; "diverges at " (report.layer(layer)) }
                    }
                }
            }
        }
    })
}

/// A picture as people see it: grey ones are ink on paper.
fn png(image: &Image) -> anyhow::Result<String> {
    let [width, height] = [image.width(), image.height()].map(|side| side as u32);
    let picture = if image.channels() < 3 {
        let inverted = image.channel(0).iter().map(|ink| 255 - ink).collect();
        let grey = GrayImage::from_raw(width, height, inverted);
        DynamicImage::from(grey.expect("the sizes are equal"))
    } else {
        let [red, green, blue] = [0, 1, 2].map(|channel| image.channel(channel));
        let pixels = red.iter().zip(green).zip(blue);
        let pixels = pixels.flat_map(|((red, green), blue)| [*red, *green, *blue]).collect();
        let colour = RgbImage::from_raw(width, height, pixels);
        DynamicImage::from(colour.expect("the sizes are equal"))
    };
    let mut file = Cursor::new(vec![]);
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(BASE64_STANDARD.encode(file.into_inner()))
}
