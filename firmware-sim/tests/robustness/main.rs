//! Certificates of robustness hold, and attacks are real.

mod networks;

use dataset::Image;
use dataset::idx::Part;
use firmware::Model;
use firmware_sim::int8::Int8Network;
use firmware_sim::robustness::{
    Attack, Effort, Options, Outcome, Robustness, certify, layer_bounds,
};
use firmware_sim::{Error, Ranking, Samples};
use fixtures::benchmarks::{self, Random};
use fixtures::mnist_500;

use networks::{of_all_kinds, of_few_inputs, quantized};

/// What the firmware's engine gives of bytes `[channel][row][column]`.
fn class(model: Model<'_>, input: &[u8]) -> u16 {
    let [channels, height, width] = model.header().input.shape();
    let places = height * width;
    let frame: Vec<u8> = (0..places)
        .flat_map(|place| (0..channels).map(move |channel| input[channel * places + place]))
        .collect();
    let mut scratch = vec![0; model.scratch_words()];
    Ranking::of(model.infer(&frame, &mut scratch).unwrap().0).class
}

/// An image of the box: any one, or a corner of it.
fn nearby(random: &mut Random, image: &Image, level: u8) -> Image {
    let is_corner = random.real() > 0.0;
    let change = |&pixel: &u8| {
        let part = random.real();
        let part = if is_corner { part.signum() } else { part };
        (f32::from(pixel) + (part * f32::from(level)).round()).clamp(0.0, 255.0) as u8
    };
    let pixels: Vec<u8> = image.pixels().iter().map(change).collect();
    Image::new(image.shape(), pixels).unwrap()
}

/// That no image of a box leaves the bounds of any layer.
fn stays_within(random: &mut Random, model: Model<'_>, image: &Image, level: u8) {
    let images: Vec<Image> = (0..24).map(|_| nearby(random, image, level)).collect();
    let network = Int8Network::of(model);
    let traces = network.run(Samples::Images(&images));
    let values = Samples::Images(std::slice::from_ref(image)).values(0);
    for effort in [Effort::Intervals, Effort::EveryLayer] {
        let bounds = layer_bounds(model, &values, level, effort);
        let is_within = |bounds: &[[i32; 2]], values: &[f32]| {
            assert!(values.is_empty() || values.len() == bounds.len());
            bounds
                .iter()
                .zip(values)
                .all(|(&[low, high], &value)| (low..=high).contains(&(value as i32)))
        };
        for trace in &traces {
            for (layer, bounds) in bounds.iter().enumerate() {
                let name = network.names().nth(layer).unwrap();
                assert!(is_within(&bounds.accumulators, &trace.accumulators[layer]), "{name}");
                assert!(is_within(&bounds.outputs, &trace.activations[layer]), "{name}");
            }
        }
    }
}

#[test]
fn no_image_of_a_box_leaves_the_bounds_of_any_layer() {
    let mut random = Random(11);
    for layers in of_all_kinds() {
        for _ in 0..2 {
            let q8 = quantized(&mut random, &layers);
            let model = Model::parse(&q8).unwrap();
            let image = random.image(layers.0);
            for level in [1, 5, 60, 255] {
                stays_within(&mut random, model, &image, level);
            }
        }
    }
}

#[test]
fn bounds_of_what_does_not_change_are_what_the_device_gives() {
    let mut random = Random(5);
    for layers in of_all_kinds() {
        let q8 = quantized(&mut random, &layers);
        let model = Model::parse(&q8).unwrap();
        let image = random.image(layers.0);
        let images = [image];
        let trace = &Int8Network::of(model).run(Samples::Images(&images))[0];
        let values = Samples::Images(&images).values(0);
        for (layer, bounds) in
            layer_bounds(model, &values, 0, Effort::EveryLayer).iter().enumerate()
        {
            let exact: Vec<[i32; 2]> =
                trace.activations[layer].iter().map(|&value| [value as i32; 2]).collect();
            assert_eq!(bounds.outputs, exact);
        }
    }
}

