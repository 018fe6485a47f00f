//! Classifies an image on a computer: `cargo run -p firmware --example infer MODEL.q8 PIXELS`, with 784 bytes of
//! pixels, 0 = background, 255 = ink.

use std::{env, error::Error, fs};

use firmware::{Answer, Model, Scratch};

fn main() -> Result<(), Box<dyn Error>> {
    let [model, image] = [1, 2].map(|index| env::args_os().nth(index).expect("MODEL.q8 PIXELS"));
    let flash = fs::read(model)?;
    let model = Model::parse(&flash)?;
    let image = fs::read(image)?.try_into().map_err(|_| "an image has 784 bytes")?;
    match model.infer(&image, &mut Scratch::new()).answer(model) {
        Answer::Confident(class) => println!("{class}"),
        Answer::Unsure => println!("unsure"),
    }
    Ok(())
}
