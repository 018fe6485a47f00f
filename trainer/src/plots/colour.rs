//! Colours that people with any colour vision tell apart, on screens and on grey paper.

use plotters::style::RGBColor;

/// Text.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Text of less weight; 7 to 1 against white.
pub(super) const MUTED: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// Lines that guide the eye.
pub(super) const GUIDE: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// What is right, and the training images; blue of Okabe and Ito 2008, "Color universal design".
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
/// What is wrong, and the validation images; vermilion of the same set.
pub(super) const VERMILION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);

/// Red and blue around white, of Cynthia Brewer's `RdBu`.
const DIVERGING: [RGBColor; 5] = [
    RGBColor(0x21, 0x66, 0xac),
    RGBColor(0x92, 0xc5, 0xde),
    RGBColor(0xf7, 0xf7, 0xf7),
    RGBColor(0xf4, 0xa5, 0x82),
    RGBColor(0xb2, 0x18, 0x2b),
];
/// Brewer's `Blues`.
const RIGHT: [RGBColor; 3] =
    [RGBColor(0xde, 0xeb, 0xf7), RGBColor(0x6b, 0xae, 0xd6), RGBColor(0x08, 0x51, 0x9c)];
/// Brewer's `Oranges`, from where they are well off white: a single error must be seen.
const WRONG: [RGBColor; 3] =
    [RGBColor(0xfd, 0xc9, 0x90), RGBColor(0xf1, 0x69, 0x13), RGBColor(0x8c, 0x2d, 0x04)];
const NO_IMAGES: RGBColor = RGBColor(0xf7, 0xf7, 0xf7);

/// Of −1 to 1; what is not a number is as grey as nothing else.
pub(super) fn diverging(value: f64) -> RGBColor {
    if value.is_nan() {
        return RGBColor(0x77, 0x77, 0x77);
    }
    between(&DIVERGING, f64::midpoint(value.clamp(-1.0, 1.0), 1.0))
}

/// Of a cell of a confusion matrix whose maximum is `max`; counts are seen by their logarithm.
pub(super) fn count(count: u64, max: u64, right: bool) -> RGBColor {
    if count == 0 {
        return NO_IMAGES;
    }
    let part = if max > 1 { (count as f64).ln() / (max as f64).ln() } else { 1.0 };
    between(if right { &RIGHT } else { &WRONG }, part)
}

/// Black or white, whichever reads better on `ground`.
pub(super) fn text_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    // Rec. 601 luma, of 255; about there, both have the same contrast of WCAG 2
    let luma = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    if luma < 120.0 { RGBColor(255, 255, 255) } else { INK }
}

/// The colour at `part`, 0 to 1, of a way along evenly spaced `stops`.
fn between(stops: &[RGBColor], part: f64) -> RGBColor {
    let at = part.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let index = (at as usize).min(stops.len() - 2);
    let (RGBColor(r0, g0, b0), RGBColor(r1, g1, b1)) = (stops[index], stops[index + 1]);
    let mix = |from: u8, to: u8| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * (at - index as f64)).round() as u8
    };
    RGBColor(mix(r0, r1), mix(g0, g1), mix(b0, b1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(one: RGBColor, other: RGBColor) -> u32 {
        let gap = |a: u8, b: u8| u32::from(a.abs_diff(b));
        gap(one.0, other.0) + gap(one.1, other.1) + gap(one.2, other.2)
    }

    #[test]
    fn a_single_error_is_seen_beside_a_thousand_hits() {
        assert!(distance(count(1, 1135, false), count(0, 1135, false)) > 100);
        assert!(distance(count(1, 1135, false), count(10, 1135, false)) > 50);
        assert!(distance(count(1135, 1135, true), count(1135, 1135, false)) > 200);
        assert_eq!(count(1, 1, true), RIGHT[2]);
    }

    #[test]
    fn the_signs_of_weights_mirror_each_other_around_white() {
        assert_eq!(diverging(0.0), DIVERGING[2]);
        assert_eq!((diverging(-1.0), diverging(7.0)), (DIVERGING[0], DIVERGING[4]));
        assert_ne!(diverging(f64::NAN), diverging(0.0));
        assert_eq!(text_on(count(1000, 1000, true)), RGBColor(255, 255, 255));
        assert_eq!(text_on(count(1, 1000, false)), INK);
    }
}