#[test]
fn linear_bounds_are_tighter_than_intervals_and_never_wider() {
    let mut random = Random(3);
    let width =
        |bounds: &[[i32; 2]]| bounds.iter().map(|[low, high]| i64::from(high - low)).sum::<i64>();
    for layers in of_all_kinds() {
        let q8 = quantized(&mut random, &layers);
        let model = Model::parse(&q8).unwrap();
        let image = [random.image(layers.0)];
        let values = Samples::Images(&image).values(0);
        let of = |effort| layer_bounds(model, &values, 4, effort);
        let (intervals, linear) = (of(Effort::Intervals), of(Effort::EveryLayer));
        for (one, other) in intervals.iter().zip(&linear) {
            let pairs = one.accumulators.iter().zip(&other.accumulators);
            for ([low, high], [tight_low, tight_high]) in pairs {
                assert!(low <= tight_low && tight_low <= tight_high && tight_high <= high);
            }
        }
        // of the layers but the last, whose outputs are bounded by their differences
        let [wide, tight] = [&intervals, &linear]
            .map(|it| it.iter().rev().skip(1).map(|it| width(&it.accumulators)).sum::<i64>());
        assert!(tight < wide, "{tight} is not below {wide}");
    }
}

/// All images of a box of few pixels.
fn all_of_box(image: &Image, level: u8) -> Vec<Vec<u8>> {
    image.pixels().iter().fold(vec![vec![]], |all: Vec<Vec<u8>>, &pixel| {
        let range = pixel.saturating_sub(level)..=pixel.saturating_add(level);
        let longer = |start: &Vec<u8>| {
            let start = start.clone();
            range.clone().map(move |pixel| [&start[..], &[pixel]].concat())
        };
        all.iter().flat_map(longer).collect()
    })
}

#[test]
fn of_few_pixels_outcomes_are_what_trying_all_images_shows() {
    let mut random = Random(2);
    let (mut certified, mut attacked) = (0, 0);
    for layers in of_few_inputs() {
        for _ in 0..6 {
            let q8 = quantized(&mut random, &layers);
            let model = Model::parse(&q8).unwrap();
            let images: Vec<Image> = (0..4).map(|_| random.image(layers.0)).collect();
            let numbers: Vec<usize> = (0..images.len()).collect();
            let options = Options { levels: vec![1, 2], ..Options::default() };
            let samples = Samples::Images(&images);
            let found = certify(model, samples, &numbers, &[], &options, |_| ()).unwrap();
            for sample in &found.samples {
                let image = &images[sample.sample];
                assert_eq!(sample.class, class(model, image.pixels()));
                for (&level, outcome) in found.levels.iter().zip(&sample.outcomes) {
                    let all = all_of_box(image, level);
                    let is_robust = all.iter().all(|input| class(model, input) == sample.class);
                    match outcome {
                        Outcome::Certified(_) => assert!(is_robust, "{layers:?}"),
                        Outcome::Attacked(attack) => {
                            assert!(!is_robust && all.contains(&attack.input));
                        }
                        Outcome::Unknown => {}
                    }
                    certified += u32::from(matches!(outcome, Outcome::Certified(_)));
                    attacked += u32::from(matches!(outcome, Outcome::Attacked(_)));
                }
            }
        }
    }
    println!("{certified} certified, {attacked} attacked");
    assert!(certified > 20 && attacked > 2, "{certified} certified, {attacked} attacked");
}

/// Some images of networks of all kinds, at levels at which all outcomes are found.
fn of_random_networks(seed: u64) -> Vec<(Vec<u8>, Vec<Image>, Robustness)> {
    let mut random = Random(seed);
    let certified = of_all_kinds().into_iter().map(|layers| {
        let q8 = quantized(&mut random, &layers);
        let images: Vec<Image> = (0..6).map(|_| random.image(layers.0)).collect();
        let options = Options { levels: vec![1, 8, 40], ..Options::default() };
        let model = Model::parse(&q8).unwrap();
        let found =
            certify(model, Samples::Images(&images), &[0, 2, 3, 5], &[], &options, |_| ()).unwrap();
        (q8, images, found)
    });
    certified.collect()
}

