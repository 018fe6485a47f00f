//! Computes what operators make of constants, so that shapes which a graph computes are known before it runs.
//!
//! Exporters compute lengths for reshapes (`Shape`, `Gather`, `Concat`, …) and weights from weights (`Transpose`, `Mul`,
//! `DequantizeLinear`, …). An operator that is not computed here gives `None`; then the engine computes it at each run.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Operators.md>.

use super::shapes::{Range, axes, axis_of, broadcast, count, int, slices};
use super::{Attribute, Node, Tensor, Values};

/// Maximum elements of a constant that is computed: 16 MiB of `float32`.
const MAX_ELEMENTS: usize = 1 << 22;

/// What `node` makes of `inputs`, all constants, whose result has `shape`.
pub(super) fn fold(node: &Node, inputs: &[&Tensor], shape: &[usize]) -> Option<Tensor> {
    if count(shape)? > MAX_ELEMENTS {
        return None;
    }
    let first = *inputs.first()?;
    let values = match node.op.as_str() {
        "Identity" | "Dropout" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            first.values.clone()
        }
        "Cast" => cast(&first.values, int(node, "to", 0)?)?,
        "Transpose" => first.values.pick(&transposed(node, &first.shape)?),
        "Concat" => concat(node, inputs, shape)?,
        "Gather" => gather(node, first, inputs.get(1)?)?,
        "Slice" => {
            let ranges = slices(node, inputs.get(1..)?, &first.shape)?;
            first.values.pick(&sliced(&ranges, &first.shape))
        }
        "Expand" => first.values.pick(&spread(&first.shape, shape)),
        "ConstantOfShape" => of_shape(node, count(shape)?)?,
        "DequantizeLinear" => dequantize(node, inputs)?,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" => {
            arithmetic(&node.op, first, inputs.get(1)?, shape)?
        }
        "Sqrt" | "Neg" | "Abs" | "Reciprocal" | "Exp" => function(&node.op, &first.values)?,
        _ => return None,
    };
    let finite = match &values {
        Values::F32(values) => values.iter().all(|value| value.is_finite()),
        _ => true,
    };
    (finite && values.len() == count(shape)?).then(|| Tensor { shape: shape.to_vec(), values })
}

impl Values {
    /// The elements with these numbers.
    fn pick(&self, indices: &[usize]) -> Self {
        fn picked<T: Copy>(values: &[T], indices: &[usize]) -> Vec<T> {
            indices.iter().filter_map(|&index| values.get(index).copied()).collect()
        }
        match self {
            Self::F32(values) => Self::F32(picked(values, indices)),
            Self::I64(values) => Self::I64(picked(values, indices)),
            Self::I8(values) => Self::I8(picked(values, indices)),
            Self::U8(values) => Self::U8(picked(values, indices)),
            Self::I32(values) => Self::I32(picked(values, indices)),
            Self::Bool(values) => Self::Bool(picked(values, indices)),
            Self::Opaque { .. } => self.clone(),
        }
    }

