//! A contact sheet of the pictures that were misread.

use std::fmt;
use std::path::Path;

use image::DynamicImage;
use runtime::{Image, preprocess};
use safe_io::SingleLine;

use crate::canvas::{self, BAD, Canvas, FAINT, INK};

/// Maximum number of pictures that are shown.
const MAX_TILES: usize = 200;
/// Tiles in a row.
const COLUMNS: usize = 4;

const MARGIN: u32 = 24;
const TITLE: u32 = 44;
/// Height of the line that says what is beside what.
const LEGEND: u32 = 24;
const SIDE: u32 = 140;
const GAP: u32 = 20;
const CAPTION: u32 = 46;
const CAPTION_SIZE: f32 = 20.0;
const TILE_WIDTH: u32 = 2 * SIDE + 6;

/// What a picture is and what it was taken for: `LABEL → ANSWER  CONFIDENCE %, VERDICT`.
pub(crate) struct Caption {
    /// Names of two classes.
    names: [String; 2],
    /// How sure the model is.
    rest: String,
}

impl Caption {
    /// Of the names of two classes, a confidence of 0 to 1 and the name of a verdict.
    pub(crate) fn new(names: [&str; 2], confidence: f32, verdict: &str) -> Self {
        let names = names.map(|name| SingleLine(name).to_string());
        Self { names, rest: format!("{:.1} %, {verdict}", confidence * 100.0) }
    }

    /// The same with these names where the font lacks a letter of its own.
    pub(crate) fn or_if_not_drawable(mut self, others: [&str; 2]) -> Self {
        for (name, other) in self.names.iter_mut().zip(others) {
            if !canvas::is_drawable(name) {
                other.clone_into(name);
            }
        }
        self
    }

    /// With the ends of long names left out, so that it fits.
    fn fitted(&self, canvas: &Canvas) -> String {
        let longest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let cut = |name: &String, length: usize| match name.char_indices().nth(length) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name.clone(),
        };
        let of_length = |length| {
            let names = [&self.names[0], &self.names[1]].map(|name| cut(name, length));
            Self { names, rest: self.rest.clone() }.to_string()
        };
        let is_fitting = |text: &String| !canvas.is_wider(text, CAPTION_SIZE, TILE_WIDTH);
        (1..=longest).rev().map(of_length).find(is_fitting).unwrap_or_else(|| self.rest.clone())
    }
}

impl fmt::Display for Caption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names: [label, answer], rest } = self;
        write!(f, "{label} → {answer}  {rest}")
    }
}

/// A picture beside what the network saw of it.
pub(crate) struct Tile {
    name: String,
    caption: Caption,
    original: DynamicImage,
    seen: DynamicImage,
}

impl Tile {
    pub(crate) fn new(
        name: String,
        caption: Caption,
        original: &DynamicImage,
        seen: &Image,
    ) -> Self {
        let large = original.width().max(original.height()) > SIDE;
        let original = if large { original.thumbnail(SIDE, SIDE) } else { original.clone() };
        Self { name, caption, original, seen: preprocess::drawing(seen) }
    }
}

/// The misread pictures so far.
#[derive(Default)]
pub(crate) struct ContactSheet {
    tiles: Vec<Tile>,
    left_out: usize,
}

impl ContactSheet {
    /// Adds what `tile` makes, which is asked only if there is room.
    pub(crate) fn push(&mut self, tile: impl FnOnce() -> Option<Tile>) {
        if self.tiles.len() < MAX_TILES
            && let Some(tile) = tile()
        {
            self.tiles.push(tile);
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn save(&self, path: &Path, headline: &str) -> anyhow::Result<()> {
        let columns = self.tiles.len().clamp(2, COLUMNS) as u32;
        let rows = (self.tiles.len() as u32).div_ceil(columns);
        let row_height = SIDE + CAPTION + GAP;
        let width = 2 * MARGIN + columns * (TILE_WIDTH + GAP) - GAP;
        let head = MARGIN + TITLE + if rows == 0 { 0 } else { LEGEND };
        let mut canvas = Canvas::new(width, head + MARGIN + rows * row_height);
        let title = match (self.tiles.len(), self.left_out) {
            (0, _) => format!("{headline}; nothing was misread"),
            (_, 0) => format!("{headline}; misread:"),
            (shown, more) => format!("{headline}; {shown} of {} misread:", shown + more),
        };
        canvas.text(&canvas.shorten(&title, 24.0, width - 2 * MARGIN), MARGIN, MARGIN, 24.0, INK);
        if rows > 0 {
            let legend = "left the picture, right what the network sees of it";
            canvas.text(legend, MARGIN, MARGIN + TITLE - 6, 16.0, FAINT);
        }
        for (at, tile) in self.tiles.iter().enumerate() {
            let left = MARGIN + (at as u32 % columns) * (TILE_WIDTH + GAP);
            let top = head + (at as u32 / columns) * row_height;
            canvas.paste(&tile.original, left, top, SIDE);
            canvas.paste(&tile.seen, left + SIDE + 6, top, SIDE);
            let caption = tile.caption.fitted(&canvas);
            canvas.text(&caption, left, top + SIDE + 4, CAPTION_SIZE, BAD);
            let name = canvas.shorten(&tile.name, 16.0, TILE_WIDTH);
            canvas.text(&name, left, top + SIDE + 25, 16.0, FAINT);
        }
        canvas.save(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::GrayImage;

    #[test]
    fn a_contact_sheet_holds_what_was_misread_and_says_what_it_leaves_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        let mut sheet = ContactSheet::default();
        sheet.save(&path, "100.00 % right").unwrap();
        let height = |path: &Path| image::open(path).unwrap().height();
        assert_eq!(height(&path), 2 * MARGIN + TITLE);
        let seen = Image::mnist([255; 784]);
        for _ in 0..MAX_TILES + 3 {
            let original = GrayImage::new(900, 300).into();
            sheet.push(|| {
                Some(Tile::new(
                    "a.png".into(),
                    Caption::new(["1", "7"], 0.9, "sure"),
                    &original,
                    &seen,
                ))
            });
        }
        assert_eq!((sheet.tiles.len(), sheet.left_out), (MAX_TILES, 3));
        sheet.save(&path, "0.00 % right").unwrap();
        let rows = MAX_TILES as u32 / COLUMNS as u32;
        assert_eq!(height(&path), 2 * MARGIN + TITLE + LEGEND + rows * (SIDE + CAPTION + GAP));
        let written = image::open(&path).unwrap().to_rgb8();
        let white = written.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
        // all that the network saw
        assert!(white >= MAX_TILES * (SIDE * SIDE) as usize);
    }

    #[test]
    fn a_caption_fits_its_tile_and_names_without_letters_get_others() {
        let canvas = Canvas::new(1, 1);
        let caption = |names| Caption::new(names, 0.987, "no match");
        assert_eq!(caption(["1", "b\n"]).fitted(&canvas), "1 → b\\n  98.7 %, no match");
        let long = "W".repeat(300);
        let fitted = caption([&long, "cat"]).fitted(&canvas);
        assert!(fitted.contains("W… → ca") && fitted.ends_with("98.7 %, no match"), "{fitted}");
        assert!(!canvas.is_wider(&fitted, CAPTION_SIZE, TILE_WIDTH));
        let chinese = caption(["七", "é"]).or_if_not_drawable(["class 0", "class 1"]);
        assert_eq!(chinese.to_string(), "class 0 → é  98.7 %, no match");
    }
}
