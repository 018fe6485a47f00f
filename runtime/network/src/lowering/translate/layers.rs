//! Operators that are layers: convolutions, products and poolings.

use super::super::primitive::Work;
use super::super::view::View;
use super::{Handle, Translator};
use crate::affine::Affine;
use crate::architecture::{Activation, Conv, Kind, Padding, Pool, PoolMode, Shape};
use crate::onnx::shapes::{Windows, int, pads, window_attributes};
use crate::onnx::{Attribute, Node};

impl<'g> Translator<'g> {
    pub(super) fn convolution(&mut self, node: &'g Node) -> Option<Handle> {
        let (value, input) = self.image(&node.inputs[0])?;
        let (shape, weights) = self.reals(&node.inputs[1])?;
        let &[maps, _, ref kernel @ ..] = shape else { return None };
        let bias = match node.inputs.get(2) {
            Some(name) => self.reals(name)?.1.to_vec(),
            None => vec![0.0; maps],
        };
        let (kernel, windows) = self.windows(node, kernel)?;
        let conv = Conv {
            stride: [windows.strides[0], windows.strides[1]],
            padding: padding(&windows),
            groups: int(node, "group", 1)?.try_into().ok()?,
            ..Conv::new(maps, kernel)
        };
        let affine = Affine { weights: weights.to_vec(), bias };
        self.layer(node, Kind::Conv(conv), affine, value, input)
    }

    pub(super) fn pooling(&mut self, node: &'g Node) -> Option<Handle> {
        let (value, input) = self.image(&node.inputs[0])?;
        let Some(Attribute::Ints(kernel)) = node.attributes.get("kernel_shape") else {
            return None;
        };
        let kernel: Vec<usize> = kernel.iter().map(|&side| side as usize).collect();
        let (window, windows) = self.windows(node, &kernel)?;
        let includes = int(node, "count_include_pad", 0)? == 1;
        let mut padding = padding(&windows);
        let mode = match node.op.as_str() {
            "MaxPool" => PoolMode::Max,
            _ if includes && !padding.is_none() => PoolMode::AverageWithPadding,
            _ => PoolMode::Average,
        };
        if windows.rounds_up {
            // the last windows reach beyond the padding, where there is nothing to count
            let output = self.shape(node)?;
            let outputs = [output[2], output.get(3).copied().unwrap_or(1)];
            let reach = |axis: usize, before: usize| {
                ((outputs[axis] - 1) * windows.strides[axis] + window[axis])
                    .checked_sub(input[axis + 1] + before)
            };
            let after = [reach(0, padding.top), reach(1, padding.left)];
            let [bottom, right] = after.map(|after| after.unwrap_or(0));
            let reaching = Padding {
                bottom: bottom.max(padding.bottom),
                right: right.max(padding.right),
                ..padding
            };
            if reaching != padding && mode == PoolMode::AverageWithPadding {
                return None;
            }
            padding = reaching;
        }
        let stride = [windows.strides[0], windows.strides[1]];
        let pool = Pool { stride, padding, ..Pool::new(mode, window) };
        let weightless = Affine { weights: vec![], bias: vec![] };
        self.layer(node, Kind::Pool(pool), weightless, value, input)
    }

    /// A mean or largest value over rows, columns or both.
    pub(super) fn reduction(&mut self, node: &'g Node) -> Option<Handle> {
        let handle = self.handles.get(node.inputs[0].as_str())?.clone();
        let base = self.base(handle.value);
        let [rows, columns] = self.reduced(node, &handle.view, base)?;
        let side = |reduced: bool, length: usize| if reduced { length } else { 1 };
        let window = [side(rows, base[1]), side(columns, base[2])];
        let mode = if node.op.ends_with("Max") || node.op == "GlobalMaxPool" {
            PoolMode::Max
        } else {
            PoolMode::Average
        };
        let kind = Kind::Pool(Pool::new(mode, window));
        let output = kind.output(base)?;
        let view = View { shape: self.shape(node)?, ..handle.view };
        Some(self.push(Work::bare(kind), vec![handle.value], base, output, view))
    }