    /// The elements as real numbers.
    fn reals(&self) -> Option<Vec<f64>> {
        Some(match self {
            Self::F32(values) => values.iter().copied().map(f64::from).collect(),
            Self::I64(values) => values.iter().map(|&value| value as f64).collect(),
            Self::I8(values) => values.iter().copied().map(f64::from).collect(),
            Self::U8(values) => values.iter().copied().map(f64::from).collect(),
            Self::I32(values) => values.iter().copied().map(f64::from).collect(),
            Self::Bool(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
            Self::Opaque { .. } => return None,
        })
    }
}

/// Distance of neighbours along each axis.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Numbers of elements of a tensor, in the order of a result of `shape` that goes `steps` along each axis.
fn walk(shape: &[usize], start: usize, steps: &[isize]) -> Vec<usize> {
    let mut indices = vec![start];
    for (&length, &step) in shape.iter().zip(steps) {
        indices = indices
            .iter()
            .flat_map(|&from| (0..length).map(move |i| from.wrapping_add_signed(step * i as isize)))
            .collect();
    }
    indices
}

/// Elements of a tensor that is repeated along its axes of length 1 and along new ones.
fn spread(from: &[usize], to: &[usize]) -> Vec<usize> {
    let new = to.len() - from.len();
    let strides = strides(from);
    let step = |axis: usize| match axis.checked_sub(new) {
        Some(axis) if from[axis] > 1 => strides[axis] as isize,
        _ => 0,
    };
    walk(to, 0, &(0..to.len()).map(step).collect::<Vec<_>>())
}

fn transposed(node: &Node, shape: &[usize]) -> Option<Vec<usize>> {
    let order: Vec<usize> = match node.attributes.get("perm") {
        None => (0..shape.len()).rev().collect(),
        Some(Attribute::Ints(axes)) => axes.iter().map(|&axis| axis as usize).collect(),
        Some(_) => return None,
    };
    let strides = strides(shape);
    let lengths: Vec<usize> =
        order.iter().map(|&axis| shape.get(axis).copied()).collect::<Option<_>>()?;
    let steps: Vec<isize> = order.iter().map(|&axis| strides[axis] as isize).collect();
    Some(walk(&lengths, 0, &steps))
}

fn sliced(ranges: &[Range], from: &[usize]) -> Vec<usize> {
    let strides = strides(from);
    let start = ranges.iter().zip(&strides).map(|(range, stride)| range.start * stride).sum();
    let steps: Vec<isize> =
        ranges.iter().zip(&strides).map(|(range, &stride)| range.step * stride as isize).collect();
    let lengths: Vec<usize> = ranges.iter().map(|range| range.length).collect();
    walk(&lengths, start, &steps)
}

fn concat(node: &Node, inputs: &[&Tensor], shape: &[usize]) -> Option<Values> {
    let axis = axis_of(node, 0, shape.len())?;
    let outer = count(&shape[..axis])?;
    // one after the other first, then in the order of the result
    let mut all = inputs.first()?.values.pick(&[]);
    let mut firsts = vec![];
    for input in inputs {
        firsts.push(all.len());
        all.append(&input.values)?;
    }
    let mut order = Vec::with_capacity(count(shape)?);
    for row in 0..outer {
        for (first, input) in firsts.iter().zip(inputs) {
            let length = count(input.shape.get(axis..)?)?;
            order.extend((0..length).map(|i| first + row * length + i));
        }
    }
    Some(all.pick(&order))
}

impl Values {
    fn append(&mut self, more: &Self) -> Option<()> {
        match (self, more) {
            (Self::F32(values), Self::F32(more)) => values.extend(more),
            (Self::I64(values), Self::I64(more)) => values.extend(more),
            (Self::I32(values), Self::I32(more)) => values.extend(more),
            (Self::U8(values), Self::U8(more)) => values.extend(more),
            (Self::I8(values), Self::I8(more)) => values.extend(more),
            _ => return None,
        }
        Some(())
    }
}

fn gather(node: &Node, data: &Tensor, indices: &Tensor) -> Option<Values> {
    let axis = axis_of(node, 0, data.shape.len())?;
    let length = *data.shape.get(axis)?;
    let indices: Vec<usize> = indices
        .values
        .reals()?
        .into_iter()
        .map(|index| {
            let index = if index < 0.0 { index + length as f64 } else { index };
            (0.0..length as f64).contains(&index).then_some(index as usize)
        })
        .collect::<Option<_>>()?;
    let (outer, inner) = (count(&data.shape[..axis])?, count(&data.shape[axis + 1..])?);
    let mut order = vec![];
    for row in 0..outer {
        for index in &indices {
            order.extend((0..inner).map(|i| (row * length + index) * inner + i));
        }
    }
    Some(data.values.pick(&order))
}

fn of_shape(node: &Node, count: usize) -> Option<Values> {
    match node.attributes.get("value") {
        None => Some(Values::F32(vec![0.0; count])),
        Some(Attribute::Tensor(tensor)) if tensor.values.len() == 1 => {
            Some(tensor.values.pick(&vec![0; count]))
        }
        Some(_) => None,
    }
}

/// `TensorProto.DataType`: `FLOAT`, `UINT8`, `INT8`, `INT32`, `INT64`, `BOOL`, `FLOAT16`, `DOUBLE`, `BFLOAT16`.
fn cast(values: &Values, to: i64) -> Option<Values> {
    let reals = values.reals()?;
    let within = |min: f64, max: f64| {
        reals.iter().map(|value| value.trunc()).all(|value| (min..=max).contains(&value))
    };
    Some(match to {
        1 | 10 | 11 | 16 => Values::F32(reals.iter().map(|&value| value as f32).collect()),
        2 if within(0.0, 255.0) => Values::U8(reals.iter().map(|&value| value as u8).collect()),
        3 if within(-128.0, 127.0) => Values::I8(reals.iter().map(|&value| value as i8).collect()),
        6 if within(-2e9, 2e9) => Values::I32(reals.iter().map(|&value| value as i32).collect()),
        7 if within(-9e15, 9e15) => match values {
            Values::I64(_) => values.clone(),
            _ => Values::I64(reals.iter().map(|&value| value as i64).collect()),
        },
        9 => Values::Bool(reals.iter().map(|&value| value != 0.0).collect()),
        _ => return None,
    })
}

/// `(x − zero point) · scale`, each of the whole tensor or of one axis.
fn dequantize(node: &Node, inputs: &[&Tensor]) -> Option<Values> {
    let (data, scale) = (*inputs.first()?, *inputs.get(1)?);
    if node.attributes.contains_key("block_size") {
        return None;
    }
    let zero = inputs.get(2).map_or(Some(vec![0.0]), |zero| zero.values.reals())?;
    let scales = scale.values.reals()?;
    let inner = if scales.len() == 1 {
        data.values.len()
    } else {
        let axis = axis_of(node, 1, data.shape.len())?;
        (*data.shape.get(axis)? == scales.len()).then_some(())?;
        count(&data.shape[axis + 1..])?
    };
    let real = |(index, value): (usize, f64)| {
        let channel = index / inner.max(1) % scales.len();
        let zero = zero.get(channel).or(zero.first()).copied().unwrap_or(0.0);
        ((value - zero) * scales[channel]) as f32
    };
    Some(Values::F32(data.values.reals()?.into_iter().enumerate().map(real).collect()))
}

fn arithmetic(op: &str, left: &Tensor, right: &Tensor, shape: &[usize]) -> Option<Values> {
    let [a, b] = [left, right].map(|tensor| tensor.values.pick(&spread(&tensor.shape, shape)));
    (broadcast(&left.shape, &right.shape)? == shape).then_some(())?;
    match (a, b) {
        (Values::F32(a), Values::F32(b)) => {
            let of = |(a, b): (&f32, &f32)| match op {
                "Add" => Some(a + b),
                "Sub" => Some(a - b),
                "Mul" => Some(a * b),
                "Div" => Some(a / b),
                "Pow" => Some(a.powf(*b)),
                _ => None,
            };
            Some(Values::F32(a.iter().zip(&b).map(of).collect::<Option<_>>()?))
        }
        (Values::I64(a), Values::I64(b)) => {
            let of = |(a, b): (&i64, &i64)| match op {
                "Add" => a.checked_add(*b),
                "Sub" => a.checked_sub(*b),
                "Mul" => a.checked_mul(*b),
                "Div" => a.checked_div(*b),
                _ => None,
            };
            Some(Values::I64(a.iter().zip(&b).map(of).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn function(op: &str, values: &Values) -> Option<Values> {
    match values {
        Values::F32(values) => {
            let of = |value: &f32| match op {
                "Sqrt" => Some(value.sqrt()),
                "Neg" => Some(-value),
                "Abs" => Some(value.abs()),
                "Reciprocal" => Some(value.recip()),
                "Exp" => Some(value.exp()),
                _ => None,
            };
            Some(Values::F32(values.iter().map(of).collect::<Option<_>>()?))
        }
        Values::I64(values) if op == "Neg" => Some(Values::I64(
            values.iter().map(|value| value.checked_neg()).collect::<Option<_>>()?,
        )),
        _ => None,
    }
}

/// Axes that an operator names in an attribute or, in later operator sets, in a constant input; `unnamed` where it names none.
pub(super) fn axes_of(
    node: &Node,
    input: Option<&Tensor>,
    rank: usize,
    unnamed: Vec<usize>,
) -> Option<Vec<usize>> {
    match (node.attributes.get("axes"), input) {
        (Some(Attribute::Ints(listed)), _)
        | (None, Some(Tensor { values: Values::I64(listed), .. })) => axes(listed, rank),
        (None, None) => Some(unnamed),
        _ => None,
    }
}
