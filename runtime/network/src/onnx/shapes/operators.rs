//! The shape that each operator makes, and what it costs.

use super::moves::{
    concat, given_shape, padded, range_of_shape, reduced, reshape, slices, split, squeeze,
    transpose, unsqueeze,
};
use super::{Cost, Fact, Shape};
use crate::onnx::{Attribute, Node, Tensor, Values, fold};

/// Shapes that a node makes, and its cost; `None` if the inputs do not fit each other.
pub(super) fn of(node: &Node, inputs: &[Option<&Fact>], opset: i64) -> Option<(Vec<Shape>, Cost)> {
    if node.op == "Split" {
        return Some((split(node, inputs)?, Cost::default()));
    }
    let (shape, cost) = single(node, inputs, opset)?;
    Some((vec![shape], cost))
}

#[expect(clippy::too_many_lines, reason = "one arm for each operator")]
fn single(node: &Node, inputs: &[Option<&Fact>], opset: i64) -> Option<(Shape, Cost)> {
    let shape_at = |index: usize| inputs.get(index).copied().flatten().map(|fact| &fact.shape[..]);
    let constant = |index: usize| inputs.get(index).copied().flatten()?.value.as_deref();
    let given = || inputs.iter().flatten().map(|fact| &fact.shape[..]);
    let first = shape_at(0).unwrap_or_default();
    let shape = match node.op.as_str() {
        // its weights must be known
        "Conv" if constant(1).is_some() => {
            return convolution(node, first, shape_at(1)?, shape_at(2));
        }
        "Conv" => return None,
        "QLinearConv" => return convolution(node, first, shape_at(3)?, shape_at(8)),
        "Gemm" => {
            let (left, right) = (gemm(node, "transA", first)?, gemm(node, "transB", shape_at(1)?)?);
            let (shape, cost) = product(&left, &right)?;
            let fits =
                shape_at(2).is_none_or(|bias| broadcast(&shape, bias).as_ref() == Some(&shape));
            return fits.then_some((shape, cost));
        }
        "MatMul" => return product(first, shape_at(1)?),
        "QLinearMatMul" => return product(first, shape_at(3)?),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" => broadcast(first, shape_at(1)?)?,
        "Max" | "Min" | "Sum" | "Mean" => {
            given().skip(1).try_fold(first.to_vec(), |shape, next| broadcast(&shape, next))?
        }
        "PRelu" => broadcast(first, shape_at(1)?).filter(|shape| shape == first)?,
        "MaxPool" | "AveragePool" => {
            let kernel = ints(node, "kernel_shape", first.len().checked_sub(2)?)?;
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
        "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceSum" | "ReduceL2" => {
            reduced(node, first, inputs.len() > 1, constant(1))?
        }
        "BatchNormalization" => {
            let maps = [*first.get(1)?];
            given().skip(1).all(|one| *one == maps).then(|| first.to_vec())?
        }
        "InstanceNormalization" => {
            let maps = [*first.get(1)?];
            (first.len() > 2 && given().skip(1).all(|one| *one == maps)).then(|| first.to_vec())?
        }
        "LayerNormalization" => {
            let axis = axis_of(node, -1, first.len())?;
            let inner = first.get(axis..).filter(|inner| !inner.is_empty())?;
            let fits = |one: &[usize]| broadcast(one, inner).as_deref() == Some(inner);
            given().skip(1).all(fits).then(|| first.to_vec())?
        }
        "Clip" => {
            let single = |bound: &[usize]| matches!(bound, [] | [1]) && bound.len() <= first.len();
            given().skip(1).all(single).then(|| first.to_vec())?
        }
        "Softmax" | "LogSoftmax" => {
            let axis = axis_of(node, if opset < 13 { 1 } else { -1 }, first.len())?;
            // of a single value it would be 1, whatever the picture
            let length = if opset < 13 { count(first.get(axis..)?)? } else { *first.get(axis)? };
            (length > 1).then(|| first.to_vec())?
        }
        "Flatten" => {
            let axis = axis_of_gap(node, 1, first.len())?;
            let (rows, columns) = first.split_at_checked(axis)?;
            vec![count(rows)?, count(columns)?]
        }
        "Reshape" => {
            let allows_zero = int(node, "allowzero", 0)? == 1;
            reshape(first, &constant(1)?.values, allows_zero)?
        }
        "Squeeze" => {
            let ones = (0..first.len()).filter(|&axis| first[axis] == 1).collect();
            let axes = axes_of(node, inputs.len() > 1, constant(1), first.len(), ones)?;
            squeeze(first, &axes)?
        }
        "Unsqueeze" => unsqueeze(node, first, constant(1))?,
        "Transpose" => transpose(node, first)?,
        "Concat" => concat(node, &given().collect::<Vec<_>>())?,
        "Gather" => {
            let axis = axis_of(node, 0, first.len())?;
            let length = *first.get(axis)? as i64;
            let within = |index: &i64| (-length..length).contains(index);
            let known = match &constant(1)?.values {
                Values::I64(indices) => indices.iter().all(within),
                Values::I32(indices) => indices.iter().all(|&index| within(&index.into())),
                _ => false,
            };
            known.then_some(())?;
            [&first[..axis], shape_at(1)?, &first[axis + 1..]].concat()
        }
        "Slice" => {
            let constants: Option<Vec<&Tensor>> = (1..inputs.len()).map(constant).collect();
            slices(node, &constants?, first)?.into_iter().map(|range| range.length).collect()
        }
        "Pad" => padded(node, first, inputs.len() > 1, constant(1), constant(3))?,
        "Shape" => vec![range_of_shape(node, first.len())?.len()],
        "ConstantOfShape" => given_shape(constant(0)?)?,
        "Expand" => broadcast(first, &given_shape(constant(1)?)?)?,
        "QuantizeLinear" | "DequantizeLinear" => {
            let of_axis = |one: &[usize]| match one {
                [] | [1] => true,
                [length] => axis_of(node, 1, first.len())
                    .and_then(|axis| first.get(axis))
                    .is_some_and(|found| found == length),
                _ => false,
            };
            given().skip(1).all(of_axis).then(|| first.to_vec())?
        }
        // one element each
        _ => first.to_vec(),
    };
    if shape.contains(&0) && node.op != "Shape" {
        return None;
    }
    Some((shape, Cost::default()))
}

pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))
}

