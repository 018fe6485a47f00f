//! Prints what a model makes of raw pixels, by the slow reference, and how it was lowered.
//!
//! `scores MODEL PIXELS`, where the file `PIXELS` holds one picture's bytes, `[channel][row][column]`; a model with float
//! input gets them divided by 255. The comparison with ONNX Runtime, `tests/baselines/models.py`, reads it.

use std::path::Path;
use std::{env, fs};

use network::lowering::{Lowered, Operation, lower, whole_in_tract};
use network::onnx::Graph;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, pixels] = &arguments[..] else { return Err("usage: scores MODEL PIXELS".into()) };
    let graph = Graph::load(Path::new(model))?;
    let lowered = lower(&graph)?;
    println!(
        "input {:?} pixels {} scores {:?}",
        lowered.input, lowered.takes_pixels, lowered.scores
    );
    for step in &lowered.steps {
        match &step.operation {
            Operation::Layer(layer, _) => println!("step {:?} {layer}", step.sources),
            Operation::Plan(plan) => println!("step {:?} {plan}", step.sources),
        }
    }
    println!("whole {}", lowered.network().is_some());
    let divisor = if lowered.takes_pixels { 1.0 } else { 255.0 };
    let mut pixels = fs::read(pixels)?;
    pixels.truncate(lowered.input.iter().product());
    let input: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / divisor).collect();
    let scores = |lowered: &Lowered| -> Result<Vec<f32>, network::Error> {
        Ok(lowered.activations(&input)?.pop().unwrap_or_else(|| input.clone()))
    };
    println!("lowered {:?}", scores(&lowered)?);
    println!("tract {:?}", whole_in_tract(&graph).and_then(|lowered| scores(&lowered)));
    Ok(())
}
