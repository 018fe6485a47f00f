//! Pixels without jags: plotters' bitmap backend, three times as fine, and then averaged.

use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle,
};

use super::text::{LINE_EM, lay_out};

/// Fine pixels along a side of a pixel.
pub(super) const FACTOR: usize = 3;

/// Height of a small letter of Noto Sans, in em; `ex` in SVG.
const X_HEIGHT_EM: f64 = 0.536;

/// A backend whose pixels are [`FACTOR`] times finer than its coordinates.
pub(super) struct Supersampled<'a>(BitMapBackend<'a>);

type Error = <BitMapBackend<'static> as DrawingBackend>::ErrorType;
type DrawResult = Result<(), DrawingErrorKind<Error>>;

impl<'a> Supersampled<'a> {
    /// Draws into `rgb`, which has `FACTOR² · 3` bytes a pixel.
    pub(super) fn new(rgb: &'a mut [u8], (width, height): (u32, u32)) -> Self {
        let fine = FACTOR as u32;
        Self(BitMapBackend::with_buffer(rgb, (width * fine, height * fine)))
    }
}

/// Means of [`FACTOR`]×[`FACTOR`] pixels, three bytes each.
pub(super) fn average(fine: &[u8], width: usize) -> Vec<u8> {
    let line = width * FACTOR * 3;
    let mut rgb = Vec::with_capacity(fine.len() / FACTOR.pow(2));
    for lines in fine.chunks_exact(line * FACTOR) {
        for at in 0..width * 3 {
            let (x, channel) = (at / 3 * FACTOR, at % 3);
            let of = |y: usize, dx: usize| usize::from(lines[y * line + (x + dx) * 3 + channel]);
            let sum: usize = (0..FACTOR).flat_map(|y| (0..FACTOR).map(move |dx| of(y, dx))).sum();
            rgb.push((sum / FACTOR.pow(2)) as u8);
        }
    }
    rgb
}

/// The corner of a pixel.
fn corner((x, y): BackendCoord) -> BackendCoord {
    (x * FACTOR as i32, y * FACTOR as i32)
}

/// The middle of a pixel: thin lines then fill whole pixels.
fn middle(at: BackendCoord) -> BackendCoord {
    let (x, y) = corner(at);
    (x + FACTOR as i32 / 2, y + FACTOR as i32 / 2)
}

struct Thick<'a, S>(&'a S);

impl<S: BackendStyle> BackendStyle for Thick<'_, S> {
    fn color(&self) -> BackendColor {
        self.0.color()
    }

    fn stroke_width(&self) -> u32 {
        self.0.stroke_width() * FACTOR as u32
    }
}

impl DrawingBackend for Supersampled<'_> {
    type ErrorType = Error;

    fn get_size(&self) -> (u32, u32) {
        let (width, height) = self.0.get_size();
        (width / FACTOR as u32, height / FACTOR as u32)
    }

    fn ensure_prepared(&mut self) -> DrawResult {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> DrawResult {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> DrawResult {
        self.draw_rect(point, (point.0 + 1, point.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> DrawResult {
        let ((x0, y0), (x1, y1)) = (middle(from), middle(to));
        if x0 != x1 && y0 != y1 {
            return self.0.draw_line((x0, y0), (x1, y1), &Thick(style));
        }
        let width = Thick(style).stroke_width() as i32;
        let (before, after) = (width / 2, width - width / 2);
        let upper_left = (x0.min(x1) - before, y0.min(y1) - before);
        let lower_right = (x0.max(x1) + after, y0.max(y1) + after);
        self.0.draw_rect(upper_left, lower_right, &style.color(), true)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> DrawResult {
        if fill {
            return self.0.draw_rect(corner(upper_left), corner(bottom_right), style, true);
        }
        let ((x0, y0), (x1, y1)) = (upper_left, bottom_right);
        let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
        corners.windows(2).try_for_each(|ends| self.draw_line(ends[0], ends[1], style))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> DrawResult {
        let mut points: Vec<BackendCoord> = path.into_iter().collect();
        points.dedup();
        match points[..] {
            [] | [_] => Ok(()),
            [from, to] => self.draw_line(from, to, style),
            _ => self.0.draw_path(points.into_iter().map(middle), &Thick(style)),
        }
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> DrawResult {
        self.0.draw_circle(middle(center), radius * FACTOR as u32, &Thick(style), fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> DrawResult {
        self.0.fill_polygon(vert.into_iter().map(middle), style)
    }

    /// plotters' own text stands on whole pixels without its side bearings, which looks uneven; this one is
    /// placed as the SVG backend asks browsers to.
    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> DrawResult {
        let em_px = style.size() / LINE_EM * FACTOR as f64;
        let bold = matches!(style.style(), FontStyle::Bold);
        let mut width = 0.0;
        lay_out(text, em_px, bold, |_, _, end| width = end);
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let baseline = em_px
            * match style.anchor().v_pos {
                VPos::Top => 0.76,
                VPos::Center => X_HEIGHT_EM / 2.0,
                VPos::Bottom => -X_HEIGHT_EM / 2.0,
            };
        let (origin, transform) = (corner(pos), style.transform());
        let BackendColor { alpha, rgb } = style.color();
        let mut drawn = Ok(());
        lay_out(text, em_px, bold, |font, mut glyph, _| {
            glyph.position.x += left;
            glyph.position.y += baseline as f32;
            let Some(outline) = ab_glyph::Font::outline_glyph(font, glyph) else { return };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, cover| {
                let at =
                    transform.transform(corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                let colour = BackendColor { alpha: alpha * f64::from(cover.min(1.0)), rgb };
                let result = self.0.draw_pixel((origin.0 + at.0, origin.1 + at.1), colour);
                if result.is_err() {
                    drawn = result;
                }
            });
        });
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::style::BLACK;

    #[test]
    fn a_thin_line_fills_its_pixels_and_no_others() {
        let mut fine = vec![255; 5 * 4 * 3 * FACTOR.pow(2)];
        Supersampled::new(&mut fine, (5, 4)).draw_line((1, 2), (3, 2), &BLACK).unwrap();
        let grey: Vec<u8> = average(&fine, 5).chunks(3).map(|rgb| rgb[0]).collect();
        let white = [255; 5];
        assert_eq!(grey, [white, white, [255, 0, 0, 0, 255], white].concat());
    }
}
