//! Folders of generated pictures, whole and spoilt: read, divided and summed up.
#![cfg(feature = "labelled")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use dataset::Division;
use dataset::folder::{Subset, list};
use image::{Rgb, RgbImage};
use proptest::prelude::*;
use runtime::labelled::{Labelled, Look, Summary, Survey, load, survey};
use runtime::picture::Limits;
use runtime::preprocess::{Color, Preparation, Preprocess};

/// A picture of 6×9 pixels, or a few more, that depends on `look`.
fn picture(look: u64) -> RgbImage {
    let (width, height) = (6 + look as u32 % 3, 9);
    RgbImage::from_fn(width, height, |x, y| {
        let [a, b, ..] =
            (look.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(x * y)).to_be_bytes();
        Rgb([a, b, x as u8])
    })
}

fn write(folder: &Path, name: &str, look: u64) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture(look).save(path).unwrap();
}

fn preparation() -> Preparation {
    Preparation::new([3, 9, 6], Preprocess::Stretch, Color::Rgb).unwrap()
}

fn read(folder: &Path) -> Labelled {
    load(list(folder).unwrap(), &preparation(), Limits::default(), |_| ())
}

/// Three classes of 10, 6 and 4 pictures.
fn photos() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, count) in [("ant", 10), ("bee", 6), ("cow", 4)] {
        for number in 0..count {
            let look = number + 100 * class.len() as u64 + u64::from(class.as_bytes()[0]) * 1000;
            write(folder.path(), &format!("{class}/{number}.png"), look);
        }
    }
    folder
}

#[test]
fn pictures_come_in_the_order_of_the_listing_and_are_prepared() {
    let folder = photos();
    let done = AtomicUsize::new(0);
    let count = |_| {
        done.fetch_add(1, Ordering::Relaxed);
    };
    let data = load(list(folder.path()).unwrap(), &preparation(), Limits::default(), count);
    assert_eq!((data.images.len(), data.looks.len(), done.into_inner()), (20, 20, 20));
    for (picture, image) in data.listing.pictures.iter().zip(&data.images) {
        assert_eq!(*image, preparation().load(&picture.path).unwrap().image, "{}", picture.name);
    }
    assert_eq!(data.all().labels, [&[0; 10][..], &[1; 6], &[2; 4]].concat());
    let survey = survey(&data.listing, Limits::default()).unwrap();
    assert_eq!((survey.pictures, survey.rows.median, survey.color()), (20, 9, Color::Rgb));
    assert_eq!(Survey::of(&data.looks), Some(survey));
}

