//! A network as its file holds it, with weights by output and tap.

use firmware::Model;
use firmware::format::{
    Channel, Header, Kind, Layers, Layout, Order, Part, Record, Value, accumulator_bound, emit,
    file_len,
};
use firmware::plan::{PlannedRow, planned_rows};
use zerocopy::FromZeros;

/// `SplitMix64`: <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        (self.next() >> 8).is_multiple_of(many)
    }
}

/// A network with its weights as the definition has them.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) input: Value,
    pub(crate) records: Vec<Record>,
    /// `[output][tap]`, taps as they lie in the file; of an addition its two factors.
    pub(crate) weights: Vec<Vec<i32>>,
    pub(crate) channels: Vec<Vec<Channel>>,
}

impl Network {
    /// The network that a file holds.
    pub(crate) fn read(model: Model<'_>) -> Self {
        let layers = model.layers();
        let mut network = Self {
            input: model.header().input,
            records: layers.records.to_vec(),
            weights: vec![],
            channels: vec![],
        };
        for layer in 0..layers.records.len() {
            let bytes = model.weights(layer);
            network.channels.push(model.channels(layer).to_vec());
            network.weights.push(match layers.weights(layer) {
                None => vec![],
                Some(weights) if weights.order == Order::Factors => {
                    bytes.as_chunks().0.iter().map(|factor| i32::from_le_bytes(*factor)).collect()
                }
                Some(weights) => (0..weights.outputs * weights.taps)
                    .map(|at| weights.get(bytes, at / weights.taps, at % weights.taps).into())
                    .collect(),
            });
        }
        network
    }

    /// What goes in, of the engine's input.
    pub(crate) fn image(&self, random: &mut Random) -> Vec<u8> {
        let kind = random.next() % 4;
        let pixel = |random: &mut Random| match kind {
            0 => 255,
            1 => u8::from(random.one_in(8)) * random.next() as u8,
            _ => random.next() as u8,
        };
        (0..self.input.size()).map(|_| pixel(random)).collect()
    }

    pub(crate) fn value(&self, number: usize) -> &Value {
        if number == 0 { &self.input } else { &self.records[number - 1].output }
    }

    /// The largest magnitude of the accumulator of one output of a layer, with this bias.
    pub(crate) fn bound(&self, record: &Record, weights: &[i32], bias: i32) -> u64 {
        let products: u64 = match Kind::of_code(record.kind).unwrap() {
            Kind::Add => weights.iter().map(|factor| 255 * u64::from(factor.unsigned_abs())).sum(),
            Kind::AveragePool => {
                let [rows, columns] = record.kernel.map(u64::from);
                rows * columns * 255
            }
            _ => {
                let zero = self.value(record.source.into()).zero;
                return accumulator_bound(weights.iter().map(|&it| it as i16), bias, zero);
            }
        };
        products + u64::from(bias.unsigned_abs())
    }

    /// The network as a file; `None` if its memory cannot be planned.
    pub(crate) fn emit(&self, layout: Layout) -> Option<Vec<u8>> {
        let bytes = |weights: &Vec<i32>| weights.iter().map(|&weight| weight as i8).collect();
        let weights: Vec<Vec<i8>> = self.weights.iter().map(bytes).collect();
        let parts: Vec<Part<'_>> = (0..self.records.len())
            .map(|layer| {
                let channels = &self.channels[layer][..];
                if self.records[layer].kind == Kind::Add.code() {
                    let factors = [self.weights[layer][0], self.weights[layer][1]];
                    Part { channels, weights: &[], factors }
                } else {
                    Part { channels, weights: &weights[layer], factors: [0; 2] }
                }
            })
            .collect();
        let mut header = Header::new_zeroed();
        (header.input, header.layout) = (self.input, layout.code());
        let mut records = self.records.clone();
        let layers = Layers { input: &header.input, records: &records, layout };
        let mut file = vec![0; file_len(layers)?];
        let mut rows = vec![PlannedRow::default(); planned_rows(layers)];
        emit(&mut header, &mut records, &parts, &mut rows, &mut file)?;
        Some(file)
    }
}
