//! What type and shape every value has, so that memory and time are known before the engine spends them.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Operators.md>, for the operators that [`super::check`]
//! lets through. The caller chooses how many images there are.

use std::collections::BTreeMap;

use super::{Attribute, Dimension, Graph, GraphFault, Node, Values};

/// Maximum elements of all values of an image together, and of what a convolution lays out: 64 MiB of `float32`.
const MAX_ELEMENTS: usize = 1 << 24;
/// Maximum multiplications, comparisons and elements read for one image; LeNet has 2.3 million.
const MAX_WORK: usize = 1 << 29;
/// Maximum axes of a value.
pub(super) const MAX_AXES: usize = 8;

type Shape = Vec<usize>;

/// What is known of a value before there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    element: Element,
    shape: Shape,
}

/// Arithmetic is done on `F32` alone: whole numbers overflow, and a division of them by 0 panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    U8,
    I64,
    F32,
    /// A constant of another type, which no operator here takes.
    Other,
}

impl Element {
    fn of(values: &Values) -> Self {
        match values {
            Values::F32(_) => Self::F32,
            Values::I64(_) => Self::I64,
            Values::U8(_) => Self::U8,
            Values::I8(_) | Values::I32(_) => Self::Other,
        }
    }
}

/// What a node costs.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Multiplications or comparisons.
    work: usize,
    /// Elements of memory besides those of the result.
    scratch: usize,
}

/// The shape of the graph's output for a number of images, if no value and no operator exceeds the limits.
pub(super) fn output(graph: &Graph, images: usize) -> Result<Shape, GraphFault> {
    let mut facts: BTreeMap<&str, Fact> = BTreeMap::new();
    for (name, tensor) in &graph.tensors {
        let element = Element::of(&tensor.values);
        facts.insert(name, Fact { element, shape: tensor.shape.clone() });
    }
    for input in &graph.inputs {
        let length = |dimension: &Dimension| match dimension {
            Dimension::Fixed(length) => *length,
            Dimension::Symbol(_) => images,
        };
        // other types are refused with the input itself
        let element = if input.element == "uint8" { Element::U8 } else { Element::F32 };
        let shape = input.shape.iter().map(length).collect();
        facts.insert(&input.name, Fact { element, shape });
    }
    let (mut elements, mut work) = (0_usize, 0_usize);
    for node in &graph.nodes {
        let fault = || GraphFault::Shapes { node: node.name.clone(), op: node.op.clone() };
        let inputs: Vec<&Fact> =
            node.inputs.iter().filter_map(|name| facts.get(&name[..])).collect();
        let read =
            inputs.iter().try_fold(0_usize, |sum, fact| sum.checked_add(count(&fact.shape)?));
        let element = element(node, &inputs, graph).ok_or_else(fault)?;
        let shapes: Vec<&[usize]> = inputs.iter().map(|fact| &fact.shape[..]).collect();
        let (shape, cost) = of(node, &shapes, graph).ok_or_else(fault)?;
        let made = count(&shape).unwrap_or(usize::MAX);
        elements = elements.saturating_add(made);
        work = work.saturating_add(cost.work).saturating_add(read.unwrap_or(usize::MAX));
        let most = elements.max(cost.scratch);
        if most > MAX_ELEMENTS * images || work > MAX_WORK * images || shape.len() > MAX_AXES {
            return Err(GraphFault::TooMuchWork { node: node.name.clone(), shape });
        }
        for name in &node.outputs {
            facts.insert(name, Fact { element, shape: shape.clone() });
        }
    }
    let output = graph.outputs.first().and_then(|output| facts.remove(&output.name[..]));
    // scores are `F32`; bytes and `int64` are no scores
    Ok(output.filter(|fact| fact.element == Element::F32).map_or(vec![], |fact| fact.shape))
}

fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))
}

/// Type that a node makes; `None` if it does not take those of its inputs.
fn element(node: &Node, inputs: &[&Fact], graph: &Graph) -> Option<Element> {
    let first = inputs.first().map(|fact| fact.element);
    let all = |element| inputs.iter().all(|fact| fact.element == element);
    match node.op.as_str() {
        "Cast" => Some(Element::F32),
        "Constant" => Some(Element::of(&graph.tensors.get(node.outputs.first()?)?.values)),
        "Concat" => first.filter(|&element| all(element)),
        "Flatten" | "Identity" | "Reshape" | "Transpose" => first,
        _ => all(Element::F32).then_some(Element::F32),
    }
}

