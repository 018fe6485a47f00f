//! A contact sheet of the pictures that were misread.

use std::path::Path;

use image::DynamicImage;
use runtime::{Image, preprocess};

use crate::canvas::{BAD, Canvas, FAINT, INK};

/// Maximum number of pictures that are shown.
const MAX_TILES: usize = 200;
/// Tiles in a row.
const COLUMNS: usize = 4;

const MARGIN: u32 = 24;
const TITLE: u32 = 44;
const SIDE: u32 = 140;
const GAP: u32 = 20;
const CAPTION: u32 = 46;
const TILE_WIDTH: u32 = 2 * SIDE + 6;

/// A picture beside what the network saw of it.
pub(crate) struct Tile {
    name: String,
    caption: String,
    original: DynamicImage,
    seen: DynamicImage,
}

impl Tile {
    pub(crate) fn new(
        name: String,
        caption: String,
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
        let mut canvas = Canvas::new(width, 2 * MARGIN + TITLE + rows * row_height);
        let title = match (self.tiles.len(), self.left_out) {
            (0, _) => format!("{headline}; nothing was misread"),
            (_, 0) => format!("{headline}; misread:"),
            (shown, more) => format!("{headline}; {shown} of {} misread:", shown + more),
        };
        canvas.text(&canvas.shorten(&title, 24.0, width - 2 * MARGIN), MARGIN, MARGIN, 24.0, INK);
        for (at, tile) in self.tiles.iter().enumerate() {
            let left = MARGIN + (at as u32 % columns) * (TILE_WIDTH + GAP);
            let top = MARGIN + TITLE + (at as u32 / columns) * row_height;
            canvas.paste(&tile.original, left, top, SIDE);
            canvas.paste(&tile.seen, left + SIDE + 6, top, SIDE);
            canvas.text(&tile.caption, left, top + SIDE + 4, 20.0, BAD);
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
            sheet.push(|| Some(Tile::new("a.png".into(), "1 → 7".into(), &original, &seen)));
        }
        assert_eq!((sheet.tiles.len(), sheet.left_out), (MAX_TILES, 3));
        sheet.save(&path, "0.00 % right").unwrap();
        let rows = MAX_TILES as u32 / COLUMNS as u32;
        assert_eq!(height(&path), 2 * MARGIN + TITLE + rows * (SIDE + CAPTION + GAP));
        let written = image::open(&path).unwrap().to_rgb8();
        let white = written.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
        // all that the network saw
        assert!(white >= MAX_TILES * (SIDE * SIDE) as usize);
    }
}
