//! `model.c`: the functions for just a model's kinds of layers, its tables, and what a program calls.

use firmware::Model;
use firmware::format::Kind;

use super::network::{BLOCK, Layer, order, places, row_memory, value_name};
use super::tables::{I8, I32, POINTER, SCALING, Source, Type, U8, U32};
use super::template::Needs;

/// Smallest shift of a multiplier for which its product's low half does not matter: see `engine/put.c`.
pub(super) const MIN_SHIFT: u8 = 33;

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("engine/", $name, ".c"))
    };
}

/// The file, and how many bytes its constants take.
pub(super) fn file(model: Model<'_>, layers: &[Layer<'_>], needs: &Needs) -> Source {
    let mut source = Source::default();
    source.line(
        "/*\n * @SEAL@\n *\n \
         * In this file: values and their rows; a function for each kind of layer, which computes one row; the layers with\n \
         * their weights; the order of an inference; and the functions of model.h, which says how to use them.\n \
         */\n#include \"model.h\"\n\n#include <stddef.h>\n",
    );
    source.line(format_args!(
        "#if MODEL_ID != {}\n#error \"model.h and model.c are of two models\"\n#endif\n",
        id(model)
    ));
    source.line(
        "\
         /* What struct model takes is as stated, on every core. */\n\
         typedef char model_has_model_bytes[sizeof(struct model) == MODEL_BYTES ? 1 : -1];\n",
    );
    let (place, _) = place(model);
    source.line(format_args!(
        "/* Bytes from the beginning of model->rows. */\ntypedef {place} row_place;\n"
    ));
    for part in parts(layers, needs) {
        source.line(needs.resolve(&part));
    }
    values(&mut source, model, layers);
    for layer in layers {
        data(&mut source, layer, needs);
    }
    compute(&mut source, layers, needs);
    steps(&mut source, model, layers, needs);
    source
}

/// What tells models apart: the checksum that the `.q8` file of this layout ends with.
pub(super) fn id(model: Model<'_>) -> String {
    let checksum = model.bytes().last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    format!("{checksum:#010x}u")
}

/// The type of places in memory.
fn place(model: Model<'_>) -> Type {
    if row_memory(model) > usize::from(u16::MAX) { U32 } else { ("uint16_t", 2) }
}

