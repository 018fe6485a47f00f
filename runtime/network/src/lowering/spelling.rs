//! Nodes spelled as tract reads them right.
//!
//! Of some operators tract takes a part of what ONNX allows for all of it, or reads it as something else. Each of these
//! has another spelling that tract computes as ONNX says:
//!
//! | operator | as tract has it | here |
//! |---|---|---|
//! | `Slice` with steps, or beyond an end | refused, nothing, or other elements | `Gather`; ends within the axis |
//! | `Pad` that repeats elements | zeros if a value is given, `wrap` refused | `Gather` |
//! | `Cast` to fewer bits | another type than that of the weights | to `float32` |
//! | `Celu` with `alpha` | another function | `Elu` between two products |
//! | `Sub` or `Div` by what a `Conv` makes | as if the other way round | `Neg` and `Add`, `Reciprocal` and `Mul` |
//! | `MeanVarianceNormalization` | NaN where all values are alike | its definition, which adds 1e-9 |
//! | windows with `auto_pad` | a last window that is not whole is left out | `pads` |
//! | `Conv` whose stride leaves places out | refused after a reshape, or other elements | `Gather` |

use std::collections::BTreeMap;

use crate::onnx::shapes::{Element, Fact, Facts, Range, Windows, pads, slices, window_attributes};
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
        "Cast" => speller.cast(),
        "Celu" => speller.celu(),
        "Sub" => speller.inverse("Neg", "Add"),
        "Div" => speller.inverse("Reciprocal", "Mul"),
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
                starts.push(start as i64);
                ends.push((start + length) as i64);
                axes.push(axis as i64);
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

    /// To `float32`, as which real numbers of all widths are computed.
    fn cast(&mut self) -> Option<()> {
        let made = self.facts.get(self.original.outputs.first()?.as_str())?;
        (made.element == Element::F32).then_some(())?;
        self.push("Cast", &[&self.node.inputs[0]], &[("to", Attribute::Int(1))]);
        self.finish()
    }

    /// `a − b` as `a + −b`, and `a / b` as `a · 1/b`, where `b` may be what a convolution makes.
    fn inverse(&mut self, inverse: &str, op: &str) -> Option<()> {
        let other = self.fact(1)?;
        (other.element == Element::F32 && other.value.is_none()).then_some(())?;
        // one number of each channel
        let is_long = |length: &&usize| **length > 1;
        let of_channels = self.fact(0)?.shape.iter().filter(is_long).count() < 2;
        (of_channels && other.shape.len() > 2).then_some(())?;
        let inverted = self.push(inverse, &[&self.node.inputs[1]], &[]);
        self.push(op, &[&self.node.inputs[0], &inverted], &[]);
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
mod tests;
