//! A network with its weights, run by its plain definition: slow, and what every fast engine is compared with.

use crate::affine::Affine;
use crate::architecture::{
    Activation, Architecture, Conv, Kind, Layer, POOL, Pool, PoolMode, Shape,
};

/// Layers with their weights. The first takes pixels, 0 to 255, or what the caller makes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    architecture: Architecture,
    affine: Vec<Affine>,
}

impl Network {
    /// Gives each layer its weights; a layer that has none gets an empty [`Affine`].
    ///
    /// # Panics
    /// If there are not as many as the layers have.
    #[must_use]
    pub fn new(architecture: Architecture, affine: Vec<Affine>) -> Self {
        assert_eq!(architecture.layers().len(), affine.len(), "each layer has weights");
        for (layer, affine) in architecture.layers().iter().zip(&affine) {
            let found = [affine.bias.len(), affine.weights.len()];
            let expected = [layer.outputs(), layer.outputs() * layer.fan_in()];
            assert_eq!(found, expected, "biases and weights of {}", layer.name());
        }
        Self { architecture, affine }
    }

    /// The layers without their weights.
    #[must_use]
    pub const fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Weights and biases of each layer, in order.
    #[must_use]
    pub fn affine(&self) -> &[Affine] {
        &self.affine
    }

    /// Each layer with its weights, in order.
    #[must_use]
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = (&Layer, &Affine)> + ExactSizeIterator {
        self.architecture.layers().iter().zip(&self.affine)
    }

    /// What each layer gives for one image, in order; the last are the logits.
    ///
    /// `input` is `[channel][row][column]`, and so is each result.
    #[must_use]
    pub fn activations(&self, input: &[f32]) -> Vec<Vec<f32>> {
        let mut activations = vec![];
        self.continue_from(input, &mut activations);
        activations
    }

    /// What each layer gives, where `first` are what the first of them give: by another arithmetic, for example.
    ///
    /// All are `[channel][row][column]`, as `input` is.
    #[must_use]
    pub fn activations_after(&self, input: &[f32], first: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let mut activations = first;
        self.continue_from(input, &mut activations);
        activations
    }

    /// Appends what is missing of the activations.
    fn continue_from(&self, input: &[f32], activations: &mut Vec<Vec<f32>>) {
        for (layer, affine) in self.layers().skip(activations.len()) {
            let value = |index: usize| match index.checked_sub(1) {
                None => input,
                Some(layer) => &activations[layer],
            };
            let values = match layer.kind() {
                Kind::Add { other, .. } => layer.activate(add(value(layer.source()), value(other))),
                _ => layer.apply(affine, value(layer.source())),
            };
            activations.push(values);
        }
    }
}

