//! What the network sees beside the original, in the terminal and as a picture.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, GenericImageView, Rgb};
use runtime::preprocess::Step;
use runtime::{Classifier, Prediction, Verdict};

use crate::canvas::{BAD, Canvas, FAINT, GOOD, INK};

/// Columns of the terminal that a picture takes: as many as what the model sees has pixels along its longer side, within
/// these bounds. Two rows of pixels make a line.
const SIDES: [u32; 2] = [28, 40];
/// Columns of a name and a bar of probability 1.
const NAME_AND_BAR: usize = 11;
/// Maximum columns of a name.
const MAX_NAME: usize = 8;
/// Maximum number of bars beside a picture; of more classes the likeliest are shown.
const MAX_BARS: usize = 14;
/// From dark to light, for terminals without colours and for files.
const SHADES: &[u8] = b" .:-=+*#%@";

/// Draws the original, what the network sees, and the probabilities: of a model of 28×28 pixels in 14 lines of at most 80
/// columns.
pub(crate) fn in_terminal(
    original: &DynamicImage,
    seen: &DynamicImage,
    prediction: &Prediction,
    classes: &[String],
) -> String {
    let colours =
        io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    draw(original, seen, prediction, classes, colours)
}

fn draw(
    original: &DynamicImage,
    seen: &DynamicImage,
    prediction: &Prediction,
    classes: &[String],
    colours: bool,
) -> String {
    let [min, max] = SIDES;
    let side = seen.width().max(seen.height()).clamp(min, max).next_multiple_of(2);
    let [left, right] = [original, seen].map(|picture| half_blocks(picture, side, colours));
    let mut bars = bars(prediction, classes).into_iter();
    let mut text = String::new();
    for (left, right) in left.iter().zip(&right) {
        let drawn = format!("{left}  {right}  {}", bars.next().unwrap_or_default());
        // writing to a String cannot fail
        let _ = writeln!(text, "{}", drawn.trim_end());
    }
    text
}

/// One line for each two rows of a picture that is scaled into a square of this side.
fn half_blocks(picture: &DynamicImage, side: u32, colours: bool) -> Vec<String> {
    let (width, height) = (picture.width(), picture.height());
    let fitted = if width.max(height) > side {
        picture.thumbnail(side, side)
    } else {
        // whole pixels of the picture, not parts
        let times = side / width.max(height);
        picture.resize_exact(width * times, height * times, FilterType::Nearest)
    };
    let (left, top) = ((side - fitted.width()) / 2, (side - fitted.height()) / 2);
    let pixel = |x: u32, y: u32| {
        let inside =
            x >= left && y >= top && x - left < fitted.width() && y - top < fitted.height();
        inside.then(|| {
            let [red, green, blue, alpha] = fitted.get_pixel(x - left, y - top).0;
            // transparent pixels are grey: what they lie on is decided later
            Rgb([red, green, blue].map(|channel| {
                ((u32::from(channel) * u32::from(alpha) + 128 * (255 - u32::from(alpha))) / 255)
                    as u8
            }))
        })
    };
    (0..side / 2)
        .map(|line| {
            let halves = (0..side).map(|x| [pixel(x, 2 * line), pixel(x, 2 * line + 1)]);
            if colours {
                halves.map(coloured).collect::<String>() + "\x1b[0m"
            } else {
                halves.map(shade).collect()
            }
        })
        .collect()
}

/// An upper half block with its own colour and its ground's.
fn coloured([upper, lower]: [Option<Rgb<u8>>; 2]) -> String {
    let code = |layer: u8, colour: Option<Rgb<u8>>| {
        colour.map_or(format!("\x1b[{}m", layer + 1), |Rgb([red, green, blue])| {
            format!("\x1b[{layer};2;{red};{green};{blue}m")
        })
    };
    match (upper, lower) {
        (None, None) => "\x1b[0m ".to_owned(),
        (upper, lower) => format!("{}{}▀", code(38, upper), code(48, lower)),
    }
}

fn shade(halves: [Option<Rgb<u8>>; 2]) -> char {
    let light = |pixel: Option<Rgb<u8>>| {
        pixel.map_or(0, |Rgb([red, green, blue])| {
            (u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114) / 1000
        })
    };
    let mean = halves.into_iter().map(light).sum::<u32>() as usize / 2;
    char::from(SHADES[mean * SHADES.len() / 256])
}

