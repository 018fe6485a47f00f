//! Loss and accuracy by epoch.

use std::ops::Range;

use plotters::chart::ChartBuilder;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::Circle;
use plotters::prelude::DrawingBackend;
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor, ShapeStyle, TRANSPARENT};

use super::Figures;
use super::colour::{BLUE, GUIDE, MUTED, VERMILION};
use super::render::{Area, BODY, DrawResult, MARGIN_PX, NOTE, Picture, Plot, TOP_PX};
use super::text::{LEFT, TextFormat};
use crate::evaluate::Score;

const SIZE_PX: (i32, i32) = (1200, 560);
/// Room for the last figures, to the right of the curves.
const LAST_PX: i32 = 110;
/// Two lines of text.
const LINES_PX: i32 = 48;
/// With more epochs than this, points would hide the line.
const MAX_POINTS: usize = 40;
/// Maximum epochs drawn; of more, evenly spaced ones are.
const MAX_EPOCHS: usize = 400;

pub(super) struct Curves<'a>(pub(super) &'a Figures<'a>);

/// A figure, and the logarithmic axis that it is read from.
struct Panel {
    title: &'static str,
    unit: &'static str,
    /// What the axis is the logarithm of.
    value: fn(Score) -> f64,
    /// What stands at a tick of that value.
    tick: fn(f64) -> String,
    /// The figure in words.
    text: fn(Score) -> String,
    /// What is below it, such as no error at all, is drawn at it.
    min: f64,
    max: f64,
    /// Whether smaller values are higher up.
    falling: bool,
}

impl Panel {
    /// At the minimum lies all that is less.
    fn label(&self, tick: f64) -> String {
        let sign = match self.falling {
            _ if tick > self.min * (1.0 + EXACT) => "",
            true => "≥",
            false => "≤",
        };
        format!("{sign}{}", (self.tick)(tick))
    }
}

const PANELS: [Panel; 2] = [
    Panel {
        title: "Loss",
        unit: "mean cross-entropy in nats, log scale",
        value: |score| score.loss,
        tick: trimmed,
        text: |score| format!("{:.4}", score.loss),
        min: 1e-4,
        max: 1e6,
        falling: false,
    },
    Panel {
        title: "Accuracy",
        unit: "images classified right, in %, log scale of the errors",
        value: |score| (1.0 - score.accuracy) * 100.0,
        tick: |wrong| trimmed(100.0 - wrong),
        text: |score| format!("{:.2} %", score.accuracy * 100.0),
        min: 0.01,
        max: 100.0,
        falling: true,
    },
];

/// More than what powers and logarithms are off by.
const EXACT: f64 = 1e-9;

/// A number without needless digits.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// 1, 2 and 5 times powers of ten between `min` and `max`: the nearest around `values`, and all between.
fn steps(values: &[f64], min: f64, max: f64) -> Vec<f64> {
    let (low, high) =
        values.iter().fold((max, min), |(low, high), &value| (low.min(value), high.max(value)));
    // parsed, for multiplied ones are off by a bit
    let step = |power: i32, digit: u8| format!("{digit}e{power}").parse().unwrap_or(f64::NAN);
    let steps = (-4..7).flat_map(|power| [1, 2, 5].map(|digit| step(power, digit)));
    let steps: Vec<f64> = steps.filter(|step| (min..=max).contains(step)).collect();
    let first = steps.iter().rposition(|step| *step < low).unwrap_or(0);
    let end = steps.iter().position(|step| *step > high).unwrap_or(steps.len() - 1);
    steps[first.min(end.saturating_sub(1))..=end].to_vec()
}

/// Those of [`steps`] that get a tick: all, or if that is too much the powers of ten.
fn ticks(steps: &[f64]) -> Vec<f64> {
    const MANY: usize = 9;
    let is_power = |step: &f64| (step.log10() - step.log10().round()).abs() < EXACT;
    steps.iter().copied().filter(|step| steps.len() <= MANY || is_power(step)).collect()
}

