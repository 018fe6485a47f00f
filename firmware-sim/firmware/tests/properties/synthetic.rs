//! Networks and images made from a seed.

use firmware::format::{Channel, Kind, Layout, MAX_HELD_OUTPUTS, Record, Value};
use firmware::multiplier::Multiplier;
use zerocopy::FromZeros;

pub(crate) use crate::definition::network::{Network, Random};

/// Outputs of most dense layers.
const FEW: [usize; 2] = [1, 40];
/// Outputs of a last one that are not held.
const MANY: [usize; 2] = [MAX_HELD_OUTPUTS + 1, 400];

impl Random {
    /// One of `from` to `to`.
    pub(crate) fn range(&mut self, from: usize, to: usize) -> usize {
        from + (self.next() >> 8) as usize % (to + 1 - from)
    }
}

fn value([channels, height, width]: [usize; 3], zero: u8) -> Value {
    Value {
        channels: (channels as u16).into(),
        height: (height as u16).into(),
        width: (width as u16).into(),
        zero,
        scale: 1.0f32.to_bits().into(),
        ..Value::new_zeroed()
    }
}

fn record(kind: Kind, source: usize) -> Record {
    let mut record = Record::new_zeroed();
    (record.kind, record.source) = (kind.code(), source as u8);
    (record.kernel, record.stride) = ([1; 2], [1; 2]);
    record
}

impl Network {
    pub(crate) fn random(random: &mut Random) -> Self {
        let is_classifier = random.one_in(8);
        let shape = if is_classifier {
            [1, random.range(16, 20), random.range(16, 20)]
        } else if random.one_in(8) {
            [random.range(1, 60), 1, 1]
        } else {
            [random.range(1, 4), random.range(1, 20), random.range(1, 20)]
        };
        let zero = if random.one_in(3) { 128 } else { 0 };
        let mut network =
            Self { input: value(shape, zero), records: vec![], weights: vec![], channels: vec![] };
        if is_classifier {
            network.classifier(random);
        }
        for _ in 0..random.range(0, 4) {
            network.grow(random);
        }
        network.last(random);
        network
    }

    /// Adds a layer or a residual block.
    fn grow(&mut self, random: &mut Random) {
        let from = self.records.len();
        if random.one_in(3) {
            // two ways to one shape, and their sum; one of them may be none
            let first = self.windowed(random, Kind::Conv, from, None);
            self.push(random, first);
            let shape = self.records[from].output.shape();
            if self.value(from).shape() == shape && random.one_in(2) {
                self.add(random, self.records.len(), from);
            } else {
                let again = self.windowed(random, Kind::Conv, from, Some((from, shape)));
                self.push(random, again);
                self.add(random, self.records.len(), self.records.len() - 1);
            }
        } else if random.one_in(10) {
            self.add(random, from, from);
        } else {
            let kinds = [Kind::Conv, Kind::Conv, Kind::Depthwise, Kind::MaxPool, Kind::AveragePool];
            let kind = kinds[random.range(0, 4)];
            let record = self.windowed(random, kind, from, None);
            self.push(random, record);
        }
    }

    /// Layers that are made for each other: of a picture of one channel.
    fn classifier(&mut self, random: &mut Random) {
        for (number, side) in [5, [3, 5][random.range(0, 1)]].into_iter().enumerate() {
            let [_, height, width] = self.value(number).shape();
            let mut pooled = record(Kind::Conv, number);
            (pooled.kernel, pooled.pooled) = ([side as u8; 2], 1);
            let sides = [height, width].map(|length| (length + 1 - side) / 2);
            pooled.output = value([4 * random.range(1, 4), sides[0], sides[1]], 0);
            self.push(random, pooled);
        }
        self.dense(random, 2, FEW);
    }

    /// One with more outputs than are held.
    pub(crate) fn with_many_outputs(random: &mut Random) -> Self {
        let (input, records) = (value([3, 2, 4], 0), vec![]);
        let mut network = Self { input, records, weights: vec![], channels: vec![] };
        let record = network.windowed(random, Kind::Conv, 0, None);
        network.push(random, record);
        network.dense(random, 1, MANY);
        network.finish();
        network
    }

    /// The last layer, of any kind but [`Kind::MaxPool`].
    fn last(&mut self, random: &mut Random) {
        let from = self.records.len();
        let size = self.value(from).size();
        match random.range(0, 5) {
            0 if size <= 1024 => self.add(random, from, from),
            1 if size <= 1024 => {
                let record = self.windowed(random, Kind::AveragePool, from, None);
                self.push(random, record);
            }
            2 if size <= 256 => {
                let record = self.windowed(random, Kind::Depthwise, from, None);
                self.push(random, record);
            }
            3 => {
                let record = self.windowed(random, Kind::Conv, from, None);
                if record.output.size() <= 1024 {
                    self.push(random, record);
                } else {
                    self.dense(random, from, FEW);
                }
            }
            4 => {
                self.dense(random, from, FEW);
                self.dense(random, from + 1, FEW);
            }
            // more than are held
            _ if size <= 64 && random.one_in(3) => self.dense(random, from, MANY),
            _ => self.dense(random, from, FEW),
        }
        self.finish();
    }

    /// Of outputs from the one to the other number.
    fn dense(&mut self, random: &mut Random, from: usize, [least, most]: [usize; 2]) {
        let mut dense = record(Kind::Dense, from);
        dense.output = value([random.range(least, most), 1, 1], 0);
        self.push(random, dense);
    }

