//! What a plot is drawn on: a heading, pictures pixel by pixel, and shapes and text above them.

use std::fmt::Write as _;

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::html;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::RGBColor;
use runtime::Image;

use crate::provenance::{GENERATOR, PNG_KEYWORD};

use super::colour::{GUIDE, INK, MUTED};
use super::supersample::{FACTOR, Supersampled, average};
use super::text::{LEFT, TextFormat};

pub(super) type Area<B> = DrawingArea<B, Shift>;
pub(super) type DrawResult<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Between the edge of a plot and all that is on it, in pixels.
pub(super) const MARGIN_PX: i32 = 28;
/// Where a plot begins below its title and its line of explanation.
pub(super) const TOP_PX: i32 = 104;

/// Squares from this side on are few.
const LARGE_PX: u32 = 8;

pub(super) const TITLE: TextFormat = TextFormat { em_px: 26.0, bold: true, colour: INK };
pub(super) const BODY: TextFormat = TextFormat { em_px: 16.0, bold: false, colour: INK };
pub(super) const NOTE: TextFormat = TextFormat { em_px: 15.0, bold: false, colour: MUTED };

/// A plot, drawn alike on all backends.
pub(super) trait Plot {
    /// What it shows, in a few words.
    fn title(&self) -> String;

    /// How to read it, in a line.
    fn note(&self) -> String;

    /// Width and height, in pixels.
    fn size(&self) -> (u32, u32);

    /// What lies below the drawing.
    fn pictures(&self) -> Vec<Picture>;

    /// The drawing; the heading is above [`TOP_PX`].
    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> DrawResult<B>;
}

/// Coloured squares, row by row.
#[derive(Debug)]
pub(super) struct Picture {
    /// Upper left corner, in pixels.
    pub(super) at: (i32, i32),
    /// Side of a square, in pixels.
    pub(super) square_px: u32,
    /// Squares of a row.
    pub(super) width: usize,
    pub(super) squares: Vec<RGBColor>,
}

impl Picture {
    /// An image: ink on paper, or with the colours that it has.
    pub(super) fn of(image: &Image, is_ink: bool, at: (i32, i32), square_px: u32) -> Self {
        let [red, green, blue] = match image.channels() {
            1 | 2 => [0; 3],
            _ => [0, 1, 2],
        }
        .map(|channel| image.channel(channel));
        let shown = |value: u8| if is_ink { 255 - value } else { value };
        let squares = red.iter().zip(green).zip(blue);
        let squares =
            squares.map(|((&r, &g), &b)| RGBColor(shown(r), shown(g), shown(b))).collect();
        Self { at, square_px, width: image.width(), squares }
    }

    fn height(&self) -> usize {
        self.squares.len() / self.width
    }

    fn paste(&self, fine: &mut [u8], width: usize) {
        let side = self.square_px as usize * FACTOR;
        for (index, &RGBColor(red, green, blue)) in self.squares.iter().enumerate() {
            let x = self.at.0 as usize * FACTOR + index % self.width * side;
            let y = self.at.1 as usize * FACTOR + index / self.width * side;
            for line in y..y + side {
                let start = (line * width * FACTOR + x) * 3;
                fine[start..start + side * 3].as_chunks_mut().0.fill([red, green, blue]);
            }
        }
    }

    fn element(&self, svg: &mut String) -> anyhow::Result<()> {
        if self.square_px < LARGE_PX { self.embedded(svg) } else { Ok(self.rectangles(svg)?) }
    }

