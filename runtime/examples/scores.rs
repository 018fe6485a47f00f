//! Prints what a model makes of raw pixels, by each set of kernels and by tract, and what its steps are.
//!
//! `scores MODEL PIXELS`, where the file `PIXELS` holds one picture's bytes, `[channel][row][column]`, or more. A model with
//! float input gets them divided by 255. `tests/baselines/run models` compares the scores with ONNX Runtime's.

use std::path::Path;
use std::{env, fs};

use network::lowering::{Operation, lower};
use network::onnx::Graph;
use runtime::{Classifier, Image, Instructions, Kernels, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, pixels] = &arguments[..] else { return Err("usage: scores MODEL PIXELS".into()) };
    let graph = Graph::load(Path::new(model)).map_err(|error| one_line(&error))?;
    let lowered = lower(&graph).map_err(|error| one_line(&error))?;
    println!("input {:?}", lowered.input);
    for step in &lowered.steps {
        match &step.operation {
            Operation::Layer(layer, _) => println!("step {layer}"),
            Operation::Plan(plan) => println!("step {plan}"),
        }
    }
    let mut pixels = fs::read(pixels)?;
    pixels.truncate(lowered.input.iter().product());
    let image = Image::new(lowered.input, pixels).map_err(|error| one_line(&error))?;
    let fused = Instructions::available().into_iter().map(Kernels::Fused);
    for kernels in fused.chain([Kernels::Tract]) {
        let options = Options { kernels, ..Options::default() };
        let classifier = Classifier::new(&graph, options).map_err(|error| one_line(&error))?;
        let prediction = classifier.predict(&image);
        println!("logits {kernels} {:?}", prediction.logits);
        println!("probabilities {kernels} {:?}", prediction.probabilities);
    }
    Ok(())
}

/// An error with its causes.
fn one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