#[test]
fn an_attack_is_an_image_of_the_box_that_changes_the_class_and_nothing_contradicts_a_certificate() {
    let mut random = Random(8);
    let mut counts = [0; 3];
    for (q8, images, found) in of_random_networks(17) {
        let model = Model::parse(&q8).unwrap();
        assert_eq!(found.samples.iter().map(|it| it.sample).collect::<Vec<_>>(), [0, 2, 3, 5]);
        for sample in &found.samples {
            let image = &images[sample.sample];
            for (&level, outcome) in found.levels.iter().zip(&sample.outcomes) {
                match outcome {
                    Outcome::Certified(_) => {
                        counts[0] += 1;
                        for _ in 0..30 {
                            let other = nearby(&mut random, image, level);
                            assert_eq!(class(model, other.pixels()), sample.class);
                        }
                    }
                    Outcome::Attacked(Attack { class: to, input }) => {
                        counts[1] += 1;
                        let pairs = image.pixels().iter().zip(input);
                        assert!(pairs.clone().all(|(one, other)| one.abs_diff(*other) <= level));
                        assert_eq!(pairs.len(), input.len());
                        assert_eq!(class(model, input), *to);
                        assert_ne!(*to, sample.class);
                    }
                    Outcome::Unknown => counts[2] += 1,
                }
            }
        }
    }
    println!("{counts:?} certified, attacked, unknown");
    assert!(counts[0] > 5 && counts[1] > 5, "{counts:?}");
}

#[test]
fn results_are_the_same_for_any_number_of_threads() {
    let of = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            of_random_networks(4).into_iter().map(|(.., found)| found).collect::<Vec<_>>()
        })
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn lenet_keeps_its_class_within_one_grey_level_of_a_digit_that_is_clear() {
    let split = mnist_500(Part::Test);
    let training = mnist_500(Part::Train);
    let q8 =
        firmware_sim::quantize::quantize(runtime::EMBEDDED_MODEL, &training.images, &[]).unwrap();
    let model = Model::parse(&q8).unwrap();
    let options = Options { levels: vec![1], ..Options::default() };
    let samples = Samples::Images(&split.images);
    let found = certify(model, samples, &[0, 1], &split.labels, &options, |_| ()).unwrap();
    let counts = found.counts(0);
    assert_eq!([counts.certified, counts.certified_right], [2, 2]);
    assert_eq!(found.labelled_and_right(), [2, 2]);
    let json = found.json();
    assert_eq!(json["levels"][0]["certified"]["count"], 2);
    assert_eq!([&json["images"], &json["of"]], [2, 500]);
    let mut random = Random(1);
    stays_within(&mut random, model, &split.images[0], 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let benchmark = benchmarks::lone_dense(2, 2, 3);
    let images: Vec<Image> = (0..4).map(|seed| Random(seed).image([1, 2, 2])).collect();
    let q8 = firmware_sim::quantize::quantize(&benchmark.onnx, &images, &[]).unwrap();
    let model = Model::parse(&q8).unwrap();
    let of = |images: &[Image], numbers: &[usize], labels: &[u8]| {
        certify(model, Samples::Images(images), numbers, labels, &Options::default(), |_| ())
    };
    assert!(of(&images, &[3], &[]).is_ok());
    assert!(matches!(of(&images, &[], &[]), Err(Error::NoImages)));
    assert!(matches!(of(&images, &[0], &[1]), Err(Error::Labels { samples: 4, labels: 1 })));
    let other = [Random(1).image([1, 2, 3])];
    assert!(matches!(of(&other, &[0], &[]), Err(Error::Image(_))));
}
