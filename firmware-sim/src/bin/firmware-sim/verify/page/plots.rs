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
const SIZE: (u32, u32) = (560, 300);
const BLUE: RGBColor = RGBColor(0, 114, 178); // Okabe and Ito's, told apart by everyone
const ORANGE: RGBColor = RGBColor(213, 94, 0);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Axes = Cartesian2d<RangedCoordf64, RangedCoordf64>;
type Fault<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// All of them, in the order of the page.
///
/// # Errors
/// If one cannot be drawn; none is known.
pub(super) fn all(verification: &Verification) -> anyhow::Result<[String; 3]> {
    // its widths only: a browser takes what it has
    register_font("sans-serif", FontStyle::Normal, notosans::REGULAR_TTF)
        .map_err(|_| anyhow!("the font within this program is damaged"))?;
    Ok([
        plot(|area| sqnr(area, &verification.layers))?,
        plot(|area| errors(area, verification))?,
        plot(|area| margins(area, verification))?,
    ])
}

fn plot(draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw(&area)?;
        draw_result(area.present())?;
    }
    Ok(svg)
}

/// Drawing into a string does not fail; the type says that it might.
fn draw_result<T>(result: Result<T, Fault<'_>>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow!("cannot draw a plot: {error}"))
}

fn sqnr(area: &Area, layers: &[LayerFidelity]) -> anyhow::Result<()> {
    let finite = layers.iter().map(|layer| layer.sqnr_db).filter(|db| db.is_finite());
    let top = finite.fold(10.0, f64::max);
    let name = |x: &f64| {
        let layer =
            layers.get((x - 0.5).round() as usize).filter(|_| (x.fract() - 0.5).abs() < 0.1);
        layer.map_or(String::new(), |layer| layer.layer.clone())
    };
    let caption = "SQNR of what each layer hands on, dB";
    let x = 0.0..layers.len() as f64;
    let mut chart = chart(area, caption, "", x, top, (9, &name))?;
    let bars = layers.iter().enumerate().map(|(index, layer)| {
        let x = index as f64;
        Rectangle::new([(x + 0.2, 0.0), (x + 0.8, layer.sqnr_db.clamp(0.0, top))], BLUE.filled())
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
            .caption(caption, ("sans-serif", 16))
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
