//! A model of one's own, shown pictures and a camera's pixels:
//! `cargo run --release -p runtime --example own_model -- model.onnx picture.jpg`.

use std::error::Error;
use std::path::PathBuf;

use runtime::preprocess::{Preprocess, from_bytes};
use runtime::{Classifier, FloatInput, Image, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(model), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: own_model MODEL PICTURE".into());
    };
    // what the file does not say; one of our trainer's models says all of it
    let options = Options {
        float_input: Some(FloatInput::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])?),
        preprocess: Some(Preprocess::Crop),
        ..Options::default()
    };
    let classifier = Classifier::load_with(&model, options)?;

    // a picture file, from disk or from memory
    let prepared = from_bytes(&std::fs::read(picture)?, classifier.preparation())?;
    let prediction = classifier.predict(&prepared);
    println!("{}, with confidence {:.3}", prediction.name(), prediction.confidence());

    // pixels of the model's size need no preparation
    let [channels, height, width] = classifier.input_shape();
    if channels == 3 {
        let camera = vec![128; width * height * channels]; // red, green, blue, red, …
        let image = Image::from_rgb(width, height, &camera)?;
        println!("grey: {}", classifier.predict(&image).name());
    }
    Ok(())
}