#[test]
fn what_is_no_picture_by_content_is_refused_by_name_and_the_others_are_read() {
    let folder = photos();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("ant/text.png"), "no picture").unwrap();
    fs::write(at("ant/empty.jpg"), "").unwrap();
    let whole = fs::read(at("bee/1.png")).unwrap();
    fs::write(at("bee/cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at("bee/huge.pgm"), b"P5 60000 60000 255\n").unwrap();
    fs::write(at("cow/notes.txt"), "").unwrap();
    let data = read(folder.path());
    assert_eq!(data.images.len(), 20);
    let refused: Vec<String> = data.listing.refused.iter().map(ToString::to_string).collect();
    for expected in [
        "ant/empty.jpg: the file is empty",
        "ant/text.png: not a PNG, JPEG, GIF, BMP, WebP or PNM picture",
        "bee/cut.png: cannot decode this PNG picture: ",
        "cow/notes.txt: its name does not end as a picture's",
    ] {
        assert!(refused.iter().any(|line| line.starts_with(expected)), "{expected}: {refused:?}");
    }
    #[cfg(feature = "pnm")]
    assert!(refused.contains(
        &"bee/huge.pgm: a picture of 60000x60000 pixels, over the limit of 100000000".into()
    ));
    assert_eq!(refused.len(), 5);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_list_is_refused_and_not_waited_for() {
    let folder = photos();
    let pipe = folder.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::write(folder.path().join("list.csv"), "ant/0.png,ant\npipe.png,bee\ngone.png,bee\n")
        .unwrap();
    let data = read(&folder.path().join("list.csv"));
    let refused: Vec<String> = data.listing.refused.iter().map(ToString::to_string).collect();
    assert_eq!(data.images.len(), 1);
    assert_eq!(refused[0], "pipe.png: cannot be read: a pipe or a device");
    assert!(refused[1].starts_with("gone.png: cannot be read: No such file"), "{refused:?}");
}

#[test]
fn pictures_over_16_megapixels_are_read_one_at_a_time_and_no_worse() {
    let folder = photos();
    let large = image::GrayImage::from_fn(4100, 4100, |x, _| image::Luma([(x / 1025 * 60) as u8]));
    for name in ["ant/a.png", "bee/b.png"] {
        large.save(folder.path().join(name)).unwrap();
    }
    let data = read(folder.path());
    assert_eq!(data.images.len(), 22);
    let small = Limits { pixels: 4_000_000, ..Limits::default() };
    let data = load(list(folder.path()).unwrap(), &preparation(), small, |_| ());
    assert_eq!((data.images.len(), data.listing.refused.len()), (20, 2));
}

#[test]
fn the_summary_says_what_is_there() {
    let folder = photos();
    write(folder.path(), "bee/same.png", 97_300); // that of ant/0.png
    fs::write(folder.path().join("README.md"), "").unwrap();
    fs::write(folder.path().join("cow/x.png"), "").unwrap();
    let mut data = read(folder.path());
    data.divide(Division { seed: 5, validation: 0.25, test: 0.0 });
    let summary = Summary::of(&data);
    let text = summary.to_string();
    let root = folder.path().display();
    assert_eq!(
        text,
        format!(
            "{root}: 21 pictures in 3 classes\n\
             \n\
             class  pictures  train  validation\n\
             ant          10      7           3\n\
             bee           7      5           2\n\
             cow           4      3           1\n\
             \n\
             smallest  `cow`, 4 pictures\n\
             rows      9\n\
             columns   6 to 8, median 7\n\
             colour    21 of 21 pictures\n\
             equal     1 picture is the same as another, pixel by pixel\n          \
             1 group across classes, so that a label is wrong:\n            \
             ant/0.png = bee/same.png\n\
             split     validation (6, 25 % of each class) by seed 5: equal pictures stay together, nearly equal ones may not\n\
             refused   2 files\n            \
             cow/x.png: the file is empty\n            \
             README.md: its name does not end as a picture's"
        )
    );
    let short = format!("{:#}", Summary::of_listing(&data.listing, &data.looks));
    assert!(short.starts_with(&format!("{root}: 21 pictures in 3 classes\n\nclass ")), "{short}");
    for picture in &mut data.listing.pictures {
        picture.subset = None;
    }
    let short = format!("{:#}", Summary::of_listing(&data.listing, &data.looks));
    let start = format!("{root}: 21 pictures in 3 classes\nsmallest  `cow`, 4 pictures\n");
    assert!(short.starts_with(&start), "{short}");
    let json = summary.json();
    assert_eq!(json["classes"][2]["class"], "cow");
    assert_eq!(json["equal"][0]["names"][1], "bee/same.png");
    assert_eq!(json["refused"][1]["reason"], "the file is empty");
    assert_eq!((&json["split"]["seed"], &json["rows"]["median"]), (&5.into(), &9.into()));
}

#[test]
fn equal_pictures_across_the_folders_own_subsets_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..4 {
        write(folder.path(), &format!("train/ant/{number}.png"), number);
        write(folder.path(), &format!("train/bee/{number}.png"), 10 + number);
    }
    for (name, look) in [("train/ant/same.png", 2), ("test/ant/9.png", 2), ("test/ant/8.png", 77)] {
        write(folder.path(), name, look);
    }
    let mut data = read(folder.path());
    data.divide(Division { seed: 1, validation: 0.25, test: 0.5 });
    assert_eq!(data.division.map(|it| it.test), Some(0.0), "the folder has its own");
    assert_eq!(data.split(Subset::Test).labels, [0, 0]);
    let text = Summary::of(&data).to_string();
    assert!(
        text.contains(
            "across training, validation and test:\n            train/ant/2.png = test/ant/9.png = train/ant/same.png"
        ),
        "{text}"
    );
    assert!(text.contains("missing   test has no picture of bee"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_split_is_the_same_each_time_and_keeps_classes_shares_and_equals_together(
        looks in prop::collection::vec(prop::collection::vec(0_u64..40, 3..16), 2..4),
        seed: u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (class, looks) in looks.iter().enumerate() {
            for (number, look) in looks.iter().enumerate() {
                write(folder.path(), &format!("{class}/{number}.png"), *look);
            }
        }
        let division = Division { seed, validation: 0.3, test: 0.2 };
        let divided = || {
            let mut data = read(folder.path());
            data.divide(division);
            data
        };
        let data = divided();
        prop_assert_eq!(&data.listing, &divided().listing);
        let summary = Summary::of(&data);
        prop_assert!(summary.equal.iter().all(|equal| !equal.across_subsets));
        for (class, looks) in summary.classes.iter().zip(&looks) {
            let [_, validation, test] = class.counts;
            // equal pictures of several classes count for the first alone, so these are bounds with room
            prop_assert!(class.pictures() == looks.len());
            let others = looks.iter().filter(|look| summary_has_other(&data, **look)).count();
            let wanted = |share: f64| ((looks.len() as f64 * share).round() as usize).max(1) + others;
            prop_assert!(validation <= wanted(0.3) && test <= wanted(0.2), "{:?}", class);
        }
        let folds = data.folds(seed, 3);
        for (at, look) in data.looks.iter().enumerate() {
            let same = data.looks.iter().position(|other| other.pixels == look.pixels).unwrap();
            prop_assert_eq!(folds[at], folds[same]);
        }
    }
}

/// Whether a picture that looks so is in several classes.
fn summary_has_other(data: &Labelled, look: u64) -> bool {
    let pixels = Look::of(&picture(look).into()).pixels;
    let all = data.looks.iter().zip(&data.listing.pictures);
    let mut labels: Vec<u8> =
        all.filter(|(look, _)| look.pixels == pixels).map(|(_, picture)| picture.label).collect();
    labels.dedup();
    labels.len() > 1
}
