//! `runtime inspect`: what a model takes, gives, holds, and how it was made.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use network::lowering::lower;
use network::onnx::{Attribute, Graph, Node};
use network::{Architecture, Layer};
use runtime::{Baked, Classifier, Options};
use safe_io::SingleLine;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli;
use crate::model::{self, Content};

pub(crate) fn run(arguments: &cli::Inspect) -> anyhow::Result<()> {
    let source = match arguments.model() {
        Some(path) => model::Source::read_file(path)?,
        None => model::Source::embedded()?,
    };
    let classifier = source.classifier(Options::default())?;
    let model::Source { name, bytes, content } = source;
    let graph = match content {
        Content::Onnx(graph) => graph,
        Content::Baked(baked) => {
            return print_baked(arguments.json, &name, &bytes, &baked, &classifier);
        }
    };
    let layers = lower(&graph)?.network().map(|whole| whole.network.architecture().clone());
    let identity = base16ct::lower::encode_string(&Sha256::digest(&bytes));
    let mut output = io::stdout().lock();
    if arguments.json {
        let line = json!({
            "model": name,
            "bytes": bytes.len(),
            "sha256": identity,
            "producer": graph.producer,
            "opset": graph.opset,
            "ir_version": graph.ir_version,
            "input": { "name": graph.inputs[0].name, "type": graph.inputs[0].to_string() },
            "output": { "name": graph.outputs[0].name, "type": graph.outputs[0].to_string() },
            "parameters": graph.parameters(),
            "layers": layers.as_ref().map(json_layers),
            "classes": classifier.classes(),
            "metadata": graph.metadata,
            "nodes": graph.nodes.iter().map(|node| json!({ "name": node.name, "op": node.op })).collect::<Vec<_>>(),
        });
        writeln!(output, "{line}")?;
    } else {
        writeln!(
            output,
            "{}",
            text(&name, &bytes, &identity, &graph, layers.as_ref(), &classifier)
        )?;
    }
    Ok(())
}

fn print_baked(
    json: bool,
    name: &str,
    bytes: &[u8],
    baked: &Baked,
    classifier: &Classifier,
) -> anyhow::Result<()> {
    let [identity, source] = [Sha256::digest(bytes).into(), baked.identity()]
        .map(|hash: [u8; 32]| base16ct::lower::encode_string(&hash));
    let layers = baked.network().architecture();
    let mut output = io::stdout().lock();
    if json {
        let line = json!({
            "model": name,
            "bytes": bytes.len(),
            "sha256": identity,
            "baked_from": source,
            "input": layers.input(),
            "takes_pixels": baked.takes_pixels(),
            "parameters": layers.parameters(),
            "layers": json_layers(layers),
            "classes": classifier.classes(),
            "metadata": baked.metadata(),
        });
        writeln!(output, "{line}")?;
        return Ok(());
    }
    let [channels, height, width] = layers.input();
    let values = if baked.takes_pixels() { "pixels" } else { "float32" };
    let mut rows = vec![
        ("file".to_owned(), format!("{name}, {} bytes", bytes.len())),
        ("sha256".into(), identity),
        ("format".into(), format!("baked from the ONNX file of SHA-256 {source}")),
        ("input".into(), format!("{values} [{channels}, {height}, {width}]")),
        ("output".into(), format!("float32 [{}]", layers.outputs())),
        ("parameters".into(), layers.parameters().to_string()),
        ("multiply-accumulates".into(), layers.macs().to_string()),
        ("layers".into(), layers.to_string()),
        ("classes".into(), classifier.classes().join(", ")),
    ];
    let made = baked.metadata().iter().filter(|(key, _)| *key != "classes");
    rows.extend(made.map(|(key, value)| (key.clone(), value.clone())));
    writeln!(output, "{}", table(rows))?;
    Ok(())
}

fn json_layers(layers: &Architecture) -> Vec<Value> {
    let layer = |layer: &Layer| {
        json!({
            "name": layer.name(),
            "kind": layer.to_string(),
            "input": layer.input(),
            "output": layer.output(),
            "parameters": layer.parameters(),
            "macs": layer.macs(),
        })
    };
    layers.layers().iter().map(layer).collect()
}

fn text(
    name: &str,
    bytes: &[u8],
    identity: &str,
    graph: &Graph,
    layers: Option<&Architecture>,
    classifier: &Classifier,
) -> String {
    let mut rows = vec![
        ("file".to_owned(), format!("{name}, {} bytes", bytes.len())),
        ("sha256".into(), identity.to_owned()),
        ("format".into(), format!("ONNX, IR version {}, opset {}", graph.ir_version, graph.opset)),
        ("producer".into(), graph.producer.clone()),
        ("input".into(), format!("{}: {}", graph.inputs[0].name, graph.inputs[0])),
        ("output".into(), format!("{}: {}", graph.outputs[0].name, graph.outputs[0])),
        ("parameters".into(), graph.parameters().to_string()),
    ];
    // a graph that is more than layers runs in tract, which does not say what it multiplies
    if let Some(layers) = layers {
        rows.push(("multiply-accumulates".into(), layers.macs().to_string()));
        rows.push(("layers".into(), layers.to_string()));
    }
    rows.push(("classes".into(), classifier.classes().join(", ")));
    let made = graph.metadata.iter().filter(|(key, _)| *key != "classes");
    rows.extend(made.map(|(key, value)| (key.clone(), value.clone())));
    rows.push(("graph".into(), graph.nodes.iter().map(operator).collect::<Vec<_>>().join(" → ")));
    table(rows)
}

/// Rows of a name and a value, which are what a file says.
fn table(rows: Vec<(String, String)>) -> String {
    let rows: Vec<[String; 2]> = rows
        .into_iter()
        .map(|(key, value)| [key, value].map(|text| SingleLine(text).to_string()))
        .collect();
    let width = rows.iter().map(|[key, _]| key.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for [key, value] in rows {
        let _ = writeln!(text, "{key:width$}  {value}"); // writing to a String cannot fail
    }
    text.trim_end().to_owned()
}

/// An operator with the size of its window, where it has one: `Conv 5x5`.
fn operator(node: &Node) -> String {
    match node.attributes.get("kernel_shape") {
        Some(Attribute::Ints(sides)) => {
            let sides: Vec<String> = sides.iter().map(i64::to_string).collect();
            format!("{} {}", node.op, sides.join("x"))
        }
        _ => node.op.clone(),
    }
}
