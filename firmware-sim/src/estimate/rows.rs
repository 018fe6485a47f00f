//! What there is to do between two rows of the camera.

use firmware::Model;
use firmware::format::Rehearsal;

use super::{Profile, Work};
use crate::board::{MAX_ROW_PERIOD, Machine};

/// How many times longer than the estimate the camera waits: it is nowhere as far off.
const SLACK: f64 = 3.0;
/// Instructions of a board's program between two images, besides those for each number that it prints.
const BETWEEN_IMAGES: f64 = 20_000.0;
/// Instructions for a number that is printed, at most.
const PRINTED_NUMBER: f64 = 500.0;

/// Expected instructions of `machine` for each row of an image: of taking it in, and of all steps that it makes possible.
///
/// The model is laid out for it.
#[must_use]
pub fn rows(machine: Machine, model: Model<'_>) -> Vec<f64> {
    let layers = model.layers();
    let profile = Profile::committed();
    let works = Work::of(model);
    let of_step = |work: &Work| profile.of_layer(machine, work) / work.steps().max(1) as f64;
    // of each layer, and of a row at the end
    let mut steps: Vec<f64> = works.iter().map(of_step).collect();
    let taking_in = steps.pop().unwrap_or(0.0);
    let mut rows = vec![];
    let mut walk = Rehearsal::new(layers);
    while let Some(number) = walk.coming() {
        walk.count(number);
        match (number.checked_sub(1), rows.last_mut()) {
            (Some(layer), Some(row)) => *row += steps.get(layer).copied().unwrap_or(0.0),
            _ => rows.push(taking_in),
        }
    }
    rows
}

/// Instructions from a row of the camera to the next, by which no row is dropped: a few times what the row takes after
/// which there is most to do.
#[must_use]
pub fn row_period(machine: Machine, model: Model<'_>) -> u32 {
    let most = rows(machine, model).into_iter().fold(0.0, f64::max);
    let printed = (model.outputs() + model.layers().records.len()) as f64;
    let between_images = BETWEEN_IMAGES + PRINTED_NUMBER * printed;
    // a cast of what is too large saturates
    ((SLACK * most + between_images) as u32).min(MAX_ROW_PERIOD)
}
