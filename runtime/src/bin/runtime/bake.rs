//! `runtime bake`: an ONNX model as a file that is loaded without an ONNX reader.

use std::io::{self, Write};

use anyhow::{Context, bail};
use runtime::{Baked, Classifier, Options};
use safe_io::{SingleLine, output};
use sha2::{Digest, Sha256};

use crate::cli;
use crate::hint::with_hint;
use crate::model::{Content, Source};

pub(crate) fn run(arguments: &cli::Bake) -> anyhow::Result<()> {
    let output_name = SingleLine(arguments.output.display());
    let unwritable = || format!("cannot write {output_name}");
    output::check_not_input(&arguments.output, &[&arguments.model]).with_context(unwritable)?;
    output::check_target(&arguments.output, arguments.force, "--force", Baked::is_baked)?;
    let source = Source::read_file(&arguments.model)?;
    let Content::Onnx(graph) = &source.content else {
        bail!("{}: it is baked already", SingleLine(&source.name));
    };
    let baked = Baked::of_graph(graph, Sha256::digest(&source.bytes).into());
    // one that loads nowhere is no model
    let baked = baked.and_then(|baked| {
        Classifier::of_baked(&baked, Options::default())?;
        Ok(baked)
    });
    let baked = baked.map_err(|error| with_hint(error.in_file(&source.name)))?;
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
