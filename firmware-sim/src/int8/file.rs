//! An int8 network to a `.q8` file, version 3, and back.

use firmware::Model;
use firmware::format::{
    self, Channel, Kind as Code, Layers, Layout, Limits, Part, Record, Value, Weights, emit,
    file_len,
};
use firmware::plan::{PlannedRow, planned_rows};
use network::{
    Activation, Affine, Architecture, Conv, Kind, Layer, Padding, Pool, PoolMode, Shape,
};
use zerocopy::FromZeros;

use super::{Encoding, Int8Layer, Int8Network};
use crate::error::Error;

/// What a file says beside the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// SHA-256 of the ONNX file.
    pub identity: [u8; 32],
    /// Images that the scales were found on.
    pub calibration_images: u32,
    /// The smallest margin of the best logit over the next at which int8 and float give one class.
    pub agreement_margin: u32,
    /// The limits of verdicts.
    pub limits: Limits,
}

impl Header {
    /// What the file of `model` says.
    #[must_use]
    pub fn of(model: Model<'_>) -> Self {
        let header = model.header();
        Self {
            identity: header.identity,
            calibration_images: header.calibration_images.get().into(),
            agreement_margin: header.agreement_margin.get(),
            limits: model.limits(),
        }
    }
}

impl Int8Network {
    /// The file's bytes, with the weights laid out for these cores.
    ///
    /// # Errors
    /// [`Error::Memory`] if an inference would need too much, [`Error::Format`] if it is no valid model.
    pub fn emit(&self, header: Header, layout: Layout) -> Result<Vec<u8>, Error> {
        let mut records: Vec<Record> = self.layers.iter().map(record).collect();
        let weights: Vec<Vec<i8>> = self.layers.iter().map(Int8Layer::weights_by_tap).collect();
        let parts = self.layers.iter().zip(&weights);
        let parts: Vec<Part<'_>> = parts
            .map(|(int8, weights)| Part {
                channels: &int8.channels,
                weights,
                factors: int8.factors,
            })
            .collect();
        let mut fields = format::Header::new_zeroed();
        fields.input = value(self.shape, self.input);
        fields.layout = layout.code();
        fields.identity = header.identity;
        fields.calibration_images =
            u16::try_from(header.calibration_images).unwrap_or(u16::MAX).into();
        fields.agreement_margin = header.agreement_margin.into();
        let Limits { rate, sure, unsure, rejected } = header.limits;
        (fields.rate, fields.sure, fields.unsure) = (rate.into(), sure.into(), unsure.into());
        fields.rejected = rejected.into();
        let layers = Layers { input: &fields.input, records: &records, layout };
        let mut file = vec![0; file_len(layers).ok_or(Error::Memory)?];
        let mut rows = vec![PlannedRow::default(); planned_rows(layers)];
        emit(&mut fields, &mut records, &parts, &mut rows, &mut file).ok_or(Error::Memory)?;
        Model::parse(&file)?;
        Ok(file)
    }

    /// The layers of `model`, unpacked.
    ///
    /// # Panics
    /// Never: the model was checked.
    #[must_use]
    pub fn of(model: Model<'_>) -> Self {
        let input = &model.header().input;
        let records = model.layers().records;
        let kinds = records.iter().enumerate().map(|(index, record)| {
            let [source, other] = [record.source, record.other].map(usize::from);
            let value = |number| model.layers().value(number).expect("it was checked");
            let is_add = record.kind == Code::Add.code();
            let are_positive = value(source).zero == 0 && (!is_add || value(other).zero == 0);
            let is_last = index + 1 == records.len();
            (source, kind(record, value(source), are_positive, is_last))
        });
        let architecture = Architecture::connected(input.shape(), kinds)
            .expect("the shapes of a model were checked");
        let zero = |source: usize| model.layers().value(source).map_or(0, |value| value.zero);
        let unpack = |(index, (layer, record)): (usize, (&Layer, &Record))| {
            let channels = model.channels(index).to_vec();
            let bytes = model.weights(index);
            let weights = model.layers().weights(index);
            Int8Layer {
                affine: unpacked(layer, weights, &channels, bytes, zero(layer.source())),
                factors: factors(layer, bytes),
                layer: layer.clone(),
                channels,
                output: encoding(&record.output),
            }
        };
        let layers = architecture.layers().iter().zip(records).enumerate().map(unpack).collect();
        Self { shape: input.shape(), input: encoding(input), layers }
    }
}

impl Int8Layer {
    /// `[output][tap]`, taps as the rows of the input lie.
    fn weights_by_tap(&self) -> Vec<i8> {
        let order = taps(&self.layer);
        let rows = self.affine.weights.chunks(self.layer.fan_in().max(1));
        rows.flat_map(|row| order.iter().map(|&place| row[place] as i8)).collect()
    }
}

