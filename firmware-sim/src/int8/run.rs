//! Runs an int8 network on the host.

use firmware::format::Channel;
use network::{Activation, Affine, Conv, Kind, Layer, Pool, PoolMode};
use runtime::{CompiledLayer, Instructions, Workspace};

use super::{Int8Layer, Int8Network};

/// What the layers give for one image, as whole numbers `[channel][row][column]`; an entry per layer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// Accumulators with true biases, before a pooling that is part of the layer; none of a max-pooling.
    pub accumulators: Vec<Vec<f32>>,
    /// Activations in signed units, and the accumulators of the last layer.
    pub activations: Vec<Vec<f32>>,
}

impl Trace {
    /// The accumulators of the last layer, as the engine gives them.
    #[must_use]
    pub fn logits(&self) -> Vec<i32> {
        self.activations.last().into_iter().flatten().map(|&value| value as i32).collect()
    }
}

/// What computes a layer's accumulators.
#[derive(Debug)]
enum Sums {
    /// Weighted sums, or the largest of windows.
    Compiled(Box<CompiledLayer>),
    /// Two values, of which each counts its factor, and a bias.
    Add([f32; 3]),
}

/// An [`Int8Network`] compiled for the fastest instructions of this machine.
#[derive(Debug)]
pub(crate) struct CompiledInt8<'a> {
    network: &'a Int8Network,
    layers: Vec<Sums>,
}

impl<'a> CompiledInt8<'a> {
    pub(crate) fn new(network: &'a Int8Network) -> Self {
        let compile = |int8: &Int8Layer| {
            let zeros: Vec<u8> =
                int8.layer.sources().map(|source| network.encoding(source).zero).collect();
            Sums::new(int8, &zeros)
        };
        Self { network, layers: network.layers.iter().map(compile).collect() }
    }

    /// What every layer gives for one input, in signed units.
    pub(crate) fn run(&self, input: &[f32], workspace: &mut Workspace) -> Trace {
        let mut trace = Trace::default();
        let last = self.layers.len() - 1;
        for (index, (int8, sums)) in self.network.layers.iter().zip(&self.layers).enumerate() {
            let value = |number: usize| match number.checked_sub(1) {
                None => input,
                Some(layer) => &trace.activations[layer],
            };
            let values: Vec<&[f32]> = int8.layer.sources().map(value).collect();
            let accumulators = sums.run(int8, &values, workspace);
            let (accumulators, activations) = if int8.is_max_pool() {
                (vec![], accumulators)
            } else {
                let pooled = int8.layer.pool(accumulators.clone());
                let is_last = index == last;
                (accumulators, if is_last { pooled } else { int8.activations(pooled) })
            };
            trace.accumulators.push(accumulators);
            trace.activations.push(activations);
        }
        trace
    }
}

/// Computes one layer by itself.
#[derive(Debug)]
pub(crate) struct CompiledSums(Sums);

impl CompiledSums {
    /// For values whose bytes have these zeros.
    pub(crate) fn new(int8: &Int8Layer, zeros: &[u8]) -> Self {
        Self(Sums::new(int8, zeros))
    }

    /// Accumulators after a pooling that is part of the layer.
    pub(crate) fn run(
        &self,
        int8: &Int8Layer,
        values: &[&[f32]],
        workspace: &mut Workspace,
    ) -> Vec<f32> {
        int8.layer.pool(self.0.run(int8, values, workspace))
    }
}

impl Sums {
    fn new(int8: &Int8Layer, zeros: &[u8]) -> Self {
        let layer = &int8.layer;
        let bias = int8.channels.first().map_or(0, |channel| channel.bias.get());
        let zero = |index: usize| zeros.get(index).copied().map_or(0, i32::from);
        let alone = |kind| Layer::alone(layer.input(), kind).expect("it fitted with more");
        let compiled = |kind, affine: &Affine| {
            Self::Compiled(CompiledLayer::new(&alone(kind), affine, Instructions::default()).into())
        };
        match layer.kind() {
            Kind::Conv(conv) => compiled(Kind::Conv(conv.sums()), &int8.affine),
            kind @ Kind::Dense { .. } => {
                compiled(kind.with_activation(Activation::None), &int8.affine)
            }
            kind @ Kind::Pool(Pool { mode: PoolMode::Max, .. }) => compiled(kind, &int8.affine),
            Kind::Pool(Pool { window, stride, padding, .. }) => {
                // the sum of each window: a convolution of each channel with ones
                let maps = layer.input()[0];
                let conv = Conv { stride, padding, groups: maps, ..Conv::new(maps, window) };
                let places = window[0] * window[1];
                let bias = (bias + zero(0) * places as i32) as f32;
                let affine = Affine { weights: vec![1.0; maps * places], bias: vec![bias; maps] };
                compiled(Kind::Conv(conv), &affine)
            }
            Kind::Add { .. } => {
                let [one, other] = int8.factors;
                let bias = bias + zero(0) * one + zero(1) * other;
                Self::Add([one, other, bias].map(|number| number as f32))
            }
        }
    }

    fn run(&self, int8: &Int8Layer, values: &[&[f32]], workspace: &mut Workspace) -> Vec<f32> {
        match self {
            Self::Compiled(compiled) => {
                let mut output = vec![0.0; compiled.outputs()];
                compiled.run(values[0], workspace, &mut output);
                output
            }
            Self::Add([one, other, bias]) => {
                debug_assert!(matches!(int8.layer.kind(), Kind::Add { .. }));
                let pairs = values[0].iter().zip(values[1]);
                pairs.map(|(a, b)| a * one + b * other + bias).collect()
            }
        }
    }
}

/// Largest accumulator bound of a layer.
pub(crate) fn bound(channels: &[Channel]) -> u32 {
    channels.iter().map(|channel| channel.bound.get()).max().unwrap_or(0)
}
