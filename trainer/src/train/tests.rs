use network::Topology;

use super::*;
use crate::augment::{Augmentation, Photo};

/// Coloured noise of so many classes, whose mean is the label; equal each time.
fn noise(images: usize, classes: usize) -> Split {
    let _rng = crate::seeding::lock_rng(9);
    let labels: Vec<u8> = (0..images).map(|index| (index % classes) as u8).collect();
    let image = |&label: &u8| {
        let light = 60 * i64::from(label);
        let pixels = Tensor::randint(60, [3 * 12 * 10], (Kind::Int64, Device::Cpu)) + light;
        let pixels = Vec::<u8>::try_from(pixels.to_kind(Kind::Uint8)).unwrap();
        Image::new([3, 12, 10], pixels).unwrap()
    };
    let images = labels.iter().map(image).collect();
    Split { images, labels }
}

fn options(recipe: Recipe, threads: usize) -> Options {
    Options {
        recipe,
        topology: "6c3b-p2-d3b-8b".parse::<Topology>().unwrap(),
        classes: 3,
        eval_set: EvalSet::Validation(20),
        seed: 5,
        device: Device::Cpu,
        threads,
    }
}

fn photo() -> Recipe {
    let hidden = Photo { hidden: 0.4, flip: true, perspective: 0.1, slope: 0.1, ..Photo::USUAL };
    Recipe {
        epochs: 3,
        min_steps: 30,
        batch_size: 32,
        balanced: true,
        augmentation: Some(Augmentation::Photo(hidden)),
        ..Recipe::PHOTO
    }
}

fn finish(run: &mut Run) -> Vec<f32> {
    while run.advance().is_some() {}
    Vec::try_from(run.network().weights()).unwrap()
}

#[test]
fn few_images_make_as_many_steps_as_asked_in_full_batches() {
    let run = Run::new(&noise(84, 3), &noise(0, 3), options(photo(), 2)).unwrap();
    // 64 to train on; an epoch is 10 steps of 32
    assert_eq!((run.steps(), run.passes), (30, 5));
    assert_eq!(run.images_an_epoch(), 320);
}

#[test]
fn a_run_that_goes_on_is_the_run_that_never_stopped_also_with_batch_normalisation() {
    let images = noise(84, 3);
    let new = || Run::new(&images, &images, options(photo(), 2)).unwrap();
    let expected = finish(&mut new());
    for steps in [1, 9, 10, 17] {
        let mut first = new();
        for _ in 0..steps {
            first.advance().unwrap();
        }
        let mut second = new();
        second.resume(first.state()).unwrap();
        assert!(finish(&mut second) == expected, "after {steps} steps");
        assert_eq!(second.history().len(), 3);
    }
}

#[test]
fn a_class_of_few_images_counts_as_much_as_one_of_many() {
    let labels = Tensor::from_slice(&[0_i64, 0, 0, 0, 0, 0, 2, 2]);
    let of = objective(&options(photo(), 1), &labels).class_weights.unwrap();
    // a class without any image weighs nothing anywhere
    let weights = Vec::<f32>::try_from(of).unwrap();
    assert!((weights[0] * 6.0 - weights[2] * 2.0).abs() < 1e-6);
    assert!((weights[3] - 1.0).abs() < 1e-6);
    assert!((weights[0] * 6.0 + weights[2] * 2.0 - 8.0).abs() < 1e-6);
    assert!(objective(&options(Recipe::BEST, 1), &labels).class_weights.is_none());
}

#[test]
fn a_network_that_does_not_fit_is_refused_in_one_sentence() {
    let topology = "6c3-p2-p2-p2-p2-p2".parse().unwrap();
    let options = Options { topology, ..options(photo(), 1) };
    let refusal = Run::new(&noise(84, 3), &noise(0, 3), options).unwrap_err().to_string();
    assert!(refusal.contains("layer 5, \"p2\", is larger"), "{refusal}");
}