/// Shape that a node makes, and what it costs; `None` if the inputs do not fit each other.
///
/// Optional inputs that are left out are not among `inputs`: only those of Clip can be, which are alike.
fn of(node: &Node, inputs: &[&[usize]], graph: &Graph) -> Option<(Shape, Cost)> {
    let first = *inputs.first().unwrap_or(&&[][..]);
    let shape = match node.op.as_str() {
        "Conv" => return convolution(node, inputs),
        "Gemm" => {
            let (left, right) =
                (gemm(node, "transA", first)?, gemm(node, "transB", inputs.get(1)?)?);
            let (shape, cost) = product(&left, &right)?;
            let fits =
                inputs.get(2).is_none_or(|bias| broadcast(&shape, bias).as_ref() == Some(&shape));
            return fits.then_some((shape, cost));
        }
        "MatMul" => return product(first, inputs.get(1)?),
        "Add" | "Sub" | "Mul" | "Div" => broadcast(first, inputs.get(1)?)?,
        "PRelu" => broadcast(first, inputs.get(1)?).filter(|shape| shape == first)?,
        "MaxPool" | "AveragePool" => {
            let kernel = ints(node, "kernel_shape", 2)?;
            let shape = slide(node, first, &kernel)?;
            let work = count(&shape)?.checked_mul(count(&kernel)?)?;
            return Some((shape, Cost { work, scratch: 0 }));
        }
        "GlobalAveragePool" | "GlobalMaxPool" => match first {
            [batch, maps, sides @ ..] if !sides.is_empty() => {
                [&[*batch, *maps][..], &vec![1; sides.len()]].concat()
            }
            _ => return None,
        },
        "BatchNormalization" => {
            let maps = [*first.get(1)?];
            inputs.get(1..)?.iter().all(|one| **one == maps).then(|| first.to_vec())?
        }
        "Clip" => {
            let single = |bound: &&[usize]| matches!(bound, [] | [1]) && bound.len() <= first.len();
            inputs.get(1..)?.iter().all(single).then(|| first.to_vec())?
        }
        "Softmax" | "LogSoftmax" => {
            let default = if graph.opset < 13 { 1 } else { -1 };
            (axis(node, default, first.len())? < first.len()).then(|| first.to_vec())?
        }
        "Flatten" => {
            let (rows, columns) = first.split_at_checked(axis(node, 1, first.len())?)?;
            vec![count(rows)?, count(columns)?]
        }
        "Reshape" => reshape(first, &graph.tensors.get(node.inputs.get(1)?)?.values)?,
        "Transpose" => transpose(node, first)?,
        "Concat" => concat(node, inputs)?,
        "Constant" => graph.tensors.get(node.outputs.first()?)?.shape.clone(),
        // one element each
        _ => first.to_vec(),
    };
    Some((shape, Cost::default()))
}

/// A list of whole numbers above or at 0; ones if it is missing.
fn ints(node: &Node, name: &str, length: usize) -> Option<Vec<usize>> {
    match node.attributes.get(name) {
        None => Some(vec![1; length]),
        Some(Attribute::Ints(values)) if values.len() == length => {
            values.iter().map(|&value| value.try_into().ok()).collect()
        }
        Some(_) => None,
    }
}

/// Where an axis lies; those below 0 count from the end.
fn axis(node: &Node, default: i64, rank: usize) -> Option<usize> {
    let axis = match node.attributes.get("axis") {
        None => default,
        Some(Attribute::Int(axis)) => *axis,
        Some(_) => return None,
    };
    usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok()
}

fn convolution(node: &Node, inputs: &[&[usize]]) -> Option<(Shape, Cost)> {
    let (input, weights) = (*inputs.first()?, *inputs.get(1)?);
    let (&[_, maps, ..], &[outputs, fan_in, rows, columns]) = (input, weights) else { return None };
    let groups = match node.attributes.get("group") {
        Some(Attribute::Int(groups)) => usize::try_from(*groups).ok()?,
        _ => 1,
    };
    let of_weights = !node.attributes.contains_key("kernel_shape")
        || ints(node, "kernel_shape", 2)? == [rows, columns];
    let biased = inputs.get(2).is_none_or(|bias| *bias == [outputs]);
    let grouped = fan_in.checked_mul(groups)? == maps && outputs.is_multiple_of(groups);
    (of_weights && biased && grouped).then_some(())?;
    let mut shape = slide(node, input, &[rows, columns])?;
    shape[1] = outputs;
    let work = count(&shape)?.checked_mul(count(&[fan_in, rows, columns])?)?;
    // an engine may lay out what each output reads of the input, to multiply matrices
    let scratch = count(&[shape[2], shape[3], maps, rows, columns])?;
    Some((shape, Cost { work, scratch }))
}

