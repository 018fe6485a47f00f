//! Plots of a run, each as PNG and as SVG: what it learnt from, how it went, and what it got wrong.
//!
//! `Figures ──all──▶ five plots ──write──▶ samples.png, samples.svg, curves.png, …`
//!
//! Every plot is drawn once, for pixels and for SVG alike; text is of a font of our own, colours are safe for
//! any colour vision.

mod colour;
mod confusion;
mod curves;
mod filters;
mod render;
mod samples;
mod supersample;
mod text;
mod worst;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dataset::ConfusionMatrix;
use dataset::idx::Split;
use safe_io::{SingleLine, output};

use crate::evaluate::Misclassification;
use crate::export::{check_rereadable, check_writable};
use crate::recipe::Recipe;
use crate::train::{Epoch, EvalSet};
use confusion::Confusion;
use curves::Curves;
use filters::Filters;
use render::Plot;
use samples::SamplesPlot;
pub use samples::{Column, Samples};
pub(crate) use worst::MAX_SHOWN as MAX_WORST;
use worst::Worst;

/// All that is plotted.
#[derive(Debug, Clone, Copy)]
pub struct Figures<'a> {
    /// Name of the network.
    pub network: &'a str,
    /// Name of the dataset.
    pub dataset: &'a str,
    /// Whether its images are drawings, 255 being ink, which are shown dark on white.
    pub is_ink: bool,
    /// Names of the classes, by label.
    pub classes: &'a [String],
    /// How it was trained: the training figures are with its dropout and its augmentation.
    pub recipe: &'a Recipe,
    /// What was evaluated on after every epoch.
    pub eval_set: EvalSet,
    /// The epochs.
    pub history: &'a [Epoch],
    /// What it was trained on.
    pub samples: &'a Samples,
    /// The answers on the test images.
    pub report: &'a ConfusionMatrix,
    /// The wrong ones, worst first.
    pub misclassifications: &'a [Misclassification],
    /// The test images.
    pub test: &'a Split,
    /// Their files; empty if they are no pictures.
    pub test_files: &'a [String],
    /// Kernels of the first layer, `[map][channel][row][column]`; empty if it has none.
    pub filters: &'a [f32],
    /// Channels, rows and columns of each.
    pub filter_shape: [usize; 3],
}

impl Figures<'_> {
    /// Name of a class; its number where it has none. Without control characters, which no SVG may hold.
    pub(crate) fn class(&self, class: usize) -> String {
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
            Self::Png => render::png(plot),
            Self::Svg => render::svg(plot).map(String::into_bytes),
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
    fs::create_dir_all(folder).with_context(|| {
        format!("cannot make {}: name a folder for the plots", SingleLine(folder.display()))
    })?;
    paths(folder).try_for_each(|path| {
        check_writable(&path)?;
        check_rereadable(&path)
    })
}

/// All files that [`write()`] makes in `folder`.
pub fn paths(folder: &Path) -> impl Iterator<Item = PathBuf> {
    files().map(|(_, file)| folder.join(file))
}

