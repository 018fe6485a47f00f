//! What is trained on: images of any shape, and pictures in folders.

use std::fs;
use std::path::Path;

use dataset::idx::{self, Part};
use runtime::{Classifier, Image, Verdict};

use crate::{text, trainer};

/// Coloured pictures of 12×9, whose brightness is the label, as a dataset in `folder`.
fn coloured(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let labels: Vec<u8> = (0..80).map(|index| index % 2).collect();
    let image = |(index, &label): (usize, &u8)| {
        let pixels = (0..3 * 12 * 9).map(|at| 180 * label + ((at * (index + 7)) % 60) as u8);
        Image::new([3, 12, 9], pixels.collect::<Vec<u8>>()).unwrap()
    };
    let images: Vec<Image> = labels.iter().enumerate().map(image).collect();
    for part in [Part::Train, Part::Test] {
        fs::write(folder.join(part.colour_image_file()), idx::emit_images(&images)).unwrap();
        fs::write(folder.join(part.label_file()), idx::emit_labels(&labels)).unwrap();
    }
}

#[test]
fn pictures_of_any_shape_and_colour_train_a_network_that_suits_them_or_a_written_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("lights");
    coloured(&data);
    let at = |name: &str| folder.path().join(name);
    let (model, page) = (at("model.onnx"), at("page.html"));
    let train = |more: &[&str]| {
        let mut command = trainer();
        command.args(["--device", "cpu", "--steps", "60", "--data"]).arg(&data);
        command.arg("--export").arg(&model).arg("--report").arg(&page).args(more);
        command.output().unwrap()
    };
    for (more, said) in [
        (&[][..], "small, 32c3b-p2-32c3b-p2-32c3b-p2-256b"),
        (&["--network", "4c3b-p2-d3b-gap", "--flip"], "4c3b-p2-d3b-gap: "),
    ] {
        let output = train(more);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let printed = text(&output.stdout);
        assert!(printed.contains(said) && printed.contains("parameters"), "{printed}");
        let classifier = Classifier::load(&model).unwrap();
        assert_eq!(classifier.preparation().shape(), [3, 12, 9]);
        let metadata = network::onnx::Graph::parse(&fs::read(&model).unwrap()).unwrap().metadata;
        assert_eq!(metadata["recipe"], "photo");
        assert!(said.contains(&metadata["network"]), "{metadata:?}");
        assert!(fs::read_to_string(&page).unwrap().contains(" on lights"));
    }
    for (more, said) in [
        (&["--network", "4c3-p2-p2-p2-p2"][..], "layer 5, \"p2\", is larger than what it takes"),
        (&["--flip", "--augment", "none"], "say --augment photo"),
    ] {
        let output = train(more);
        let refusal = text(&output.stderr);
        assert_eq!((output.status.code(), refusal.lines().count()), (Some(1), 1), "{refusal}");
        assert!(refusal.contains(said), "{refusal}");
    }
}

