//! What the model is: its layers, their encodings, and every place where a number is rounded.

use firmware::Model;
use firmware::format::{Kind, MAX_ACCUMULATOR};
use firmware_sim::int8::{Encoding, Int8Network};
use firmware_sim::memory::Memory;
use maud::html;
use serde_json::{Value, json};

use super::Subject;
use super::evidence::{Evidence, Finding};

/// Where a number is rounded, how, and by how much at most.
struct Rounding {
    place: &'static str,
    how: &'static str,
    error: &'static str,
}

/// All roundings of a model, in the order in which numbers meet them.
fn roundings(model: Model<'_>, input: Encoding) -> Vec<Rounding> {
    let has = |kind: Kind| model.layers().records.iter().any(|it| it.kind == kind.code());
    let rounding = |place, how, error| Rounding { place, how, error };
    let mut all = vec![
        if input == Encoding::PIXEL {
            rounding(
                "input, on the device",
                "none: a pixel from 0 to 255 is the byte that goes in; the normalisation is folded into the first weights and biases, in f32",
                "0",
            )
        } else {
            rounding(
                "input, on the device",
                "to the nearest multiple of its scale, halves away from zero, then clamped to a byte",
                "half a scale; without limit beyond the largest value that calibration saw",
            )
        },
        rounding(
            "weights, when quantised",
            "to the nearest multiple of the output channel's scale (of the last layer one scale for all), halves away from zero, within ±127",
            "half a scale",
        ),
        rounding(
            "biases, when quantised",
            "to the nearest unit of the accumulator, halves away from zero; unless `--plain-biases` was given, the mean error over the calibration images is subtracted before",
            "half a unit of the accumulator, and what the correction changes on purpose",
        ),
        rounding(
            "multipliers, when quantised",
            "to a mantissa of 31 bits and a shift, halves up",
            "2⁻³¹ of the multiplier",
        ),
        rounding(
            "accumulators, on the device",
            "none: whole numbers in 32 bits, which the bound of each channel keeps from overflowing",
            "0",
        ),
    ];
    if has(Kind::AveragePool) {
        all.push(rounding(
            "means, on the device",
            "none before requantisation: the sum of the window, and the division is part of the multiplier",
            "0",
        ));
    }
    if has(Kind::Add) {
        all.push(rounding(
            "factors of sums of two values, when quantised",
            "to whole numbers of 15 bits together, halves away from zero",
            "half a unit of the accumulator for each unit of the value",
        ));
    }
    all.push(rounding(
        "requantisation, on the device",
        "round(accumulator · multiplier) + zero point, once, halves up, clamped to 0 to 255; max-pooling is before it, with which it commutes",
        "half a unit of the layer's output; without limit where it clamps",
    ));
    all.push(rounding("logits, on the device", "none: the last accumulators in 32 bits", "0"));
    all.push(rounding(
        "verdicts, on the device",
        "the limits to multiples of 2⁻¹⁶, each power of two that is compared with them by a polynomial of the third degree, downwards",
        "10 · 2⁻¹⁶ for each class; the class itself does not depend on it",
    ));
    all
}

pub(super) fn evidence(subject: &Subject) -> Evidence {
    let model = subject.report.int8;
    let network = Int8Network::of(model);
    let memory = Memory::of(model);
    let roundings = roundings(model, network.input);
    let shape = |[channels, height, width]: [usize; 3]| format!("{channels}×{height}×{width}");
    let meaning = |number: usize| {
        let Encoding { zero, scale } = network.encoding(number);
        format!("{scale:e} · (byte − {zero})")
    };
    let last = memory.rows.len() - 1;
    let bound = |layer: usize| model.channels(layer).iter().map(|it| it.bound.get()).max();
    let layers: Value = memory
        .rows
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let Encoding { zero, scale } = network.encoding(number);
            json!({
                "name": row.name, "what": row.layer, "gives": row.shape, "zero": zero, "scale": scale,
                "macs": row.macs, "rows_held": row.rows, "row_bytes": row.bytes, "weight_bytes": row.weight_bytes,
                "bound": number.checked_sub(1).and_then(bound),
            })
        })
        .collect();
    let parameters = subject.onnx.graph.parameters();
    let html = html! {
        p {
            "A feed-forward network of " (last) " layers, " (parameters) " parameters and " (memory.macs())
            " multiply-accumulates, without state between inferences. Integers only on the device: weights of 8 bits, values between layers of "
            "8 bits, sums of 32 bits of which no input reaches more than " (MAX_ACCUMULATOR) "."
        }
        table {
            tr {
                th { "layer" } th.names { "what it computes" } th { "gives" } th { "a byte means" } th { "rows held" } th { "bytes of weights" }
                th { "MACs" } th { "largest bound" }
            }
            @for (number, row) in memory.rows.iter().enumerate() {
                tr {
                    td { (row.name) } td.names { (row.layer) } td { (shape(row.shape)) }
                    td { @if number < last { (meaning(number)) } @else { (format!("{:e} · sum", network.logit_scale())) } }
                    td { (row.rows) " of " (row.shape[1]) } td { (row.weight_bytes) } td { (row.macs) }
                    td { (number.checked_sub(1).and_then(bound).map_or(String::new(), |it| it.to_string())) }
                }
            }
        }
        p {
            "The largest bound is of all channels of the layer: the largest magnitude of an accumulator that any input gives, computed from "
            "the weights, and checked again whenever the file is parsed."
        }
        h3 { "Roundings" }
        p { "Numbers are rounded in these places and nowhere else:" }
        table.text {
            tr { th { "where" } th { "how" } th { "error at most" } }
            @for Rounding { place, how, error } in &roundings { tr { td { (place) } td { (how) } td { (error) } } }
        }
        h3 { "Memory" }
        p {
            (memory.scratch_bytes) " bytes of RAM besides stack, of which " (memory.row_bytes) " are rows of values; " (memory.file_bytes)
            " bytes of flash besides code. Both are constants of the file: there is no heap."
        }
    };
    let json = json!({
        "layers": layers,
        "parameters": parameters,
        "macs": memory.macs(),
        "scratch_bytes": memory.scratch_bytes,
        "file_bytes": memory.file_bytes,
        "roundings": roundings.iter().map(|it| json!({ "where": it.place, "how": it.how, "error_at_most": it.error })).collect::<Value>(),
    });
    Finding::new(html, json)
        .limit("That the layers are enough for the task, or that another network would do worse")
        .into()
}
