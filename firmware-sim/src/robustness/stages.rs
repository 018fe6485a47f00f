//! All layers of a network as the analysis sees them, and which parts of values take part in which.

use network::Shape;

use super::linear::{Area, united};
use super::stage::Stage;
use crate::int8::Int8Network;

/// All layers of a network.
#[derive(Debug)]
pub(super) struct Stages {
    /// Shapes of the input, and of what each layer gives.
    pub(super) shapes: Vec<Shape>,
    pub(super) layers: Vec<Stage>,
    /// What rounding changes a sum by, in relation to the magnitudes of its terms, at most.
    pub(super) rounding: f64,
}

impl Stages {
    pub(super) fn of(network: &Int8Network) -> Self {
        let last = network.layers.len() - 1;
        let layers = network.layers.iter().enumerate();
        let layers: Vec<Stage> =
            layers.map(|(index, int8)| Stage::new(network, int8, index == last)).collect();
        let outputs = layers.iter().map(|stage| stage.output);
        let shapes: Vec<Shape> = [network.shape].into_iter().chain(outputs).collect();
        // no sum has more terms than two for all values and accumulators
        let accumulators = layers.iter().map(|stage| stage.accumulators);
        let sizes = shapes.iter().copied().chain(accumulators);
        let terms: usize = sizes.map(|shape| 2 * shape.iter().product::<usize>() + 2).sum();
        Self { shapes, layers, rounding: terms as f64 * f64::EPSILON }
    }

    /// Products that [`Effort::EveryLayer`](super::Effort::EveryLayer) may take for one box, about.
    pub(super) fn products(&self) -> f64 {
        let refined = self.layers.iter().enumerate().filter(|(_, stage)| !stage.is_exact());
        let products = refined.map(|(index, stage)| {
            let [maps, height, width] = stage.accumulators;
            let place = [height / 2, width / 2].map(|at| at..at + 1);
            let areas = self.areas(index, &place, 0);
            let before = self.layers[..index].iter().zip(&areas[1..]);
            let each: usize =
                before.map(|(it, area)| it.products(&it.accumulator_area(area))).sum();
            2.0 * (maps * height * width) as f64 * each as f64
        });
        products.sum()
    }

    /// The parts of values, by number, that an area of a layer's accumulators takes; those up to `until` as they are.
    pub(super) fn areas(&self, layer: usize, area: &Area, until: usize) -> Vec<Area> {
        let mut areas: Vec<Area> = vec![[0..0, 0..0]; layer + 1];
        for index in (until..=layer).rev() {
            let stage = &self.layers[index];
            let area = if index == layer {
                area.clone()
            } else {
                stage.accumulator_area(&areas[index + 1])
            };
            for (number, linear) in &stage.inputs {
                areas[*number] = united(&areas[*number], &linear.area(&area));
            }
        }
        areas
    }
}
