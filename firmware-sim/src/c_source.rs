//! A `.q8` model as C99 source: a program of its own, independent of the Rust engine, with the same bits.
//!
//! `.q8 ──network──▶ layers, order of steps, places of rows ──engine, header, package──▶ model.c, model.h, files for builds`
//!
//! The functions are real C, in `c_source/engine/`, of which a model gets those of its kinds of layers. Where a row lies and
//! which step comes next, the Rust engine works out as it runs; here both are tables, made from the same plan. Values are
//! numbers around zero and biases are true ones, so that a padding is nothing to add.

mod engine;
mod header;
mod name;
mod network;
mod package;
mod seal;
mod tables;
mod template;

use firmware::Model;
use firmware::format::{Kind, Layout};

use crate::error::Error;
use crate::int8::{Header, Int8Network};
use crate::quantize::is_classifier;
use network::{BLOCK, Layer};
use template::Needs;

pub use name::Name;

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where in the folder.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A model as C source, and what it needs on a device besides its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `model.h`, `model.c`, then the files for build systems.
    pub files: Vec<File>,
    /// Bytes of `struct model`, in RAM.
    pub memory_bytes: usize,
    /// Bytes of all constants, in flash, on a core of 32 bits.
    pub constant_bytes: usize,
}

/// Paths of the two that are the model of this name.
#[must_use]
pub fn paths(name: &Name) -> [String; 2] {
    [format!("{name}.h"), format!("{name}.c")]
}

/// Paths of the files for build systems, which a program can do without.
pub fn package_paths() -> impl Iterator<Item = &'static str> {
    package::paths()
}

/// The source of a model, whose classes have these names, if they have any; in a program it is called `name`.
///
/// # Errors
/// [`Error::Memory`] if the model is laid out for cores with DSP instructions and cannot be laid out otherwise.
pub fn emit(model: Model<'_>, classes: &[String], name: &Name) -> Result<Source, Error> {
    let int8 = Int8Network::of(model);
    let file = int8.emit(Header::of(model), Layout::Bytes)?;
    let model = Model::parse(&file)?;
    let names: Vec<[String; 2]> = int8
        .layers
        .iter()
        .map(|int8| [int8.layer.name().to_owned(), int8.layer.to_string()])
        .collect();
    let layers = network::layers(model, &names);
    let inputs = model.header().input.shape().iter().product();
    let is_classifier = is_classifier(model.outputs(), inputs, !classes.is_empty());
    let needs = needs(model, &layers, is_classifier);
    let tables::Source { text, constant_bytes } = engine::file(model, &layers, &needs);
    let memory = header::Memory::of(model, &layers);
    let [header, source] = paths(name);
    let classes = header::classes(model, &needs, classes);
    // whatever a class is called, it stays as it is
    let text_of_header =
        name.apply(&header::file(model, &layers, &needs)).replace(header::CLASSES, &classes);
    let files = [(header, text_of_header), (source, name.apply(&text))];
    let package = package::files(name, &needs, &header::takes(model), memory.bytes);
    let files =
        files.into_iter().chain(package.into_iter().map(|(path, text)| (path.into(), text)));
    let files = files.map(|(path, text)| File { path, text: seal::sealed(&text) }).collect();
    Ok(Source { files, memory_bytes: memory.bytes, constant_bytes })
}

/// Whether `bytes` are a file that [`emit`] gave, in which nothing was changed since.
#[must_use]
pub fn is_emitted(bytes: &[u8]) -> bool {
    seal::is_sealed(bytes)
}

/// Which parts of the templates these layers need.
fn needs(model: Model<'_>, layers: &[Layer<'_>], is_classifier: bool) -> Needs {
    let any = |is: &dyn Fn(&Layer<'_>) -> bool| layers.iter().any(is);
    let is_signed = |number| model.layers().value(number).is_some_and(|value| value.zero != 0);
    let is_depthwise = |layer: &Layer<'_>| layer.kind == Kind::Depthwise;
    let multiplies = |layer: &Layer<'_>| layer.record.output.channels != layer.input.channels;
    let has_rest = |layer: &Layer<'_>, unit| !layer.outputs().is_multiple_of(unit);
    let has_large = |layer: &Layer<'_>| {
        !layer.is_last && layer.channels.iter().any(|channel| channel.shift < engine::MIN_SHIFT)
    };
    Needs::of(&[
        ("HELD_OUTPUTS", model.holds_outputs()),
        ("CLASSES", is_classifier),
        ("SIGNED", (0..layers.len()).any(is_signed)),
        ("STREAMED", any(&|it| it.geometry.is_streamed())),
        ("POOLED", any(&|it| it.geometry.pooled)),
        ("REST", any(&|it| it.sums_blocks() && has_rest(it, BLOCK))),
        ("ANY_SHIFT", any(&has_large)),
        ("MULTIPLIER", any(&|it| is_depthwise(it) && multiplies(it))),
        ("FOURS", any(&|it| is_depthwise(it) && !multiplies(it) && it.outputs() >= 4)),
        ("ONES", any(&|it| is_depthwise(it) && (multiplies(it) || has_rest(it, 4)))),
    ])
}
