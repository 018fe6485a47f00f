//! Joins primitives until what is left are layers: each rule looks at a primitive and at the one whose value it reads.
//!
//! | this | after that | becomes |
//! |---|---|---|
//! | scale | convolution or dense layer | folded into its weights |
//! | scale | scale | one scale |
//! | convolution without padding, or dense layer | scale | folded into its weights |
//! | convolution | zeros around | its padding |
//! | activation | layer | the layer's activation |
//! | max-pooling | activation | the pooling's activation |
//! | max-pooling 2×2 | convolution | part of it |
//!
//! A rule holds only where nothing else reads the value between. Zeros around a scaled value would have to be scaled
//! zeros, so a scale with a shift stays in front of a padded convolution, as a layer of its own.

use std::iter;

use crate::affine::Affine;
use crate::architecture::{Activation, Conv, Kind, POOL, Padding, Pool, PoolMode, Shape};

use super::primitive::{Primitive, Work};

/// Primitives in the order in which they run, and the value that is the result.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) primitives: Vec<Primitive>,
    pub(super) output: usize,
}

impl Sequence {
    /// Applies the rules until none applies; then nothing but layers and nodes is left.
    pub(super) fn fuse(&mut self) {
        self.join();
        for primitive in &mut self.primitives {
            let work = std::mem::replace(&mut primitive.work, Work::Scale(vec![]));
            primitive.work = work.into_layer(primitive.input);
        }
        // a scale that became a layer can take an activation
        self.join();
    }

    fn join(&mut self) {
        self.drop_unused();
        let mut index = 0;
        while index < self.primitives.len() {
            if self.join_at(index) {
                // what it was joined to may be joined to more
                index = index.saturating_sub(1);
            } else {
                index += 1;
            }
        }
        self.drop_unused();
    }

    /// How often a value is read.
    fn uses(&self, value: usize) -> usize {
        let sources = self.primitives.iter().flat_map(|primitive| &primitive.sources);
        sources.filter(|&&source| source == value).count() + usize::from(value == self.output)
    }

    /// Joins primitive number `index` to that whose value it reads, if a rule says so; then one of them is gone.
    fn join_at(&mut self, index: usize) -> bool {
        let this = &self.primitives[index];
        let &[source] = &this.sources[..] else { return false };
        if let Work::Scale(factors) = &this.work
            && factors.iter().all(|factor| factor.map(f64::to_bits) == [1.0, 0.0].map(f64::to_bits))
        {
            self.remove(index, source);
            return true;
        }
        let Some(before) = source.checked_sub(1) else { return false };
        if self.uses(source) != 1 {
            return false;
        }
        let (head, tail) = self.primitives.split_at_mut(index);
        let (that, this) = (&mut head[before], &mut tail[0]);
        if that.output != this.input && !is_vector_of(this.input, that.output) {
            return false;
        }
        if let Some(work) = after(that, this) {
            if matches!(this.work, Work::Layer(Kind::Pool(_), _)) {
                that.output = this.output;
            }
            that.work = work;
            self.remove(index, source);
            return true;
        }
        if let Some(work) = before_it(that, this) {
            (this.work, this.input) = (work, that.input);
            let from = that.sources[0];
            self.remove(before, from);
            return true;
        }
        false
    }

    /// Takes primitive number `index` out; who read its value reads `instead`.
    fn remove(&mut self, index: usize, instead: usize) {
        self.primitives.remove(index);
        let moved = |value: usize| match value {
            value if value == index + 1 => instead,
            value if value > index + 1 => value - 1,
            value => value,
        };
        self.output = moved(self.output);
        for primitive in &mut self.primitives {
            for source in &mut primitive.sources {
                *source = moved(*source);
            }
            if let Work::Node(node) = &mut primitive.work {
                for input in node.inputs.iter_mut().flatten() {
                    input.value = moved(input.value);
                }
            }
        }
    }

    /// Takes out what the result does not need.
    fn drop_unused(&mut self) {
        for index in (0..self.primitives.len()).rev() {
            if self.uses(index + 1) == 0 {
                self.remove(index, 0);
            }
        }
    }
}

/// Whether a shape is another's values in one axis.
fn is_vector_of(vector: Shape, [channels, height, width]: Shape) -> bool {
    vector == [channels * height * width, 1, 1]
}