/// For each tap in the file's order, `[row][column][channel]`, its place in the network's, `[channel][row][column]`.
fn taps(layer: &Layer) -> Vec<usize> {
    let [channels, height, width] = layer.input();
    let (channels, places) = match layer.kind() {
        Kind::Conv(Conv { kernel: [rows, columns], groups, .. }) => {
            (channels / groups, rows * columns)
        }
        _ => (channels, height * width),
    };
    (0..places).flat_map(|place| (0..channels).map(move |c| c * places + place)).collect()
}

/// Weights in the network's order, and true biases.
fn unpacked(
    layer: &Layer,
    weights: Option<Weights>,
    channels: &[Channel],
    bytes: &[u8],
    zero: u8,
) -> Affine {
    let (fan_in, outputs) = (layer.fan_in(), layer.outputs());
    let mut affine = Affine { weights: vec![0.0; outputs * fan_in], bias: vec![] };
    let (Some(weights), true) = (weights, outputs > 0) else { return affine };
    let order = taps(layer);
    for (output, row) in affine.weights.chunks_mut(fan_in).enumerate() {
        for (tap, &place) in order.iter().enumerate() {
            row[place] = weights.get(bytes, output, tap).into();
        }
        let sum: f32 = row.iter().sum();
        affine.bias.push((channels[output].bias.get() + i32::from(zero) * sum as i32) as f32);
    }
    affine
}

fn factors(layer: &Layer, packed: &[u8]) -> [i32; 2] {
    match (layer.kind(), packed.as_chunks().0) {
        (Kind::Add { .. }, &[one, other, ..]) => [one, other].map(i32::from_le_bytes),
        _ => [0; 2],
    }
}

/// A layer without its plan and place.
fn record(int8: &Int8Layer) -> Record {
    let mut record = Record::new_zeroed();
    let layer = &int8.layer;
    let bytes = |sides: [usize; 2]| sides.map(|side| side as u8);
    let around = |padding: Padding| {
        [padding.top, padding.bottom, padding.left, padding.right].map(|side| side as u8)
    };
    record.source = layer.source() as u8;
    (record.kernel, record.stride) = ([1; 2], [1; 2]);
    let code = match layer.kind() {
        Kind::Conv(conv) => {
            record.kernel = bytes(conv.kernel);
            record.stride = bytes(conv.stride);
            record.padding = around(conv.padding);
            record.pooled = u8::from(conv.pool);
            if conv.groups == 1 { Code::Conv } else { Code::Depthwise }
        }
        Kind::Pool(pool) => {
            record.kernel = bytes(pool.window);
            record.stride = bytes(pool.stride);
            record.padding = around(pool.padding);
            if pool.mode == PoolMode::Max { Code::MaxPool } else { Code::AveragePool }
        }
        Kind::Add { other, .. } => {
            record.other = other as u8;
            Code::Add
        }
        Kind::Dense { .. } => Code::Dense,
    };
    record.kind = code.code();
    record.output = value(layer.output(), int8.output);
    record
}

/// A value without its plan.
fn value([channels, height, width]: Shape, encoding: Encoding) -> Value {
    Value {
        channels: (channels as u16).into(),
        height: (height as u16).into(),
        width: (width as u16).into(),
        zero: encoding.zero,
        scale: encoding.scale.to_bits().into(),
        ..Value::new_zeroed()
    }
}

fn encoding(value: &Value) -> Encoding {
    Encoding { zero: value.zero, scale: f32::from_bits(value.scale.get()) }
}

/// The layer's kind; of what is not below 0, a `ReLU` made it so, or it does not matter.
fn kind(record: &Record, input: &Value, inputs_are_positive: bool, is_last: bool) -> Kind {
    let size = |bytes: [u8; 2]| bytes.map(usize::from);
    let [top, bottom, left, right] = record.padding.map(usize::from);
    let padding = Padding { top, left, bottom, right };
    // sums and means of what is not below 0 are not either
    let keeps_signs = matches!(Code::of_code(record.kind), Some(Code::AveragePool | Code::Add));
    let is_cut = record.output.zero == 0 && !is_last && !(keeps_signs && inputs_are_positive);
    let activation = if is_cut { Activation::Relu } else { Activation::None };
    let [channels, ..] = input.shape();
    let [maps, ..] = record.output.shape();
    let conv = |groups| {
        Kind::Conv(Conv {
            maps,
            kernel: size(record.kernel),
            stride: size(record.stride),
            padding,
            groups,
            activation,
            pool: record.pooled != 0,
        })
    };
    let pool = |mode, activation| {
        let (window, stride) = (size(record.kernel), size(record.stride));
        Kind::Pool(Pool { mode, window, stride, padding, activation })
    };
    match Code::of_code(record.kind) {
        Some(Code::Conv) => conv(1),
        Some(Code::Depthwise) => conv(channels),
        Some(Code::MaxPool) => pool(PoolMode::Max, Activation::None),
        Some(Code::AveragePool) => pool(PoolMode::AverageWithPadding, activation),
        Some(Code::Add) => Kind::Add { other: record.other.into(), activation },
        Some(Code::Dense) | None => Kind::Dense { outputs: maps, activation },
    }
}