/// Classes in order, or of many the likeliest: name, bar, per cent.
fn bars(prediction: &Prediction, classes: &[String]) -> Vec<String> {
    let mut shown = prediction.top(MAX_BARS);
    if classes.len() <= MAX_BARS {
        shown.sort_by_key(|(class, _)| *class);
    }
    let name = |class: usize| classes[class].chars().take(MAX_NAME).collect::<String>();
    let longest = shown.iter().map(|(class, _)| name(*class).chars().count()).max().unwrap_or(0);
    let length = NAME_AND_BAR - longest;
    let line = |(class, probability): (usize, f32)| {
        let bar = "#".repeat((probability * length as f32).round() as usize);
        let percent = probability * 100.0;
        format!("{:longest$} {bar:length$}{percent:6.1} %", name(class))
    };
    shown.into_iter().map(line).collect()
}

/// Maximum number of bars beside a picture on a page.
const PAGE_BARS: usize = 11;
/// Maximum number of pictures on one page.
pub(crate) const MAX_ROWS: usize = 100;

const MARGIN: u32 = 24;
const TILE: u32 = 168;
const GAP: u32 = 16;
const TITLE: u32 = 34;
const CAPTION: u32 = 26;
const BAR_NAMES: u32 = 70;
const BAR_LENGTH: u32 = 150;
const BAR_PERCENT: u32 = 64;
const BAR_HEIGHT: u32 = 14;

/// A picture with the result of each step, and the answer.
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) prediction: Prediction,
}

/// One page with one row per picture.
#[derive(Default)]
pub(crate) struct Page {
    rows: Vec<Row>,
}

impl Page {
    /// Adds a row, its pictures no larger than they are shown; whoever does so keeps to [`MAX_ROWS`].
    pub(crate) fn push(&mut self, mut row: Row) {
        for step in &mut row.steps {
            if step.picture.width().max(step.picture.height()) > TILE {
                step.picture = step.picture.thumbnail(TILE, TILE);
            }
        }
        self.rows.push(row);
    }

    /// Draws and writes the page.
    pub(crate) fn save(&self, path: &Path, classifier: &Classifier) -> anyhow::Result<()> {
        let steps = self.rows.iter().map(|row| row.steps.len()).max().unwrap_or(0) as u32;
        let bars = BAR_NAMES + BAR_LENGTH + BAR_PERCENT;
        let width = 2 * MARGIN + steps * (TILE + GAP) + bars;
        let row_height = TITLE + TILE + CAPTION + GAP;
        let mut canvas = Canvas::new(width, 2 * MARGIN + self.rows.len() as u32 * row_height);
        for (at, row) in self.rows.iter().enumerate() {
            let top = MARGIN + at as u32 * row_height;
            row.draw(&mut canvas, top, steps, classifier);
        }
        canvas.save(path)
    }
}

impl Row {
    fn draw(&self, canvas: &mut Canvas, top: u32, steps: u32, classifier: &Classifier) {
        let Self { title, steps: pictures, prediction } = self;
        let classes = classifier.classes();
        let (likeliest, verdict) = (prediction.class(), prediction.verdict);
        let colour = if verdict == Verdict::Sure { GOOD } else { BAD };
        let percent = prediction.confidence() * 100.0;
        let name = verdict.name_after(classifier.preparation().preprocess());
        let answer = match verdict {
            Verdict::NoDigit => name.to_owned(),
            _ => format!("{}   {percent:.1} %, {name}", prediction.name()),
        };
        let bars_left = MARGIN + steps * (TILE + GAP);
        let title = canvas.shorten(title, 20.0, bars_left - MARGIN - GAP);
        canvas.text(&title, MARGIN, top, 20.0, INK);
        canvas.text(&answer, bars_left, top, 20.0, colour);
        for (at, step) in pictures.iter().enumerate() {
            let left = MARGIN + at as u32 * (TILE + GAP);
            canvas.paste(&step.picture, left, top + TITLE, TILE);
            canvas.text(&step.name, left, top + TITLE + TILE + 4, 16.0, FAINT);
        }
        // of more classes than there is room for, the likeliest, and how many others there are
        let more = classes.len() > PAGE_BARS;
        let mut shown = prediction.top(if more { PAGE_BARS - 1 } else { PAGE_BARS });
        shown.sort_by_key(|(class, _)| *class);
        let line_top = |line: usize| top + TITLE + line as u32 * (TILE / 10);
        if more {
            let others = format!("{} others are less likely", classes.len() - shown.len());
            canvas.text(&others, bars_left, line_top(shown.len()), 16.0, FAINT);
        }
        for (line, (class, probability)) in shown.into_iter().enumerate() {
            let y = line_top(line);
            let name = canvas.shorten(&classes[class], 16.0, BAR_NAMES - 8);
            canvas.text(&name, bars_left, y, 16.0, INK);
            let length = (probability * BAR_LENGTH as f32).round() as u32;
            let left = bars_left + BAR_NAMES.min(8 + 10 * longest(classes));
            canvas.bar(
                left,
                y + 2,
                length.max(1),
                BAR_HEIGHT - 2,
                if class == likeliest { colour } else { FAINT },
            );
            let percent = format!("{:.1} %", probability * 100.0);
            canvas.text(&percent, left + length + 6, y, 16.0, FAINT);
        }
    }
}

