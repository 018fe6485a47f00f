//! What steps are called, and what they cost: multiplications, weights, and memory for values.

use std::collections::BTreeMap;
use std::fmt;

use super::{Lowered, Operation, Step, WholeNetwork};

impl Step {
    /// Multiply-accumulates for one image; of what tract runs, those of convolutions and products of matrices.
    #[must_use]
    pub fn macs(&self) -> usize {
        match &self.operation {
            Operation::Layer(layer, _) => layer.macs(),
            Operation::Plan(plan) => plan.macs(),
        }
    }

    /// Weights and biases, and other constants that tract has.
    #[must_use]
    pub fn parameters(&self) -> usize {
        match &self.operation {
            Operation::Layer(layer, _) => layer.parameters(),
            Operation::Plan(plan) => plan.parameters(),
        }
    }

    /// Bytes of [`Self::parameters`].
    #[must_use]
    pub fn parameter_bytes(&self) -> usize {
        match &self.operation {
            Operation::Layer(layer, _) => size_of::<f32>() * layer.parameters(),
            Operation::Plan(plan) => plan.parameter_bytes(),
        }
    }

    /// Whether it is no layer, so that tract runs it.
    #[must_use]
    pub const fn needs_tract(&self) -> bool {
        matches!(self.operation, Operation::Plan(_))
    }
}

impl fmt::Display for Step {
    /// The layer, such as `Conv 3x3 16→32 + ReLU`, or operators of ONNX: `Sigmoid → Mul`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Operation::Layer(layer, _) => layer.fmt(f),
            Operation::Plan(plan) => f.write_str(&plan.operators().join(" → ")),
        }
    }
}

impl Lowered {
    /// A name for each step: its layer's kind, or `tract`, and its number among those.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut counts = BTreeMap::new();
        let name = |step: &Step| {
            let kind = match &step.operation {
                Operation::Layer(layer, _) => layer.kind().name(),
                Operation::Plan(_) => "tract",
            };
            let count = counts.entry(kind).or_insert(0);
            *count += 1;
            format!("{kind}{count}")
        };
        self.steps.iter().map(name).collect()
    }

    /// Largest number of values of one image that are needed at a time: the input of a step, what it makes, and what
    /// later steps read.
    ///
    /// An engine that runs one step at a time has memory for so many, besides what a step needs within.
    #[must_use]
    pub fn peak_values(&self) -> usize {
        let mut values = vec![self.input.iter().product()];
        values.extend(self.steps.iter().map(|step| step.outputs));
        let last_use = |value: usize| {
            self.steps.iter().rposition(|step| step.sources.contains(&value)).unwrap_or_default()
        };
        let last_uses: Vec<usize> = (0..values.len()).map(last_use).collect();
        let at = |step: usize| {
            let before = (0..=step).filter(|&value| last_uses[value] >= step);
            before.map(|value| values[value]).sum::<usize>() + values[step + 1]
        };
        (0..self.steps.len()).map(at).max().unwrap_or(values[0])
    }
}

impl From<WholeNetwork> for Lowered {
    fn from(whole: WholeNetwork) -> Self {
        let WholeNetwork { network, takes_pixels, scores } = whole;
        let step = |(layer, affine): (&crate::Layer, &crate::Affine)| Step {
            sources: layer.sources().collect(),
            outputs: layer.output().iter().product(),
            shape: layer.output(),
            operation: Operation::Layer(layer.clone(), affine.clone()),
        };
        let input = network.architecture().input();
        Self { input, takes_pixels, steps: network.layers().map(step).collect(), scores }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Activation, Affine, Architecture, Conv, Kind, Network, Padding, Scores};

    use super::*;

    fn lowered(architecture: Architecture) -> Lowered {
        let affine = architecture.layers().iter().map(|layer| Affine {
            weights: vec![1.0; layer.outputs() * layer.fan_in()],
            bias: vec![0.0; layer.outputs()],
        });
        let affine = affine.collect();
        let network = Network::new(architecture, affine);
        WholeNetwork { network, takes_pixels: true, scores: Scores::Logits }.into()
    }

    #[test]
    fn the_peak_is_at_the_step_with_the_most_values_around_it() {
        let lenet = lowered(Architecture::lenet(10));
        // 20 maps of 12x12 and 50 of 4x4
        assert_eq!(lenet.peak_values(), 2880 + 800);
        assert_eq!(lenet.names(), ["conv1", "conv2", "dense1", "dense2"]);
        assert_eq!(lenet.steps.iter().map(Step::macs).sum::<usize>(), 2_293_000);
        assert_eq!(lenet.steps.iter().map(Step::parameter_bytes).sum::<usize>(), 4 * 431_080);
    }

    #[test]
    fn a_value_that_is_added_later_is_counted_until_then() {
        let conv = Kind::Conv(Conv { padding: Padding::even(1), ..Conv::new(2, [3, 3]) });
        let add = Kind::Add { other: 1, activation: Activation::None };
        let kinds = [(0, conv), (1, conv), (2, conv), (3, add)];
        let residual = lowered(Architecture::connected([1, 4, 4], kinds).unwrap());
        // in the third step: the first one's value, the second's and the third's
        assert_eq!(residual.peak_values(), 3 * 2 * 16);
        assert_eq!(residual.names(), ["conv1", "conv2", "conv3", "add1"]);
        let whole = residual.network().unwrap();
        assert_eq!(Lowered::from(whole).peak_values(), 96);
    }

    #[test]
    fn of_no_steps_the_input_is_all_there_is() {
        let empty =
            Lowered { input: [3, 2, 2], takes_pixels: true, steps: vec![], scores: Scores::Logits };
        assert_eq!(empty.peak_values(), 12);
    }
}
