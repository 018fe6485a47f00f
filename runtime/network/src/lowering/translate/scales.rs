//! Additions and multiplications of constants, which scale and shift each channel.

use super::super::primitive::Work;
use super::super::view::View;
use super::{Handle, Translator};
use crate::architecture::Shape;
use crate::onnx::{Attribute, Node};

impl<'g> Translator<'g> {
    /// `Add`, `Sub`, `Mul` or `Div` of a value and a constant.
    pub(super) fn scale_by_constant(&mut self, node: &'g Node) -> Option<Handle> {
        let [left, right] = &node.inputs[..] else { return None };
        let (name, constant, is_left) = match (self.reals(left), self.reals(right)) {
            (None, Some(constant)) => (left, constant, false),
            (Some(constant), None) => (right, constant, true),
            _ => return None,
        };
        let factor: fn(f64) -> [f64; 2] = match (node.op.as_str(), is_left) {
            ("Add" | "Sum", _) => |c| [1.0, c],
            ("Sub", false) => |c| [1.0, -c],
            ("Sub", true) => |c| [-1.0, c],
            ("Mul", _) => |c| [c, 0.0],
            ("Div", false) => |c| [c.recip(), 0.0],
            _ => return None,
        };
        let handle = self.handles.get(name.as_str())?.clone();
        let (base, values) = self.by_channel(&handle, constant, self.shape(node)?)?;
        let factors = values.into_iter().map(|value| factor(f64::from(value))).collect();
        self.scaled(node, &handle, base, factors)
    }

    /// `(x − mean) / √(variance + ε) · scale + bias`, of each channel.
    pub(super) fn batch_normalization(&mut self, node: &'g Node) -> Option<Handle> {
        let handle = self.handles.get(node.inputs[0].as_str())?.clone();
        let epsilon = match node.attributes.get("epsilon") {
            None => 1e-5,
            Some(Attribute::Float(value)) => f64::from(*value),
            Some(_) => return None,
        };
        let rank = handle.view.shape.len();
        let mut base = None;
        let mut parameters = vec![];
        for name in &node.inputs[1..] {
            let (shape, values) = self.reals(name)?;
            // along the second axis
            let shape = [&[1][..], shape, &vec![1; rank.checked_sub(2)?]].concat();
            let (found, values) =
                self.by_channel(&handle, (&shape, values), handle.view.shape.clone())?;
            base = Some(found);
            parameters.push(values);
        }
        let [scales, biases, means, variances] = &parameters[..] else { return None };
        let factor = |channel: usize| {
            let of = |values: &[f32]| f64::from(values[channel]);
            let scale = of(scales) / (of(variances) + epsilon).sqrt();
            [scale, of(biases) - of(means) * scale]
        };
        let factors = (0..scales.len()).map(factor).collect();
        self.scaled(node, &handle, base?, factors)
    }

    fn scaled(
        &mut self,
        node: &Node,
        handle: &Handle,
        base: Shape,
        factors: Vec<[f64; 2]>,
    ) -> Option<Handle> {
        if !factors.iter().flatten().all(|factor| factor.is_finite()) {
            return None;
        }
        let view = View { shape: self.shape(node)?, ..handle.view.clone() };
        // a value that is read as a vector lies plainly
        let view = if base == self.base(handle.value) { view } else { View::plain(view.shape) };
        Some(self.push(Work::Scale(factors), vec![handle.value], base, base, view))
    }

    /// A constant that is broadcast to a value with the lengths `shape`, as one number per channel, and the shape as which
    /// the value has these channels.
    fn by_channel(
        &self,
        handle: &Handle,
        (constant, values): (&[usize], &[f32]),
        shape: Vec<usize>,
    ) -> Option<(Shape, Vec<f32>)> {
        let base = self.base(handle.value);
        let count: usize = base.iter().product();
        (shape.iter().product::<usize>() == count).then_some(())?;
        if let [value] = *values {
            return Some((base, vec![value; base[0]]));
        }
        let view = View { shape, ..handle.view.clone() };
        let shift = view.shape.len().checked_sub(constant.len())?;
        let mut long = constant.iter().enumerate().filter(|&(_, &length)| length > 1);
        if let (Some((axis, _)), None) = (long.next(), long.next())
            && let Some(axes) = view.axes(base)
            && axes[axis + shift] == Some(0)
        {
            return Some((base, values.to_vec()));
        }
        // one number per value
        let plain = handle.view.is_plain(base) && values.len() == count;
        plain.then(|| ([count, 1, 1], values.to_vec()))
    }
}
