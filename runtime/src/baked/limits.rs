//! The largest network that is read, so that memory and time are known before they are spent.
//!
//! What an ONNX file may hold passes here too: see `network::onnx`.

use std::ops::RangeInclusive;

use network::{Architecture, Conv, Kind, Layer, POOL, Padding, Pool, Shape};

use super::{BakedFault, MAX_BAKED_BYTES, layer as record};

/// Layers, as nodes of an ONNX graph.
pub(super) const MAX_LAYERS: usize = 1_000;
/// Length of an input that is no picture.
pub(super) const MAX_VECTOR: usize = 4_096;
/// Channels of a picture.
pub(super) const MAX_CHANNELS: usize = 4;
/// Width and height of a picture.
pub(super) const MAX_SIDE: usize = 256;
/// Scores.
pub(super) const CLASSES: RangeInclusive<usize> = 2..=256;
/// Maximum values of an image, of all layers together, and of what one layer may lay out: 64 MiB of `f32`.
const MAX_ELEMENTS: usize = 1 << 24;
/// Maximum multiplications, comparisons and values read for one image; LeNet has 2.3 million.
const MAX_WORK: usize = 1 << 29;

pub(super) fn check_input(input: Shape) -> Result<(), BakedFault> {
    let is_picture = |[channels, height, width]: Shape| {
        (1..=MAX_CHANNELS).contains(&channels)
            && (1..=MAX_SIDE).contains(&height)
            && (1..=MAX_SIDE).contains(&width)
    };
    let is_vector = |[length, height, width]: Shape| {
        [height, width] == [1, 1] && (1..=MAX_VECTOR).contains(&length)
    };
    if is_picture(input) || is_vector(input) { Ok(()) } else { Err(BakedFault::Input(input)) }
}

pub(super) fn check_layers(count: usize) -> Result<(), BakedFault> {
    if (1..=MAX_LAYERS).contains(&count) { Ok(()) } else { Err(BakedFault::Layers(count)) }
}

/// Checks a network that may come from anywhere; then no product of its sizes overflows.
pub(super) fn check(architecture: &Architecture) -> Result<(), BakedFault> {
    check_layers(architecture.layers().len())?;
    check_input(architecture.input())?;
    let mut total = Cost { elements: count(&architecture.input()).unwrap_or(usize::MAX), work: 0 };
    for (index, layer) in architecture.layers().iter().enumerate() {
        total = Cost::of(layer)
            .and_then(|cost| total.plus(cost))
            .filter(|total| total.elements <= MAX_ELEMENTS && total.work <= MAX_WORK)
            .filter(|_| record::fits(layer))
            .ok_or(BakedFault::TooMuchWork(index + 1))?;
    }
    let outputs = architecture.outputs();
    if CLASSES.contains(&outputs) { Ok(()) } else { Err(BakedFault::Classes(outputs)) }
}

/// Checks that the file is not too long.
pub(super) fn check_length<'a>(
    texts: impl Iterator<Item = &'a String>,
    architecture: &Architecture,
) -> Result<(), BakedFault> {
    let texts: u64 = texts.map(|text| 4 + text.len() as u64).sum();
    // what is left out here is the header and at most a thousand layers
    let fits = texts + 4 * architecture.parameters() as u64 <= MAX_BAKED_BYTES - (1 << 16);
    if fits { Ok(()) } else { Err(BakedFault::TooLong) }
}

/// What layers cost for one image.
#[derive(Debug, Clone, Copy)]
struct Cost {
    elements: usize,
    work: usize,
}

impl Cost {
    fn plus(self, other: Self) -> Option<Self> {
        let elements = self.elements.checked_add(other.elements)?;
        Some(Self { elements, work: self.work.checked_add(other.work)? })
    }

    /// `None` if it is more than a number can hold.
    fn of(layer: &Layer) -> Option<Self> {
        let input = layer.input();
        let [sums, made] = [count(&layer.accumulators())?, count(&layer.output())?];
        let of_each_sum = match layer.kind() {
            Kind::Conv(Conv { kernel: [rows, columns], groups, padding, .. }) => {
                fits(padded(input, padding)?)?;
                let fan_in = count(&[input[0] / groups, rows, columns])?;
                // an engine may lay out what each place of the output reads
                let [_, height, width] = layer.accumulators();
                fits(count(&[height, width, fan_in, groups])?)?;
                fan_in
            }
            Kind::Pool(Pool { window, padding, .. }) => {
                fits(padded(input, padding)?)?;
                count(&window)?
            }
            Kind::Add { .. } => 1,
            Kind::Dense { .. } => count(&input)?,
        };
        let pooled = if layer.kind().pool() { made.checked_mul(POOL * POOL)? } else { 0 };
        let work = sums.checked_mul(of_each_sum)?.checked_add(pooled)?;
        let weights = layer.outputs().checked_mul(of_each_sum)?;
        let read = count(&input)?.checked_add(weights)?;
        let pooled = if layer.kind().pool() { made } else { 0 };
        Some(Self { elements: sums.checked_add(pooled)?, work: work.checked_add(read)? })
    }
}

fn count(lengths: &[usize]) -> Option<usize> {
    lengths.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))
}

/// Values of an input with its padding around it, which an engine may lay out.
fn padded([channels, height, width]: Shape, padding: Padding) -> Option<usize> {
    let Padding { top, left, bottom, right } = padding;
    let height = height.checked_add(top)?.checked_add(bottom)?;
    count(&[channels, height, width.checked_add(left)?.checked_add(right)?])
}

fn fits(elements: usize) -> Option<()> {
    (elements <= MAX_ELEMENTS).then_some(())
}
