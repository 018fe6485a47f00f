//! What the C source is made of: a model's layers, their numbers and the order of their steps.

use firmware::Model;
use firmware::format::{Channel, Geometry, Kind, Record, Rehearsal, Value};

/// Outputs whose weights lie side by side.
pub(super) const BLOCK: usize = 8;

/// A layer of a model.
pub(super) struct Layer<'a> {
    /// Its name, such as `conv1`.
    pub(super) name: &'a str,
    /// What it is, such as `Conv 5x5 1->20 + ReLU`.
    pub(super) title: String,
    pub(super) kind: Kind,
    pub(super) record: &'a Record,
    pub(super) geometry: Geometry,
    pub(super) input: &'a Value,
    /// The second value of an addition, or the first again.
    pub(super) other: &'a Value,
    pub(super) channels: &'a [Channel],
    /// `[output][tap]`, taps `[row][column][channel]`; of a layer without taps none.
    pub(super) weights: Vec<Vec<i16>>,
    /// What each value of an addition counts.
    pub(super) factors: [i32; 2],
    pub(super) is_last: bool,
    /// Names of the values that it takes, in the source.
    pub(super) sources: [String; 2],
}

/// The layers of `model`, with these names and titles.
pub(super) fn layers<'a>(model: Model<'a>, names: &'a [[String; 2]]) -> Vec<Layer<'a>> {
    let layers = model.layers();
    let layer = |(index, [name, title]): (usize, &'a [String; 2])| {
        let record = layers.records.get(index)?;
        let geometry = layers.geometry(index)?;
        let bytes = model.weights(index);
        let taps = record.taps(layers.value(geometry.source)?);
        let weights = match layers.weights(index) {
            Some(weights) if taps > 0 => (0..record.channels())
                .map(|output| (0..taps).map(|tap| weights.get(bytes, output, tap)).collect())
                .collect(),
            _ => vec![],
        };
        let factors = match (geometry.kind, bytes.as_chunks().0) {
            (Kind::Add, &[one, other, ..]) => [one, other].map(i32::from_le_bytes),
            _ => [0; 2],
        };
        Some(Layer {
            name,
            title: title.replace('→', "->"),
            kind: geometry.kind,
            record,
            geometry,
            input: layers.value(geometry.source)?,
            other: layers.value(geometry.other)?,
            channels: model.channels(index),
            weights,
            factors,
            is_last: index + 1 == layers.records.len(),
            sources: [geometry.source, geometry.other]
                .map(|number| value_name(names.iter().map(|[name, _]| &name[..]), number)),
        })
    };
    names.iter().enumerate().map(|named| layer(named).expect("the model was checked")).collect()
}

/// Name of value `number` in the source, of layers of these names.
pub(super) fn value_name<'a>(mut layers: impl Iterator<Item = &'a str>, number: usize) -> String {
    match number.checked_sub(1).and_then(|layer| layers.nth(layer)) {
        None => "image".into(),
        Some(name) => format!("{name}_output"),
    }
}

impl Layer<'_> {
    /// What is added to each channel's sum of products of real weights and values, in units of the accumulator.
    pub(super) fn biases(&self) -> Vec<i32> {
        let zero = i32::from(self.input.zero);
        let more = |output: usize| match self.kind {
            Kind::Add => {
                let [one, other] = self.factors;
                one * zero + other * i32::from(self.other.zero)
            }
            Kind::AveragePool => zero * self.geometry.kernel.iter().product::<usize>() as i32,
            _ => zero * self.weights[output].iter().copied().map(i32::from).sum::<i32>(),
        };
        let channels = self.channels.iter().enumerate();
        channels.map(|(output, channel)| channel.bias.get() + more(output)).collect()
    }

    /// Channels that it gives.
    pub(super) fn outputs(&self) -> usize {
        self.record.output.channels.get().into()
    }

    /// Whether it sums up products for a [`BLOCK`] of outputs at a time.
    pub(super) const fn sums_blocks(&self) -> bool {
        matches!(self.kind, Kind::Conv | Kind::Dense)
    }

    /// Weights `[block of outputs][tap][output]`, of so many outputs each; the last block has what is left.
    pub(super) fn blocks(&self, block: usize) -> Vec<i16> {
        let blocks = self.weights.chunks(block).flat_map(|outputs| {
            let taps = outputs.first().map_or(0, Vec::len);
            (0..taps).flat_map(move |tap| outputs.iter().map(move |taps| taps[tap]))
        });
        blocks.collect()
    }

    /// Lines of its input that a row of windows lies over.
    pub(super) fn lines(&self) -> usize {
        let Geometry { kernel, stride, .. } = self.geometry;
        match self.kind {
            Kind::Conv | Kind::Depthwise => {
                kernel[0] + (self.geometry.rows_at_once() - 1) * stride[0]
            }
            _ => 0,
        }
    }
}

/// The layers, from 1, in the order of all steps of an inference; 0 is a row of the image. Outputs that are not held are
/// not in it.
pub(super) fn order(model: Model<'_>) -> Vec<usize> {
    let mut walk = Rehearsal::new(model.layers());
    let mut order = vec![];
    while let Some(number) = walk.coming() {
        walk.count(number);
        order.push(number);
    }
    if !model.holds_outputs() {
        order.pop();
    }
    order
}

/// Where each row of value `number` begins, in bytes; none of the last layer's.
pub(super) fn places(model: Model<'_>, number: usize) -> Vec<usize> {
    if number == model.layers().records.len() {
        return vec![];
    }
    let rows = model.layers().value(number).and_then(|value| {
        let places = model.places().of(value)?;
        (0..value.height.get().into()).map(|row| places.row(row)).collect()
    });
    rows.expect("the model was checked")
}

/// Bytes that the rows of all values lie in.
pub(super) fn row_memory(model: Model<'_>) -> usize {
    let numbers = 0..model.layers().records.len();
    let ends = numbers.flat_map(|number| {
        let stride = model.layers().value(number).map_or(0, Value::stride);
        places(model, number).into_iter().map(move |place| place + stride)
    });
    ends.max().unwrap_or(0)
}
