//! The shapes of operators that only move, repeat or reduce elements.

use super::operators::{axes, axes_of, axis_of, count, int};
use super::{Fact, Shape};
use crate::onnx::{Attribute, Node, Tensor, Values, fold};

pub(super) fn reshape(input: &[usize], target: &Values, allows_zero: bool) -> Option<Shape> {
    let Values::I64(target) = target else { return None };
    let mut shape = vec![];
    let mut rest = None;
    for (axis, &length) in target.iter().enumerate() {
        shape.push(match length {
            // such a value would have no elements
            0 if allows_zero => return None,
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

pub(super) fn transpose(node: &Node, input: &[usize]) -> Option<Shape> {
    match node.attributes.get("perm") {
        None => Some(input.iter().rev().copied().collect()),
        Some(Attribute::Ints(axes)) if axes.len() == input.len() => {
            axes.iter().map(|&axis| input.get(usize::try_from(axis).ok()?).copied()).collect()
        }
        Some(_) => None,
    }
}

pub(super) fn concat(node: &Node, inputs: &[&[usize]]) -> Option<Shape> {
    let mut shape = inputs.first()?.to_vec();
    let joined = axis_of(node, 0, shape.len())?;
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

pub(super) fn squeeze(input: &[usize], axes: &[usize]) -> Option<Shape> {
    axes.iter().all(|&axis| input[axis] == 1).then_some(())?;
    let kept = (0..input.len()).filter(|axis| !axes.contains(axis));
    Some(kept.map(|axis| input[axis]).collect())
}

pub(super) fn unsqueeze(node: &Node, input: &[usize], named: Option<&Tensor>) -> Option<Shape> {
    let listed = match (node.attributes.get("axes"), named) {
        (Some(Attribute::Ints(axes)), _) => axes.len(),
        (None, Some(axes)) => axes.values.len(),
        _ => return None,
    };
    let rank = input.len() + listed;
    let new = fold::axes_of(node, named, rank, vec![])?;
    let mut old = input.iter();
    (0..rank).map(|axis| if new.contains(&axis) { Some(1) } else { old.next().copied() }).collect()
}

/// The shape of a sum, mean, largest or smallest over some axes.
pub(super) fn reduced(
    node: &Node,
    input: &[usize],
    is_input: bool,
    named: Option<&Tensor>,
) -> Option<Shape> {
    let axes = reduced_axes(node, input.len(), is_input, named)?;
    let keeps = int(node, "keepdims", 1)? == 1;
    let kept = (0..input.len()).filter(|axis| keeps || !axes.contains(axis));
    Some(kept.map(|axis| if axes.contains(&axis) { 1 } else { input[axis] }).collect())
}

/// Axes over which it goes: all where none is named.
pub(crate) fn reduced_axes(
    node: &Node,
    rank: usize,
    is_input: bool,
    named: Option<&Tensor>,
) -> Option<Vec<usize>> {
    let axes = axes_of(node, is_input, named, rank, vec![])?;
    let goes_over_all = axes.is_empty() && int(node, "noop_with_empty_axes", 0)? == 0;
    Some(if goes_over_all { (0..rank).collect() } else { axes })
}

/// What a `Slice` takes of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) step: isize,
    pub(crate) length: usize,
}

/// One range for each axis; `constants` are starts, ends, axes and steps where these are inputs.
pub(crate) fn slices(node: &Node, constants: &[&Tensor], input: &[usize]) -> Option<Vec<Range>> {
    let listed = |index: usize, name: &str| match (constants.get(index), node.attributes.get(name))
    {
        (Some(tensor), _) => match &tensor.values {
            Values::I64(values) => Some(Some(values.clone())),
            Values::I32(values) => Some(Some(values.iter().copied().map(i64::from).collect())),
            _ => None,
        },
        (None, Some(Attribute::Ints(values))) => Some(Some(values.clone())),
        (None, None) => Some(None),
        (None, Some(_)) => None,
    };
    let (starts, ends) = (listed(0, "starts")??, listed(1, "ends")??);
    let named = listed(2, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = listed(3, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    (ends.len() == starts.len() && named.len() == starts.len() && steps.len() == starts.len())
        .then_some(())?;
    axes(&named, input.len())?;
    let whole = |&length: &usize| Range { start: 0, step: 1, length };
    let mut ranges: Vec<Range> = input.iter().map(whole).collect();
    for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(named).zip(steps) {
        let axis = if axis < 0 { axis + input.len() as i64 } else { axis } as usize;
        let length = Some(input[axis] as i64).filter(|&length| length > 0)?;
        let from_start = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
        let (start, end) = (from_start(start), from_start(end));
        let (start, distance) = if step > 0 {
            let start = start.clamp(0, length);
            (start, end.clamp(0, length) - start)
        } else {
            let start = start.clamp(0, length - 1);
            (start, start - end.clamp(-1, length - 1))
        };
        // a step as far as the axis is long takes one element
        let size = step.checked_abs().filter(|&size| size > 0)?.min(length);
        let taken = (distance.max(0) as usize).div_ceil(size as usize);
        let step = if step > 0 { size } else { -size };
        ranges[axis] = Range { start: start as usize, step: step as isize, length: taken };
    }
    Some(ranges)
}

pub(super) fn split(node: &Node, inputs: &[Option<&Fact>]) -> Option<Vec<Shape>> {
    let first = &inputs.first().copied().flatten()?.shape;
    let axis = axis_of(node, 0, first.len())?;
    let (length, parts) = (first[axis], node.outputs.len());
    let given = match (node.attributes.get("split"), inputs.get(1)) {
        (Some(Attribute::Ints(lengths)), _) => Some(lengths.clone()),
        (None, Some(Some(Fact { value: Some(tensor), .. }))) => {
            let Values::I64(lengths) = &tensor.values else { return None };
            Some(lengths.clone())
        }
        (None, None) => None,
        _ => return None,
    };
    let lengths: Vec<usize> = if let Some(lengths) = given {
        lengths.iter().map(|&length| usize::try_from(length).ok()).collect::<Option<_>>()?
    } else {
        let each = length.div_ceil(parts.max(1));
        (0..parts).map(|part| length.saturating_sub(part * each).min(each)).collect()
    };
    let sum = lengths.iter().try_fold(0_usize, |sum, &length| sum.checked_add(length));
    (lengths.len() == parts && sum == Some(length) && !lengths.contains(&0)).then_some(())?;
    let part = |length| {
        let mut shape = first.clone();
        shape[axis] = length;
        shape
    };
    Some(lengths.into_iter().map(part).collect())
}

/// Elements added around a value: all that before, then all that after, for each axis.
pub(crate) fn pads(
    node: &Node,
    rank: usize,
    is_input: bool,
    pads: Option<&Tensor>,
    named: Option<&Tensor>,
) -> Option<Vec<usize>> {
    let listed = match (node.attributes.get("pads"), pads) {
        (Some(Attribute::Ints(pads)), _) => pads.clone(),
        (None, Some(Tensor { values: Values::I64(pads), .. })) if is_input => pads.clone(),
        _ => return None,
    };
    let listed: Vec<usize> =
        listed.iter().map(|&pad| usize::try_from(pad).ok()).collect::<Option<_>>()?;
    let axes = match named {
        None => (0..rank).collect(),
        Some(Tensor { values: Values::I64(named), .. }) => {
            let axes = axes(named, rank)?;
            // in another order they would be other pads
            (named.iter().is_sorted() && named.iter().all(|&axis| axis >= 0)).then_some(axes)?
        }
        Some(_) => return None,
    };
    (listed.len() == 2 * axes.len()).then_some(())?;
    let mut all = vec![0; 2 * rank];
    for (index, &axis) in axes.iter().enumerate() {
        (all[axis], all[axis + rank]) = (listed[index], listed[index + axes.len()]);
    }
    Some(all)
}

pub(super) fn padded(
    node: &Node,
    input: &[usize],
    is_input: bool,
    listed: Option<&Tensor>,
    named: Option<&Tensor>,
) -> Option<Shape> {
    let pads = pads(node, input.len(), is_input, listed, named)?;
    let axes = input.iter().enumerate();
    axes.map(|(axis, length)| length.checked_add(pads[axis])?.checked_add(pads[axis + input.len()]))
        .collect()
}

/// Axes of which a `Shape` tells the length.
pub(super) fn range_of_shape(node: &Node, rank: usize) -> Option<std::ops::Range<usize>> {
    let at = |name: &str, default: i64| {
        let axis = int(node, name, default)?;
        Some((if axis < 0 { axis + rank as i64 } else { axis }).clamp(0, rank as i64) as usize)
    };
    let (start, end) = (at("start", 0)?, at("end", rank as i64)?);
    Some(start..end.max(start))
}

/// What a `Shape` makes.
pub(super) fn lengths(node: &Node, inputs: &[Option<&Fact>]) -> Option<Tensor> {
    let shape = &inputs.first().copied().flatten()?.shape;
    let lengths: Vec<i64> =
        shape[range_of_shape(node, shape.len())?].iter().map(|&l| l as i64).collect();
    Some(Tensor { shape: vec![lengths.len()], values: Values::I64(lengths) })
}

/// A shape that is itself a value.
pub(super) fn given_shape(tensor: &Tensor) -> Option<Shape> {
    match &tensor.values {
        Values::I64(lengths) => {
            lengths.iter().map(|&length| usize::try_from(length).ok()).collect()
        }
        _ => None,
    }
}
