//! What lies where, in flash and in scratch, and how its bits are counted.

use firmware::Model;
use firmware::format::{Channel, Header, Record};
use firmware::plan;

use super::Random;
use crate::int8::Int8Network;

/// What bits are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What stands before the layers.
    Header,
    /// What a layer is.
    Record,
    /// Where rows lie in memory.
    Places,
    /// What is added to a channel's sums.
    Bias,
    /// The mantissa of a channel's multiplier.
    Mantissa,
    /// Its shift.
    Shift,
    /// A channel's bound, which no inference reads.
    Bound,
    /// The bytes that fill a channel up.
    Filling,
    /// The weights.
    Weights,
    /// The file's checksum.
    Checksum,
    /// In scratch, how many rows and steps are done.
    Steps,
    /// In scratch, what a step works in, and sums of pools.
    Work,
    /// In scratch, the rows of all values, and the outputs.
    Rows,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Header,
        Self::Record,
        Self::Places,
        Self::Bias,
        Self::Mantissa,
        Self::Shift,
        Self::Bound,
        Self::Filling,
        Self::Weights,
        Self::Checksum,
        Self::Steps,
        Self::Work,
        Self::Rows,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Record => "record",
            Self::Places => "places",
            Self::Bias => "bias",
            Self::Mantissa => "mantissa",
            Self::Shift => "shift",
            Self::Bound => "bound",
            Self::Filling => "filling",
            Self::Weights => "weights",
            Self::Checksum => "checksum",
            Self::Steps => "steps",
            Self::Work => "work",
            Self::Rows => "rows",
        }
    }

    /// Whether it lies in the memory of an inference, not in flash.
    #[must_use]
    pub const fn is_scratch(self) -> bool {
        matches!(self, Self::Steps | Self::Work | Self::Rows)
    }
}

/// Bits of one kind: items of some bytes each, evenly spaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they are of.
    pub part: Part,
    /// The layer's name, if they are of one.
    pub layer: Option<String>,
    /// The layer's number, from 0.
    pub(super) number: Option<usize>,
    start: usize,
    item_bytes: usize,
    stride: usize,
    items: usize,
}

impl Group {
    /// Of some bytes, one after another, in items of this many.
    fn bytes(part: Part, start: usize, end: usize, item_bytes: usize) -> Self {
        let items = end.saturating_sub(start) / item_bytes;
        Self { part, layer: None, number: None, start, item_bytes, stride: item_bytes, items }
    }

    /// All of its bits.
    #[must_use]
    pub const fn bits(&self) -> u64 {
        8 * (self.item_bytes * self.items) as u64
    }

    /// Bits of an item: of a weight 8, of a word 32.
    #[must_use]
    pub const fn item_bits(&self) -> usize {
        8 * self.item_bytes
    }

    /// Which bit of its item one of all bits is; 0 counts least.
    pub(super) const fn bit_of_item(&self, bit: u64) -> usize {
        (bit % self.item_bits() as u64) as usize
    }

    /// A bit for trial number `trial`: as often one bit of an item as another, of any item.
    pub(super) fn drawn(&self, trial: u64, random: &mut Random) -> u64 {
        let bits = self.item_bits() as u64;
        random.below(self.items as u64) * bits + trial % bits
    }

    /// Where one of its bits is: the byte, and the bit in it.
    pub(super) const fn place(&self, bit: u64) -> [usize; 2] {
        let (item, bit) = (bit as usize / self.item_bits(), self.bit_of_item(bit));
        [self.start + item * self.stride + bit / 8, bit % 8]
    }
}

/// All bits of a model's file, then all of its memory.
#[must_use]
pub fn groups(model: Model<'_>) -> Vec<Group> {
    let records = model.layers().records;
    let network = Int8Network::of(model);
    let names: Vec<&str> = network.names().collect();
    let table = size_of::<Header>();
    let places = table + size_of_val(records);
    let data = places + plan::table_len(model.layers());
    let checksum = model.bytes().len() - size_of::<u32>();
    let mut groups = vec![Group::bytes(Part::Header, 0, table, 1)];
    let of_layer = |number: usize, group: Group| Group {
        layer: Some(names[number].to_owned()),
        number: Some(number),
        ..group
    };
    for number in 0..records.len() {
        let start = table + number * size_of::<Record>();
        let group = Group::bytes(Part::Record, start, start + size_of::<Record>(), 1);
        groups.push(of_layer(number, group));
    }
    groups.push(Group::bytes(Part::Places, places, data, 2));
    for (number, record) in records.iter().enumerate() {
        let start = record.data.get() as usize;
        let items = model.channels(number).len();
        // a channel: bias, mantissa, bound, shift, three bytes of zero
        let field = |part, offset, item_bytes| Group {
            items,
            stride: size_of::<Channel>(),
            ..Group::bytes(part, start + offset, start + offset, item_bytes)
        };
        let weights = start + size_of_val(model.channels(number));
        let end = weights + model.weights(number).len();
        let all = [
            field(Part::Bias, core::mem::offset_of!(Channel, bias), 4),
            field(Part::Mantissa, core::mem::offset_of!(Channel, mantissa), 4),
            field(Part::Shift, core::mem::offset_of!(Channel, shift), 1),
            field(Part::Bound, core::mem::offset_of!(Channel, bound), 4),
            field(Part::Filling, core::mem::offset_of!(Channel, reserved), 3),
            Group::bytes(Part::Weights, weights, end, 1),
        ];
        groups.extend(all.map(|group| of_layer(number, group)));
    }
    groups.push(Group::bytes(Part::Checksum, checksum, checksum + size_of::<u32>(), 4));
    let steps = 4 * plan::step_words(records.len());
    let rows = 4 * model.header().rows_at.get() as usize;
    groups.push(Group::bytes(Part::Steps, 0, steps, 2));
    groups.push(Group::bytes(Part::Work, steps, rows, 4));
    groups.push(Group::bytes(Part::Rows, rows, 4 * model.scratch_words(), 1));
    groups.retain(|group| group.bits() > 0);
    groups
}