/// The functions of the kinds of layers that there are.
fn parts(layers: &[Layer<'_>], needs: &Needs) -> Vec<String> {
    let any = |is: &dyn Fn(&Layer<'_>) -> bool| layers.iter().any(is);
    let has = |kind| any(&|layer| layer.kind == kind);
    // outputs that are not held are computed when they are asked for
    let has_row = |layer: &Layer<'_>| !layer.is_last || needs.has("HELD_OUTPUTS");
    let is_mean = |layer: &Layer<'_>| layer.kind == Kind::AveragePool;
    let most_lines = layers.iter().map(Layer::lines).max().unwrap_or(0);
    let max_lines =
        format!("/* Rows under a window, at most. */\n#define MAX_LINES {most_lines}u\n");
    let lines = [&max_lines, part!("lines")].join("\n");
    [
        (true, part!("rows")),
        (any(&|it| it.kind != Kind::MaxPool && has_row(it)), part!("put")),
        (has(Kind::Conv) || has(Kind::Depthwise), &lines),
        (has(Kind::Conv) || has(Kind::Dense), part!("products")),
        (has(Kind::Conv), part!("conv")),
        (has(Kind::Depthwise), part!("depthwise")),
        (has(Kind::MaxPool) || has(Kind::AveragePool), part!("pool")),
        (has(Kind::MaxPool), part!("max_pool")),
        (has(Kind::AveragePool), part!("window_sum")),
        (any(&|it| is_mean(it) && !it.geometry.is_streamed()), part!("average_pool")),
        (any(&|it| it.geometry.is_streamed()), part!("streamed_pool")),
        (has(Kind::Add), part!("add")),
        (has(Kind::Dense), part!("dense")),
        (any(&|it| it.kind == Kind::Dense && has_row(it)), part!("dense_row")),
    ]
    .into_iter()
    .filter(|(is_needed, _)| *is_needed)
    .map(|(_, part)| part.to_owned())
    .collect()
}

/// The image, and what each layer gives.
fn values(source: &mut Source, model: Model<'_>, layers: &[Layer<'_>]) {
    source.line("/* Values: the image, and what each layer gives. */\n");
    for number in 0..=layers.len() {
        let Some(value) = model.layers().value(number) else { continue };
        let name = value_name(layers.iter().map(|layer| layer.name), number);
        let rows = places(model, number);
        source.count_struct(&[2, 2, 2, 1, 1, 1, POINTER]);
        let [channels, height, width] = value.shape();
        let (left, right, zero) = (value.left, value.right, value.zero);
        let places = if rows.is_empty() {
            "NULL".into()
        } else {
            let name = format!("{name}_places");
            source.table(place(model), &name, rows.into_iter());
            name
        };
        source.line(format_args!(
            "static const struct value {name} = {{\n    \
                 .channels = {channels}, .height = {height}, .width = {width},\n    \
                 .left = {left}, .right = {right}, .zero = {zero}, .places = {places},\n}};\n"
        ));
    }
}

/// The tables of a layer, and the layer.
fn data(source: &mut Source, layer: &Layer<'_>, needs: &Needs) {
    let Layer { name, title, .. } = layer;
    source.line(format_args!("/* {name}: {title} */"));
    let mut fields = fields(layer, needs);
    if !layer.weights.is_empty() {
        let block = if layer.sums_blocks() { BLOCK } else { layer.outputs() };
        source.table(I8, &format!("{name}_weights"), layer.blocks(block).into_iter());
        fields.push(format!(".weights = {name}_weights"));
    }
    if layer.kind != Kind::MaxPool {
        source.table(I32, &format!("{name}_biases"), layer.biases().into_iter());
        let each = u8::from(!layer.weights.is_empty());
        let mut more = String::new();
        if !layer.is_last {
            let multipliers = layer.channels.iter().map(|channel| channel.mantissa.get());
            source.table(U32, &format!("{name}_multipliers"), multipliers);
            let shifts = layer.channels.iter().map(|channel| channel.shift);
            source.table(U8, &format!("{name}_shifts"), shifts);
            more = format!(", .multipliers = {name}_multipliers, .shifts = {name}_shifts");
        }
        fields.push(format!(".scaling = {{.each = {each}, .biases = {name}_biases{more}}}"));
    }
    source.count_struct(&[members(layer.kind, needs), &SCALING].concat());
    let kind = struct_of(layer.kind);
    source.line(format_args!("static const struct {kind} {name} = {{"));
    for field in fields {
        source.line(format_args!("    {field},"));
    }
    source.line("};\n");
}

/// The `struct` of a kind of layer.
const fn struct_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Conv => "conv",
        Kind::Depthwise => "depthwise",
        Kind::MaxPool | Kind::AveragePool => "pool",
        Kind::Add => "add",
        Kind::Dense => "dense",
    }
}

/// Sizes of the members of a kind of layer before its scaling, as the files in `engine/` have them.
fn members(kind: Kind, needs: &Needs) -> &'static [usize] {
    const P: usize = POINTER;
    match kind {
        Kind::Conv if needs.has("POOLED") => &[P, P, 1, 1, 1, 1, 1, 1, 1, P],
        Kind::Depthwise if needs.has("MULTIPLIER") => &[P, P, 1, 1, 1, 1, 1, 1, 2, P],
        Kind::Conv | Kind::Depthwise => &[P, P, 1, 1, 1, 1, 1, 1, P],
        Kind::MaxPool | Kind::AveragePool => &[P, P, 1, 1, 1, 1, 1, 1],
        Kind::Add => &[P, P, P, 4, 4],
        Kind::Dense => &[P, P, P],
    }
}