fn longest(classes: &[String]) -> u32 {
    classes.iter().map(|name| name.chars().count()).max().unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, RgbImage};
    use runtime::preprocess;

    fn bar() -> DynamicImage {
        GrayImage::from_fn(60, 60, |x, y| {
            let inked = (28..34).contains(&x) && (10..50).contains(&y);
            Luma([if inked { 20 } else { 240 }])
        })
        .into()
    }

    #[test]
    fn a_terminal_shows_both_pictures_and_one_bar_per_class() {
        let classifier = Classifier::embedded();
        let (steps, prepared) = preprocess::trace(&bar());
        let prediction = classifier.read(&prepared);
        let seen = &steps.last().unwrap().picture;
        let text = draw(&steps[0].picture, seen, &prediction, classifier.classes(), false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 14);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(lines[7].starts_with("@@@"), "the original's paper is light: {text}");
        assert!(lines[1].contains("1 ##"), "{text}");
        let coloured = draw(&steps[0].picture, seen, &prediction, classifier.classes(), true);
        assert!(coloured.lines().all(|line| line.contains("\x1b[0m")), "colours end with the line");
    }

    #[test]
    fn pictures_of_any_shape_keep_their_pixels_in_the_terminal() {
        for (width, height, side) in [
            (20, 32, 32),
            (96, 96, 40),
            (1, 1, 28),
            (5, 3, 28),
            (256, 1, 40),
            (1, 256, 40),
            (31, 2, 32),
        ] {
            let picture: DynamicImage = RgbImage::from_pixel(width, height, Rgb([255; 3])).into();
            let longer = picture.width().max(picture.height());
            assert_eq!(longer.clamp(28, 40).next_multiple_of(2), side);
            let lines = half_blocks(&picture, side, false);
            assert_eq!(lines.len() as u32, side / 2);
            assert!(lines.iter().all(|line| line.chars().count() as u32 == side));
            let lit = lines.concat().chars().filter(|&shade| shade != ' ').count();
            assert!(lit > 0, "{width}x{height}");
            if (width, height) == (20, 32) {
                assert_eq!(lines[7], format!("{:6}{}{:6}", "", "@".repeat(20), ""));
            }
        }
    }

    #[test]
    fn long_names_shorten_the_bars_and_never_the_numbers() {
        let prediction = Classifier::embedded().predict(&preprocess::prepare(&bar()));
        for name in ["7", "nan", "aeroplane, old"] {
            let names: Vec<String> = (0..10).map(|_| name.to_owned()).collect();
            let bars = bars(&prediction, &names);
            assert!(bars.iter().all(|line| line.ends_with(" %") && line.len() == 20), "{bars:?}");
            assert!(bars[1].contains("###"), "{bars:?}");
        }
    }

    #[test]
    fn a_page_has_one_row_per_picture() {
        let (steps, prepared) = preprocess::trace(&bar());
        let classifier = Classifier::embedded();
        let prediction = classifier.read(&prepared);
        let row =
            || Row { title: "bar".into(), steps: steps.clone(), prediction: prediction.clone() };
        let mut page = Page::default();
        page.push(row());
        page.push(row());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.png");
        page.save(&path, &classifier).unwrap();
        let page = image::open(&path).unwrap().to_rgb8();
        assert_eq!(page.height(), 2 * MARGIN + 2 * (TITLE + TILE + CAPTION + GAP));
        let inked = page.pixels().filter(|pixel| pixel.0.iter().all(|&c| c < 60)).count();
        assert!(inked > 1000, "{inked}");
    }
}
