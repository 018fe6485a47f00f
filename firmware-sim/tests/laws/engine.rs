//! The engine is LeNet's definition, in 128 bits: whole maps, one sum at a time, pooling after
//! requantisation.

use firmware_sim::format::{Channel, Layer};
use firmware_sim::geometry::{
    CLASSES, CONV1_SIDE, CONV2_SIDE, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, PIXELS, POOL, SIDE1,
};
use firmware_sim::{Model, Scratch};
use proptest::prelude::*;

use crate::arithmetic::requantize;
use crate::drawn::{self, Random};

/// `[map][row][column]` of any sizes.
type Maps = Vec<Vec<Vec<i128>>>;

fn weight(byte: u8) -> i128 {
    i128::from(byte as i8)
}

/// Convolution and requantisation of every place, then the largest of each 2×2.
fn stage<const OUT: usize, const IN: usize>(
    layer: &Layer<'_, OUT, IN>,
    input: &Maps,
    side: usize,
) -> Maps {
    let convolved = |out: usize, y: usize, x: usize| {
        let channel = Channel::parse(&layer.channels[out]).unwrap();
        let mut acc = i128::from(channel.bias);
        for (map, rows) in input.iter().enumerate() {
            for ky in 0..KERNEL {
                for kx in 0..KERNEL {
                    let index = (map * KERNEL + ky) * KERNEL + kx;
                    acc += weight(layer.weights[out][index]) * rows[y + ky][x + kx];
                }
            }
        }
        assert!(acc.abs() <= channel.bound.into(), "the stored bound holds");
        requantize(acc, channel.multiplier)
    };
    let pooled = |out: usize, y: usize, x: usize| {
        let window =
            (0..POOL).flat_map(|dy| (0..POOL).map(move |dx| (y * POOL + dy, x * POOL + dx)));
        window.map(|(y, x)| convolved(out, y, x)).max().unwrap()
    };
    let range = || 0..side / POOL;
    (0..OUT)
        .map(|out| range().map(|y| range().map(|x| pooled(out, y, x)).collect()).collect())
        .collect()
}

fn dense<const OUT: usize, const IN: usize>(
    layer: &Layer<'_, OUT, IN>,
    input: &[i128],
) -> Vec<(i128, Channel)> {
    assert_eq!(input.len(), IN);
    (0..OUT)
        .map(|out| {
            let channel = Channel::parse(&layer.channels[out]).unwrap();
            let products =
                layer.weights[out].iter().zip(input).map(|(&w, value)| weight(w) * value);
            (i128::from(channel.bias) + products.sum::<i128>(), channel)
        })
        .collect()
}

fn logits(model: &Model<'_>, image: &[u8; PIXELS]) -> Vec<i128> {
    let contents = model.contents();
    let rows = image.chunks(IMAGE_SIDE).map(|row| row.iter().map(|&pixel| pixel.into()).collect());
    let maps = stage(&contents.conv1, &vec![rows.collect()], CONV1_SIDE);
    assert_eq!(maps[0].len(), SIDE1);
    let maps = stage(&contents.conv2, &maps, CONV2_SIDE);
    let flat: Vec<i128> = maps.into_iter().flatten().flatten().collect();
    assert_eq!(flat.len(), FLAT);
    let hidden = dense(&contents.dense1, &flat);
    let hidden: Vec<i128> =
        hidden.into_iter().map(|(acc, channel)| requantize(acc, channel.multiplier)).collect();
    assert_eq!(hidden.len(), HIDDEN);
    dense(&contents.dense2, &hidden).into_iter().map(|(acc, _)| acc).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_engine_is_the_definition(seed in any::<u64>()) {
        let mut random = Random(seed);
        let file = drawn::file(&mut random);
        let model = Model::parse(&file[..]).unwrap();
        // one memory for all: nothing of the image before may show
        let mut scratch = Scratch::new();
        for _ in 0..3 {
            let image = drawn::image(&mut random);
            let fast = model.infer(&image, &mut scratch);
            prop_assert_eq!(fast.0.map(i128::from).to_vec(), logits(&model, &image));
            prop_assert!(usize::from(fast.digit()) < CLASSES);
        }
    }
}

#[test]
fn drawn_models_do_not_saturate_or_the_law_above_would_say_little() {
    let mut random = Random(1);
    let (mut inside, mut all) = (0, 0);
    for _ in 0..4 {
        let file = drawn::file(&mut random);
        let model = Model::parse(&file[..]).unwrap();
        let image = drawn::image(&mut random);
        let rows =
            image.chunks(IMAGE_SIDE).map(|row| row.iter().map(|&pixel| pixel.into()).collect());
        let maps = stage(&model.contents().conv1, &vec![rows.collect()], CONV1_SIDE);
        let maps = stage(&model.contents().conv2, &maps, CONV2_SIDE);
        inside += maps.iter().flatten().flatten().filter(|value| (1..255).contains(*value)).count();
        all += FLAT;
    }
    assert!(inside * 4 > all, "{inside} of {all} activations lie strictly inside 0 to 255");
}

#[test]
fn rows_give_what_the_whole_image_gives_and_no_answer_comes_early() {
    let mut random = Random(7);
    let file = drawn::file(&mut random);
    let model = Model::parse(&file[..]).unwrap();
    let image = drawn::image(&mut random);
    let (rows, _) = image.as_chunks::<IMAGE_SIDE>();
    let mut scratch = Scratch::new();
    let whole = model.infer(&image, &mut scratch);

    let mut early = model.start(&mut scratch);
    for row in &rows[1..] {
        early.push_row(row);
    }
    assert!(!early.is_complete());
    assert_eq!(early.finish(), None);

    let mut frame = model.start(&mut scratch);
    for row in rows {
        frame.push_row(row);
    }
    assert!(frame.is_complete());
    frame.push_row(&rows[0]); // beyond the last: ignored
    assert_eq!(frame.finish(), Some(whole));
}
