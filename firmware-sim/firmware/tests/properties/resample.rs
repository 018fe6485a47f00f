//! Shrinking by rows: each pixel is the mean of its area, by definition, whatever the crop and the factors.

use firmware::resample::{Crop, MAX_CROP, Resample, ResampleError};
use proptest::prelude::*;

use crate::synthetic::Random;

/// What of the pixels `[at, at + 1]` lies within `[from, to]`, all in parts of which a pixel has `unit`.
fn overlap(at: u64, unit: u64, [from, to]: [u64; 2]) -> u64 {
    let (start, end) = (at * unit, (at + 1) * unit);
    to.min(end).saturating_sub(from.max(start))
}

/// The mean of the area, rounded once, halves up, of every value of the image: `[row][column][channel]`.
fn oracle(frame: &[Vec<u8>], channels: usize, crop: Crop, [width, height]: [u64; 2]) -> Vec<u8> {
    let (columns, rows) = (u64::from(crop.width), u64::from(crop.height));
    let mut image = vec![];
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                let mut sum = 0;
                for row in 0..rows {
                    let high = overlap(row, height, [y * rows, (y + 1) * rows]);
                    for column in 0..columns {
                        let wide = overlap(column, width, [x * columns, (x + 1) * columns]);
                        let line = &frame[usize::from(crop.top) + row as usize];
                        let at = (usize::from(crop.left) + column as usize) * channels + channel;
                        sum += high * wide * u64::from(line[at]);
                    }
                }
                let area = columns * rows;
                image.push(((2 * sum + area) / (2 * area)) as u8);
            }
        }
    }
    image
}

/// A random crop of random frames, after another that was given up.
fn assert_equal<const CHANNELS: usize, const FROM: usize, const TO: usize>(random: &mut Random) {
    let [from, to] = [FROM, TO].map(|bytes| (bytes / CHANNELS) as u16);
    let mut number =
        |first: u16, last: u16| first + (random.next() % (u64::from(last - first) + 1)) as u16;
    let width = number(to, from);
    let frame_height = number(1, 24);
    let crop_height = number(1, frame_height);
    let height = number(1, crop_height);
    let crop = Crop {
        left: number(0, from - width),
        top: number(0, frame_height - crop_height),
        width,
        height: crop_height,
    };
    let mut resample = Resample::<CHANNELS, FROM, TO>::new(frame_height, crop, height).unwrap();
    for is_given_up in [true, false, false] {
        // few values, so that halves are met
        let levels = 1 + random.next() % 256;
        let mut pixel = || (random.next() % levels + 256 - levels) as u8;
        let frame: Vec<Vec<u8>> =
            (0..frame_height).map(|_| (0..FROM).map(|_| pixel()).collect()).collect();
        let mut image = vec![];
        let rows = if is_given_up { frame_height / 2 } else { frame_height };
        for row in &frame[..rows.into()] {
            image.extend(resample.push_row(row[..].try_into().unwrap()).copied());
        }
        if is_given_up {
            resample.restart();
            continue;
        }
        let expected = oracle(&frame, CHANNELS, crop, [to, height].map(u64::from));
        assert_eq!(image.concat(), expected, "{crop:?} of {FROM}x{frame_height} to {TO}x{height}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_pixel_is_the_mean_of_its_area(seed in any::<u64>()) {
        let random = &mut Random(seed);
        assert_equal::<1, 40, 1>(random);
        assert_equal::<1, 28, 28>(random);
        assert_equal::<1, 37, 11>(random);
        assert_equal::<2, 46, 14>(random);
        assert_equal::<3, 75, 51>(random);
        assert_equal::<3, 63, 9>(random);
        assert_equal::<4, 60, 20>(random);
    }
}

#[test]
fn the_largest_sums_have_room() {
    // 4096 times 4096 white pixels to one, and to three by five, whose pixels share others
    let crop = Crop { left: 0, top: 0, width: 4096, height: 4096 };
    let mut one = Resample::<1, 4096, 1>::new(4096, crop, 1).unwrap();
    let mut more = Resample::<1, 4096, 3>::new(4096, crop, 5).unwrap();
    let row = [255; 4096];
    let (mut ones, mut mores) = (vec![], vec![]);
    for _ in 0..4096 {
        ones.extend(one.push_row(&row).copied());
        mores.extend(more.push_row(&row).copied());
    }
    assert_eq!((ones, mores), (vec![[255]], vec![[255; 3]; 5]));
}

#[test]
fn crops_that_cannot_be_are_refused_in_one_sentence() {
    let refused = |left, top, width, height, rows| {
        let crop = Crop { left, top, width, height };
        let error = Resample::<3, 60, 12>::new(30, crop, rows).unwrap_err();
        (error, error.to_string())
    };
    for (left, top, width, height) in
        [(1, 0, 20, 30), (0, 1, 20, 30), (65_535, 0, 65_535, 1), (0, 0, 4, 31)]
    {
        assert!(matches!(refused(left, top, width, height, 1).0, ResampleError::Outside(_)));
    }
    for (width, height, rows) in [(3, 30, 4), (20, 3, 4), (20, 0, 0), (0, 20, 1), (20, 20, 0)] {
        assert!(matches!(refused(0, 0, width, height, rows).0, ResampleError::Enlarges(_)));
    }
    assert_eq!(
        refused(7, 8, 3, 9, 2).1,
        "the crop of 3x9 pixels at 7, 8 is smaller than the image, and this only shrinks: take more of the frame"
    );
    let crop = Crop { left: 0, top: 0, width: 4097, height: 4096 };
    let error = Resample::<1, 4097, 1>::new(4096, crop, 1).unwrap_err();
    assert_eq!(error, ResampleError::TooLarge(crop));
    assert_eq!(
        error.to_string(),
        format!("the crop of 4097x4096 pixels at 0, 0 has more than {MAX_CROP} pixels")
    );
}