/// Epochs with a tick: the first, and at most twelve evenly spaced ones.
fn epochs(last: u32) -> Vec<f64> {
    let steps = (0..6).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u32.pow(power)));
    let step = steps.into_iter().find(|step| last / step <= 12).unwrap_or(last);
    let even = (step..=last).step_by(step as usize).filter(|epoch| *epoch > 1);
    std::iter::once(1).chain(even).map(f64::from).collect()
}

/// An axis with ticks where they are wanted; plotters' own for this cannot be labelled when it holds fractions.
struct Axis {
    /// What lies left or below, and right or above.
    ends: [f64; 2],
    ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let [low, high] = self.ends;
        from + ((value - low) / (high - low) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        let [low, high] = self.ends;
        low.min(high)..low.max(high)
    }
}

/// One curve of a panel.
struct Curve {
    name: &'static str,
    colour: RGBColor,
    scores: Vec<(u32, Score)>,
}

impl Curves<'_> {
    /// Those with anything on them.
    fn curves(&self) -> Vec<Curve> {
        let training = self.0.history.iter().map(|done| (done.epoch, done.training)).collect();
        let eval = self.0.history.iter().filter_map(|done| Some((done.epoch, done.eval?)));
        let curves = [
            Curve { name: "training", colour: BLUE, scores: training },
            Curve { name: self.0.eval_set.name(), colour: VERMILION, scores: eval.collect() },
        ];
        curves.into_iter().filter(|curve| !curve.scores.is_empty()).collect()
    }

    fn panel<B: DrawingBackend>(&self, area: &Area<B>, panel: &Panel, left: i32) -> DrawResult<B> {
        let head = TextFormat { em_px: 18.0, bold: true, ..BODY };
        area.draw_text(panel.title, &head.style(LEFT), (left, TOP_PX + 8))?;
        area.draw_text(panel.unit, &NOTE.style(LEFT), (left, TOP_PX + 32))?;
        let width = (SIZE_PX.0 - 3 * MARGIN_PX) / 2 - LAST_PX;
        let height = SIZE_PX.1 - TOP_PX - 48 - MARGIN_PX / 2;
        let place = area.clone().shrink((left, TOP_PX + 48), (width, height));

        let curves = self.curves();
        let value = |score| (panel.value)(score).clamp(panel.min, panel.max);
        let scores = curves.iter().flat_map(|curve| &curve.scores);
        let values: Vec<f64> =
            scores.map(|(_, score)| value(*score)).filter(|value| value.is_finite()).collect();
        let steps = steps(&values, panel.min, panel.max);
        let (low, high) = (steps[0].log10(), steps[steps.len() - 1].log10());
        let ends = if panel.falling { [high, low] } else { [low, high] };
        let ticks = ticks(&steps).into_iter().map(f64::log10).collect();
        let last = self.0.history.iter().map(|done| done.epoch).max().unwrap_or(1);
        let beside = (f64::from(last) / 40.0).max(0.5);
        let across = [1.0 - beside, f64::from(last) + beside];
        let mut chart = ChartBuilder::on(&place)
            .x_label_area_size(48)
            .y_label_area_size(62)
            .margin_top(12)
            .build_cartesian_2d(Axis { ends: across, ticks: epochs(last) }, Axis { ends, ticks })?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GUIDE)
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED)
            .label_style(NOTE.style(LEFT))
            .axis_desc_style(NOTE.style(LEFT))
            .x_label_formatter(&|epoch| format!("{epoch:.0}"))
            .y_label_formatter(&|log| panel.label(10_f64.powf(*log)))
            .x_desc("epoch")
            .draw()?;
        let mut lasts = Vec::new();
        for curve in &curves {
            // the newest of so many epochs that they would share pixels
            let step = curve.scores.len().div_ceil(MAX_EPOCHS);
            let spaced = curve.scores.iter().rev().step_by(step).rev();
            let seen = spaced.filter(|(_, score)| (panel.value)(*score).is_finite());
            let points: Vec<(f64, f64)> =
                seen.map(|&(epoch, score)| (f64::from(epoch), value(score).log10())).collect();
            let line = ShapeStyle { stroke_width: 2, ..curve.colour.into() };
            chart.draw_series(LineSeries::new(points.iter().copied(), line))?;
            if points.len() <= MAX_POINTS {
                let point = |&at| Circle::new(at, 4, curve.colour.filled());
                chart.draw_series(points.iter().map(point))?;
            }
            let end = points.last().map_or(TOP_PX + 100, |end| chart.backend_coord(end).1);
            lasts.push((end, curve));
        }
        lasts.sort_by_key(|(y, _)| *y);
        let room = (TOP_PX + 60, SIZE_PX.1 - 100);
        let mut free = room.0;
        for (index, (y, curve)) in lasts.iter().enumerate() {
            let below = (lasts.len() - 1 - index) as i32;
            let y = (*y).min(room.1 - below * LINES_PX).max(free);
            free = y + LINES_PX;
            let name = TextFormat { bold: true, colour: curve.colour, ..BODY };
            let x = left + width + 14;
            area.draw_text(curve.name, &name.style(LEFT), (x, y - 10))?;
            if let Some((_, score)) = curve.scores.last() {
                let text = TextFormat { bold: false, ..name };
                area.draw_text(&(panel.text)(*score), &text.style(LEFT), (x, y + 11))?;
            }
        }
        Ok(())
    }
}