/// A layer's lines of members, but for its tables.
fn fields(layer: &Layer<'_>, needs: &Needs) -> Vec<String> {
    let Layer { name, record, geometry, sources: [one, other], .. } = layer;
    let [rows, columns] = geometry.kernel;
    let [down, across] = geometry.stride;
    let [top, _, left, _] = geometry.padding;
    let ends = format!(".input = &{one}, .output = &{name}_output");
    let kernel = format!(".kernel_rows = {rows}, .kernel_columns = {columns}");
    let window = format!(".down = {down}, .across = {across}, .top = {top}, .left = {left}");
    match layer.kind {
        Kind::Conv => {
            let pool = format!(".pool = {}", geometry.rows_at_once());
            let pool = needs.has("POOLED").then_some(pool);
            [ends, kernel, window].into_iter().chain(pool).collect()
        }
        Kind::Depthwise => {
            let multiplier = record.output.channels.get() / layer.input.channels.get();
            let multiplier = format!(".multiplier = {multiplier}");
            let multiplier = needs.has("MULTIPLIER").then_some(multiplier);
            [ends, kernel, window].into_iter().chain(multiplier).collect()
        }
        Kind::MaxPool | Kind::AveragePool => {
            vec![ends, format!(".rows = {rows}, .columns = {columns}"), window]
        }
        Kind::Add => {
            let [of_one, of_other] = layer.factors;
            vec![
                format!(".one = &{one}, .other = &{other}, .output = &{name}_output"),
                format!(".factor_of_one = {of_one}, .factor_of_other = {of_other}"),
            ]
        }
        Kind::Dense => vec![ends],
    }
}

/// The function that knows which layer has which number.
fn compute(source: &mut Source, layers: &[Layer<'_>], needs: &Needs) {
    source.line("/* Computes the next row of a layer, which are counted from 1. */");
    source
        .line("static void compute(struct model *model, uint32_t layer)\n{\n    switch (layer) {");
    let mut sums = 0;
    let mut uses_memory = false;
    for (number, layer) in (1..).zip(layers) {
        if layer.is_last && !needs.has("HELD_OUTPUTS") {
            continue;
        }
        let name = layer.name;
        let row = "model->steps[layer]";
        let call = match layer.kind {
            Kind::MaxPool => format!("max_pool_row(model, &{name}, {row})"),
            Kind::AveragePool if layer.geometry.is_streamed() => {
                let at = sums;
                sums += layer.record.output.row_len();
                format!("streamed_pool_row(model, &{name}, &model->sums[{at}], {row})")
            }
            Kind::AveragePool => format!("average_pool_row(model, &{name}, {row})"),
            Kind::Dense => format!("dense_row(model, &{name})"),
            kind => format!("{}_row(model, &{name}, {row})", struct_of(kind)),
        };
        source.line(format_args!("    case {number}:\n        {call};\n        break;"));
        uses_memory = true;
    }
    source.line("    default:\n        break;\n    }");
    if !uses_memory {
        source.line("    (void)model;");
    }
    source.line("}\n");
}

/// The steps of an inference, and the functions that a program calls.
fn steps(source: &mut Source, model: Model<'_>, layers: &[Layer<'_>], needs: &Needs) {
    let order = order(model);
    source.line(format_args!(
        "/*\n * The order of an inference: 0 takes in a row of the image, another number computes the next row of that layer. \
         The\n * last layer that can do something goes first, so that no row is held for longer than it is needed.\n */\n\
         #define STEPS {}u",
        order.len()
    ));
    source.table(U8, "order", order.into_iter());
    source.line("");
    source.line(part!("steps"));
    if needs.has("HELD_OUTPUTS") {
        source.line(part!("finish").trim_end());
    } else if let Some(last) = layers.last() {
        source.line(part!("outputs").replace("last_layer", last.name).trim_end());
    }
    if needs.has("CLASSES") {
        let limits = model.limits();
        let margin = model.header().agreement_margin.get();
        source.line("\n/* Limits of the float model's verdicts, and of its agreement. */");
        for (name, number, what) in [
            (
                "odds_rate",
                limits.rate,
                "powers of two for a unit of a difference of outputs, times 2^32",
            ),
            ("sure_odds", limits.sure, "largest odds against a class that is sure, times 2^16"),
            ("unsure_odds", limits.unsure, "the same of one that is unsure"),
            (
                "rejected_class",
                limits.rejected.into(),
                "the class that means none, from 1; 0: there is none",
            ),
            (
                "agreement_margin",
                margin,
                "the smallest from which on int8 and float gave one class in training",
            ),
        ] {
            source.count_struct(&[4]);
            source.line(format_args!("static const uint32_t {name} = {number}u; /* {what} */"));
        }
        source.line("");
        source.line(part!("answer").trim_end());
    }
}
