//! The engine is LeNet's definition, in 128 bits: whole maps, one sum at a time, pooling after
//! requantisation.

use firmware::format::words::unpack;
use firmware::format::{Channel, MAX_ACCUMULATOR, Packed};
use firmware::geometry::{
    CLASSES, CONV1_SIDE, CONV2_SIDE, FAN_IN2, FLAT, HIDDEN, IMAGE_SIDE, KERNEL, KERNEL_ELEMENTS,
    PIXELS, POOL, SIDE1,
};
use firmware::multiplier::Multiplier;
use firmware::{Model, Scratch};
use proptest::prelude::*;

use crate::arithmetic::requantize;
use crate::synthetic::{self, Random};

/// `[map][row][column]` of any sizes.
type Maps = Vec<Vec<Vec<i128>>>;

/// A layer as its definition has it.
struct Plain {
    /// `[out][in]`
    weights: Vec<Vec<i128>>,
    channels: Vec<Channel>,
}

impl Plain {
    fn of(layer: &impl Packed, inputs: usize) -> Self {
        let channels = layer.channels();
        let mut weights = vec![vec![0; inputs]; 2 * channels.len()];
        for outputs in 0..channels.len() {
            for (&word, inputs) in layer.words(outputs) {
                for (input, values) in inputs.into_iter().zip(unpack(word)) {
                    for (odd, value) in values.into_iter().enumerate() {
                        match input {
                            Some(input) => weights[2 * outputs + odd][input] = value.into(),
                            None => assert_eq!(value, 0),
                        }
                    }
                }
            }
        }
        Self { weights, channels: channels.as_flattened().to_vec() }
    }

    /// Convolution and requantisation of every place, then the largest of each 2×2.
    fn convolve(&self, input: &Maps, side: usize) -> Maps {
        let convolved = |out: usize, y: usize, x: usize| {
            let channel = self.channels[out];
            let mut acc = i128::from(channel.bias());
            for (map, rows) in input.iter().enumerate() {
                for ky in 0..KERNEL {
                    for kx in 0..KERNEL {
                        let index = (map * KERNEL + ky) * KERNEL + kx;
                        acc += self.weights[out][index] * rows[y + ky][x + kx];
                    }
                }
            }
            assert!(acc.abs() <= channel.accumulator_bound().into(), "the stored bound holds");
            requantize(acc, channel.multiplier())
        };
        let pooled = |out: usize, y: usize, x: usize| {
            let window =
                (0..POOL).flat_map(|dy| (0..POOL).map(move |dx| (y * POOL + dy, x * POOL + dx)));
            window.map(|(y, x)| convolved(out, y, x)).max().unwrap()
        };
        let range = || 0..side / POOL;
        (0..self.channels.len())
            .map(|out| range().map(|y| range().map(|x| pooled(out, y, x)).collect()).collect())
            .collect()
    }

    /// The sums of a dense layer.
    fn apply(&self, input: &[i128]) -> Vec<i128> {
        let sum =
            |weights: &[i128]| weights.iter().zip(input).map(|(w, value)| w * value).sum::<i128>();
        let channels = self.channels.iter().map(|channel| i128::from(channel.bias()));
        self.weights.iter().zip(channels).map(|(weights, bias)| bias + sum(weights)).collect()
    }
}

fn logits(model: Model<'_>, image: &[u8; PIXELS]) -> Vec<i128> {
    let file = model.file();
    let maps = first_maps(model, image);
    assert_eq!(maps[0].len(), SIDE1);
    let maps = Plain::of(&file.conv2, FAN_IN2).convolve(&maps, CONV2_SIDE);
    let flat: Vec<i128> = maps.into_iter().flatten().flatten().collect();
    assert_eq!(flat.len(), FLAT);
    let dense1 = Plain::of(&file.dense1, FLAT);
    let channels = &dense1.channels;
    let hidden: Vec<i128> = dense1
        .apply(&flat)
        .into_iter()
        .zip(channels)
        .map(|(acc, channel)| requantize(acc, channel.multiplier()))
        .collect();
    assert_eq!(hidden.len(), HIDDEN);
    Plain::of(&file.dense2, HIDDEN).apply(&hidden)
}

