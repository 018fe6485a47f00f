//! Where a model's bytes go, before any board is touched: rows of each value in RAM, weights in flash.

use firmware::Model;
use firmware::format::{Channel, Rehearsal};

use super::int8::Int8Network;

/// One value, and the layer that gives it; the first is the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The layer's name, such as `conv1`, or `input`.
    pub name: String,
    /// What the layer is, such as `Conv 3x3 16→32 + ReLU`; empty of the input.
    pub layer: String,
    /// `[channels, height, width]` of what it gives.
    pub shape: [usize; 3],
    /// Rows of that which are held at once; none of the last layer's, whose outputs are the logits.
    pub rows: usize,
    /// Bytes of these rows, with their padding.
    pub bytes: usize,
    /// Bytes of weights, biases and multipliers in the file.
    pub weight_bytes: usize,
    /// Bytes of weights, one each, and biases, four each.
    pub parameter_bytes: usize,
    /// Multiply-accumulates.
    pub macs: usize,
}

/// A model's plan of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The input, and the layers in order.
    pub rows: Vec<Row>,
    /// Bytes of RAM that an inference needs, besides stack: rows that are never needed at once share a place.
    pub scratch_bytes: usize,
    /// Of these, what the rows take.
    pub row_bytes: usize,
    /// Bytes of the file, all of it flash.
    pub file_bytes: usize,
}

impl Memory {
    /// The plan of a model.
    #[must_use]
    pub fn of(model: Model<'_>) -> Self {
        let network = Int8Network::of(model);
        let header = model.header();
        let input = &header.input;
        let layers = model.layers();
        let held = |number| Rehearsal::most_rows(layers, number);
        let mut rows = vec![Row {
            name: "input".into(),
            layer: String::new(),
            shape: input.shape(),
            rows: held(0),
            bytes: held(0) * input.stride(),
            weight_bytes: 0,
            parameter_bytes: 0,
            macs: 0,
        }];
        for (index, (int8, record)) in network.layers.iter().zip(layers.records).enumerate() {
            let weights = layers.weights(index).and_then(|it| it.file_len());
            let weights = weights.unwrap_or(0);
            rows.push(Row {
                name: int8.layer.name().to_owned(),
                layer: int8.layer.to_string(),
                shape: record.output.shape(),
                rows: held(index + 1),
                bytes: held(index + 1) * record.output.stride(),
                weight_bytes: weights + record.channels() * size_of::<Channel>(),
                parameter_bytes: int8.layer.outputs() * (int8.layer.fan_in() + size_of::<i32>()),
                macs: int8.layer.macs(),
            });
        }
        let words = |words: u32| words as usize * size_of::<u32>();
        let scratch_bytes = words(header.scratch_words.get());
        Self {
            rows,
            scratch_bytes,
            row_bytes: scratch_bytes - words(header.rows_at.get()),
            file_bytes: header.length.get() as usize,
        }
    }

    /// Bytes of the weights, one each, and of the biases, four each: what any int8 build of this network needs.
    #[must_use]
    pub fn parameter_bytes(&self) -> usize {
        self.rows.iter().map(|row| row.parameter_bytes).sum()
    }

    /// Multiply-accumulates of one inference.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.rows.iter().map(|row| row.macs).sum()
    }
}
