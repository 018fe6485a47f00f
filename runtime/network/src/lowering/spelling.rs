//! Nodes spelled as tract reads them right.
//!
//! Of some operators tract takes a part of what ONNX allows for all of it, or reads it as something else. Each of these
//! has another spelling that tract computes as ONNX says:
//!
//! | operator | as tract has it | here |
//! |---|---|---|
//! | `Slice` with steps, or beyond an end | refused, nothing, or other elements | `Gather`; ends within the axis |
//! | `Pad` that repeats elements | zeros if a value is given, `wrap` refused | `Gather` |
//! | `Celu` with `alpha` | another function | `Elu` between two products |
//! | `MeanVarianceNormalization` | NaN where all values are alike | its definition, which adds 1e-9 |
//! | windows with `auto_pad` | a last window that is not whole is left out | `pads` |
//! | `Conv` whose stride leaves places out | refused after a reshape, or other elements | `Gather` |

use std::collections::BTreeMap;

use crate::onnx::shapes::{Fact, Facts, Range, Windows, pads, slices, window_attributes};
use crate::onnx::{Attribute, Node, Tensor, Values};

/// First operator set in which `Pad` has its lengths as inputs.
const PADS_AS_INPUTS: i64 = 11;
/// First operator set in which `Slice` has its ends as inputs.
const ENDS_AS_INPUTS: i64 = 10;
/// First operator set in which `ReduceMean` has its axes as an input.
const AXES_AS_INPUT: i64 = 18;
/// What `MeanVarianceNormalization` adds to a standard deviation.
const DEVIATION: f32 = 1e-9;

/// Nodes and constants that compute what one node did.
#[derive(Debug, Default)]
pub(super) struct Spelled {
    pub(super) nodes: Vec<Node>,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

/// `node` for tract. Its inputs and outputs may have other names than in the graph, where it is `original`.
pub(super) fn spelled(original: &Node, node: Node, facts: &Facts, opset: i64) -> Spelled {
    let mut speller = Speller { original, node: &node, facts, opset, made: Spelled::default() };
    let done = match node.op.as_str() {
        "Slice" => speller.slice(),
        "Pad" => speller.pad(),
        "Celu" => speller.celu(),
        "MeanVarianceNormalization" => speller.normalization(),
        "Conv" | "QLinearConv" | "MaxPool" | "AveragePool" => speller.windows(),
        _ => None,
    };
    match done {
        Some(()) => speller.made,
        None => Spelled { nodes: vec![node], tensors: BTreeMap::new() },
    }
}

struct Speller<'a> {
    original: &'a Node,
    node: &'a Node,
    facts: &'a Facts<'a>,
    opset: i64,
    made: Spelled,
}

