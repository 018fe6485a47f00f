//! `model.h`: what a program calls, and what it takes and gives.

use std::fmt::Write;

use firmware::Model;
use safe_io::SingleLine;

use super::engine::id;
use super::network::{Layer, row_memory};
use super::package::example;
use super::template::Needs;
use crate::int8::Encoding;
use crate::quantize::NEVER_AGREES;

/// Members of `struct model`, which lie one after another without gaps.
pub(super) struct Memory {
    /// Of means whose rows are not held.
    sums: usize,
    /// Bytes of rows.
    rows: usize,
    /// Bytes of all.
    pub(super) bytes: usize,
}

impl Memory {
    /// Of a model of these layers.
    pub(super) fn of(model: Model<'_>, layers: &[Layer<'_>]) -> Self {
        let streamed = layers.iter().filter(|layer| layer.geometry.is_streamed());
        let sums: usize = streamed.map(|layer| layer.record.output.row_len()).sum();
        let outputs = if model.holds_outputs() { model.outputs() } else { 0 };
        // counts of 16 bits: of all steps, and of the image and each layer
        let before = size_of::<i32>() * (outputs + sums) + size_of::<u16>() * (layers.len() + 2);
        let bytes = (before + row_memory(model)).next_multiple_of(size_of::<i32>());
        Self { sums, rows: bytes - before, bytes }
    }
}

/// The file.
pub(super) fn file(model: Model<'_>, layers: &[Layer<'_>], needs: &Needs) -> String {
    let memory = Memory::of(model, layers);
    let input = &model.header().input;
    let [channels, height, width] = input.shape();
    let mut text = format!("/*\n * @SEAL@\n *\n{} */\n", introduction(model, layers, needs));
    text.push_str("#ifndef MODEL_H\n#define MODEL_H\n\n#include <stdint.h>\n\n");
    text.push_str("#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    let _ = write!(
        text,
        "/* What goes in: rows from the top, of bytes [column][channel]. {} */\n\
         #define MODEL_ROWS {height}u\n\
         #define MODEL_COLUMNS {width}u\n\
         #define MODEL_CHANNELS {channels}u\n\
         #define MODEL_ROW_BYTES {}u\n\n\
         /* How many numbers come out, and by what each is multiplied to be as the model in float gives it. */\n\
         #define MODEL_OUTPUTS {}u\n\
         #define MODEL_OUTPUT_SCALE {:e}f\n\n\
         /* RAM of an inference, besides less than a kilobyte of stack. */\n\
         #define MODEL_BYTES {}u\n\n\
         /* For model.c. */\n\
         #define MODEL_ID {}\n\
         #define MODEL_LAYERS {}u\n",
        meaning(model),
        input.row_len(),
        model.outputs(),
        output_scale(layers),
        memory.bytes,
        id(model),
        layers.len(),
    ); // writing to a String cannot fail
    if needs.has("STREAMED") {
        let _ = writeln!(text, "#define MODEL_SUMS {}u", memory.sums);
    }
    let _ = writeln!(text, "#define MODEL_ROW_MEMORY {}u\n", memory.rows);
    text.push_str(&needs.resolve(include_str!("engine/model.h")));
    text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n");
    let _ = writeln!(
        text,
        "#elif MODEL_ID != {}\n#error \"two models in one file of C: include each in its own\"\n#endif",
        id(model)
    );
    text
}

/// Where in [`file`] the lines of [`classes`] go.
pub(super) const CLASSES: &str = "@CLASSES@";

/// Lines of the first comment that name the classes, if they have names.
pub(super) fn classes(model: Model<'_>, needs: &Needs, classes: &[String]) -> String {
    if !needs.has("CLASSES") || classes.len() != model.outputs() {
        return String::new();
    }
    // what begins or ends a comment, or may be a trigraph
    let name = |name| {
        let name = SingleLine(name).to_string().replace("*/", "* /").replace("/*", "/ *");
        name.replace("??/", "?? /")
    };
    let lines = (0..).zip(classes).map(|(class, it)| format!("    {class}  {}", name(it)));
    comment([String::new(), "Classes:".into()].into_iter().chain(lines))
}

/// Lines within a comment.
fn comment(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |text, line| {
        let line = format!(" * {line}");
        text + line.trim_end() + "\n"
    })
}

/// Lines of the first comment.
fn introduction(model: Model<'_>, layers: &[Layer<'_>], needs: &Needs) -> String {
    let mut lines = vec!["An int8 network:".to_owned()];
    let width = layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0);
    for layer in layers {
        lines.push(format!("    {:width$}  {}", layer.name, layer.title));
    }
    let identity = base16ct::lower::encode_string(&model.header().identity);
    lines.push(String::new());
    lines.push("From the ONNX file with SHA-256".into());
    lines.push(format!("{identity},"));
    lines.push(match model.header().agreement_margin.get() {
        NEVER_AGREES => "of which no answer says that it agrees with float.".into(),
        margin => format!("with which answers agree from a margin of {margin} on."),
    });
    let before = comment(lines.drain(..));
    lines.push(String::new());
    lines.push("How a program uses it, and model_infer does all of it at once:\n *".into());
    lines.push("    static struct model model;\n *".into());
    lines.extend(
        example(needs).replace("/*", "//").replace(" */", "").lines().map(|it| format!("    {it}")),
    );
    [&before, CLASSES, &comment(lines.into_iter())].concat()
}

/// What goes in, in a few words.
pub(super) fn takes(model: Model<'_>) -> String {
    let [channels, height, width] = model.header().input.shape();
    let what = if is_pixels(model) { "pixels" } else { "numbers" };
    format!("{height}x{width}x{channels} {what}")
}

fn encoding(model: Model<'_>) -> Encoding {
    let input = &model.header().input;
    Encoding { zero: input.zero, scale: f32::from_bits(input.scale.get()) }
}

/// What one unit of the outputs is.
fn output_scale(layers: &[Layer<'_>]) -> f32 {
    layers.last().map_or(1.0, |last| f32::from_bits(last.record.output.scale.get()))
}

fn is_pixels(model: Model<'_>) -> bool {
    encoding(model) == Encoding::PIXEL
}

/// What the bytes of the input stand for.
fn meaning(model: Model<'_>) -> String {
    if is_pixels(model) {
        let order = match model.header().input.shape()[0] {
            1 => "",
            3 => " Red, green, blue.",
            _ => " In the order of the training.",
        };
        format!(
            "They are pixels of 0 to 255, prepared as for the training; normalisation is in the weights.{order}"
        )
    } else {
        let Encoding { zero, scale } = encoding(model);
        format!("A byte is a number divided by {scale}, rounded, plus {zero}; 0 to 255.")
    }
}
