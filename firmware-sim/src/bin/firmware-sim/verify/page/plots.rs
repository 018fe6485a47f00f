//! The plots of the page, as SVG.

use std::ops::Range;

use anyhow::anyhow;
use firmware_sim::verify::{LayerFidelity, Verification};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::register_font;

/// Bins of the histograms.
const BINS: usize = 41;
/// Of a plot, in pixels.
const WIDTH: u32 = 560;
/// Of a plot whose height does not depend on what is in it.
const HEIGHT: u32 = 300;
/// Of one layer in a plot of layers.
const LAYER_HEIGHT: u32 = 18;
/// Of a letter of a layer's name.
const LETTER: u32 = 8;
/// Letters of a layer's name that have room.
const MAX_LETTERS: usize = 24;
pub(crate) const CAPTION: (&str, u32) = ("sans-serif", 16);
const BLUE: RGBColor = RGBColor(0, 114, 178); // Okabe and Ito's, told apart by everyone
pub(crate) const ORANGE: RGBColor = RGBColor(213, 94, 0);

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Axes = Cartesian2d<RangedCoordf64, RangedCoordf64>;
pub(crate) type Fault<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// All of them, in the order of the page.
///
/// # Errors
/// If one cannot be drawn; none is known.
pub(super) fn all(verification: &Verification) -> anyhow::Result<[String; 3]> {
    let layers = &verification.layers[..];
    Ok([
        plot((WIDTH, sqnr_height(layers)), |area| sqnr(area, layers))?,
        plot((WIDTH, HEIGHT), |area| errors(area, verification))?,
        plot((WIDTH, HEIGHT), |area| margins(area, verification))?,
    ])
}

/// A drawing of so many pixels, as SVG.
///
/// # Errors
/// If it cannot be drawn; none is known.
pub(crate) fn plot(
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    // its widths only: a browser takes what it has
    register_font("sans-serif", FontStyle::Normal, notosans::REGULAR_TTF)
        .map_err(|_| anyhow!("the font within this program is damaged"))?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area)?;
        draw_result(area.present())?;
    }
    Ok(svg)
}

/// Of the plot of so many layers, with its caption and axis.
fn sqnr_height(layers: &[LayerFidelity]) -> u32 {
    HEIGHT.max(80 + LAYER_HEIGHT * layers.len() as u32)
}

/// Drawing into a string does not fail; the type says that it might.
pub(crate) fn draw_result<T>(result: Result<T, Fault<'_>>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow!("cannot draw a plot: {error}"))
}

/// Bars to the right, the first layer on top, each with its name.
fn sqnr(area: &Area, layers: &[LayerFidelity]) -> anyhow::Result<()> {
    let finite = layers.iter().map(|layer| layer.sqnr_db).filter(|db| db.is_finite());
    let top = finite.fold(10.0, f64::max);
    let of_place = |place: usize| layers.iter().rev().nth(place);
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => of_place(*place).map_or("", |it| &it.layer).to_owned(),
        _ => String::new(),
    };
    // a range of one place would have no name
    let last = layers.len().saturating_sub(1).max(1);
    let longest = layers.iter().map(|layer| layer.layer.chars().count()).max().unwrap_or(0);
    let mut chart = draw_result(
        ChartBuilder::on(area)
            .caption("SQNR of what each layer hands on, dB", CAPTION)
            .margin(10)
            .x_label_area_size(24)
            .y_label_area_size(16 + LETTER * longest.min(MAX_LETTERS) as u32)
            .build_cartesian_2d(0.0..top * 1.05, (0..last).into_segmented()),
    )?;
    draw_result(
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .y_labels(layers.len())
            .y_label_formatter(&name)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .draw(),
    )?;
    let bars = layers.iter().rev().enumerate().map(|(place, layer)| {
        let [low, high] = [place, place + 1].map(SegmentValue::Exact);
        // of zeros there is none
        let right = layer.sqnr_db.max(0.0).min(top);
        let mut bar = Rectangle::new([(0.0, low), (right, high)], BLUE.filled());
        bar.set_margin(3, 3, 0, 0);
        bar
    });
    draw_result(chart.draw_series(bars))?;
    Ok(())
}

