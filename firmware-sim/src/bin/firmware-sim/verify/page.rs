//! The report as a page: one file, with its plots and pictures inside.

use std::io::Cursor;

use anyhow::anyhow;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use firmware_sim::host::verify::{LayerFidelity, Reading, Verification};
use image::{GrayImage, ImageFormat};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::prelude::*;
use plotters::style::register_font;
use runtime::{IMAGE_SIDE, Image28, OneLine};

use super::{Report, Share, Source};

/// Bins of the histograms.
const BINS: usize = 41;
/// Of a plot, in pixels.
const PLOT: (u32, u32) = (560, 300);
const BLUE: RGBColor = RGBColor(0, 114, 178); // Okabe and Ito's, told apart by everyone
const ORANGE: RGBColor = RGBColor(213, 94, 0);

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } code { font-size: .85em; overflow-wrap: anywhere }
.plots, .gallery { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0 } figcaption { font-size: .85rem }
.gallery img { width: 112px; height: 112px; image-rendering: pixelated; border: 1px solid #ccc }
.large { font-size: 1.6rem; font-weight: 600 }";

pub(super) fn html(report: &Report) -> anyhow::Result<String> {
    let verification = report.verification;
    let equal = report.share(verification.equal());
    let unequal: Vec<Reading> = verification.unequal().copied().collect();
    // its widths only: a browser takes what it has
    register_font("sans-serif", FontStyle::Normal, notosans::REGULAR_TTF)
        .map_err(|_| anyhow!("the font within this program is damaged"))?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "int8 against float: " (OneLine(report.q8.path.display())) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Int8 against float" }
                p.large { (equal.count) " of " (equal.all) " predictions are equal" }
                (sources(report))
                (shares(report))
                h2 { "Layer by layer" }
                p {
                    "What each layer hands on, in int8 and in float; errors include those of the layers before. "
                    "LSB is one step of the layer's values; sum bits are what the images needed, what any input could "
                    "need by the bounds in the model, and what the engine has."
                }
                (layers(&verification.layers))
                div.plots {
                    (plot(|area| sqnr(area, &verification.layers))?)
                    (plot(|area| errors(area, verification))?)
                    (plot(|area| margins(area, verification))?)
                }
                h2 { "Read otherwise" }
                @if unequal.is_empty() {
                    p { "None of the images." }
                } @else {
                    (confusion(verification))
                    (gallery(report, &unequal)?)
                }
                h2 { "Least certain in int8" }
                (gallery(report, &verification.least_certain())?)
            }
        }
    };
    Ok(page.into_string())
}

fn sources(report: &Report) -> Markup {
    let file = report.int8.file();
    let source = |name, source: &Source| {
        html! {
            tr { td { (name) } td { (OneLine(source.path.display())) } td { code { (source.hex()) } } }
        }
    };
    html! {
        table {
            tr { th { "" } th { "path" } th { "SHA-256" } }
            (source("float model", &report.onnx))
            (source("int8 model", &report.q8))
            (source("test images and labels", &report.data))
        }
        p {
            "The int8 model was calibrated on " (file.calibration_images.get()) " training images; it is confident from a "
            "margin of " (file.guard.get()) " logit steps on."
        }
    }
}

fn shares(report: &Report) -> Markup {
    let verification = report.verification;
    let row = |name, share: &Share| {
        let interval = share.interval();
        html! {
            tr {
                td { (name) }
                td { (format!("{:.2} %", share.percent())) }
                td { (share.count) " of " (share.all) }
                td { (format!("{:.2} to {:.2} %", interval.low * 100.0, interval.high * 100.0)) }
            }
        }
    };
    html! {
        table {
            tr { th { "" } th { "share" } th { "images" } th { "95 % interval (Wilson)" } }
            (row("right, float", &report.share(verification.float_correct())))
            (row("right, int8", &report.share(verification.int8_correct())))
            (row("equal predictions", &report.share(verification.equal())))
            (row("confident", &report.share(verification.confident())))
            (row("right among confident", &report.among_confident(verification.confident_correct())))
            (row("unequal among confident", &report.among_confident(verification.confident_unequal())))
        }
    }
}

fn layers(layers: &[LayerFidelity]) -> Markup {
    html! {
        table {
            tr {
                th { "layer" } th { "SQNR" } th { "cosine" } th { "mean error" } th { "most" } th { "saturated" }
                th { "dead channels" } th { "sum bits" } th { "proven" } th { "limit" }
            }
            @for layer in layers {
                tr {
                    td { (layer.layer.name()) }
                    td { (format!("{:.2} dB", layer.sqnr_db)) }
                    td { (format!("{:.6}", layer.cosine)) }
                    td { (format!("{:.3} LSB", layer.mean_error_lsb)) }
                    td { (format!("{:.1} LSB", layer.largest_error_lsb)) }
                    td { (format!("{:.4} %", layer.saturated * 100.0)) }
                    td { (layer.dead_channels) " of " (layer.channels) }
                    td { (layer.sum_bits) } td { (layer.bound_bits) } td { (layer.limit_bits) }
                }
            }
        }
    }
}

fn confusion(verification: &Verification) -> Markup {
    html! {
        table {
            tr { th { "float" } th { "int8" } th { "images" } }
            @for ((float, int8), count) in verification.confusion() {
                tr { td { (float) } td { (int8) } td { (count) } }
            }
        }
    }
}