impl Plot for Curves<'_> {
    fn title(&self) -> String {
        format!("Training on {}, epoch by epoch", self.0.dataset)
    }

    fn note(&self) -> String {
        let recipe = self.0.recipe;
        let with = match (recipe.augmentation.is_some(), recipe.dropout > 0.0) {
            (true, true) => "with augmentation and dropout",
            (true, false) => "with augmentation",
            (false, true) => "with dropout",
            (false, false) => "by the weights of each step",
        };
        let training = format!("Training figures are means over the epoch, {with}");
        let averaged = if recipe.averaging.is_some() { ", on averaged weights" } else { "" };
        if self.0.history.iter().any(|done| done.eval.is_some()) {
            format!(
                "{training}; {} figures are taken after it, without{averaged}.",
                self.0.eval_set.name()
            )
        } else {
            format!("{training}.")
        }
    }

    fn size(&self) -> (u32, u32) {
        (SIZE_PX.0 as u32, SIZE_PX.1 as u32)
    }

    fn pictures(&self) -> Vec<Picture> {
        Vec::new()
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B> {
        let step = (SIZE_PX.0 - MARGIN_PX) / 2;
        let lefts = [MARGIN_PX, MARGIN_PX + step];
        PANELS.iter().zip(lefts).try_for_each(|(panel, left)| self.panel(area, panel, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_enclose_what_they_measure_and_keep_near_accuracies_apart() {
        assert_eq!(steps(&[1.0, 0.3], 0.01, 100.0), [0.2, 0.5, 1.0, 2.0]);
        assert_eq!(steps(&[0.01], 0.01, 100.0), [0.01, 0.02]);
        assert_eq!(steps(&[90.0, 100.0], 0.01, 100.0), [50.0, 100.0]);
        assert_eq!(steps(&[100.0], 0.01, 100.0), [50.0, 100.0]);
        assert!(steps(&[], 0.01, 100.0).len() > 1);
        assert_eq!(ticks(&[0.2, 0.5, 1.0]), [0.2, 0.5, 1.0]);
        assert_eq!(ticks(&steps(&[0.013, 90.0], 0.01, 100.0)), [0.01, 0.1, 1.0, 10.0, 100.0]);
        let labels: Vec<String> = [0.2, 0.5, 1.0].map(PANELS[1].tick).to_vec();
        assert_eq!(labels, ["99.8", "99.5", "99"]);
    }

    #[test]
    fn epochs_are_whole_and_few() {
        assert_eq!(epochs(1), [1.0]);
        assert_eq!(epochs(3), [1.0, 2.0, 3.0]);
        assert_eq!(epochs(30), [1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert!(epochs(100_000).len() < 14);
    }
}