fn errors(area: &Area, verification: &Verification) -> anyhow::Result<()> {
    let bins = verification.logit_histogram::<BINS>();
    let largest = bins[BINS - 1].0;
    let counts = bins.map(|(_, count)| count);
    histogram(area, "Logits: int8 minus float", "logits", -largest..largest, &counts)?;
    Ok(())
}

/// How close the answers are to the next class, and where the disagreements lie.
fn margins(area: &Area, verification: &Verification) -> anyhow::Result<()> {
    let largest = verification.margin_quantile(1.0).max(f64::MIN_POSITIVE);
    let mut counts = [0; BINS];
    for comparison in &verification.comparisons {
        let bin = (comparison.float_margin / largest * BINS as f64) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    let caption = "Margin of float's best logit (orange: disagreements)";
    let mut chart = histogram(area, caption, "images", 0.0..largest, &counts)?;
    let height = max_count(&counts) * 0.02;
    let disagreements = verification.disagreements().map(|comparison| {
        TriangleMarker::new((comparison.float_margin, height), 6, ORANGE.filled())
    });
    draw_result(chart.draw_series(disagreements))?;
    Ok(())
}

/// Counts in bins of equal width, which fill `x`.
fn histogram<'a, 'b>(
    area: &'b Area<'a>,
    caption: &str,
    of: &str,
    x: Range<f64>,
    counts: &[u64; BINS],
) -> anyhow::Result<ChartContext<'b, SVGBackend<'a>, Axes>> {
    let hundredths = |x: &f64| format!("{:.2}", (x * 100.0).round() / 100.0 + 0.0); // no −0.00
    let (start, width) = (x.start, (x.end - x.start) / BINS as f64);
    let mut chart = chart(area, caption, of, x, max_count(counts), (11, &hundredths))?;
    let bars = counts.iter().enumerate().map(|(bin, &count)| {
        let left = start + bin as f64 * width;
        Rectangle::new([(left, 0.0), (left + width, count as f64)], BLUE.filled())
    });
    draw_result(chart.draw_series(bars))?;
    Ok(chart)
}

fn max_count(counts: &[u64]) -> f64 {
    counts.iter().copied().max().unwrap_or(0).max(1) as f64
}

/// Axes with whole numbers up to `top`, and on `x` at most `labels` labels, written by `label`.
fn chart<'a, 'b>(
    area: &'b Area<'a>,
    caption: &str,
    of: &str,
    x: Range<f64>,
    top: f64,
    (labels, label): (usize, &dyn Fn(&f64) -> String),
) -> anyhow::Result<ChartContext<'b, SVGBackend<'a>, Axes>> {
    let mut chart = draw_result(
        ChartBuilder::on(area)
            .caption(caption, CAPTION)
            .margin(10)
            .x_label_area_size(24)
            .y_label_area_size(60)
            .build_cartesian_2d(x, 0.0..top * 1.05),
    )?;
    draw_result(
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_labels(labels)
            .x_label_formatter(label)
            .y_label_formatter(&|y| format!("{y:.0}"))
            .y_desc(of)
            .draw(),
    )?;
    Ok(chart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_of_any_number_is_named() {
        for count in [1, 2, 9, 10, 64] {
            let layer = |number: usize| LayerFidelity {
                layer: format!("conv{number}"),
                sqnr_db: 20.0 + number as f64,
                cosine: 1.0,
                max_error_lsb: 1.0,
                mean_error_lsb: 0.2,
                saturated: 0.0,
                dead_channels: 0,
                channels: 4,
                accumulator_bits: 20,
                bound_bits: 22,
                limit_bits: 24,
            };
            let layers: Vec<LayerFidelity> = (1..=count).map(layer).collect();
            let svg = plot((WIDTH, sqnr_height(&layers)), |area| sqnr(area, &layers)).unwrap();
            for layer in &layers {
                assert!(svg.contains(&format!("\n{}\n", layer.layer)), "{svg}");
            }
        }
    }
}