#[test]
fn a_folder_of_pictures_is_trained_on_and_the_model_knows_how_they_were_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    let classes = ["hell, oben", "unten 北"];
    for (label, class) in classes.into_iter().enumerate() {
        fs::create_dir_all(photos.join(class)).unwrap();
        for index in 0..24_usize {
            let picture = image::RgbImage::from_fn(14, 22, |x, y| {
                let light = if (y < 11) == (label == 0) { 180 } else { 20 };
                let noise = (x as usize * 31 + y as usize * 17 + index * 7) % 60;
                image::Rgb([light + noise as u8, light, 40])
            });
            picture.save(photos.join(class).join(format!("{index}.png"))).unwrap();
        }
    }
    fs::write(photos.join(classes[0]).join("broken.png"), "no picture").unwrap();
    let model = folder.path().join("photos.onnx");
    let train = |more: &[&str]| {
        let mut command = trainer();
        command.args(["--device", "cpu", "--steps", "80", "--data"]).arg(&photos);
        command.arg("--export").arg(&model).args(more).output().unwrap()
    };
    let output = train(&[]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for said in ["broken.png", "22x14 rgb", "stretch", "small"] {
        assert!(printed.contains(said), "{said} in\n{printed}");
    }
    let classifier = Classifier::load(&model).unwrap();
    assert_eq!(classifier.classes(), classes);
    let preparation = classifier.preparation();
    assert_eq!((preparation.shape(), preparation.preprocess().name()), ([3, 22, 14], "stretch"));
    // as a file, of which nothing else is told
    for (label, class) in classes.into_iter().enumerate() {
        let prepared = preparation.load(&photos.join(class).join("3.png")).unwrap();
        assert_eq!(classifier.predict(&prepared).digit(), label);
    }
    let page = photos.with_extension("html");
    let more = ["--reject", classes[1], "--report", page.to_str().unwrap(), "--seed", "2"];
    let output = train(&more);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for said in ["without `unten 北`", "% no match", "calibration temperature", "JPEG"] {
        assert!(printed.contains(said), "{said} in\n{printed}");
    }
    let classifier = Classifier::load(&model).unwrap();
    assert!(!printed.contains("ever sure"), "{printed}");
    for (class, is_no_match) in [(0, false), (1, true)] {
        let path = photos.join(classes[class]).join("3.png");
        let found = classifier.predict(&preparation.load(&path).unwrap());
        assert_eq!((found.class(), found.verdict == Verdict::NoDigit), (class, is_no_match));
    }
    let page = fs::read_to_string(page).unwrap();
    for said in [
        "What was found",
        "broken.png",
        "<th>unten 北</th><td>24</td>",
        " UTC",
        "--reject",
        "kB of RAM",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let output = train(&["--reject", "nan", "--force"]);
    assert_eq!(output.status.code(), Some(1));
    let refusal = text(&output.stderr);
    assert!(
        refusal.contains("--reject nan: the classes are `hell, oben`, `unten 北`"),
        "{refusal}"
    );

    let output = train(&["--classes", "dark,bright", "--force"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the pictures name their classes"));
    let output = train(&["--size", "12x16", "--color", "grey", "--fit", "pad", "--force"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let preparation = *Classifier::load(&model).unwrap().preparation();
    assert_eq!((preparation.shape(), preparation.preprocess().name()), ([1, 12, 16], "pad"));
    assert_eq!(preparation.color().name(), "grey");
}

#[test]
fn cross_validation_measures_every_image_once_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("lights");
    coloured(&data);
    let run = |more: &[&str]| {
        let mut command = trainer();
        command.args(["--device", "cpu", "--network", "4c3b-p2-d3b-gap", "--data"]).arg(&data);
        command.args(["--steps", "60", "--folds", "4"]).args(more).output().unwrap()
    };
    let output = run(&["--reject", "0"]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(printed.matches(" without `0`, ").count(), 4, "{printed}");
    for said in ["4 parts of 80 images", "% of 80, ", "% of 40 without `0`", "standard deviation"] {
        assert!(printed.contains(said), "{said} in\n{printed}");
    }
    let output = run(&["--export", "model.onnx"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_a_run_cannot_learn_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("lights");
    coloured(&data);
    let run = |more: &[&str]| {
        let mut command = trainer();
        command.args(["--device", "cpu", "--network", "4c3b-p2-d3b-gap", "--data"]).arg(&data);
        let output = command.args(more).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let printed = run(&["--epochs", "1", "--lr", "1e-9", "--classes", "dark,bright,other"]);
    for said in [
        "steps     2: too few to learn much from 80 images; the recipe's are 3000, in 20 epochs: leave --epochs out",
        "missing   no training image is of the class other",
        "answers   every test image is taken for `",
        "Train for more --steps",
    ] {
        assert!(printed.contains(said), "{said} in\n{printed}");
    }
}
