//! Plots of a run, each as PNG and as SVG: what it learnt from, how it went, and what it got wrong.
//!
//! `Figures ──all──▶ five plots ──write──▶ samples.png, samples.svg, curves.png, …`
//!
//! Every plot is drawn once, for pixels and for SVG alike; text is of a font of our own, colours are safe for
//! any colour vision.

mod canvas;
mod colour;
mod confusion;
mod curves;
mod filters;
mod lettering;
mod samples;
mod smooth;
mod worst;

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use atomic_write_file::AtomicWriteFile;
use runtime::evaluate::Report;
use runtime::idx::Split;

use crate::evaluate::Mistake;
use crate::export::check_writable;
use crate::recipe::Recipe;
use crate::train::{Epoch, Watch};
use canvas::Plot;
use confusion::Confusion;
use curves::Curves;
use filters::Filters;
use samples::SamplesPlot;
pub use samples::{Column, Samples};
use worst::Worst;

/// All that is plotted.
#[derive(Debug, Clone, Copy)]
pub struct Figures<'a> {
    /// Name of the dataset.
    pub dataset: &'a str,
    /// Names of the classes, by label.
    pub classes: &'a [String],
    /// How it was trained: the training figures are with its dropout and its augmentation.
    pub recipe: &'a Recipe,
    /// What was looked at after every epoch.
    pub watch: Watch,
    /// The epochs.
    pub history: &'a [Epoch],
    /// What it was trained on.
    pub samples: &'a Samples,
    /// The answers on the test images.
    pub report: &'a Report,
    /// The wrong ones, worst first.
    pub mistakes: &'a [Mistake],
    /// The test images.
    pub test: &'a Split,
    /// Kernels of the first layer, `[map][row][column]`.
    pub filters: &'a [f32],
}

impl Figures<'_> {
    /// Name of a class; its number where it has none. Without control characters, which no SVG may hold.
    fn class(&self, class: usize) -> String {
        let name = self.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        name.replace(char::is_control, " ")
    }
}

/// Names of the plots, in the order of [`all`]; files are called after them.
pub const NAMES: [&str; 5] = ["samples", "curves", "confusion", "worst", "filters"];

/// A format of a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Pixels.
    Png,
    /// Shapes; its pictures are in it.
    Svg,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }

    fn draw(self, plot: &impl Plot) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Png => canvas::png(plot),
            Self::Svg => canvas::svg(plot).map(String::into_bytes),
        }
    }
}

/// The plots of [`NAMES`], as files hold them.
///
/// # Errors
/// If a plot cannot be drawn; none is known.
pub fn all(figures: &Figures<'_>, format: Format) -> anyhow::Result<[Vec<u8>; NAMES.len()]> {
    Ok([
        format.draw(&SamplesPlot(figures))?,
        format.draw(&Curves(figures))?,
        format.draw(&Confusion(figures))?,
        format.draw(&Worst(figures))?,
        format.draw(&Filters(figures))?,
    ])
}

/// Makes `folder` if it is missing, and tries whether plots can be written there: before hours of training.
///
/// # Errors
/// If they cannot.
pub fn prepare(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {} for plots", folder.display()))?;
    files().try_for_each(|(_, file)| check_writable(&folder.join(file)))
}

/// Writes all plots into `folder`, which is there; a file that is there is replaced as a whole.
///
/// # Errors
/// If a file cannot be written.
pub fn write(figures: &Figures<'_>, folder: &Path) -> anyhow::Result<()> {
    let plots = [all(figures, Format::Png)?, all(figures, Format::Svg)?];
    for ((_, file), plot) in files().zip(plots.as_flattened()) {
        write_whole(&folder.join(file), plot)?;
    }
    Ok(())
}

/// Formats and names of all files.
fn files() -> impl Iterator<Item = (Format, String)> {
    [Format::Png, Format::Svg].into_iter().flat_map(|format| {
        NAMES.into_iter().map(move |name| (format, format!("{name}.{}", format.extension())))
    })
}

/// Writes a file that has its name only once it is whole.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// `12345` as `12,345`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