fn add(left: &[f32], right: &[f32]) -> Vec<f32> {
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

impl Layer {
    /// What the layer gives of `input`, `[channel][row][column]`; of an [`Kind::Add`], `input` is the sum.
    #[must_use]
    pub fn apply(&self, affine: &Affine, input: &[f32]) -> Vec<f32> {
        self.activate(self.pool(self.accumulate(affine, input)))
    }

    /// Sums of products and biases, `[out][row][column]`, before a pooling that is part of the layer and activation; of a
    /// [`Kind::Pool`] what it pools, and of an [`Kind::Add`] `input`.
    ///
    /// Of whole numbers whose sums stay below 2²⁴ it is exact, in any order of summation.
    #[must_use]
    pub fn accumulate(&self, affine: &Affine, input: &[f32]) -> Vec<f32> {
        match self.kind() {
            Kind::Conv(conv) => self.convolve(affine, conv, input),
            Kind::Pool(pool) => pool_windows(pool, self.input(), self.output(), input),
            Kind::Add { .. } => input.to_vec(),
            Kind::Dense { .. } => {
                affine.rows().zip(&affine.bias).map(|(row, bias)| bias + dot(row, input)).collect()
            }
        }
    }

    /// The largest of each pooling window, if a pooling is part of the layer. It commutes with the activation.
    #[must_use]
    pub fn pool(&self, values: Vec<f32>) -> Vec<f32> {
        if !self.kind().pool() {
            return values;
        }
        pool_windows(
            Pool::new(PoolMode::Max, [POOL; 2]),
            self.accumulators(),
            self.output(),
            &values,
        )
    }

    /// The activation, if the layer has one.
    #[must_use]
    pub fn activate(&self, mut values: Vec<f32>) -> Vec<f32> {
        let activation = self.kind().activation();
        if activation != Activation::None {
            for value in &mut values {
                *value = activation.apply(*value);
            }
        }
        values
    }

    fn convolve(&self, affine: &Affine, conv: Conv, input: &[f32]) -> Vec<f32> {
        let [rows, columns] = conv.kernel;
        let [_, height, width] = self.input();
        let [maps, out_height, out_width] = self.accumulators();
        let in_group = self.input()[0] / conv.groups;
        let mut output = Vec::with_capacity(maps * out_height * out_width);
        for (map, (weights, &bias)) in affine.rows().zip(&affine.bias).enumerate() {
            let group = map / (maps / conv.groups);
            let channels = input.chunks(height * width).skip(group * in_group);
            let mut sums = vec![bias; out_height * out_width];
            for (kernel, channel) in weights.chunks(rows * columns).zip(channels) {
                for (row, weights) in kernel.chunks(columns).enumerate() {
                    for (y, sums) in sums.chunks_mut(out_width).enumerate() {
                        let at = (y * conv.stride[0] + row).checked_sub(conv.padding.top);
                        let Some(from) = at.filter(|&at| at < height) else { continue };
                        let from = &channel[from * width..][..width];
                        for (column, &weight) in weights.iter().enumerate() {
                            add_row(sums, weight, from, column, conv);
                        }
                    }
                }
            }
            output.extend(sums);
        }
        output
    }
}

/// Adds what one weight takes of one row of the input to a row of sums.
fn add_row(sums: &mut [f32], weight: f32, from: &[f32], column: usize, conv: Conv) {
    let (step, before) = (conv.stride[1], conv.padding.left);
    // the sums to the left see padding
    let first = before.saturating_sub(column).div_ceil(step);
    let Some(sums) = sums.get_mut(first..) else { return };
    let from = from.get(first * step + column - before..).unwrap_or_default();
    if step == 1 {
        for (sum, value) in sums.iter_mut().zip(from) {
            *sum += weight * value;
        }
    } else {
        for (sum, value) in sums.iter_mut().zip(from.iter().step_by(step)) {
            *sum += weight * value;
        }
    }
}

/// One value for each window of each channel.
fn pool_windows(pool: Pool, input: Shape, output: Shape, values: &[f32]) -> Vec<f32> {
    let [_, height, width] = input;
    let [_, out_height, out_width] = output;
    // the part of a window that is inside
    let inside = |window: usize, step: usize, size: usize, before: usize, length: usize| {
        let start = window * step;
        start.saturating_sub(before)..(start + size).saturating_sub(before).min(length)
    };
    let mut pooled = Vec::with_capacity(output.iter().product());
    for channel in values.chunks(height * width) {
        for y in 0..out_height {
            let rows = inside(y, pool.stride[0], pool.window[0], pool.padding.top, height);
            for x in 0..out_width {
                let columns = inside(x, pool.stride[1], pool.window[1], pool.padding.left, width);
                let seen = rows.clone().flat_map(|row| &channel[row * width..][columns.clone()]);
                let count = match pool.mode {
                    PoolMode::Max => {
                        pooled.push(seen.copied().fold(f32::NEG_INFINITY, f32::max));
                        continue;
                    }
                    PoolMode::Average => rows.len() * columns.len(),
                    PoolMode::AverageWithPadding => pool.window[0] * pool.window[1],
                };
                pooled.push(seen.sum::<f32>() / count as f32);
            }
        }
    }
    pooled
}

/// In eight partial sums, which is quick.
fn dot(weights: &[f32], values: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (weights, values) in weights.chunks(sums.len()).zip(values.chunks(sums.len())) {
        for ((sum, weight), value) in sums.iter_mut().zip(weights).zip(values) {
            *sum += weight * value;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Padding;
    use Activation::{None as Linear, Relu, Relu6};

    fn dense(outputs: usize, activation: Activation) -> Kind {
        Kind::Dense { outputs, activation }
    }

    fn alone(input: Shape, kind: Kind) -> Layer {
        Layer::alone(input, kind).unwrap()
    }

    const NONE: Affine = Affine { weights: vec![], bias: vec![] };

    #[test]
    fn a_small_network_gives_what_a_person_computes() {
        let conv = Kind::Conv(Conv { activation: Relu, pool: true, ..Conv::new(1, [1, 2]) });
        let architecture = Architecture::new([2, 3, 5], vec![conv, dense(2, Linear)]).unwrap();
        let conv = Affine { weights: vec![1.0, -1.0, 0.0, 2.0], bias: vec![0.5] };
        let dense = Affine { weights: vec![1.0, 0.0, -1.0, 3.0], bias: vec![0.0, 1.0] };
        let network = Network::new(architecture, vec![conv, dense]);
        let first = [0.0, 1.0, 3.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 9.0, 7.0, 7.0, 7.0, 7.0, 7.0];
        let second = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 5.0, 5.0, 5.0, 5.0, 5.0];
        let input = [first, second].concat();
        // before the pooling −0.5 0.5 1.5 0.5 and 0.5 0.5 2.5 −8.5; a third row is in no window
        assert_eq!(
            network.activations(&input),
            [vec![0.5, 2.5], vec![0.5, -0.5 + 3.0 * 2.5 + 1.0]]
        );
        assert_eq!(network.activations_after(&[], vec![vec![1.0, 2.0]])[1], [1.0, 6.0]);
    }

    #[test]
    fn padding_strides_and_groups_are_those_of_the_definition() {
        let weights = vec![1.0, 10.0, 100.0, 1000.0, -1.0, 0.0, 0.0, 0.0];
        let affine = Affine { weights, bias: vec![0.0, 0.5] };
        let conv = Conv {
            stride: [1, 2],
            padding: Padding { top: 1, left: 1, ..Padding::default() },
            groups: 2,
            ..Conv::new(2, [2, 2])
        };
        let layer = alone([2, 2, 3], Kind::Conv(conv));
        assert_eq!(layer.output(), [2, 2, 2]);
        let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1.0, 1.0, 1.0];
        // windows of the first channel, from the top left: 0 0 0 1, 0 0 2 3, 0 1 0 4, 2 3 5 6
        let first = [1000.0, 3200.0, 4010.0, 6532.0];
        let second = [0.5, 0.5, 0.5, 0.5 - 8.0];
        assert_eq!(layer.apply(&affine, &input), [first, second].concat());
    }

    #[test]
    fn a_pooling_sees_no_padding_but_where_it_counts_as_zeros() {
        let values = [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0];
        let pooled = |mode| {
            let padding = Padding { top: 1, ..Padding::default() };
            let pool = Pool { stride: [2, 1], padding, ..Pool::new(mode, [2, 2]) };
            alone([1, 2, 3], Kind::Pool(pool)).apply(&NONE, &values)
        };
        assert_eq!(pooled(PoolMode::Max), [-1.0, -2.0]);
        assert_eq!(pooled(PoolMode::Average), [-1.5, -2.5]);
        assert_eq!(pooled(PoolMode::AverageWithPadding), [-0.75, -1.25]);
        let whole = Pool::new(PoolMode::Average, [2, 3]);
        assert_eq!(alone([1, 2, 3], Kind::Pool(whole)).apply(&NONE, &values), [-3.5]);
    }

    #[test]
    fn an_earlier_value_is_added() {
        let kinds = [(0, dense(2, Relu)), (1, Kind::Add { other: 0, activation: Relu6 })];
        let architecture = Architecture::connected([2, 1, 1], kinds).unwrap();
        let twice = Affine { weights: vec![2.0, 0.0, 0.0, 2.0], bias: vec![0.0; 2] };
        let network = Network::new(architecture, vec![twice, NONE]);
        assert_eq!(network.activations(&[1.5, -4.0]), [[3.0, 0.0], [4.5, 0.0]]);
        assert_eq!(network.activations(&[3.0, 1.0])[1], [6.0, 3.0]);
    }

    #[test]
    fn folding_keeps_what_a_layer_gives() {
        let layer = alone([2, 1, 1], dense(2, Linear));
        let plain = Affine { weights: vec![1.0, -2.0, 0.5, 3.0], bias: vec![0.25, -1.0] };
        let mut folded = plain.clone();
        folded.fold_input(0.5, -4.0);
        assert_eq!(layer.apply(&folded, &[2.0, 6.0]), layer.apply(&plain, &[-3.0, -1.0]));
    }

    #[test]
    fn a_nan_is_not_hidden_by_the_relu() {
        let layer = alone([1, 1, 1], dense(1, Relu));
        let affine = Affine { weights: vec![f32::NAN], bias: vec![0.0] };
        assert!(layer.apply(&affine, &[1.0])[0].is_nan());
    }
}