/// Writes all plots into `folder`, which is there; a file that is there is replaced as a whole.
///
/// # Errors
/// If a file cannot be written.
pub fn write(figures: &Figures<'_>, folder: &Path) -> anyhow::Result<()> {
    let plots = [all(figures, Format::Png)?, all(figures, Format::Svg)?];
    for (path, plot) in paths(folder).zip(plots.as_flattened()) {
        write_whole(&path, plot)?;
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
    output::write(path, bytes)
        .with_context(|| format!("cannot write {}", SingleLine(path.display())))
}

/// `12345` as `12,345`.
#[must_use]
pub fn grouped(count: u64) -> String {
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

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use runtime::Image;

    use super::*;
    use crate::evaluate::Score;

    /// A made-up run; every image of an odd class is taken for the class before.
    pub(crate) struct Made {
        pub(crate) classes: Vec<String>,
        pub(crate) history: Vec<Epoch>,
        samples: Samples,
        report: ConfusionMatrix,
        pub(crate) misclassifications: Vec<Misclassification>,
        test: Split,
        filters: Vec<f32>,
    }

    impl Made {
        pub(crate) fn of(classes: usize, epochs: u32, recipe: &Recipe) -> Self {
            let image =
                |index: usize| Image::mnist(std::array::from_fn(|at| (at * (index + 3)) as u8));
            let labels: Vec<u8> = (0..2 * classes).map(|index| (index % classes) as u8).collect();
            let test = Split { images: (0..labels.len()).map(image).collect(), labels };
            let mut report = ConfusionMatrix::new(classes);
            let mut misclassifications = Vec::new();
            for (index, &label) in test.labels.iter().enumerate() {
                let label = usize::from(label);
                let predicted = label - label % 2;
                report.record(label, predicted);
                if label != predicted {
                    misclassifications.push(Misclassification {
                        index,
                        label,
                        predicted,
                        probability: 0.8,
                        loss: 2.0,
                    });
                }
            }
            let history = (1..=epochs).map(|epoch| {
                let score = |part: f64| Score { loss: part, accuracy: 1.0 - part / 10.0 };
                let (training, eval) = (score(2.0 / f64::from(epoch)), score(0.0));
                Epoch { epoch, training, eval: Some(eval), took: Duration::from_secs(1) }
            });
            Self {
                classes: (0..classes).map(|class| class.to_string()).collect(),
                history: history.collect(),
                samples: Samples::draw(&test, recipe.augmentation, 1),
                report,
                misclassifications,
                filters: (0..500_u16).map(|at| f32::from(at) / 250.0 - 1.0).collect(),
                test,
            }
        }

        pub(crate) fn figures<'a>(&'a self, recipe: &'a Recipe) -> Figures<'a> {
            Figures {
                network: "LeNet",
                dataset: "made up",
                is_ink: true,
                classes: &self.classes,
                recipe,
                eval_set: EvalSet::Validation(5),
                history: &self.history,
                samples: &self.samples,
                report: &self.report,
                misclassifications: &self.misclassifications,
                test: &self.test,
                test_files: &[],
                filters: &self.filters,
                filter_shape: [1, 5, 5],
            }
        }
    }

    fn svgs(figures: &Figures<'_>) -> Vec<String> {
        let svgs = all(figures, Format::Svg).unwrap();
        svgs.into_iter().map(|svg| String::from_utf8(svg).unwrap()).collect()
    }

    /// All that an SVG says, line by line.
    fn said(svg: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let texts = document.descendants().filter(|node| node.has_tag_name("text"));
        texts.filter_map(|node| Some(node.text()?.trim().to_owned())).collect()
    }

    #[test]
    fn every_plot_is_one_picture_in_two_formats_whatever_the_number_of_classes() {
        for (classes, epochs, recipe) in
            [(2, 1, Recipe::ORIGINAL), (10, 3, Recipe::BEST), (256, 50, Recipe::BEST)]
        {
            let made = Made::of(classes, epochs, &recipe);
            let figures = made.figures(&recipe);
            for (png, svg) in all(&figures, Format::Png).unwrap().iter().zip(svgs(&figures)) {
                let png = image::load_from_memory(png).unwrap().to_rgb8();
                let colours: BTreeSet<[u8; 3]> = png.pixels().map(|pixel| pixel.0).collect();
                assert!(colours.len() > 20);
                let document = roxmltree::Document::parse(&svg).unwrap();
                let root = document.root_element();
                let attribute = |name| root.attribute(name).unwrap().parse::<u32>().unwrap();
                assert_eq!((attribute("width"), attribute("height")), png.dimensions());
                assert!((900..=1400).contains(&png.width()), "{}", png.width());
                assert!(svg.len() < 300_000, "{}", svg.len());
            }
        }
    }

    #[test]
    fn pictures_are_the_same_in_svg_and_png() {
        let recipe = Recipe::BEST;
        let made = Made::of(10, 1, &recipe);
        let figures = made.figures(&recipe);
        let (pngs, svgs) = (all(&figures, Format::Png).unwrap(), svgs(&figures));
        let decoded = |png: &[u8]| image::load_from_memory(png).unwrap().to_rgb8();

        let document = roxmltree::Document::parse(&svgs[3]).unwrap();
        let images: Vec<_> =
            document.descendants().filter(|node| node.has_tag_name("image")).collect();
        assert_eq!(images.len(), made.misclassifications.len());
        let number = |name| images[0].attribute(name).unwrap().parse::<u32>().unwrap();
        let (x, y, width) = (number("x"), number("y"), number("width"));
        let png = images[0].attribute("href").unwrap().strip_prefix("data:image/png;base64,");
        let image = decoded(&BASE64_STANDARD.decode(png.unwrap()).unwrap());
        let scale = width / image.width();
        let plot = decoded(&pngs[3]);
        for (dx, dy, pixel) in image.enumerate_pixels() {
            let ink = 255
                - made.test.images[made.misclassifications[0].index].pixels()
                    [(dy * 28 + dx) as usize];
            assert_eq!(pixel.0, [ink; 3]);
            assert_eq!(plot.get_pixel(x + dx * scale + 1, y + dy * scale + 1), pixel);
        }

        let plot = decoded(&pngs[4]);
        let document = roxmltree::Document::parse(&svgs[4]).unwrap();
        let runs = document.descendants().filter(|node| {
            node.has_tag_name("rect") && node.parent().is_some_and(|group| group.has_tag_name("g"))
        });
        let mut seen = 0;
        for run in runs {
            let number = |name| run.attribute(name).unwrap().parse::<u32>().unwrap();
            let [red, green, blue] = plot.get_pixel(number("x") + 1, number("y") + 1).0;
            assert_eq!(run.attribute("fill"), Some(&*format!("#{red:02x}{green:02x}{blue:02x}")));
            seen += number("width") / number("height");
        }
        assert_eq!(seen, 500);
    }

    #[test]
    fn names_of_classes_are_text_whatever_they_hold() {
        let recipe = Recipe::BEST;
        let mut made = Made::of(3, 1, &recipe);
        made.classes[1] = "<b>&\"".into();
        made.classes[2] = "a\u{1b}b".into();
        let svgs = svgs(&made.figures(&recipe));
        for plot in [0, 2] {
            let said = said(&svgs[plot]);
            for name in ["<b>&\"", "a b"] {
                assert!(said.iter().any(|text| text == name), "{name} in {said:?}");
            }
        }
        assert!(said(&svgs[3]).contains(&"<b>&\" → 0".to_owned()));
    }

    #[test]
    fn what_a_run_lacks_is_said_and_what_is_no_number_is_left_out() {
        let recipe = Recipe::ORIGINAL;
        let mut made = Made::of(10, 2, &recipe);
        made.misclassifications.clear();
        made.filters.fill(f32::NAN);
        for epoch in &mut made.history {
            epoch.training = Score { loss: f64::NAN, accuracy: f64::NAN };
            epoch.eval = None;
        }
        let svgs = svgs(&made.figures(&recipe));
        assert!(said(&svgs[3]).iter().any(|text| text.starts_with("No error on 20")));
        assert!(said(&svgs[1]).iter().all(|text| text != "validation"));
        assert!(said(&svgs[1]).iter().any(|text| text.contains("with dropout")));
    }

    #[test]
    fn a_run_on_the_test_images_says_test() {
        let recipe = Recipe::ORIGINAL;
        let made = Made::of(10, 1, &recipe);
        let figures = Figures { eval_set: EvalSet::Test, ..made.figures(&recipe) };
        let said = said(&svgs(&figures)[1]);
        assert!(said.contains(&"test".into()) && said.contains(&"100.00 %".into()), "{said:?}");
    }

    #[test]
    fn plots_are_files_of_their_names_and_a_folder_that_cannot_be_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let plots = folder.path().join("a/b");
        prepare(&plots).unwrap();
        assert_eq!(fs::read_dir(&plots).unwrap().count(), 0);
        let recipe = Recipe::BEST;
        write(&Made::of(2, 1, &recipe).figures(&recipe), &plots).unwrap();
        let png = image::open(plots.join("filters.png")).unwrap();
        assert!(png.width() > png.height());
        assert!(fs::read_to_string(plots.join("worst.svg")).unwrap().contains("1 → 0"));
        assert_eq!(fs::read_dir(&plots).unwrap().count(), 2 * NAMES.len());
        for path in paths(&plots) {
            assert!(
                crate::provenance::is_our_plot(&fs::read(&path).unwrap()),
                "{}",
                path.display()
            );
        }
        let refusal = format!("{:#}", prepare(&plots.join("worst.svg")).unwrap_err());
        assert!(refusal.contains("worst.svg"), "{refusal}");
    }

    #[test]
    fn photographs_and_filters_in_colour_are_drawn_in_colour() {
        let recipe = Recipe::PHOTO;
        let mut made = Made::of(3, 2, &recipe);
        let photo = |index: usize| {
            let pixels: Vec<u8> =
                (0..3 * 32 * 20).map(|at| (at / 640 * (60 + index)) as u8).collect();
            Image::new([3, 32, 20], pixels).unwrap()
        };
        made.test.images = (0..made.test.images.len()).map(photo).collect();
        made.samples = Samples::draw(&made.test, recipe.augmentation, 1);
        made.filters = (0..9 * 27_u16).map(|at| f32::from(at * 37 % 101) / 50.0 - 1.0).collect();
        let figures = made.figures(&recipe);
        let figures = Figures { is_ink: false, filter_shape: [3, 3, 3], ..figures };
        let pngs = all(&figures, Format::Png).unwrap();
        for plot in [0, 3, 4] {
            let png = image::load_from_memory(&pngs[plot]).unwrap().to_rgb8();
            let colourful = png.pixels().filter(|pixel| pixel.0[0].abs_diff(pixel.0[2]) > 30);
            assert!(colourful.count() > 500, "{}", NAMES[plot]);
            assert!((900..=1400).contains(&png.width()), "{}", png.width());
        }
        for (filter_shape, filters) in [([1, 1, 1], &[][..]), ([2, 3, 3], &made.filters[..180])] {
            let figures = Figures { filters, filter_shape, ..made.figures(&recipe) };
            assert_eq!(svgs(&figures).len(), NAMES.len());
        }
    }

    #[test]
    fn thousands_are_grouped() {
        let counts = [0, 999, 1000, 1_234_567];
        assert_eq!(counts.map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