    /// A rectangle for every run of one colour: crisp in all programs, some of which blur images that they enlarge.
    fn rectangles(&self, svg: &mut String) -> std::fmt::Result {
        let side = self.square_px as i32;
        svg.push_str("<g shape-rendering=\"crispEdges\">\n");
        for (row, y) in self.squares.chunks(self.width).zip((self.at.1..).step_by(side as usize)) {
            let mut x = self.at.0;
            for run in row.chunk_by(|one, next| one == next) {
                let (RGBColor(red, green, blue), width) = (run[0], side * run.len() as i32);
                write!(svg, r#"<rect x="{x}" y="{y}" width="{width}" height="{side}" "#)?;
                writeln!(svg, r##"fill="#{red:02x}{green:02x}{blue:02x}"/>"##)?;
                x += width;
            }
        }
        svg.push_str("</g>\n");
        Ok(())
    }

    /// A PNG in the SVG, for squares too many to spell out.
    fn embedded(&self, svg: &mut String) -> anyhow::Result<()> {
        let rgb: Vec<u8> = self.squares.iter().flat_map(|&RGBColor(r, g, b)| [r, g, b]).collect();
        let png = encode(&rgb, self.width as u32, self.height() as u32)?;
        let [width, height] =
            [self.width, self.height()].map(|squares| squares * self.square_px as usize);
        // `pixelated` is of CSS Images 3
        writeln!(
            svg,
            r#"<image x="{}" y="{}" width="{width}" height="{height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{}"/>"#,
            self.at.0,
            self.at.1,
            BASE64_STANDARD.encode(png)
        )?;
        Ok(())
    }
}

/// `plot` as SVG, which carries its pictures in itself.
pub(super) fn svg(plot: &impl Plot) -> anyhow::Result<String> {
    let mut drawn = String::new();
    draw(plot, &SVGBackend::with_string(&mut drawn, plot.size()).into_drawing_area())?;
    let (head, shapes) = drawn.split_once('>').context("plotters has drawn no SVG")?;
    let title = html! { metadata { (GENERATOR) } title { (plot.title()) } }.into_string();
    let mut svg = format!(
        "{head} role=\"img\">\n{title}\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    plot.pictures().iter().try_for_each(|picture| picture.element(&mut svg))?;
    Ok(svg + shapes)
}

/// `plot` as PNG.
pub(super) fn png(plot: &impl Plot) -> anyhow::Result<Vec<u8>> {
    let (width, height) = plot.size();
    let mut fine = vec![255; width as usize * height as usize * 3 * FACTOR.pow(2)];
    for picture in plot.pictures() {
        picture.paste(&mut fine, width as usize);
    }
    draw(plot, &Supersampled::new(&mut fine, plot.size()).into_drawing_area())?;
    encode(&average(&fine, width as usize), width, height)
}

fn draw<B: DrawingBackend>(plot: &impl Plot, area: &Area<B>) -> anyhow::Result<()> {
    let room = plot.size().0 as i32 - 2 * MARGIN_PX;
    let heading = [(TITLE, plot.title(), 40), (NOTE, plot.note(), 74)];
    heading
        .iter()
        .try_for_each(|(format, text, y)| {
            let text = format.fit(text, room);
            area.draw_text(&text, &format.style(LEFT), (MARGIN_PX, *y))
        })
        .and_then(|()| plot.draw(area))
        .and_then(|()| area.present())
        .map_err(|error| anyhow!("cannot draw {}: {error}", plot.title()))
}

/// A PNG of `rgb`, three bytes a pixel, which says that we wrote it.
fn encode(rgb: &[u8], width: u32, height: u32) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut png = png::Encoder::new(&mut bytes, width, height);
    png.set_color(png::ColorType::Rgb);
    png.add_text_chunk(PNG_KEYWORD.into(), GENERATOR.into())?;
    let mut png = png.write_header()?;
    png.write_image_data(rgb)?;
    png.finish()?;
    Ok(bytes)
}

/// A thin line around a picture of this width and height, just outside of it.
pub(super) fn frame<B: DrawingBackend>(
    area: &Area<B>,
    (x, y): (i32, i32),
    (width, height): (i32, i32),
) -> DrawResult<B> {
    let corners = [(x - 1, y - 1), (x + width, y + height)];
    area.draw(&plotters::element::Rectangle::new(corners, GUIDE))
}