/// `[batch, maps, rows, columns]` under a window that slides over rows and columns.
fn slide(node: &Node, input: &[usize], kernel: &[usize]) -> Option<Shape> {
    let &[batch, maps, rows, columns] = input else { return None };
    let (strides, dilations) = (ints(node, "strides", 2)?, ints(node, "dilations", 2)?);
    let padded = node.attributes.contains_key("pads");
    let pads = if padded { ints(node, "pads", 4)? } else { vec![0; 4] };
    let padded_to_fit = match node.attributes.get("auto_pad") {
        Some(Attribute::Text(mode)) => match mode.as_str() {
            "SAME_UPPER" | "SAME_LOWER" if !padded => true,
            "VALID" if !padded => false,
            "NOTSET" => false,
            _ => return None,
        },
        Some(_) => return None,
        None => false,
    };
    let up = matches!(node.attributes.get("ceil_mode"), Some(Attribute::Int(1)));
    let side = |axis: usize, length: usize| {
        if padded_to_fit {
            return Some(length.div_ceil(strides[axis]));
        }
        let window = dilations[axis].checked_mul(kernel[axis].checked_sub(1)?)?.checked_add(1)?;
        let room =
            length.checked_add(pads[axis])?.checked_add(pads[axis + 2])?.checked_sub(window)?;
        Some(1 + if up { room.div_ceil(strides[axis]) } else { room / strides[axis] })
    };
    Some(vec![batch, maps, side(0, rows)?, side(1, columns)?])
}

/// An operand of a Gemm as it is multiplied.
fn gemm(node: &Node, transposed: &str, shape: &[usize]) -> Option<Shape> {
    match (shape, node.attributes.get(transposed)) {
        (&[rows, columns], None | Some(Attribute::Int(0))) => Some(vec![rows, columns]),
        (&[rows, columns], Some(Attribute::Int(1))) => Some(vec![columns, rows]),
        _ => None,
    }
}

/// Matrices, or stacks of them, as `numpy.matmul` has it.
fn product(left: &[usize], right: &[usize]) -> Option<(Shape, Cost)> {
    let (stacks_left, &[rows, inner]) = left.split_last_chunk()?;
    let (stacks_right, &[inner_right, columns]) = right.split_last_chunk()?;
    (inner == inner_right).then_some(())?;
    let mut shape = broadcast(stacks_left, stacks_right)?;
    shape.extend([rows, columns]);
    let work = count(&shape)?.checked_mul(inner)?;
    Some((shape, Cost { work, scratch: 0 }))
}

fn broadcast(left: &[usize], right: &[usize]) -> Option<Shape> {
    let (long, short) = if left.len() < right.len() { (right, left) } else { (left, right) };
    let (outer, inner) = long.split_at(long.len() - short.len());
    let pairs = inner.iter().zip(short).map(|lengths| match lengths {
        (&a, &b) if a == b => Some(a),
        (&length, 1) | (1, &length) => Some(length),
        _ => None,
    });
    outer.iter().copied().map(Some).chain(pairs).collect()
}

fn reshape(input: &[usize], target: &Values) -> Option<Shape> {
    let Values::I64(target) = target else { return None };
    let mut shape = vec![];
    let mut rest = None;
    for (axis, &length) in target.iter().enumerate() {
        shape.push(match length {
            0 => *input.get(axis)?,
            -1 if rest.is_none() => {
                rest = Some(axis);
                1
            }
            length => usize::try_from(length).ok()?,
        });
    }
    let (all, given) = (count(input)?, count(&shape)?);
    match rest {
        Some(axis) => {
            shape[axis] = all.checked_div(given)?;
            all.is_multiple_of(given).then_some(shape)
        }
        None => (all == given).then_some(shape),
    }
}

fn transpose(node: &Node, input: &[usize]) -> Option<Shape> {
    match node.attributes.get("perm") {
        None => Some(input.iter().rev().copied().collect()),
        Some(Attribute::Ints(axes)) if axes.len() == input.len() => {
            axes.iter().map(|&axis| input.get(usize::try_from(axis).ok()?).copied()).collect()
        }
        Some(_) => None,
    }
}

