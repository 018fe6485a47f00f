//! Networks and images made from a seed.

use firmware::Model;
use firmware::format::{
    Channel, Header, Kind, Layers, Layout, Order, Part, Record, Value, accumulator_bound, emit,
    file_len,
};
use firmware::multiplier::Multiplier;
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

    /// One of `from` to `to`.
    pub(crate) fn range(&mut self, from: usize, to: usize) -> usize {
        from + (self.next() >> 8) as usize % (to + 1 - from)
    }

    fn one_in(&mut self, many: u64) -> bool {
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
        self.dense(random, 2);
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
                    self.dense(random, from);
                }
            }
            4 => {
                self.dense(random, from);
                self.dense(random, from + 1);
            }
            _ => self.dense(random, from),
        }
        self.finish();
    }

    fn dense(&mut self, random: &mut Random, from: usize) {
        let mut dense = record(Kind::Dense, from);
        dense.output = value([random.range(1, 40), 1, 1], 0);
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
            }
            if let Some((like, shape)) = like {
                let like = self.records[like];
                (layer.kernel, layer.stride) = (like.kernel, like.stride);
                (layer.padding, layer.pooled) = (like.padding, like.pooled);
                layer.output = value(shape, 0);
            } else {
                let Some([height, width]) = layer.geometry(&input).output(input.shape()) else {
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
            let of_output = weights.iter().skip(output * taps).take(taps);
            let bound = match kind {
                Kind::Add => {
                    weights.iter().map(|&factor| 255 * factor as u64).sum::<u64>()
                        + u64::from(bias.unsigned_abs())
                }
                Kind::AveragePool => {
                    u64::from(layer.kernel[0]) * u64::from(layer.kernel[1]) * 255
                        + u64::from(bias.unsigned_abs())
                }
                _ => accumulator_bound(of_output.map(|&weight| weight as i16), bias, input.zero),
            };
            channels.push(Channel::new(bias, multiplier, bound as u32));
        }
        self.records.push(layer);
        self.weights.push(weights);
        self.channels.push(channels);
    }

    /// The network as a file.
    pub(crate) fn file(&self, layout: Layout) -> Vec<u8> {
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
        let mut file = vec![0; file_len(layers).unwrap()];
        emit(&mut header, &mut records, &parts, &mut file).expect("the network can be planned");
        file
    }
}