impl Speller<'_> {
    /// What is known of an input.
    fn fact(&self, index: usize) -> Option<&Fact<'_>> {
        self.facts.get(self.original.inputs.get(index)?.as_str())
    }

    fn constant_at(&self, index: usize) -> Option<&Tensor> {
        self.fact(index)?.value.as_deref()
    }

    /// Adds a constant, and gives its name.
    fn constant(&mut self, tensor: Tensor) -> String {
        let name = format!("{}.constant{}", self.node.outputs[0], self.made.tensors.len());
        self.made.tensors.insert(name.clone(), tensor);
        name
    }

    fn lengths(&mut self, values: Vec<i64>) -> String {
        self.constant(Tensor::new(&[values.len()], Values::I64(values)))
    }

    fn number(&mut self, value: f32) -> String {
        self.constant(Tensor::scalar(Values::F32(vec![value])))
    }

    /// Adds a node, and gives the name of what it makes.
    fn push(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let output = format!("{}.{}", self.node.outputs[0], self.made.nodes.len());
        self.made.nodes.push(Node::new(op, inputs, &output, attributes));
        output
    }

    /// Lets the last node make what the original does.
    fn finish(&mut self) -> Option<()> {
        self.made.nodes.last_mut()?.outputs.clone_from(&self.node.outputs);
        Some(())
    }

    fn slice(&mut self) -> Option<()> {
        let shape = self.fact(0)?.shape.clone();
        let constants = (1..self.original.inputs.len()).map(|index| self.constant_at(index));
        let ranges = slices(self.original, &constants.collect::<Option<Vec<_>>>()?, &shape)?;
        let mut name = self.node.inputs[0].clone();
        let [mut starts, mut ends, mut axes] = [const { vec![] }; 3];
        for (axis, Range { start, step, length }) in ranges.into_iter().enumerate() {
            if step == 1 {
                (
                    starts.push(start as i64),
                    ends.push((start + length) as i64),
                    axes.push(axis as i64),
                );
                continue;
            }
            let at = |index: usize| start as i64 + index as i64 * step as i64;
            name = self.gather(&name, axis, (0..length).map(at).collect());
        }
        if self.opset < ENDS_AS_INPUTS {
            let [starts, ends, axes] = [starts, ends, axes].map(Attribute::Ints);
            self.push("Slice", &[&name], &[("starts", starts), ("ends", ends), ("axes", axes)]);
        } else {
            let [starts, ends, axes] = [starts, ends, axes].map(|values| self.lengths(values));
            self.push("Slice", &[&name, &starts, &ends, &axes], &[]);
        }
        self.finish()
    }

    /// The elements of an axis at these indices.
    fn gather(&mut self, name: &str, axis: usize, indices: Vec<i64>) -> String {
        let indices = self.lengths(indices);
        self.push("Gather", &[name, &indices], &[("axis", Attribute::Int(axis as i64))])
    }

    fn pad(&mut self) -> Option<()> {
        let shape = self.fact(0)?.shape.clone();
        let rank = shape.len();
        let is_input = self.original.inputs.len() > 1;
        let around = pads(self.original, rank, is_input, self.constant_at(1), self.constant_at(3))?;
        let source: fn(i64, i64) -> i64 = match self.original.attributes.get("mode") {
            Some(Attribute::Text(mode)) if mode == "edge" => |at, length| at.clamp(0, length - 1),
            Some(Attribute::Text(mode)) if mode == "wrap" => i64::rem_euclid,
            Some(Attribute::Text(mode)) if mode == "reflect" => |at, length| {
                let period = (2 * (length - 1)).max(1);
                let at = at.rem_euclid(period);
                at.min(period - at)
            },
            _ => return self.constant_pad(around),
        };
        let mut name = self.node.inputs[0].clone();
        for (axis, &length) in shape.iter().enumerate() {
            let [before, after] = [around[axis], around[axis + rank]].map(|pad| pad as i64);
            if [before, after] != [0; 2] {
                let length = length as i64;
                let indices = (-before..length + after).map(|at| source(at, length)).collect();
                name = self.gather(&name, axis, indices);
            }
        }
        if self.made.nodes.is_empty() {
            self.push("Identity", &[&name], &[]);
        }
        self.finish()
    }

    /// The value as a number without axes, and the lengths of all axes.
    fn constant_pad(&mut self, around: Vec<usize>) -> Option<()> {
        if self.opset < PADS_AS_INPUTS {
            return None;
        }
        let value = match self.constant_at(2) {
            Some(Tensor { values: Values::F32(values), .. }) => *values.first()?,
            Some(_) => return None,
            None => 0.0,
        };
        let around = self.lengths(around.into_iter().map(|pad| pad as i64).collect());
        let value = self.number(value);
        self.push("Pad", &[&self.node.inputs[0], &around, &value], &[]);
        self.finish()
    }

    /// `α · elu(x / α)`
    fn celu(&mut self) -> Option<()> {
        let Some(&Attribute::Float(alpha)) = self.original.attributes.get("alpha") else {
            return None;
        };
        let [down, up] = [alpha.recip(), alpha].map(|factor| self.number(factor));
        let scaled = self.push("Mul", &[&self.node.inputs[0], &down], &[]);
        let bent = self.push("Elu", &[&scaled], &[]);
        self.push("Mul", &[&bent, &up], &[]);
        self.finish()
    }

    /// `(x − mean) / (√variance + 1e-9)`
    fn normalization(&mut self) -> Option<()> {
        let axes = match self.original.attributes.get("axes") {
            None => vec![0, 2, 3],
            Some(Attribute::Ints(axes)) => axes.clone(),
            Some(_) => return None,
        };
        let input = self.node.inputs[0].clone();
        let mean = self.mean(&input, &axes);
        let centred = self.push("Sub", &[&input, &mean], &[]);
        let squares = self.push("Mul", &[&centred, &centred], &[]);
        let variance = self.mean(&squares, &axes);
        let deviation = self.push("Sqrt", &[&variance], &[]);
        let least = self.number(DEVIATION);
        let deviation = self.push("Add", &[&deviation, &least], &[]);
        self.push("Div", &[&centred, &deviation], &[]);
        self.finish()
    }

    fn mean(&mut self, name: &str, axes: &[i64]) -> String {
        if self.opset < AXES_AS_INPUT {
            let axes = Attribute::Ints(axes.to_vec());
            return self.push("ReduceMean", &[name], &[("axes", axes)]);
        }
        let axes = self.lengths(axes.to_vec());
        self.push("ReduceMean", &[name, &axes], &[])
    }

    /// The padding in numbers, and no stride that only leaves places out: those are left out before.
    fn windows(&mut self) -> Option<()> {
        let sides = self.fact(0)?.shape.get(2..)?.to_vec();
        let kernel = match self.original.attributes.get("kernel_shape") {
            Some(Attribute::Ints(kernel)) => {
                kernel.iter().map(|&side| usize::try_from(side).ok()).collect::<Option<_>>()?
            }
            Some(_) => return None,
            None => {
                let weights = if self.original.op == "Conv" { 1 } else { 3 };
                self.fact(weights)?.shape.get(2..)?.to_vec()
            }
        };
        let Windows { mut strides, mut dilations, pads, .. } =
            window_attributes(self.original, &sides, &kernel)?;
        let mut name = self.node.inputs[0].clone();
        for (axis, (&length, &side)) in sides.iter().zip(&kernel).enumerate() {
            let (stride, padded) = (strides[axis], pads[axis] + pads[axis + sides.len()] > 0);
            let leaves_out = side == 1 || dilations[axis].is_multiple_of(stride);
            if self.original.op.ends_with("Pool") || stride == 1 || padded || !leaves_out {
                continue;
            }
            if length > 1 {
                name = self.gather(&name, axis + 2, (0..length as i64).step_by(stride).collect());
            }
            strides[axis] = 1;
            dilations[axis] = if side == 1 { 1 } else { dilations[axis] / stride };
        }
        let numbers = |values: Vec<usize>| {
            Attribute::Ints(values.into_iter().map(|value| value as i64).collect())
        };
        let mut node = self.node.clone();
        node.inputs[0] = name;
        node.attributes.remove("auto_pad");
        node.attributes.insert("pads".into(), numbers(pads));
        node.attributes.insert("strides".into(), numbers(strides));
        if self.original.attributes.contains_key("dilations") {
            node.attributes.insert("dilations".into(), numbers(dilations));
        }
        self.made.nodes.push(node);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{lower, whole_in_tract};
    use super::*;
    use crate::onnx::{Graph, Port};

    /// What a node makes of `0, 1, 2, …` less `below`, by tract alone and as the graph is lowered.
    #[track_caller]
    fn made(node: &Node, shape: &[usize], below: f32, tensors: &[(&str, Tensor)]) -> Vec<f32> {
        made_in(13, node, shape, below, tensors)
    }

    #[track_caller]
    fn made_in(
        opset: i64,
        node: &Node,
        shape: &[usize],
        below: f32,
        tensors: &[(&str, Tensor)],
    ) -> Vec<f32> {
        let flatten = Node::new("Flatten", &["made"], "scores", &[]);
        let graph = Graph {
            inputs: vec![Port::of_batches("image", "float32", shape)],
            outputs: vec![Port { name: "scores".into(), element: "float32".into(), shape: vec![] }],
            nodes: vec![node.clone(), flatten],
            tensors: tensors.iter().map(|(name, t)| ((*name).into(), t.clone())).collect(),
            opset,
            ..crate::onnx::empty()
        };
        let graph = graph.checked().unwrap();
        let image: Vec<f32> =
            (0..shape.iter().product()).map(|i: usize| i as f32 - below).collect();
        let [whole, lowered] = [whole_in_tract(&graph), lower(&graph)]
            .map(|lowered| lowered.unwrap().activations(&image).unwrap().pop().unwrap());
        assert_eq!(whole, lowered);
        whole
    }

    fn ints(values: &[i64]) -> Tensor {
        Tensor::new(&[values.len()], Values::I64(values.to_vec()))
    }

    #[test]
    fn a_slice_may_go_backwards_in_steps_and_begin_and_end_behind_the_axis() {
        let node = Node::new("Slice", &["image", "starts", "ends", "axes", "steps"], "made", &[]);
        for (start, end, step, expected) in [
            (1 << 31, -(1 << 31), -1, vec![4, 3, 2, 1, 0]),
            (-1, -6, -2, vec![4, 2, 0]),
            (-9, 9, 3, vec![0, 3]),
            (1, 9, 1, vec![1, 2, 3, 4]),
            (3, 0, -1, vec![3, 2, 1]),
        ] {
            let tensors = [
                ("starts", ints(&[start])),
                ("ends", ints(&[end])),
                ("axes", ints(&[-1])),
                ("steps", ints(&[step])),
            ];
            let rows = [0, 5].into_iter().flat_map(|row| expected.iter().map(move |i| i + row));
            let expected: Vec<f32> = rows.map(|i| i as f32).collect();
            assert_eq!(
                made(&node, &[1, 2, 5], 0.0, &tensors),
                expected,
                "{start}..{end} by {step}"
            );
        }
    }

    #[test]
    fn padding_that_repeats_elements_passes_over_the_value() {
        let pads = ints(&[0, 0, 0, 2, 0, 0, 0, 1]);
        let value = Tensor::scalar(Values::F32(vec![9.0]));
        for (mode, expected) in [
            ("edge", [0, 0, 0, 1, 2, 2]),
            ("reflect", [2, 1, 0, 1, 2, 1]),
            ("wrap", [1, 2, 0, 1, 2, 0]),
            ("constant", [9, 9, 0, 1, 2, 9]),
        ] {
            let tensors = [("pads", pads.clone()), ("value", value.clone())];
            let mode = [("mode", Attribute::Text(mode.into()))];
            let node = Node::new("Pad", &["image", "pads", "value"], "made", &mode);
            let found = made_in(19, &node, &[1, 1, 3], 0.0, &tensors);
            assert_eq!(found, expected.map(|i| i as f32), "{mode:?}");
        }
    }

    #[test]
    fn a_celu_bends_where_alpha_says() {
        let alpha = [("alpha", Attribute::Float(2.0))];
        let found = made(&Node::new("Celu", &["image"], "made", &alpha), &[1, 1, 4], 2.0, &[]);
        let expected = [-2.0_f32, -1.0].map(|x| 2.0 * ((x / 2.0).exp() - 1.0));
        for (found, expected) in found.iter().zip([expected[0], expected[1], 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }

    #[test]
    fn a_normalisation_of_one_value_is_zero() {
        let axes = [("axes", Attribute::Ints(vec![3]))];
        let node = Node::new("MeanVarianceNormalization", &["image"], "made", &axes);
        assert_eq!(made(&node, &[1, 2, 1], 0.0, &[]), [0.0; 2]);
        assert_eq!(made_in(18, &node, &[1, 1, 2], 0.0, &[]), [-1.0, 1.0]);
    }

    #[test]
    fn windows_that_pad_by_themselves_count_a_last_one_that_is_not_whole() {
        let attributes = [
            ("auto_pad", Attribute::Text("VALID".into())),
            ("ceil_mode", Attribute::Int(1)),
            ("kernel_shape", Attribute::Ints(vec![1, 2])),
            ("strides", Attribute::Ints(vec![1, 3])),
        ];
        for (op, expected) in [("MaxPool", [1.0, 4.0]), ("AveragePool", [0.5, 3.5])] {
            let node = Node::new(op, &["image"], "made", &attributes);
            assert_eq!(made(&node, &[1, 1, 5], 0.0, &[]), expected);
        }
        for (op, expected) in [("MaxPool", 3.0), ("AveragePool", 1.5)] {
            let attributes = [
                ("ceil_mode", Attribute::Int(1)),
                ("kernel_shape", Attribute::Ints(vec![2, 3])),
                ("strides", Attribute::Ints(vec![1, 2])),
            ];
            // PyTorch counts a first one that is not whole
            let node = Node::new(op, &["image"], "made", &attributes);
            assert_eq!(made(&node, &[2, 2, 2], 0.0, &[])[..1], [expected]);
        }
    }

    #[test]
    fn a_convolution_may_leave_out_places_of_a_reshaped_value() {
        let weights = Tensor::new(&[2, 1, 1, 1], Values::F32(vec![1.0, 2.0]));
        let strides = ("strides", Attribute::Ints(vec![2, 2]));
        let node = Node::new("Conv", &["image", "weights"], "made", &[strides.clone()]);
        let found = made(&node, &[1, 5, 1], 0.0, &[("weights", weights)]);
        assert_eq!(found, [0.0, 2.0, 4.0, 0.0, 4.0, 8.0]);
        let weights = Tensor::new(&[1, 1, 2, 1], Values::F32(vec![1.0, 10.0]));
        let attributes = [strides, ("dilations", Attribute::Ints(vec![4, 3]))];
        let node = Node::new("Conv", &["image", "weights"], "made", &attributes);
        let found = made(&node, &[1, 8, 1], 0.0, &[("weights", weights)]);
        assert_eq!(found, [40.0, 62.0]);
    }
}
