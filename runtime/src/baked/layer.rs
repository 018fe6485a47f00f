//! The record of one layer, 32 bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind: 1 convolution, 2 pooling, 3 sum of two values, 4 dense |
//! | 1 | activation: 0 none, 1 ReLU, 2 ReLU up to 6 |
//! | 1 | of a convolution 1 if a max-pooling follows; of a pooling 0 maximum, 1 average, 2 average with padding |
//! | 1 | 0 |
//! | 2 | index of the value that it takes, as [`Layer::source`] |
//! | 2 | of a sum, index of the other value |
//! | 4 | of a convolution maps, of a dense layer outputs |
//! | 4 | of a convolution groups |
//! | 4 | of a convolution or pooling rows and columns of the window, `u16` each, as what follows |
//! | 4 | its steps down and to the right |
//! | 8 | its padding: top, left, bottom, right |
//!
//! What a kind does not have is 0.

use network::{Activation, Conv, Kind, Layer, Padding, Pool, PoolMode};

use super::BakedFault;
use super::reader::Reader;

/// Bytes of a record.
const LEN: usize = 32;
/// How messages name records.
const PART: &str = "layers";

const ACTIVATIONS: [Activation; 3] = [Activation::None, Activation::Relu, Activation::Relu6];
const MODES: [PoolMode; 3] = [PoolMode::Max, PoolMode::Average, PoolMode::AverageWithPadding];

/// A record as it lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Record {
    kind: u8,
    activation: u8,
    mode: u8,
    source: usize,
    other: usize,
    outputs: usize,
    groups: usize,
    window: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
}

/// Bytes of a layer of a network that is within the limits.
pub(super) fn emit(layer: &Layer) -> [u8; LEN] {
    let record = Record::of(layer.source(), layer.kind());
    let Padding { top, left, bottom, right } = record.padding;
    let mut bytes = vec![record.kind, record.activation, record.mode, 0];
    let mut short = |value: usize| {
        bytes.extend(u16::try_from(value).expect("checked").to_le_bytes());
    };
    short(record.source);
    short(record.other);
    for long in [record.outputs, record.groups] {
        short(long & 0xFFFF);
        short(long >> 16);
    }
    record.window.into_iter().chain(record.stride).for_each(&mut short);
    [top, left, bottom, right].into_iter().for_each(&mut short);
    bytes.try_into().expect("the parts are that long")
}

/// The index of the value that the layer of this number takes, and what it does.
pub(super) fn parse(file: &mut Reader, number: usize) -> Result<(usize, Kind), BakedFault> {
    let [kind, activation, mode, zero] = file.array(PART)?;
    let mut short = || file.u16(PART).map(usize::from);
    let [source, other] = [short()?, short()?];
    let mut long = || Ok::<usize, BakedFault>(short()? | short()? << 16);
    let [outputs, groups] = [long()?, long()?];
    let window = [short()?, short()?];
    let stride = [short()?, short()?];
    let padding = Padding { top: short()?, left: short()?, bottom: short()?, right: short()? };
    let record =
        Record { kind, activation, mode, source, other, outputs, groups, window, stride, padding };
    // what a kind does not have must be 0, or one layer would have several records
    let kind = record.kind().filter(|kind| zero == 0 && Record::of(source, *kind) == record);
    Ok((source, kind.ok_or(BakedFault::Layer(number))?))
}

/// Whether the numbers fit into a record.
pub(super) fn fits(layer: &Layer) -> bool {
    let Record { source, other, outputs, groups, window, stride, padding, .. } =
        Record::of(layer.source(), layer.kind());
    let Padding { top, left, bottom, right } = padding;
    let is_short = |value: &usize| u16::try_from(*value).is_ok();
    let sides = [window, stride, [top, left], [bottom, right], [source, other]];
    sides.iter().flatten().all(is_short)
        && [outputs, groups].iter().all(|&value| u32::try_from(value).is_ok())
}

impl Record {
    fn of(source: usize, kind: Kind) -> Self {
        let code = |activation: Activation| match activation {
            Activation::None => 0,
            Activation::Relu => 1,
            Activation::Relu6 => 2,
        };
        let record = Self { source, activation: code(kind.activation()), ..Self::default() };
        match kind {
            Kind::Conv(conv) => Self {
                kind: 1,
                mode: u8::from(conv.pool),
                outputs: conv.maps,
                groups: conv.groups,
                window: conv.kernel,
                stride: conv.stride,
                padding: conv.padding,
                ..record
            },
            Kind::Pool(pool) => Self {
                kind: 2,
                mode: match pool.mode {
                    PoolMode::Max => 0,
                    PoolMode::Average => 1,
                    PoolMode::AverageWithPadding => 2,
                },
                window: pool.window,
                stride: pool.stride,
                padding: pool.padding,
                ..record
            },
            Kind::Add { other, .. } => Self { kind: 3, other, ..record },
            Kind::Dense { outputs, .. } => Self { kind: 4, outputs, ..record },
        }
    }

    /// `None` if a code stands for nothing.
    fn kind(&self) -> Option<Kind> {
        let activation = *ACTIVATIONS.get(usize::from(self.activation))?;
        Some(match self.kind {
            1 => Kind::Conv(Conv {
                maps: self.outputs,
                kernel: self.window,
                stride: self.stride,
                padding: self.padding,
                groups: self.groups,
                activation,
                pool: self.mode == 1,
            }),
            2 => Kind::Pool(Pool {
                mode: *MODES.get(usize::from(self.mode))?,
                window: self.window,
                stride: self.stride,
                padding: self.padding,
                activation,
            }),
            3 => Kind::Add { other: self.other, activation },
            4 => Kind::Dense { outputs: self.outputs, activation },
            _ => return None,
        })
    }
}