fn first_maps(model: Model<'_>, image: &[u8; PIXELS]) -> Maps {
    let rows = image.chunks(IMAGE_SIDE).map(|row| row.iter().map(|&pixel| pixel.into()).collect());
    Plain::of(&model.file().conv1, KERNEL_ELEMENTS).convolve(&vec![rows.collect()], CONV1_SIDE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_engine_is_the_definition(seed in any::<u64>()) {
        let mut random = Random(seed);
        let file = synthetic::file(&mut random);
        let model = Model::new(&file).unwrap();
        // one memory for all: nothing of the image before may show
        let mut scratch = Scratch::new();
        for _ in 0..3 {
            let image = synthetic::image(&mut random);
            let fast = model.infer(&image, &mut scratch);
            prop_assert_eq!(fast.0.map(i128::from).to_vec(), logits(model, &image));
            prop_assert!(usize::from(fast.digit()) < CLASSES);
        }
    }
}

/// The largest magnitude that all weights of an output can have.
fn largest_weight(inputs: usize) -> i8 {
    let fits = (MAX_ACCUMULATOR as usize - MAX_BIAS as usize) / (255 * inputs);
    i8::try_from(fits).unwrap_or(i8::MAX)
}

const MAX_BIAS: i32 = 1000;

#[test]
fn the_engine_is_the_definition_at_the_extremes() {
    let half = Multiplier::from_parts(1 << 30, 31).unwrap();
    let min = Multiplier::from_parts(Multiplier::MIN_MANTISSA, Multiplier::MAX_SHIFT).unwrap();
    let max = Multiplier::from_parts(i32::MAX, 1).unwrap();
    let ramp = std::array::from_fn(|i| (i / IMAGE_SIDE * 9 + i % 3) as u8);
    let mut scratch = Scratch::new();
    let mut ties = 0;
    let weights: [fn(usize) -> i8; 5] =
        [|inputs| -largest_weight(inputs), largest_weight, |_| -1, |_| 1, |_| 0];
    for weight in weights {
        for bias in [-MAX_BIAS, -1, 0, 1, MAX_BIAS] {
            for multiplier in [half, min, max, Multiplier::ONE] {
                let file = synthetic::uniform(weight, bias, multiplier);
                let model = Model::new(&file).expect("sums of these weights are within bounds");
                for image in [[0; PIXELS], [255; PIXELS], [1; PIXELS], ramp] {
                    let fast = model.infer(&image, &mut scratch).0;
                    assert_eq!(
                        fast.map(i128::from).to_vec(),
                        logits(model, &image),
                        "{} {bias} {multiplier:?}",
                        weight(1)
                    );
                    // an odd sum, halved, lies between two activations
                    let first = 25 * i128::from(weight(KERNEL_ELEMENTS)) * i128::from(image[0]);
                    let odd = (first + i128::from(bias)) % 2 != 0;
                    ties += usize::from(multiplier == half && odd && image[1] == image[0]);
                }
            }
        }
    }
    assert!(ties > 20, "{ties} of the first sums were ties");
}

#[test]
fn random_models_do_not_saturate_or_the_property_above_would_say_little() {
    let mut random = Random(1);
    let (mut inside, mut all) = (0, 0);
    for _ in 0..4 {
        let file = synthetic::file(&mut random);
        let model = Model::new(&file).unwrap();
        let image = synthetic::image(&mut random);
        let maps = first_maps(model, &image);
        let conv2 = Plain::of(&model.file().conv2, FAN_IN2);
        let maps = conv2.convolve(&maps, CONV2_SIDE);
        inside += maps.iter().flatten().flatten().filter(|value| (1..255).contains(*value)).count();
        all += FLAT;
    }
    assert!(inside * 4 > all, "{inside} of {all} activations lie strictly inside 0 to 255");
}

#[test]
fn rows_give_what_the_whole_image_gives_and_no_answer_comes_early() {
    let mut random = Random(7);
    let file = synthetic::file(&mut random);
    let model = Model::new(&file).unwrap();
    let image = synthetic::image(&mut random);
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
