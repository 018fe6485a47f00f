//! The description as one JSON object.

use network::Layer;
use network::lowering::{Lowered, Step};
use network::onnx::{NodeCost, Port};
use serde_json::{Value, json};

use super::{Description, Fault, Holds, engine};

impl Description {
    pub(super) fn json(&self) -> Value {
        let mut object = match &self.holds {
            Holds::Onnx { graph, used } => {
                let used = used.as_ref().unwrap_or(graph);
                let nodes: Vec<Value> = if self.runs() {
                    let nodes = used.nodes.iter();
                    nodes.map(|node| json!({ "name": node.name, "op": node.op })).collect()
                } else {
                    graph.node_costs().iter().map(node).collect()
                };
                json!({
                    "producer": graph.producer,
                    "opset": graph.opset,
                    "ir_version": graph.ir_version,
                    "input": graph.inputs.first().map(port),
                    "output": used.outputs.first().map(port),
                    "inputs": graph.inputs.iter().map(port).collect::<Vec<_>>(),
                    "outputs": graph.outputs.iter().map(port).collect::<Vec<_>>(),
                    "nodes": nodes,
                })
            }
            Holds::Baked(baked) => json!({
                "baked_from": base16ct::lower::encode_string(&baked.identity()),
                "input": baked.network().architecture().input(),
                "takes_pixels": baked.takes_pixels(),
            }),
        };
        let sum = |part: fn(&Step) -> usize| {
            let lowered = self.lowered.as_ref()?;
            Some(lowered.steps.iter().map(part).sum::<usize>())
        };
        let peak = self.lowered.as_ref().map(Lowered::peak_values);
        let whole = self.lowered.as_ref().and_then(Lowered::network);
        let layers = whole.as_ref().map(|whole| whole.network.architecture().layers());
        let steps = self.steps();
        for (key, value) in [
            ("model", json!(self.name)),
            ("bytes", json!(self.bytes)),
            ("sha256", json!(self.identity)),
            ("parameters", json!(self.parameters())),
            ("macs", json!(sum(Step::macs))),
            ("peak_values", json!(peak)),
            ("peak_bytes", json!(peak.map(|values| values * size_of::<f32>()))),
            ("layers", json!(layers.map(|layers| layers.iter().map(layer).collect::<Vec<_>>()))),
            ("steps", steps.iter().map(|(name, step)| self::step(name, step)).collect()),
            ("layers_only", json!(whole.is_some())),
            ("runs", json!(self.runs())),
            ("faults", self.faults.iter().map(Fault::to_string).collect()),
            ("firmware", json!(self.not_in_firmware().is_empty())),
            ("not_in_firmware", json!(self.not_in_firmware())),
            ("classes", json!(self.classes)),
            ("preprocess", json!(self.preparation.map(|how| how.preprocess().name()))),
            ("color", json!(self.preparation.map(|how| how.color().name()))),
            ("pixels", json!(self.normalization)),
            ("metadata", json!(self.metadata())),
        ] {
            object[key] = value;
        }
        object
    }
}

fn node(node: &NodeCost) -> Value {
    json!({
        "name": node.name,
        "op": node.op,
        "output": node.output,
        "macs": node.macs,
        "parameters": node.parameters,
        "bytes": node.bytes,
        "supported": node.is_supported,
    })
}

fn port(port: &Port) -> Value {
    json!({ "name": port.name, "type": port.to_string() })
}

fn layer(layer: &Layer) -> Value {
    json!({
        "name": layer.name(),
        "kind": layer.to_string(),
        "input": layer.input(),
        "output": layer.output(),
        "parameters": layer.parameters(),
        "macs": layer.macs(),
    })
}

fn step(name: &str, step: &Step) -> Value {
    json!({
        "name": name,
        "kind": step.to_string(),
        "sources": step.sources,
        "output": step.shape,
        "macs": step.macs(),
        "parameters": step.parameters(),
        "bytes": step.parameter_bytes(),
        "engine": engine(step),
    })
}
