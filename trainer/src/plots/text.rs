//! Text: one font of ours, so that plots look the same on a machine without any.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, TextStyle, register_font,
};

/// Noto Sans, regular and bold; SVG asks for the reader's own sans-serif instead, which is seldom wider.
static FONTS: LazyLock<[FontRef<'static>; 2]> = LazyLock::new(|| {
    [(FontStyle::Normal, notosans::REGULAR_TTF), (FontStyle::Bold, notosans::BOLD_TTF)].map(
        |(style, bytes)| {
            // plotters measures labels with a font of its own register
            let known = register_font(FontFamily::SansSerif.as_str(), style, bytes);
            assert!(known.is_ok(), "the font is a constant that parses");
            FontRef::try_from_slice(bytes).expect("the font is a constant that parses")
        },
    )
});

/// plotters' font sizes are heights of lines: this many times an em, as its SVG backend has it.
pub(super) const LINE_EM: f64 = 1.24;

/// Smallest em that is read with ease.
pub(super) const MIN_EM_PX: f64 = 11.0;

/// Left, centre or right of a point, on its line.
pub(super) const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };
/// See [`LEFT`].
pub(super) const CENTER: Pos = Pos { h_pos: HPos::Center, v_pos: VPos::Center };
/// See [`LEFT`].
pub(super) const RIGHT: Pos = Pos { h_pos: HPos::Right, v_pos: VPos::Center };

/// A style of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextFormat {
    /// The em, in pixels.
    pub(super) em_px: f64,
    pub(super) bold: bool,
    pub(super) colour: RGBColor,
}

impl TextFormat {
    /// For plotters.
    pub(super) fn style(self, anchor: Pos) -> TextStyle<'static> {
        LazyLock::force(&FONTS);
        self.font().color(&self.colour).pos(anchor)
    }

    /// [`Self::style`], read from bottom to top.
    pub(super) fn upward(self, anchor: Pos) -> TextStyle<'static> {
        LazyLock::force(&FONTS);
        let font = self.font().transform(FontTransform::Rotate270);
        font.color(&self.colour).pos(anchor)
    }

    fn font(self) -> FontDesc<'static> {
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        FontDesc::new(FontFamily::SansSerif, self.em_px * LINE_EM, style)
    }

    /// Pixels that `text` takes along its line.
    pub(super) fn width_px(self, text: &str) -> i32 {
        let mut end = 0.0;
        lay_out(text, self.em_px, self.bold, |_, _, advance| end = advance);
        f32::ceil(end) as i32
    }

    /// Smaller letters where `text` would be longer than `width_px`, but never too small to read.
    pub(super) fn shrunk(self, text: &str, width_px: i32) -> Self {
        let part = f64::from(width_px) / f64::from(self.width_px(text).max(1));
        Self { em_px: (self.em_px * part).clamp(MIN_EM_PX.min(self.em_px), self.em_px), ..self }
    }

    /// `text`, shortened with an ellipsis to at most `width_px`.
    pub(super) fn fit(self, text: &str, width_px: i32) -> String {
        if self.width_px(text) <= width_px {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let short = |count: usize| letters[..count].iter().collect::<String>() + "…";
        let fits = (1..letters.len()).rev().map(short).find(|s| self.width_px(s) <= width_px);
        fits.unwrap_or_else(|| "…".into())
    }
}

/// Tells `each` the outline of every letter, placed on a line that begins at 0, and where the next one begins.
pub(super) fn lay_out(
    text: &str,
    em_px: f64,
    bold: bool,
    mut each: impl FnMut(&FontRef<'static>, ab_glyph::Glyph, f32),
) {
    let font = &FONTS[usize::from(bold)];
    let em = font.units_per_em().unwrap_or(1000.0);
    let scale = PxScale::from(em_px as f32 * font.height_unscaled() / em);
    let scaled = font.as_scaled(scale);
    let (mut x, mut before) = (0.0, None);
    for letter in text.chars() {
        let id = scaled.glyph_id(letter);
        x += before.map_or(0.0, |before| scaled.kern(before, id));
        let glyph = id.with_scale_and_position(scale, ab_glyph::point(x, 0.0));
        x += scaled.h_advance(id);
        before = Some(id);
        each(font, glyph, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::style::BLACK;

    const PLAIN: TextFormat = TextFormat { em_px: 20.0, bold: false, colour: BLACK };

    #[test]
    fn text_is_as_wide_as_its_letters_and_what_does_not_fit_is_cut() {
        // Noto Sans: a digit is 572 of 1000 units wide
        assert_eq!(PLAIN.width_px("0000000000"), 115);
        assert!(TextFormat { bold: true, ..PLAIN }.width_px("plane") > PLAIN.width_px("plane"));
        assert_eq!(PLAIN.fit("0000", 60), "0000");
        let cut = PLAIN.fit("ankle boot", 60);
        assert!(cut.ends_with('…') && cut.starts_with("an"), "{cut}");
        assert!(PLAIN.width_px(&cut) <= 60);
        assert_eq!(PLAIN.fit("wide", 1), "…");
        let shrunk = PLAIN.shrunk("0000000000", 100);
        assert!((98..=100).contains(&shrunk.width_px("0000000000")), "{shrunk:?}");
        assert!((PLAIN.shrunk("0000000000", 10).em_px - MIN_EM_PX).abs() < f64::EPSILON);
        assert!((PLAIN.shrunk("0", 100).em_px - PLAIN.em_px).abs() < f64::EPSILON);
    }
}
