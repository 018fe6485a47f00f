//! `firmware-sim prove`: what holds for every sum that a channel may reach.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::bail;
use comfy_table::Table;
use firmware_sim::proof::{self, LayerProof, Proof};
use firmware_sim::sha256;
use safe_io::SingleLine;
use serde_json::json;

use crate::table::of_numbers;
use crate::{cli, model};

pub(crate) fn run(arguments: &cli::Prove) -> anyhow::Result<()> {
    let path = SingleLine(arguments.quantized.display());
    let file = model::read(&arguments.quantized)?;
    let int8 = model::parse_q8(&file, &path)?;
    let bar = model::progress_bar(0, "accumulators");
    bar.set_length(proof::sums(int8));
    let started = Instant::now();
    let proof = proof::prove(int8, |sums| bar.inc(sums));
    bar.finish_and_clear();
    let hash = sha256(&file);
    let mut stdout = io::stdout().lock();
    if arguments.json {
        let mut object = proof.json();
        object["int8"] = json!({ "path": arguments.quantized.to_string_lossy(), "sha256": hash });
        writeln!(stdout, "{object}")?;
    } else {
        writeln!(stdout, "int8     {path}, SHA-256 {}…\n", &hash[..16])?;
        writeln!(stdout, "{}\n", table(&proof))?;
        writeln!(stdout, "{}", summary(&proof, started.elapsed().as_secs_f64()))?;
    }
    let mut faults = proof.layers.iter().filter_map(|it| Some((it, it.counterexample?)));
    if let Some((LayerProof { layer, .. }, fault)) = faults.next() {
        bail!("{path}: {layer}, {fault}: make the file anew, and if that does not help report it");
    }
    Ok(())
}

fn table(proof: &Proof) -> Table {
    let mut table = of_numbers(&[
        "layer",
        "channels",
        "accumulators",
        "reached",
        "bound in the file",
        "requantised as defined",
    ]);
    for layer in &proof.layers {
        let has_channels = layer.channels > 0;
        let or_none = |text: String| if has_channels { text } else { "-".into() };
        let result = match layer.counterexample {
            Some(_) => "no",
            None if layer.is_requantised => "all",
            None if has_channels => "goes out as it is",
            None => "passes bytes on",
        };
        let [low, high] = layer.reached;
        table.add_row([
            layer.layer.clone(),
            or_none(layer.channels.to_string()),
            if layer.is_requantised { layer.sums.to_string() } else { "-".into() },
            or_none(format!("{low} to {high}")),
            or_none(layer.bound.to_string()),
            result.into(),
        ]);
    }
    table
}

fn summary(proof: &Proof, seconds: f64) -> String {
    let (channels, sums) = (proof.requantised_channels(), proof.sums());
    if !proof.holds() {
        return "not proven: see the error".into();
    }
    format!(
        "proven   {sums} accumulators of {channels} channels, every one from minus its bound to its bound: requantised as \
         the 128-bit definition says, to a byte, in order ({seconds:.1} s)\n\
         bounds   no sum of any input, in any order, is above what the file states, or leaves 32 bits or what packed sums have"
    )
}
