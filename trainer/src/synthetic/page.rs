//! Strokes on a page of paper, and what the reader of pictures makes of them.

use image::{GrayImage, Luma};
use rand::RngExt;
use rand::rngs::StdRng;
use runtime::Image;
use runtime::preprocess::{Content, Prepared, prepare};

use super::{Point, extent, inked};

/// Longer side of what is drawn, in pixels of the page.
const SIZES_PX: [f32; 2] = [18.0, 48.0];
/// Width of the pen, in parts of that.
const PENS: [f32; 2] = [0.04, 0.2];
/// Paper around it, in parts of that.
const MARGINS: [f32; 2] = [0.06, 0.35];

/// Draws paths of any size, dark on light or light on dark, and prepares the page as any other picture.
///
/// `None` if the reader finds no drawing there.
pub(super) fn read(paths: &[Vec<Point>], rng: &mut StdRng) -> Option<Image> {
    let [small, large] = SIZES_PX.map(f32::ln);
    let size = rng.random_range(small..large).exp();
    let mut pen = (size * rng.random_range(PENS[0]..PENS[1])).max(1.0);
    let is_hard = rng.random_range(0..3) == 0;
    if is_hard {
        // as in a paint program
        pen = pen.round();
    }
    let [[left, right], [top, bottom]] = extent(paths);
    let scale = (size - pen) / (right - left).max(bottom - top).max(f32::MIN_POSITIVE);
    let mut margin = || (size * rng.random_range(MARGINS[0]..MARGINS[1])).max(2.0) + pen / 2.0;
    let corner = [margin(), margin()];
    let page = [
        (right - left) * scale + corner[0] + margin(),
        (bottom - top) * scale + corner[1] + margin(),
    ]
    .map(|side| side.ceil() as usize);
    let place = |p: &Point| [(p[0] - left) * scale + corner[0], (p[1] - top) * scale + corner[1]];
    let placed: Vec<Vec<Point>> =
        paths.iter().map(|path| path.iter().map(place).collect()).collect();
    let ink = inked(&placed, pen, page);
    let [paper, pen] = if rng.random_range(0..2) == 0 { [255.0, 0.0] } else { [0.0, 255.0] };
    let picture = GrayImage::from_fn(page[0] as u32, page[1] as u32, |x, y| {
        let ink = ink[y as usize * page[0] + x as usize];
        let ink = if is_hard { ink.round() } else { ink };
        Luma([(paper + (pen - paper) * ink) as u8])
    });
    drawing_on(picture)
}

/// What the reader takes for the drawing on a picture, if it takes anything for one.
pub(super) fn drawing_on(picture: GrayImage) -> Option<Image> {
    let Prepared { image, content } = prepare(&picture.into());
    (content == Content::Drawing).then_some(image)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_reader_finds_strokes_on_nearly_every_page_and_stands_them_as_mnist_does() {
        let mut rng = StdRng::seed_from_u64(1);
        let paths = [vec![[0.1, 0.0], [0.9, 0.0], [0.4, 1.0]]];
        let read: Vec<Image> = (0..50).filter_map(|_| read(&paths, &mut rng)).collect();
        assert!(read.len() > 40, "{}", read.len());
        for image in read {
            let rows: Vec<usize> = (0..28)
                .filter(|row| image.pixels()[row * 28..][..28].iter().any(|&ink| ink > 127))
                .collect();
            let height = rows[rows.len() - 1] + 1 - rows[0];
            assert!((18..=21).contains(&height), "{height}\n{image:?}");
        }
        assert!(drawing_on(GrayImage::from_pixel(40, 40, Luma([255]))).is_none());
    }
}
