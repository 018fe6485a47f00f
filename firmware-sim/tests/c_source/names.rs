//! Two models in one program, by names of their own.

use std::fs;
use std::process::Command;

use firmware::Model;
use firmware::format::Layout;
use firmware_sim::c_source;

use super::compiler::{WARNINGS, is_there, run, succeeds};
use super::synthetic::{Network, Random};
use super::{expected, write};

/// Gives the outputs of an image of `left`, then those of an image of `right`.
const PROGRAM: &str = r#"#include <stdio.h>
#include "left.h"
#include "right.h"

static struct left left;
static struct right right;
static uint8_t image[LEFT_ROWS * LEFT_ROW_BYTES + RIGHT_ROWS * RIGHT_ROW_BYTES];

int main(void)
{
    if (fread(image, sizeof image, 1, stdin) != 1) {
        return 1;
    }
    fwrite(left_infer(&left, image), sizeof(int32_t), LEFT_OUTPUTS, stdout);
    fwrite(right_infer(&right, image + LEFT_ROWS * LEFT_ROW_BYTES), sizeof(int32_t), RIGHT_OUTPUTS, stdout);
    return 0;
}
"#;

#[test]
fn two_models_are_linked_into_one_program_by_their_names() {
    if !is_there("gcc", "gcc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut images, mut outputs) = (vec![], vec![]);
    for (seed, name) in [(3, "left"), (5, "right")] {
        let mut random = Random(seed);
        let network = Network::random(&mut random);
        let file = network.file(Layout::Bytes);
        let model = Model::parse(&file).unwrap();
        assert!(model.holds_outputs(), "take another seed");
        let image = network.image(&mut random);
        let classes: Vec<String> = (0..model.outputs()).map(|class| class.to_string()).collect();
        let source = c_source::emit(model, &classes, &name.parse().unwrap()).unwrap();
        for file in &source.files {
            let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let mut words = file.text.split(|letter| !is_word(letter));
            let left = words.find(|word| word.starts_with("model_") || word.starts_with("MODEL_"));
            assert_eq!(left, None, "{}", file.path);
        }
        write(&source, folder.path());
        outputs.extend(expected(model, std::slice::from_ref(&image), false));
        images.extend(image);
    }
    let (main, program) = (folder.path().join("main.c"), folder.path().join("main"));
    fs::write(&main, PROGRAM).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(WARNINGS).arg("-O1").arg(&main);
    gcc.args(["left.c", "right.c"].map(|path| folder.path().join(path)));
    succeeds(gcc.arg("-o").arg(&program));
    assert_eq!(run(&program, &images), outputs);
}