/// What `that` is with `this` after it.
fn after(that: &Primitive, this: &Primitive) -> Option<Work> {
    match (&that.work, &this.work) {
        (Work::Scale(first), Work::Scale(second)) if first.len() == second.len() => {
            let both = first.iter().zip(second);
            let joined =
                both.map(|([scale, shift], [more, offset])| [scale * more, shift * more + offset]);
            Some(Work::Scale(joined.collect()))
        }
        (Work::Layer(kind, affine), Work::Scale(factors))
            if kind.activation() == Activation::None
                && !kind.pool()
                && affine.bias.len() == factors.len() =>
        {
            let mut affine = affine.clone();
            affine.fold_output(|output| factors[output]);
            Some(Work::Layer(*kind, affine))
        }
        (Work::Layer(kind, affine), Work::Clamp(activation)) => {
            let both = composed(kind.activation(), *activation);
            Some(Work::Layer(kind.with_activation(both), affine.clone()))
        }
        (Work::Clamp(first), Work::Clamp(second)) => Some(Work::Clamp(composed(*first, *second))),
        (Work::Layer(Kind::Conv(conv), affine), Work::Layer(Kind::Pool(pool), _))
            if !conv.pool
                && *pool
                    == (Pool {
                        activation: pool.activation,
                        ..Pool::new(PoolMode::Max, [POOL; 2])
                    }) =>
        {
            let activation = composed(conv.activation, pool.activation);
            let kind = Kind::Conv(Conv { activation, pool: true, ..*conv });
            Some(Work::Layer(kind, affine.clone()))
        }
        _ => None,
    }
}

/// What `this` is with `that` before it.
fn before_it(that: &Primitive, this: &Primitive) -> Option<Work> {
    match (&that.work, &this.work) {
        (Work::Scale(factors), Work::Layer(kind, affine)) => {
            let channel = channel_of_input(*kind, this.input, factors.len())?;
            let shifts = factors.iter().any(|[_, shift]| *shift != 0.0);
            let padded = matches!(kind, Kind::Conv(conv) if !conv.padding.is_none());
            if shifts && padded {
                return None;
            }
            let mut affine = affine.clone();
            let bits = |factor: &[f64; 2]| factor.map(f64::to_bits);
            match factors.first() {
                Some(first) if factors.iter().all(|factor| bits(factor) == bits(first)) => {
                    let [scale, shift] = *first;
                    affine.fold_input(scale, shift);
                }
                _ => affine.fold_each_input(|output, input| factors[channel(output, input)]),
            }
            Some(Work::Layer(*kind, affine))
        }
        // the largest of clamped values is the clamped largest
        (Work::Clamp(activation), Work::Layer(Kind::Pool(pool), affine))
            if pool.mode == PoolMode::Max =>
        {
            let activation = composed(*activation, pool.activation);
            Some(Work::Layer(Kind::Pool(Pool { activation, ..*pool }), affine.clone()))
        }
        (Work::Pad(more), Work::Layer(Kind::Conv(conv), affine)) => {
            let Padding { top, left, bottom, right } = conv.padding;
            let padding = Padding {
                top: top + more.top,
                left: left + more.left,
                bottom: bottom + more.bottom,
                right: right + more.right,
            };
            Some(Work::Layer(Kind::Conv(Conv { padding, ..*conv }), Affine::clone(affine)))
        }
        _ => None,
    }
}

/// The input channel that a weight of a layer multiplies; `None` if the layer has no weights.
fn channel_of_input(
    kind: Kind,
    input: Shape,
    channels: usize,
) -> Option<Box<dyn Fn(usize, usize) -> usize>> {
    match kind {
        Kind::Conv(conv) if channels == input[0] => {
            let (window, in_group) = (conv.kernel[0] * conv.kernel[1], channels / conv.groups);
            let in_output_group = conv.maps / conv.groups;
            Some(Box::new(move |output, weight| {
                output / in_output_group * in_group + weight / window
            }))
        }
        Kind::Dense { .. } => {
            let values: usize = input.iter().product();
            (values.is_multiple_of(channels)).then_some(())?;
            let each = values / channels;
            Some(Box::new(move |_, weight| weight / each))
        }
        _ => None,
    }
}

/// Two activations, one after the other.
fn composed(first: Activation, second: Activation) -> Activation {
    use Activation::{None, Relu, Relu6};
    iter::once(first).chain([second]).fold(None, |all, next| match (all, next) {
        (Relu6, _) | (_, Relu6) => Relu6,
        (Relu, _) | (_, Relu) => Relu,
        (None, None) => None,
    })
}