fn concat(node: &Node, inputs: &[&[usize]]) -> Option<Shape> {
    let mut shape = inputs.first()?.to_vec();
    let joined = axis(node, 0, shape.len())?;
    let mut length = 0_usize;
    for input in inputs {
        length = length.checked_add(*input.get(joined)?)?;
        let fits = input.len() == shape.len()
            && (0..shape.len()).all(|axis| axis == joined || input[axis] == shape[axis]);
        fits.then_some(())?;
    }
    shape[joined] = length;
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::empty_graph;
    use super::*;

    fn node(op: &str, attributes: &[(&str, Attribute)]) -> Node {
        Node {
            name: "node".into(),
            op: op.into(),
            inputs: vec!["a".into(), "b".into()],
            outputs: vec!["c".into()],
            attributes: attributes.iter().map(|(n, a)| ((*n).into(), a.clone())).collect(),
        }
    }

    fn made(op: &str, attributes: &[(&str, Attribute)], inputs: &[&[usize]]) -> Option<Shape> {
        of(&node(op, attributes), inputs, &empty_graph()).map(|(shape, _)| shape)
    }

    fn ints(values: &[i64]) -> Attribute {
        Attribute::Ints(values.to_vec())
    }

    #[test]
    fn each_operator_s_shape_is_that_of_its_definition() {
        let image: &[usize] = &[1, 3, 28, 28];
        let (one, two) = (Attribute::Int(1), ints(&[2, 2]));
        assert_eq!(made("Conv", &[], &[image, &[8, 3, 5, 5]]), Some(vec![1, 8, 24, 24]));
        let strided = [("strides", two.clone()), ("pads", ints(&[1, 1, 1, 1]))];
        assert_eq!(made("Conv", &strided, &[image, &[8, 3, 3, 3]]), Some(vec![1, 8, 14, 14]));
        let same = [("strides", ints(&[3, 3])), ("auto_pad", Attribute::Text("SAME_UPPER".into()))];
        assert_eq!(made("Conv", &same, &[image, &[8, 3, 3, 3]]), Some(vec![1, 8, 10, 10]));
        let grouped = [("group", Attribute::Int(3))];
        assert_eq!(made("Conv", &grouped, &[image, &[9, 1, 5, 5]]), Some(vec![1, 9, 24, 24]));
        assert_eq!(made("Conv", &[], &[image, &[8, 4, 5, 5]]), None);
        assert_eq!(made("Conv", &[], &[&[1, 3, 4, 4], &[8, 3, 5, 5]]), None);
        let pool = [("kernel_shape", two.clone()), ("strides", two.clone())];
        assert_eq!(made("MaxPool", &pool, &[&[1, 3, 5, 5]]), Some(vec![1, 3, 2, 2]));
        let up = [("kernel_shape", two.clone()), ("strides", two), ("ceil_mode", one.clone())];
        assert_eq!(made("MaxPool", &up, &[&[1, 3, 5, 5]]), Some(vec![1, 3, 3, 3]));
        assert_eq!(made("Gemm", &[("transB", one)], &[&[1, 800], &[10, 800]]), Some(vec![1, 10]));
        assert_eq!(made("Gemm", &[], &[&[1, 800], &[10, 800]]), None);
        assert_eq!(made("MatMul", &[], &[&[7, 1, 2, 3], &[5, 3, 4]]), Some(vec![7, 5, 2, 4]));
        assert_eq!(made("Gemm", &[], &[&[5, 8], &[8, 3], &[5, 1]]), Some(vec![5, 3]));
        assert_eq!(made("Gemm", &[], &[&[1, 8], &[8, 3], &[5, 1]]), None);
        assert_eq!(made("Add", &[], &[&[3, 1, 5], &[4, 1]]), Some(vec![3, 4, 5]));
        assert_eq!(made("Add", &[], &[&[3], &[4]]), None);
        assert_eq!(made("PRelu", &[], &[image, &[3, 1, 1]]), Some(image.to_vec()));
        assert_eq!(made("PRelu", &[], &[&[3, 1, 1], image]), None);
        assert_eq!(made("Clip", &[], &[image, &[]]), Some(image.to_vec()));
        assert_eq!(made("Clip", &[], &[image, &[3, 1, 1]]), None);
        let of_maps: &[usize] = &[3];
        let normalized = [image, of_maps, of_maps, of_maps, of_maps];
        assert_eq!(made("BatchNormalization", &[], &normalized), Some(image.to_vec()));
        assert_eq!(made("BatchNormalization", &[], &[image, of_maps, &[4]]), None);
        assert_eq!(made("GlobalAveragePool", &[], &[image]), Some(vec![1, 3, 1, 1]));
        assert_eq!(made("GlobalMaxPool", &[], &[&[1, 3]]), None);
        assert_eq!(made("Softmax", &[], &[image]), Some(image.to_vec()));
        assert_eq!(made("Softmax", &[("axis", Attribute::Int(4))], &[image]), None);
        assert_eq!(made("Flatten", &[], &[image]), Some(vec![1, 2352]));
        assert_eq!(made("Flatten", &[("axis", Attribute::Int(-1))], &[image]), Some(vec![84, 28]));
        assert_eq!(made("Transpose", &[], &[&[2, 3, 4]]), Some(vec![4, 3, 2]));
        assert_eq!(made("Transpose", &[("perm", ints(&[1, 0]))], &[&[2, 3, 4]]), None);
        assert_eq!(
            made("Concat", &[("axis", Attribute::Int(-1))], &[&[2, 3], &[2, 4]]),
            Some(vec![2, 7])
        );
        assert_eq!(reshape(&[2, 3, 4], &Values::I64(vec![0, -1])), Some(vec![2, 12]));
        assert_eq!(reshape(&[2, 3, 4], &Values::I64(vec![5, -1])), None);
        assert_eq!(reshape(&[2, 3, 4], &Values::I64(vec![-1, -1])), None);
    }
}