    /// Zeros around each channel.
    pub(super) fn padding(&mut self, node: &'g Node) -> Option<Handle> {
        let constant = |index: usize| node.inputs.get(index).and_then(|name| self.constant(name));
        let mode = match node.attributes.get("mode") {
            None => "constant",
            Some(Attribute::Text(mode)) => mode,
            Some(_) => return None,
        };
        let zero = match (node.inputs.get(2), node.attributes.get("value")) {
            (Some(name), _) if !name.is_empty() => self.reals(name)?.1 == [0.0],
            (_, Some(Attribute::Float(value))) => *value == 0.0,
            _ => true,
        };
        let handle = self.handles.get(node.inputs[0].as_str())?.clone();
        let rank = handle.view.shape.len();
        let pads = pads(node, rank, node.inputs.len() > 1, constant(1), constant(3))?;
        let view = View { shape: self.shape(node)?, ..handle.view.clone() };
        if pads.iter().all(|&pad| pad == 0) {
            return Some(Handle { view, ..handle });
        }
        if mode != "constant" || !zero {
            return None;
        }
        let base = self.base(handle.value);
        let mut sides = [[0; 2]; 3];
        for (axis, of_base) in handle.view.axes(base)?.into_iter().enumerate() {
            let around = [pads[axis], pads[axis + rank]];
            match of_base {
                Some(of_base) => sides[of_base] = around,
                None if around == [0; 2] => {}
                None => return None,
            }
        }
        let [[0, 0], [top, bottom], [left, right]] = sides else { return None };
        let output = [base[0], base[1] + top + bottom, base[2] + left + right];
        let work = Work::Pad(Padding { top, left, bottom, right });
        Some(self.push(work, vec![handle.value], base, output, view))
    }

    /// A product with a constant matrix.
    pub(super) fn product(&mut self, node: &'g Node) -> Option<Handle> {
        let handle = self.handles.get(node.inputs[0].as_str())?.clone();
        let base = self.base(handle.value);
        let inputs: usize = base.iter().product();
        // one row
        if handle.view.shape.last() != Some(&inputs) {
            return None;
        }
        let (shape, values) = self.reals(&node.inputs[1])?;
        let (&[rows, columns], true) = (shape, int(node, "transA", 0)? == 0) else { return None };
        let transposed = int(node, "transB", 0)? == 1;
        let outputs = if transposed { rows } else { columns };
        let number = |name: &str| match node.attributes.get(name) {
            None => Some(1.0),
            Some(Attribute::Float(value)) => Some(*value),
            Some(_) => None,
        };
        let (alpha, beta) = (number("alpha")?, number("beta")?);
        let at = |output: usize, input: usize| {
            values[if transposed { output * columns + input } else { input * columns + output }]
        };
        // each input's weight where the input lies
        let places = handle.view.places(base);
        let mut weights = vec![0.0; outputs * inputs];
        for (output, row) in weights.chunks_mut(inputs).enumerate() {
            for (input, &place) in places.iter().enumerate() {
                row[place] = alpha * at(output, input);
            }
        }
        let bias = match node.inputs.get(2) {
            None => vec![0.0; outputs],
            Some(name) => match self.reals(name)?.1 {
                [value] => vec![beta * value; outputs],
                values if values.len() == outputs => values.iter().map(|v| beta * v).collect(),
                _ => return None,
            },
        };
        let kind = Kind::Dense { outputs, activation: Activation::None };
        let view = View::plain(self.shape(node)?);
        let work = Work::Layer(kind, Affine { weights, bias });
        Some(self.push(work, vec![handle.value], base, [outputs, 1, 1], view))
    }

    fn layer(
        &mut self,
        node: &Node,
        kind: Kind,
        affine: Affine,
        value: usize,
        input: Shape,
    ) -> Option<Handle> {
        let output = kind.output(input)?;
        let shape = self.shape(node)?;
        // our count of windows is ONNX's
        let same = shape.iter().skip(1).eq(output.iter().take(shape.len() - 1));
        same.then(|| {
            let work = Work::Layer(kind, affine);
            self.push(work, vec![value], input, output, View::plain(shape))
        })
    }

    /// A value that is `[1, channels, height, width]`, or without the width, as it lies in memory.
    fn image(&self, name: &str) -> Option<(usize, Shape)> {
        let handle = self.handles.get(name)?;
        let shape = match handle.view.shape[..] {
            [1, channels, height, width] => [channels, height, width],
            [1, channels, height] => [channels, height, 1],
            _ => return None,
        };
        handle.view.is_plain(self.base(handle.value)).then_some((handle.value, shape))
    }

    /// A window's sides, and how it moves; `None` if it skips places.
    fn windows(&self, node: &Node, kernel: &[usize]) -> Option<([usize; 2], Windows)> {
        let sides = &self.facts.get(node.inputs[0].as_str())?.shape[2..];
        let mut windows = window_attributes(node, sides, kernel)?;
        if windows.dilations.iter().zip(kernel).any(|(&step, &side)| step != 1 && side != 1) {
            return None;
        }
        let kernel = match *kernel {
            [rows, columns] => [rows, columns],
            [rows] => {
                windows.strides.push(1);
                windows.pads = vec![windows.pads[0], 0, windows.pads[1], 0];
                [rows, 1]
            }
            _ => return None,
        };
        Some((kernel, windows))
    }
}

fn padding(windows: &Windows) -> Padding {
    let [top, left, bottom, right] = windows.pads[..] else { return Padding::default() };
    Padding { top, left, bottom, right }
}
