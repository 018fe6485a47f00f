//! Names of layers.

use firmware::Model;
use firmware::format::Kind;

/// A name for each layer, its kind and a number: those that [`network::Layer::name`] gives.
///
/// # Panics
/// Never: the model was checked.
#[must_use]
pub fn layer_names(model: Model<'_>) -> Vec<String> {
    let mut counts = [0; 4];
    let name = |code: u8| {
        let (number, kind) = match Kind::of_code(code).expect("the model was checked") {
            Kind::Conv | Kind::Depthwise => (0, "conv"),
            Kind::MaxPool | Kind::AveragePool => (1, "pool"),
            Kind::Add => (2, "add"),
            Kind::Dense => (3, "dense"),
        };
        counts[number] += 1;
        format!("{kind}{}", counts[number])
    };
    model.layers().records.iter().map(|record| record.kind).map(name).collect()
}