/// A whole number among the settings; `None` if the setting is something else.
pub(crate) fn int(node: &Node, name: &str, default: i64) -> Option<i64> {
    match node.attributes.get(name) {
        None => Some(default),
        Some(Attribute::Int(value)) => Some(*value),
        Some(_) => None,
    }
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

/// Which of `rank` axes the setting `axis` means; those below 0 count from the end.
pub(crate) fn axis_of(node: &Node, default: i64, rank: usize) -> Option<usize> {
    axis_of_gap(node, default, rank).filter(|&axis| axis < rank)
}

/// The same of a gap between axes, of which there is one more.
pub(super) fn axis_of_gap(node: &Node, default: i64, rank: usize) -> Option<usize> {
    let axis = int(node, "axis", default)?;
    usize::try_from(if axis < 0 { axis + rank as i64 } else { axis })
        .ok()
        .filter(|&axis| axis <= rank)
}

/// Axes counted from the start, each once.
pub(crate) fn axes(listed: &[i64], rank: usize) -> Option<Vec<usize>> {
    let mut axes: Vec<usize> = listed
        .iter()
        .map(|&axis| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok())
        .collect::<Option<_>>()?;
    axes.sort_unstable();
    let all = axes.len();
    axes.dedup();
    (axes.len() == all && axes.iter().all(|&axis| axis < rank)).then_some(axes)
}

/// Axes named by the attribute or the input, which must be constant if it is there, or else `unnamed`.
pub(super) fn axes_of(
    node: &Node,
    is_input: bool,
    input: Option<&Tensor>,
    rank: usize,
    unnamed: Vec<usize>,
) -> Option<Vec<usize>> {
    if is_input && input.is_none() {
        return None;
    }
    fold::axes_of(node, input, rank, unnamed)
}

fn convolution(
    node: &Node,
    input: &[usize],
    weights: &[usize],
    bias: Option<&[usize]>,
) -> Option<(Shape, Cost)> {
    let (&[_, maps, ref sides @ ..], &[outputs, fan_in, ref kernel @ ..]) = (input, weights) else {
        return None;
    };
    let groups = usize::try_from(int(node, "group", 1)?).ok().filter(|&groups| groups > 0)?;
    let of_weights = !node.attributes.contains_key("kernel_shape")
        || ints(node, "kernel_shape", kernel.len())? == kernel;
    let biased = bias.is_none_or(|bias| bias == [outputs]);
    let grouped = fan_in.checked_mul(groups)? == maps && outputs.is_multiple_of(groups);
    (of_weights && biased && grouped && sides.len() == kernel.len()).then_some(())?;
    let mut shape = slide(node, input, kernel)?;
    shape[1] = outputs;
    let window = count(kernel)?;
    let work = count(&shape)?.checked_mul(fan_in.checked_mul(window)?)?;
    // an engine may lay out what each output reads of the input, to multiply matrices
    let scratch = count(&shape[2..])?.checked_mul(maps.checked_mul(window)?)?;
    Some((shape, Cost { work, scratch }))
}

/// Strides, dilations and padding of windows over `sides`; the padding is all that before, then all that after.
pub(crate) struct Windows {
    pub(crate) strides: Vec<usize>,
    pub(crate) dilations: Vec<usize>,
    pub(crate) pads: Vec<usize>,
    /// Whether a last window that is not whole counts.
    pub(crate) rounds_up: bool,
}

/// What a node says of its windows.
pub(crate) fn window_attributes(node: &Node, sides: &[usize], kernel: &[usize]) -> Option<Windows> {
    let axes = sides.len();
    (kernel.len() == axes).then_some(())?;
    let (strides, dilations) = (ints(node, "strides", axes)?, ints(node, "dilations", axes)?);
    (!strides.contains(&0) && !dilations.contains(&0)).then_some(())?;
    let padded = node.attributes.contains_key("pads");
    let mut pads = if padded { ints(node, "pads", 2 * axes)? } else { vec![0; 2 * axes] };
    let mode = match node.attributes.get("auto_pad") {
        None => "NOTSET",
        Some(Attribute::Text(mode)) => mode.as_str(),
        Some(_) => return None,
    };
    let no_pads = pads.iter().all(|&pad| pad == 0);
    match mode {
        "NOTSET" => {}
        "VALID" if no_pads => {}
        "SAME_UPPER" | "SAME_LOWER" if no_pads => {
            for axis in 0..axes {
                let window = dilated(kernel[axis], dilations[axis])?;
                let outputs = sides[axis].div_ceil(strides[axis]);
                let needed = ((outputs.checked_sub(1)?) * strides[axis] + window)
                    .saturating_sub(sides[axis]);
                let before = if mode == "SAME_UPPER" { needed / 2 } else { needed.div_ceil(2) };
                (pads[axis], pads[axis + axes]) = (before, needed - before);
            }
        }
        _ => return None,
    }
    let rounds_up = int(node, "ceil_mode", 0)? == 1;
    Some(Windows { strides, dilations, pads, rounds_up })
}

/// Places that a kernel's side spans.
pub(crate) fn dilated(side: usize, dilation: usize) -> Option<usize> {
    dilation.checked_mul(side.checked_sub(1)?)?.checked_add(1)
}

impl Windows {
    /// How many windows there are along one of the axes, whose side is `length`.
    pub(crate) fn along(&self, axis: usize, length: usize, side: usize) -> Option<usize> {
        let (stride, after) = (self.strides[axis], self.pads[axis + self.strides.len()]);
        let window = dilated(side, self.dilations[axis])?;
        let before = self.pads[axis];
        // a first window that is not whole counts too
        let reach = if self.rounds_up { stride - 1 } else { 0 };
        let room = length.checked_add(before)?.checked_add(after)?.checked_add(reach)?;
        let windows = 1 + room.checked_sub(window)? / stride;
        // one that would begin behind the picture does not count
        let begins_behind = self.rounds_up && (windows - 1) * stride >= length + before;
        Some(windows - usize::from(begins_behind))
    }
}

/// `[batch, maps, …sides]` under a window that slides over the sides.
fn slide(node: &Node, input: &[usize], kernel: &[usize]) -> Option<Shape> {
    let &[batch, maps, ref sides @ ..] = input else { return None };
    let windows = window_attributes(node, sides, kernel)?;
    let along =
        |(axis, (&length, &side)): (usize, (&usize, &usize))| windows.along(axis, length, side);
    let outputs = sides.iter().zip(kernel).enumerate().map(along).collect::<Option<Vec<_>>>()?;
    Some([&[batch, maps][..], &outputs].concat())
}

/// An operand of a Gemm as it is multiplied.
fn gemm(node: &Node, transposed: &str, shape: &[usize]) -> Option<Shape> {
    match (shape, int(node, transposed, 0)?) {
        (&[rows, columns], 0) => Some(vec![rows, columns]),
        (&[rows, columns], 1) => Some(vec![columns, rows]),
        _ => None,
    }
}

/// Matrices, or stacks of them, as `numpy.matmul` has it.
fn product(left: &[usize], right: &[usize]) -> Option<(Shape, Cost)> {
    if let &[inner] = left {
        let (mut shape, cost) = product(&[1, inner], right)?;
        shape.remove(shape.len().checked_sub(2)?);
        return Some((shape, cost));
    }
    let (stacks_left, &[rows, inner]) = left.split_last_chunk()?;
    let (stacks_right, &[inner_right, columns]) = right.split_last_chunk()?;
    (inner == inner_right).then_some(())?;
    let mut shape = broadcast(stacks_left, stacks_right)?;
    shape.extend([rows, columns]);
    let work = count(&shape)?.checked_mul(inner)?;
    Some((shape, Cost { work, scratch: 0 }))
}

pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Option<Shape> {
    let (long, short) = if left.len() < right.len() { (right, left) } else { (left, right) };
    let (outer, inner) = long.split_at(long.len() - short.len());
    let pairs = inner.iter().zip(short).map(|lengths| match lengths {
        (&a, &b) if a == b => Some(a),
        (&length, 1) | (1, &length) => Some(length),
        _ => None,
    });
    outer.iter().copied().map(Some).chain(pairs).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Element;
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

    fn fact(shape: &[usize]) -> Fact<'static> {
        let length = shape.iter().product();
        let value = Tensor::new(shape, Values::Opaque { element: "none".into(), length });
        let value = Some(std::borrow::Cow::Owned(value));
        Fact { element: Element::F32, shape: shape.to_vec(), value }
    }

    fn made(op: &str, attributes: &[(&str, Attribute)], inputs: &[&[usize]]) -> Option<Shape> {
        let facts: Vec<Fact> = inputs.iter().map(|shape| fact(shape)).collect();
        let facts: Vec<Option<&Fact>> = facts.iter().map(Some).collect();
        of(&node(op, attributes), &facts, 13)?.0.into_iter().next()
    }

    /// Of an operator whose second input is a constant.
    fn made_by(
        op: &str,
        attributes: &[(&str, Attribute)],
        input: &[usize],
        constant: &[i64],
    ) -> Option<Shape> {
        let value = Tensor::new(&[constant.len()], Values::I64(constant.to_vec()));
        let known = Fact { value: Some(std::borrow::Cow::Owned(value)), ..fact(&[constant.len()]) };
        let facts = [Some(&fact(input)), Some(&known)];
        of(&node(op, attributes), &facts, 13)?.0.into_iter().next()
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
        // of one value it says nothing
        assert_eq!(made("Softmax", &[("axis", Attribute::Int(0))], &[image]), None);
        assert_eq!(made("Softmax", &[("axis", Attribute::Int(4))], &[image]), None);
        assert_eq!(made("Flatten", &[], &[image]), Some(vec![1, 2352]));
        assert_eq!(made("Flatten", &[("axis", Attribute::Int(-1))], &[image]), Some(vec![84, 28]));
        assert_eq!(made("Transpose", &[], &[&[2, 3, 4]]), Some(vec![4, 3, 2]));
        assert_eq!(made("Transpose", &[("perm", ints(&[1, 0]))], &[&[2, 3, 4]]), None);
        assert_eq!(
            made("Concat", &[("axis", Attribute::Int(-1))], &[&[2, 3], &[2, 4]]),
            Some(vec![2, 7])
        );
        let zero = [("allowzero", Attribute::Int(1))];
        let cube: &[usize] = &[2, 3, 4];
        assert_eq!(made_by("Reshape", &[], cube, &[0, -1]), Some(vec![2, 12]));
        assert_eq!(made_by("Reshape", &[], cube, &[5, -1]), None);
        assert_eq!(made_by("Reshape", &[], cube, &[-1, -1]), None);
        assert_eq!(made_by("Reshape", &zero, cube, &[0, -1]), None);
        assert_eq!(made_by("Reshape", &zero, cube, &[2, 12]), Some(vec![2, 12]));
        assert_eq!(made_by("Squeeze", &[], &[1, 3, 1], &[-1]), Some(vec![1, 3]));
        assert_eq!(made_by("Squeeze", &[], &[1, 3, 1], &[1]), None);
        assert_eq!(made_by("Unsqueeze", &[], &[3], &[0, -1]), Some(vec![1, 3, 1]));
        assert_eq!(made_by("ReduceMean", &[], image, &[2, -1]), Some(vec![1, 3, 1, 1]));
        let drops = [("keepdims", Attribute::Int(0)), ("axes", ints(&[2, 3]))];
        assert_eq!(made("ReduceMean", &drops, &[image]), Some(vec![1, 3]));
        assert_eq!(made_by("Pad", &[], image, &[0, 0, 1, 2, 0, 0, 3, 4]), Some(vec![1, 3, 32, 34]));
        assert_eq!(made_by("Pad", &[], image, &[0, 0, -1, 0, 0, 0, 0, 0]), None);
        assert_eq!(made_by("Expand", &[], &[3, 1], &[2, 1, 4]), Some(vec![2, 3, 4]));
        assert_eq!(made_by("Gather", &[], cube, &[1, -2]), Some(vec![2, 3, 4]));
        assert_eq!(made_by("Gather", &[], cube, &[2]), None);
        assert_eq!(made("Max", &[], &[&[3, 1], &[4], &[1, 1, 1]]), Some(vec![1, 3, 4]));
        let slice =
            |starts, ends| [("starts", ints(starts)), ("ends", ints(ends)), ("axes", ints(&[1]))];
        assert_eq!(made("Slice", &slice(&[1], &[i64::MAX]), &[cube]), Some(vec![2, 2, 4]));
        assert_eq!(made("Slice", &slice(&[-1], &[-2]), &[cube]), None, "it takes nothing");
        let line = [("kernel_shape", ints(&[3])), ("strides", ints(&[2]))];
        assert_eq!(made("AveragePool", &line, &[&[1, 2, 9]]), Some(vec![1, 2, 4]));
        // a window that begins behind the picture does not count
        let up = [
            ("kernel_shape", ints(&[1, 1])),
            ("strides", ints(&[3, 3])),
            ("ceil_mode", Attribute::Int(1)),
        ];
        assert_eq!(made("MaxPool", &up, &[&[1, 1, 5, 4]]), Some(vec![1, 1, 2, 2]));
    }
}
