//! `runtime evaluate --data` on a folder per class and on a CSV file.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder with a folder for each of some digits, each with one of MNIST's pictures.
struct Photos(tempfile::TempDir);

impl Photos {
    fn new(classes: &[&str]) -> Self {
        let photos = Self(tempfile::tempdir().unwrap());
        for class in classes {
            photos.copy(&format!("mnist_{class}.png"), &format!("{class}/a.png"));
        }
        photos
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Copies one of the committed pictures to `name`.
    fn copy(&self, picture: &str, name: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::copy(fixtures::data("digits").join(picture), self.path(name)).unwrap();
    }

    fn command(&self, data: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
        command.args(["evaluate", "--data", data]).args(more).current_dir(self.0.path());
        command
    }

    fn run(&self, data: &str, more: &[&str]) -> Output {
        self.command(data, more).output().unwrap()
    }

    fn json(&self, data: &str) -> (Value, String) {
        let output = self.run(data, &["--json"]);
        let notes = String::from_utf8(output.stderr).unwrap();
        (serde_json::from_slice(&output.stdout).expect(&notes), notes)
    }
}

#[test]
fn a_folder_per_class_is_evaluated_and_what_was_not_taken_is_named() {
    let photos = Photos::new(&["0", "3", "7"]);
    photos.copy("none_blank.jpg", "none/blank.jpg");
    fs::write(photos.path("README.md"), "").unwrap();
    let (json, notes) = photos.json(".");
    assert_eq!((&json["right"], &json["of"], &json["unread"]), (&3.into(), &3.into(), &0.into()));
    assert_eq!(json["nothing"]["no_digit"], 1);
    assert_eq!(json["refused"][0]["name"], "README.md");
    assert_eq!(notes, "note: .: not taken: README.md (its name does not end as a picture's)\n");
    let output = photos.run(".", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        ".: 4 pictures in 4 classes\nsmallest  `0`, 1 picture\n",
        "equal     no two pictures\nrefused   1 file\n            README.md: its name does not end",
        "accuracy  100.00 %  (3 of 3; with 95 % confidence 43.85 to 100.00 %)\n",
        "missing   no picture of the model's 1, 2, 4, 5, 6, 8, 9\n",
        "label \\ answer",
        "verdict ",
        "non-digits  1 picture",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "what is said once is not said twice");
    assert_eq!((&json["data"]["pictures"], &json["missing_classes"][1]), (&4.into(), &"2".into()));
}

#[test]
fn pictures_of_the_test_that_are_elsewhere_too_are_told() {
    let photos = Photos::new(&[]);
    for (digit, name) in [
        ("0", "train/0/a.png"),
        ("1", "train/1/a.png"),
        ("1", "train/1/b.png"),
        ("3", "valid/3/a.png"),
        ("1", "test/1/c.png"),
        ("3", "test/0/d.png"),
    ] {
        photos.copy(&format!("mnist_{digit}.png"), name);
    }
    fs::write(photos.path("train/1/empty.png"), "").unwrap();
    let (json, notes) = photos.json(".");
    assert_eq!((&json["of"], &json["unread"]), (&2.into(), &0.into()));
    assert!(notes.contains("of 7 pictures those for test are taken, 2\n"), "{notes}");
    let data = &json["data"];
    assert_eq!((&data["pictures"], &data["classes"][1]["train"]), (&6.into(), &2.into()));
    let text = String::from_utf8(photos.run(".", &[]).stdout).unwrap();
    for part in [
        "class  pictures  train  validation   test\n0             2      1           0      1\n",
        "            train/1/a.png = test/1/c.png = train/1/b.png\n            valid/3/a.png = test/0/d.png\n",
        "across classes, so that a label is wrong:\n            valid/3/a.png = test/0/d.png\n",
        "refused   1 file\n            train/1/empty.png: the file is empty\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn of_many_pictures_that_cannot_be_read_the_first_are_named_on_standard_error() {
    let photos = Photos::new(&["0"]);
    for number in 0..14 {
        fs::write(photos.path(&format!("0/{number:02}.png")), "").unwrap();
    }
    let output = photos.run(".", &[]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 11, "{errors}");
    assert!(errors.ends_with("error: 4 more cannot be read, which --json lists\n"), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("and 4 more\n") && text.ends_with("unread    14 files\n"), "{text}");
}

#[test]
fn what_cannot_be_read_is_named_counted_and_fails_after_the_others() {
    let photos = Photos::new(&["0", "3"]);
    fs::write(photos.path("3/text.png"), "no picture").unwrap();
    let output = photos.run(".", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["of"], &json["unread"]), (&2.into(), &1.into()));
    let reason = "not a PNG, JPEG, GIF, BMP, WebP or PNM picture";
    assert_eq!(json["refused"][0]["reason"], reason);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.ends_with(&format!("text.png: {reason}\n")), "{error}");
}

