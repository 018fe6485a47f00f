//! `runtime bake`: an ONNX model as a file that is loaded without an ONNX reader, with what else flags say of it.

use std::io::{self, Write};

use anyhow::{Context, bail};
use network::{classes, onnx::Graph};
use runtime::preprocess::{Color, Preprocess};
use runtime::{Baked, Classifier, FloatInput, Options};
use safe_io::{SingleLine, output};
use sha2::{Digest, Sha256};

use crate::class_names;
use crate::cli;
use crate::hint::with_hint;
use crate::model::{Content, Source};
use crate::note;

pub(crate) fn run(arguments: &cli::Bake) -> anyhow::Result<()> {
    let output_name = SingleLine(arguments.output.display());
    let unwritable = || format!("cannot write {output_name}");
    output::check_not_input(&arguments.output, &[&arguments.model]).with_context(unwritable)?;
    output::check_target(&arguments.output, arguments.force, "--force", Baked::is_baked)?;
    let source = Source::read_file(&arguments.model)?;
    let name = SingleLine(&source.name);
    let Content::Onnx(graph) = source.content else {
        bail!("{name}: it is baked already; give the ONNX file that it was baked from");
    };
    let graph = with_flags(*graph, &arguments.preparation, &source.name)?;
    let baked = Baked::of_graph(&graph, Sha256::digest(&source.bytes).into());
    // one that loads nowhere is no model
    let baked = baked.and_then(|baked| {
        let classifier = Classifier::of_baked(&baked, Options::default())?;
        Ok((baked, classifier))
    });
    let baked = baked.map_err(|error| with_hint(error.in_file(&source.name)));
    let (baked, classifier) = baked?;
    note::assumption(&classifier, Some(&arguments.model));
    let bytes = baked.emit();
    output::write(&arguments.output, &bytes).with_context(unwritable)?;
    let summary = format!(
        "{output_name}: {} bytes, were {}; {}",
        bytes.len(),
        source.bytes.len(),
        baked.network().architecture()
    );
    if output::is_regular_or_absent(&arguments.output) {
        writeln!(io::stdout(), "{summary}")?;
    } else {
        let _ = writeln!(io::stderr(), "{summary}"); // the model may have gone to standard output
    }
    Ok(())
}

/// The graph whose metadata say what the flags say.
fn with_flags(mut graph: Graph, flags: &cli::Preparation, name: &str) -> anyhow::Result<Graph> {
    let options = flags.options()?;
    // what does not fit is told in the words of the flags, not of metadata
    let classifier = Classifier::new(&graph, options);
    let classifier = classifier.map_err(|error| with_hint(error.in_file(name)))?;
    if let Some(argument) = &flags.classes {
        class_names::apply(&classifier, argument)?;
        let names = class_names::load(argument)?;
        graph.metadata.insert(classes::KEY.into(), classes::emit(&names));
    }
    let normalization = options.float_input.iter().flat_map(FloatInput::emit);
    let preprocess = options.preprocess.map(|how| (Preprocess::KEY, how.name().to_owned()));
    let color = options.color.map(|color| (Color::KEY, color.name().to_owned()));
    for (key, value) in normalization.chain(preprocess).chain(color) {
        graph.metadata.insert(key.into(), value);
    }
    Ok(graph)
}