    /// The last layer's outputs are sums.
    fn finish(&mut self) {
        for channel in self.channels.last_mut().unwrap() {
            *channel = Channel::new(channel.bias.get(), Multiplier::ONE, channel.bound.get());
        }
    }

    fn add(&mut self, random: &mut Random, source: usize, other: usize) {
        let mut add = record(Kind::Add, source);
        add.other = other as u8;
        add.output = *self.value(source);
        self.push(random, add);
    }

    /// A layer with windows that fit, or one that gives what layer `like` of this shape gives.
    fn windowed(
        &self,
        random: &mut Random,
        kind: Kind,
        from: usize,
        like: Option<(usize, [usize; 3])>,
    ) -> Record {
        let mut layer = record(kind, from);
        let input = *self.value(from);
        let [channels, height, width] = input.shape();
        loop {
            for axis in 0..2 {
                let side = [height, width][axis];
                let kernel = random.range(1, 5.min(side + 1));
                layer.kernel[axis] = kernel as u8;
                layer.stride[axis] = if random.one_in(3) { random.range(1, 3) as u8 } else { 1 };
                for end in 0..2 {
                    let is_padded = random.one_in(3);
                    layer.padding[2 * axis + end] = if is_padded { kernel as u8 / 2 } else { 0 };
                }
            }
            if kind == Kind::AveragePool && random.one_in(2) {
                // the mean of all, or of windows that do not overlap
                layer.padding = [0; 4];
                if random.one_in(2) {
                    layer.kernel = [height as u8, width as u8];
                } else if random.one_in(3) {
                    // the last ones only begin within the value
                    for axis in 0..2 {
                        layer.padding[2 * axis + 1] = layer.kernel[axis] / 2;
                    }
                }
                layer.stride = layer.kernel;
            }
            layer.pooled = u8::from(kind == Kind::Conv && random.one_in(3));
            let mut maps = match kind {
                Kind::Conv => random.range(1, 13),
                Kind::Depthwise => channels * random.range(1, 2),
                _ => channels,
            };
            let side = [3, 5][random.range(0, 1)];
            if kind == Kind::Conv && height.min(width) > side && random.one_in(2) {
                // the shapes that have kernels of their own
                (layer.kernel, layer.stride, layer.pooled) = ([side as u8; 2], [1; 2], 1);
                layer.padding = if random.one_in(2) { [side as u8 / 2; 4] } else { [0; 4] };
                maps = 4 * random.range(1, 3);
            } else if kind == Kind::Depthwise && channels.is_multiple_of(4) {
                maps = channels;
                if height.min(width) >= 3 && random.one_in(2) {
                    // strips
                    (layer.kernel, layer.stride[1]) = ([3; 2], 1);
                    layer.padding = [(); 4].map(|()| random.range(0, 2) as u8);
                }
            }
            if let Some((like, shape)) = like {
                let like = self.records[like];
                (layer.kernel, layer.stride) = (like.kernel, like.stride);
                (layer.padding, layer.pooled) = (like.padding, like.pooled);
                layer.output = value(shape, 0);
            } else {
                let places = [0, 1].map(|axis| layer.places_along(&input, axis));
                let [Some(height), Some(width)] = places else {
                    continue;
                };
                layer.output = value([maps, height, width], 0);
            }
            return layer;
        }
    }

    /// Appends a layer with random weights and multipliers.
    fn push(&mut self, random: &mut Random, mut layer: Record) {
        let input = *self.value(layer.source.into());
        let kind = Kind::of_code(layer.kind).unwrap();
        layer.output.zero = match kind {
            Kind::MaxPool => input.zero,
            _ if random.one_in(3) => 128,
            _ => 0,
        };
        let taps = layer.taps(&input);
        let outputs = layer.channels();
        let is_extreme = random.one_in(4);
        // sums must stay within bounds
        let largest = ((1 << 22) / (255 * taps.max(1))).min(127) as i32;
        let weight = |random: &mut Random| {
            let noise = random.next() as i32;
            let magnitude = if is_extreme { largest } else { (noise >> 1 & 0x7f).min(largest) };
            if noise & 1 == 0 { magnitude } else { -magnitude }
        };
        let weights: Vec<i32> = match kind {
            Kind::Add => vec![random.range(1, 9000) as i32, random.range(1, 9000) as i32],
            _ => (0..taps * outputs).map(|_| weight(random)).collect(),
        };
        let spread = match kind {
            Kind::Add => 9000.0 * 255.0,
            Kind::AveragePool => f64::from(layer.kernel[0]) * f64::from(layer.kernel[1]) * 255.0,
            _ => f64::from(largest) * (taps as f64).sqrt() * 255.0,
        };
        let mut channels = vec![];
        for output in 0..outputs {
            let real = 255.0 / spread * (random.range(50, 200) as f64 / 100.0);
            let multiplier = Multiplier::from_f64_bits(real.to_bits()).unwrap();
            let bias = (random.next() as i32 % 1000) * (spread / 4000.0).max(1.0) as i32;
            let of_output = match kind {
                Kind::Add => &weights[..],
                _ => &weights[output * taps..][..taps],
            };
            let bound = self.bound(&layer, of_output, bias);
            channels.push(Channel::new(bias, multiplier, bound as u32));
        }
        self.records.push(layer);
        self.weights.push(weights);
        self.channels.push(channels);
    }

    /// The network as a file.
    pub(crate) fn file(&self, layout: Layout) -> Vec<u8> {
        self.emit(layout).expect("the network can be planned")
    }
}
