//! A page that text is written and pictures are pasted on.

use std::io::{BufWriter, Cursor, ErrorKind, Write};
use std::path::Path;

use ab_glyph::{Font, FontRef, PxScale};
use anyhow::{Context, anyhow, ensure};
use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage, RgbaImage};
use imageproc::drawing::{draw_filled_rect_mut, draw_hollow_rect_mut, draw_text_mut, text_size};
use imageproc::rect::Rect;
use safe_io::output;
use safe_io::output::Output;

pub(crate) const PAPER: Rgb<u8> = Rgb([250, 250, 248]);
pub(crate) const INK: Rgb<u8> = Rgb([34, 36, 40]);
pub(crate) const FAINT: Rgb<u8> = Rgb([116, 120, 128]);
pub(crate) const GOOD: Rgb<u8> = Rgb([38, 110, 190]);
pub(crate) const BAD: Rgb<u8> = Rgb([190, 50, 40]);
const FRAME: Rgb<u8> = Rgb([205, 207, 212]);

/// White and grey squares, as transparent pixels are shown everywhere.
const SQUARES: [u8; 2] = [255, 222];

/// Where PNG files say what wrote them, and what ours say.
const SOFTWARE: &str = "Software";
const OURS: &str = "runtime";

fn font() -> FontRef<'static> {
    FontRef::try_from_slice(notosans::REGULAR_TTF).expect("the font is a constant that parses")
}

/// Whether the font has all letters of a text.
pub(crate) fn is_drawable(text: &str) -> bool {
    let font = font();
    text.chars().all(|letter| font.glyph_id(letter).0 != 0)
}

/// A page in the making.
pub(crate) struct Canvas {
    pixels: RgbImage,
    font: FontRef<'static>,
}

impl Canvas {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self { pixels: RgbImage::from_pixel(width, height, PAPER), font: font() }
    }

    /// Whether a line of this height takes more than `width` pixels.
    pub(crate) fn is_wider(&self, text: &str, size: f32, width: u32) -> bool {
        text_size(PxScale::from(size), &self.font, text).0 > width
    }

    /// Writes a line whose upper left corner is at `x`, `y`; `size` is its height, in pixels.
    pub(crate) fn text(&mut self, text: &str, x: u32, y: u32, size: f32, colour: Rgb<u8>) {
        let (x, y) = (x as i32, y as i32);
        draw_text_mut(&mut self.pixels, colour, x, y, PxScale::from(size), &self.font, text);
    }

    /// `text`, shortened at its beginning to at most `width` pixels: file names differ at their ends.
    pub(crate) fn shorten(&self, text: &str, size: f32, width: u32) -> String {
        let is_wide = |text: &str| self.is_wider(text, size, width);
        if !is_wide(text) {
            return text.to_owned();
        }
        let ends = text.char_indices().skip(1).map(|(at, _)| format!("…{}", &text[at..]));
        ends.into_iter().find(|end| !is_wide(end)).unwrap_or_else(|| "…".into())
    }

    /// Pastes `picture` into the middle of a frame of this side, as large as it goes; small ones keep their pixels.
    pub(crate) fn paste(&mut self, picture: &DynamicImage, x: u32, y: u32, side: u32) {
        let (width, height) = (u64::from(picture.width()), u64::from(picture.height()));
        let longer = width.max(height);
        let scaled = |length: u64| ((length * u64::from(side) / longer) as u32).max(1);
        let (width, height) = (scaled(width), scaled(height));
        let pixels = if longer > u64::from(side) {
            picture.thumbnail_exact(width, height)
        } else {
            picture.resize_exact(width, height, FilterType::Nearest)
        };
        let (left, top) = (x + (side - width) / 2, y + (side - height) / 2);
        let opaque = over_squares(&pixels.to_rgba8());
        imageops::replace(&mut self.pixels, &opaque, i64::from(left), i64::from(top));
        let frame = Rect::at(x as i32 - 1, y as i32 - 1).of_size(side + 2, side + 2);
        draw_hollow_rect_mut(&mut self.pixels, frame, FRAME);
    }

    /// Fills a rectangle; nothing where it has no pixel.
    pub(crate) fn bar(&mut self, x: u32, y: u32, width: u32, height: u32, colour: Rgb<u8>) {
        if width > 0 && height > 0 {
            let bar = Rect::at(x as i32, y as i32).of_size(width, height);
            draw_filled_rect_mut(&mut self.pixels, bar, colour);
        }
    }

    /// Writes a PNG file.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            let mut file = BufWriter::new(Output::open(path)?);
            let mut png = png::Encoder::new(&mut file, self.pixels.width(), self.pixels.height());
            png.set_color(png::ColorType::Rgb);
            png.add_text_chunk(SOFTWARE.into(), OURS.into())?;
            let mut png = png.write_header()?;
            png.write_image_data(&self.pixels)?;
            png.finish()?;
            file.flush()?;
            Ok(file.into_inner()?.commit()?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Refuses, before any work, what cannot be written, a name that does not end in `.png`, and a file that is there and
/// was not written by [`Canvas::save`], unless `force` is given: `--show a.png b.png` must not cost a photo.
/// `otherwise` says what else could be meant.
pub(crate) fn check_output(
    path: &Path,
    inputs: &[&Path],
    force: bool,
    otherwise: &str,
) -> anyhow::Result<()> {
    let unwritable = || format!("cannot write {}", path.display());
    output::check_not_input(path, inputs).with_context(unwritable)?;
    let is_png = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    ensure!(
        is_png || !output::is_regular_or_absent(path),
        "{}: a PNG picture is written, so choose a name that ends in .png{otherwise}",
        unwritable()
    );
    output::check_replaceable(path, force, is_ours).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow!("{}: {error} with --force{otherwise}", unwritable())
        }
        _ => anyhow!(error).context(format!("cannot replace {}", path.display())),
    })
}