#[test]
fn of_a_divided_folder_or_list_those_for_the_test_are_taken_and_that_is_said() {
    let photos = Photos::new(&[]);
    for (digit, name) in [("0", "train/0/a.png"), ("1", "train/1/a.png"), ("1", "test/1/b.png")] {
        photos.copy(&format!("mnist_{digit}.png"), name);
    }
    let (json, notes) = photos.json(".");
    assert_eq!(json["of"], 1);
    assert_eq!(notes, "note: .: of 3 pictures those for test are taken, 1\n");
    fs::write(
        photos.path("list.csv"),
        "train/0/a.png,0,train\ntrain/1/a.png,1,validation\ntest/1/b.png,1,validation\n",
    )
    .unwrap();
    let (json, notes) = photos.json("list.csv");
    assert_eq!((&json["of"], &json["right"]), (&2.into(), &2.into()));
    assert_eq!(notes, "note: list.csv: of 3 pictures those for validation are taken, 2\n");
}

#[test]
fn errors_are_listed_and_drawn_on_a_sheet() {
    let photos = Photos::new(&["0", "3"]);
    photos.copy("mnist_5.png", "3/five.png");
    photos.copy("mnist_8.png", "3/surest.png");
    let output = photos.run(".", &["--sheet", "sheet.png"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, errors) = text.split_once("errors    label → answer, the surest first\n").expect(&text);
    let errors: Vec<&str> = errors.lines().collect();
    assert!(errors[0].starts_with("  3/surest.png  3 → 8  "), "{text}");
    assert!(errors[1].starts_with("  3/five.png  3 → 5  "), "{text}");
    let sheet = image::open(photos.path("sheet.png")).unwrap();
    assert!(sheet.height() > 200, "there is a row of tiles");
    let idx = fixtures::mnist_500_folder();
    let output = photos.run(idx.to_str().unwrap(), &["--sheet", "idx.png"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(image::open(photos.path("idx.png")).is_ok());
}

#[test]
fn classes_that_the_model_has_not_are_all_named_and_names_can_be_given() {
    let photos = Photos::new(&["0", "3"]);
    photos.copy("mnist_1.png", "one/a.png");
    photos.copy("mnist_1.png", "nan/a.png");
    fixtures::command::refuses(
        &mut photos.command(".", &[]),
        ".: the model has no classes `nan`, `one`: its 10 are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; --classes",
    );
    let names = ["--json", "--classes", "nan,one,two,3,4,5,6,7,8,0"];
    let output = photos.run(".", &names);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["of"], &json["classes"][1]["class"]), (&4.into(), &"one".into()));
    let names = ["--classes", "Nan,one,two,3,4,5,6,7,8,0"];
    fixtures::command::refuses(
        &mut photos.command(".", &names),
        "`nan` differs from `Nan` by case alone",
    );
}

#[test]
fn unusable_folders_are_refused_in_a_sentence_and_nothing_is_written() {
    let photos = Photos::new(&[]);
    let at = |name: &str| photos.path(name);
    fs::create_dir_all(at("empty")).unwrap();
    fs::create_dir_all(at("hollow/0")).unwrap();
    photos.copy("mnist_1.png", "flat/1.png");
    photos.copy("mnist_1.png", "case/A/1.png");
    photos.copy("mnist_1.png", "case/a/1.png");
    for class in 0..300 {
        fs::create_dir_all(at(&format!("many/{class}"))).unwrap();
    }
    fs::write(at("bad.csv"), "path,label\n\"a.png,1\n").unwrap();
    let count = |folder: &Path| fs::read_dir(folder).unwrap().count();
    let before = count(&at(""));
    for (data, part) in [
        ("empty", "empty: holds no folders of pictures: put those of each class into a folder"),
        ("hollow", "hollow: holds no folders of pictures: put those of each class into a folder"),
        ("flat", "flat: holds no folders of pictures, but 1 picture of no class: put"),
        ("case", "case: classes `A` and `a` differ by case alone"),
        (
            "many",
            "many: 300 classes or more, of which at most 256 are told apart: put some together",
        ),
        ("bad.csv", "bad.csv: line 2: "),
        ("gone.csv", "cannot read gone.csv"),
    ] {
        fixtures::command::refuses(&mut photos.command(data, &[]), part);
    }
    assert_eq!(count(&at("")), before);
}
