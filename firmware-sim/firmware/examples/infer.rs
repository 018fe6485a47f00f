//! Classifies an image on a computer: `cargo run -p firmware --example infer MODEL.q8 IMAGE`, with the bytes that the
//! model takes, `[row][column][channel]`. Of a model with more than 256 outputs it prints these.

use std::{env, error::Error, fs};

use firmware::Model;

fn main() -> Result<(), Box<dyn Error>> {
    let [model, image] = [1, 2].map(|index| env::args_os().nth(index).expect("MODEL.q8 IMAGE"));
    let flash = fs::read(model)?;
    let model = Model::parse(&flash)?;
    let image = fs::read(image)?;
    let mut scratch = vec![0; model.scratch_words()];
    if !model.holds_outputs() {
        let print = |first, outputs: &[i32]| println!("{first}: {outputs:?}");
        let printed = model.infer_in_blocks(&image, &mut scratch, print);
        return Ok(printed.ok_or("an image of another size")?);
    }
    let logits = model.infer(&image, &mut scratch).ok_or("an image of another size")?;
    println!("{:?}", logits.answer(model));
    Ok(())
}