/// Whether a file's content was written by [`Canvas::save`].
fn is_ours(content: &[u8]) -> bool {
    png::Decoder::new(Cursor::new(content)).read_info().is_ok_and(|png| {
        let texts = &png.info().uncompressed_latin1_text;
        texts.iter().any(|text| text.keyword == SOFTWARE && text.text == OURS)
    })
}

fn over_squares(pixels: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [red, green, blue, alpha] = pixels.get_pixel(x, y).0;
        let under = u32::from(SQUARES[(x / 8 + y / 8) as usize % 2]);
        Rgb([red, green, blue].map(|channel| {
            let (channel, alpha) = (u32::from(channel), u32::from(alpha));
            ((channel * alpha + under * (255 - alpha) + 127) / 255) as u8
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    #[test]
    fn long_names_keep_their_ends() {
        let canvas = Canvas::new(1, 1);
        assert_eq!(canvas.shorten("five.png", 16.0, 100), "five.png");
        let short = canvas.shorten("a/very/long/folder/with/a/five.png", 16.0, 100);
        assert!(short.starts_with('…') && short.ends_with("five.png"), "{short}");
        assert_eq!(canvas.shorten("five.png", 16.0, 1), "…");
    }

    #[test]
    fn only_pictures_of_ours_are_replaced_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let check = |name, force| check_output(&path(name), &[], force, "");
        check("new.png", false).unwrap();
        Canvas::new(3, 2).save(&path("page.png")).unwrap();
        check("page.png", false).unwrap();
        assert_eq!(image::open(path("page.png")).unwrap().to_rgb8(), Canvas::new(3, 2).pixels);
        RgbImage::new(3, 2).save(path("photo.png")).unwrap();
        let refusal = check("photo.png", false).unwrap_err().to_string();
        assert!(refusal.contains("photo.png") && refusal.ends_with("with --force"), "{refusal}");
        check("photo.png", true).unwrap();
    }

    #[test]
    fn a_png_is_written_under_no_other_ending() {
        let folder = tempfile::tempdir().unwrap();
        for (name, is_taken) in
            [("a.png", true), ("a.PNG", true), ("a.jpg", false), ("png", false), (".png", false)]
        {
            let checked = check_output(&folder.path().join(name), &[], true, "");
            assert_eq!(checked.is_ok(), is_taken, "{name}: {checked:?}");
        }
    }

    #[test]
    fn small_pictures_keep_their_pixels_and_long_ones_their_aspect() {
        let mut canvas = Canvas::new(100, 100);
        let two = GrayImage::from_fn(2, 2, |x, _| Luma([if x == 0 { 0 } else { 255 }]));
        canvas.paste(&two.into(), 10, 10, 40);
        assert_eq!(canvas.pixels.get_pixel(29, 30).0, [0; 3]);
        assert_eq!(canvas.pixels.get_pixel(30, 30).0, [255; 3]);
        let mut canvas = Canvas::new(100, 100);
        canvas.paste(&GrayImage::new(1000, 1).into(), 10, 10, 40);
        let dark = canvas.pixels.pixels().filter(|pixel| pixel.0 == [0; 3]).count();
        assert_eq!(dark, 40);
    }
}