/// Pictures with what both models say of them.
fn gallery(report: &Report, readings: &[Reading]) -> anyhow::Result<Markup> {
    let pictures: Vec<String> = readings
        .iter()
        .map(|reading| png(&report.split.images[reading.image]))
        .collect::<Result<_, _>>()?;
    Ok(html! {
        div.gallery {
            @for (reading, picture) in readings.iter().zip(pictures) {
                figure {
                    img alt={ "image " (reading.image) } src={ "data:image/png;base64," (picture) };
                    figcaption {
                        "image " (reading.image) ", a " (reading.label) br;
                        "float " (reading.float) (format!(" by {:.3}", reading.float_margin)) br;
                        "int8 " (reading.int8) (format!(" by {:.3}", reading.int8_margin))
                        @if !reading.confident { ", unsure" }
                        @if let Some(layer) = reading.turns_at { br; "turns at " (layer.name()) }
                    }
                }
            }
        }
    })
}

fn png(Image28(pixels): &Image28) -> anyhow::Result<String> {
    let side = IMAGE_SIDE as u32;
    let inverted = pixels.iter().map(|ink| 255 - ink).collect();
    let picture = GrayImage::from_raw(side, side, inverted).expect("an image has so many pixels");
    let mut file = Cursor::new(vec![]);
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(BASE64_STANDARD.encode(file.into_inner()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn plot(draw: impl FnOnce(&Area<'_>) -> Result<(), anyhow::Error>) -> anyhow::Result<Markup> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, PLOT).into_drawing_area();
        draw(&area)?;
        presented(area.present())?;
    }
    Ok(html! { figure { (PreEscaped(svg)) } })
}

/// Drawing into a string does not fail; the type says that it might.
fn presented(drawn: Drawn) -> anyhow::Result<()> {
    drawn.map_err(|error| anyhow!("cannot draw a plot: {error}"))
}

fn sqnr(area: &Area, layers: &[LayerFidelity]) -> anyhow::Result<()> {
    let top =
        layers.iter().map(|layer| layer.sqnr_db).filter(|db| db.is_finite()).fold(10.0, f64::max);
    let mut chart = presented_chart(
        ChartBuilder::on(area)
            .caption("SQNR of what each layer hands on, dB", ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(24)
            .y_label_area_size(40)
            .build_cartesian_2d(0.0..layers.len() as f64, 0.0..top * 1.1),
    )?;
    let name = |x: &f64| {
        let layer =
            layers.get((x - 0.5).round() as usize).filter(|_| (x.fract() - 0.5).abs() < 0.1);
        layer.map_or(String::new(), |layer| layer.layer.name().to_owned())
    };
    presented(
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_labels(9)
            .x_label_formatter(&name)
            .y_label_formatter(&count)
            .draw(),
    )?;
    let bars = layers.iter().enumerate().map(|(index, layer)| {
        let x = index as f64;
        Rectangle::new([(x + 0.2, 0.0), (x + 0.8, layer.sqnr_db.clamp(0.0, top))], BLUE.filled())
    });
    presented(chart.draw_series(bars).map(|_| ()))
}

fn errors(area: &Area, verification: &Verification) -> anyhow::Result<()> {
    let bins = verification.logit_histogram::<BINS>();
    let largest = bins[BINS - 1].0;
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or(1) as f64;
    let mut chart = presented_chart(
        ChartBuilder::on(area)
            .caption("Logits: int8 minus float", ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(24)
            .y_label_area_size(60)
            .build_cartesian_2d(-largest..largest, 0.0..most * 1.05),
    )?;
    presented(
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|x| format!("{:.2}", (x * 100.0).round() / 100.0 + 0.0)) // no −0.00
            .y_label_formatter(&count)
            .y_desc("logits")
            .draw(),
    )?;
    let width = 2.0 * largest / BINS as f64;
    let bars = bins.iter().map(|&(edge, count)| {
        Rectangle::new([(edge - width, 0.0), (edge, count as f64)], BLUE.filled())
    });
    presented(chart.draw_series(bars).map(|_| ()))
}

/// A label without decimals.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "plotters hands out references")]
fn count(y: &f64) -> String {
    format!("{y:.0}")
}

/// How close the answers are to the next class, and where those lie that are read otherwise.
fn margins(area: &Area, verification: &Verification) -> anyhow::Result<()> {
    let largest = verification.margin_quantile(1.0).max(f64::MIN_POSITIVE);
    let bin_of = |margin: f64| ((margin / largest * BINS as f64) as usize).min(BINS - 1);
    let mut bins = [0_u32; BINS];
    for reading in &verification.readings {
        bins[bin_of(reading.float_margin)] += 1;
    }
    let most = f64::from(bins.iter().copied().max().unwrap_or(1));
    let mut chart = presented_chart(
        ChartBuilder::on(area)
            .caption(
                "Margin of float's best logit (orange: read otherwise by int8)",
                ("sans-serif", 16),
            )
            .margin(10)
            .x_label_area_size(24)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..largest, 0.0..most * 1.05),
    )?;
    presented(
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .y_label_formatter(&count)
            .y_desc("images")
            .draw(),
    )?;
    let width = largest / BINS as f64;
    let bars = bins.iter().enumerate().map(|(bin, &count)| {
        let x = bin as f64 * width;
        Rectangle::new([(x, 0.0), (x + width, f64::from(count))], BLUE.filled())
    });
    presented(chart.draw_series(bars).map(|_| ()))?;
    let unequal = verification.unequal().map(|reading| {
        TriangleMarker::new((reading.float_margin, most * 0.02), 6, ORANGE.filled())
    });
    presented(chart.draw_series(unequal).map(|_| ()))
}

fn presented_chart<'a, 'b, C: CoordTranslate>(
    chart: Result<
        ChartContext<'b, SVGBackend<'a>, C>,
        DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>,
    >,
) -> anyhow::Result<ChartContext<'b, SVGBackend<'a>, C>> {
    chart.map_err(|error| anyhow!("cannot draw a plot: {error}"))
}
