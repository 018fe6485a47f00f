//! Networks as text, such as `32c3-p2-32c3-p2-256`: what a trainer is told, and what a report says of a network.
//!
//! | item | layer |
//! |---|---|
//! | `32c3` | convolution of 32 maps, 3×3, padded with zeros so that the size stays, then `ReLU`; `32c3x5` is 3 rows by 5 columns |
//! | `d3` | the same of each channel by itself (depthwise) |
//! | `v`, `s2` after a convolution | without padding (valid); stride 2, or `s2x1` down and across |
//! | `p2` | max-pooling of 2×2 side by side; `p3s2` overlaps; directly after a convolution `p2` is part of it |
//! | `gap` | mean over all rows and columns (global average pooling) |
//! | `256` | dense layer of 256 values, then `ReLU` |
//! | `b` after a convolution or a dense layer | batch normalisation of its sums while it is trained |
//!
//! The layer that gives the classes follows by itself. `lenet`, `small` and `tiny` stand for such texts.

mod item;

use std::fmt;
use std::str::FromStr;

use crate::architecture::{
    Activation, Architecture, Conv, Kind, POOL, Padding, Pool, PoolMode, Shape,
};
use item::{Item, Windows};

/// Most layers of a network, and most parameters: what a microcontroller's table and a checkpoint have room for.
const MAX_ITEMS: usize = 60;
const MAX_PARAMETERS: usize = 16 << 20;

/// Names that stand for networks.
const NAMES: [(&str, &str); 3] = [
    ("lenet", "20c5v-p2-50c5v-p2-500"),
    ("small", "32c3b-p2-32c3b-p2-32c3b-p2-256b"),
    ("tiny", "16c3b-16c3b-p2-24c3b-24c3b-p2-32c3b-gap"),
];

/// Layers before they know what they are shown and how many classes there are.
///
/// ```
/// use network::Topology;
///
/// let written: Topology = "32c3b-p2-d3-64c1-gap".parse()?;
/// let network = written.architecture([3, 32, 20], 11)?;
/// assert_eq!(network.layers()[0].to_string(), "Conv 3x3 3→32 pad 1 + ReLU + MaxPool 2x2");
/// assert_eq!(network.outputs(), 11);
/// assert_eq!(Topology::of(&network).unwrap().to_string(), "32c3-p2-d3-64c1-gap");
/// assert_eq!("lenet".parse::<Topology>()?.to_string(), "20c5v-p2-50c5v-p2-500");
/// # Ok::<(), network::TopologyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    items: Vec<Item>,
}

/// Why a text is no network, or none for this input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyError {
    /// Number of the item, from 1, and its text; none if the whole is wrong.
    item: Option<(usize, String)>,
    reason: String,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.item {
            Some((number, text)) => write!(f, "layer {number}, {text:?}, {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for TopologyError {}

impl TopologyError {
    fn at(number: usize, text: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self { item: Some((number, text.to_string())), reason: reason.into() }
    }

    fn whole(reason: impl Into<String>) -> Self {
        Self { item: None, reason: reason.into() }
    }
}

impl FromStr for Topology {
    type Err = TopologyError;

    /// A name, or items with `-` between; the reverse of [`fmt::Display`].
    fn from_str(text: &str) -> Result<Self, TopologyError> {
        let named = NAMES.iter().find(|(name, _)| *name == text);
        let text = named.map_or(text, |(_, written)| written);
        let mut items: Vec<Item> = vec![];
        for (index, text) in text.split('-').enumerate() {
            let fault = |reason: String| TopologyError::at(index + 1, text, reason);
            let item: Item = text.parse().map_err(fault)?;
            let has_no_rows = matches!(items.last(), Some(Item::Dense { .. }));
            if has_no_rows && !matches!(item, Item::Dense { .. }) {
                return Err(fault(
                    "follows a dense layer, which leaves no rows and columns".into(),
                ));
            }
            items.push(item);
        }
        if items.len() > MAX_ITEMS {
            let found = items.len();
            return Err(TopologyError::whole(format!("{found} layers, at most {MAX_ITEMS}")));
        }
        Ok(Self { items })
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { "-" })?;
        }
        Ok(())
    }
}

impl Topology {
    /// The names that stand for networks.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// What suits images of this shape: `lenet` for 28×28 grey ones, `small` for all others.
    ///
    /// # Panics
    /// Never: both names are known.
    #[must_use]
    pub fn default_for(input: Shape) -> Self {
        let name = if input == [1, 28, 28] { "lenet" } else { "small" };
        name.parse().expect("it is one of the names")
    }

    /// The name that stands for it, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        let text = self.to_string();
        NAMES.iter().find(|(_, written)| *written == text).map(|(name, _)| *name)
    }

    /// The layers for images of this shape and so many classes.
    ///
    /// # Errors
    /// The first item that does not fit what the one before it leaves, or too many parameters.
    pub fn architecture(
        &self,
        input: Shape,
        classes: usize,
    ) -> Result<Architecture, TopologyError> {
        let mut kinds: Vec<Kind> = vec![];
        let mut shape = input;
        for (index, item) in self.items.iter().enumerate() {
            if *item == Item::PART_OF_CONV
                && let Some(Kind::Conv(conv @ Conv { pool: false, .. })) = kinds.last_mut()
            {
                conv.pool = true;
                let [_, height, width] = &mut shape;
                (*height, *width) = (*height / POOL, *width / POOL);
                if shape.contains(&0) {
                    let fits = "leaves nothing of a single row or column before it";
                    return Err(TopologyError::at(index + 1, item, fits));
                }
                continue;
            }
            let kind = item.kind(shape);
            let [channels, height, width] = shape;
            shape = kind.output(shape).ok_or_else(|| {
                let reason = format!(
                    "is larger than what it takes: {channels} channels of {height}x{width}"
                );
                TopologyError::at(index + 1, item, reason)
            })?;
            kinds.push(kind);
        }
        kinds.push(Kind::Dense { outputs: classes, activation: Activation::None });
        let fault = |error: crate::ShapeError| TopologyError::whole(error.to_string());
        let architecture = Architecture::new(input, kinds).map_err(fault)?;
        let parameters = architecture.parameters();
        if parameters > MAX_PARAMETERS {
            let reason = format!("{parameters} parameters, at most {MAX_PARAMETERS}");
            return Err(TopologyError::whole(reason));
        }
        Ok(architecture)
    }

    /// Of each layer of [`Self::architecture`], whether a batch normalisation belongs to it while it is trained.
    #[must_use]
    pub fn batch_norm(&self) -> Vec<bool> {
        let mut normalized = vec![];
        let mut before = None;
        for item in &self.items {
            // a convolution takes one pooling
            let is_part = *item == Item::PART_OF_CONV && matches!(before, Some(Item::Conv { .. }));
            if !is_part {
                normalized.push(item.batch_norm());
            }
            before = Some(*item);
        }
        normalized.push(false);
        normalized
    }

    /// What `architecture` is called, without batch normalisation, which no architecture has; `None` if it is none of
    /// this family.
    #[must_use]
    pub fn of(architecture: &Architecture) -> Option<Self> {
        let (last, layers) = architecture.layers().split_last()?;
        let is_last = matches!(last.kind(), Kind::Dense { activation: Activation::None, .. });
        if !is_last || !architecture.is_sequential() {
            return None;
        }
        let mut items = vec![];
        for layer in layers {
            let item = Item::of(layer.kind(), layer.input())?;
            items.push(item);
            if layer.kind().pool() {
                items.push(Item::PART_OF_CONV);
            }
        }
        let topology = Self { items };
        // such as a pooling beside a convolution that could be part of it
        let again = topology.architecture(architecture.input(), architecture.outputs());
        again.is_ok_and(|again| again == *architecture).then_some(topology)
    }
}

impl Item {
    /// A pooling that a convolution before it takes over.
    const PART_OF_CONV: Self = Self::MaxPool(Windows { window: [POOL; 2], stride: [POOL; 2] });

    const fn batch_norm(self) -> bool {
        matches!(self, Self::Conv { batch_norm: true, .. } | Self::Dense { batch_norm: true, .. })
    }

    /// The layer, on what it takes.
    fn kind(self, [channels, height, width]: Shape) -> Kind {
        match self {
            Self::Conv { maps, windows: Windows { window, stride }, valid, .. } => {
                let padding = if valid { Padding::default() } else { same(window) };
                Kind::Conv(Conv {
                    stride,
                    padding,
                    groups: if maps.is_none() { channels } else { 1 },
                    activation: Activation::Relu,
                    ..Conv::new(maps.unwrap_or(channels), window)
                })
            }
            Self::MaxPool(Windows { window, stride }) => {
                Kind::Pool(Pool { stride, ..Pool::new(PoolMode::Max, window) })
            }
            Self::GlobalAverage => Kind::Pool(Pool::new(PoolMode::Average, [height, width])),
            Self::Dense { outputs, .. } => Kind::Dense { outputs, activation: Activation::Relu },
        }
    }

    /// The reverse, but for a pooling that is part of a convolution.
    fn of(kind: Kind, [channels, height, width]: Shape) -> Option<Self> {
        match kind {
            Kind::Conv(conv) => {
                let is_depthwise = conv.groups == channels && conv.maps == channels;
                let windows = Windows { window: conv.kernel, stride: conv.stride };
                let maps = match conv.groups {
                    1 if !is_depthwise || channels == 1 => Some(conv.maps),
                    _ if is_depthwise => None,
                    _ => return None,
                };
                let valid = conv.padding != same(conv.kernel);
                Some(Self::Conv { maps, windows, valid, batch_norm: false })
            }
            Kind::Pool(Pool { mode: PoolMode::Average, window, .. })
                if window == [height, width] =>
            {
                Some(Self::GlobalAverage)
            }
            Kind::Pool(Pool { mode: PoolMode::Max, window, stride, .. }) => {
                Some(Self::MaxPool(Windows { window, stride }))
            }
            Kind::Dense { outputs, .. } => Some(Self::Dense { outputs, batch_norm: false }),
            Kind::Pool(_) | Kind::Add { .. } => None,
        }
    }
}

/// Zeros around a picture with which a kernel leaves its size; of an even one more below and on the right.
fn same([rows, columns]: [usize; 2]) -> Padding {
    Padding { top: (rows - 1) / 2, left: (columns - 1) / 2, bottom: rows / 2, right: columns / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(text: &str) -> Topology {
        text.parse().unwrap()
    }

    #[test]
    fn lenet_is_the_projects_reference_case() {
        let lenet = topology("lenet");
        assert_eq!(lenet.architecture([1, 28, 28], 10).unwrap(), Architecture::lenet(10));
        assert_eq!(Topology::of(&Architecture::lenet(7)).unwrap(), lenet);
        assert_eq!(lenet.name(), Some("lenet"));
        assert_eq!(Topology::default_for([1, 28, 28]), lenet);
        assert_eq!(Topology::default_for([1, 28, 27]).name(), Some("small"));
        assert_eq!(lenet.batch_norm(), [false; 4]);
    }

    #[test]
    fn the_named_networks_stay_within_their_budgets() {
        let parameters = |name: &str, input, classes| {
            topology(name).architecture(input, classes).unwrap().parameters()
        };
        assert!(parameters("small", [3, 32, 20], 11) <= 90_000);
        assert!(parameters("tiny", [1, 28, 28], 10) <= 20_000);
        assert!(Topology::names().all(|name| topology(name).name() == Some(name)));
    }

    #[test]
    fn what_is_written_is_read_and_names_the_layers_that_come_of_it() {
        for text in [
            "32c3-p2-32c3-p2-32c3-p2-256",
            "8c3x5vs2-d3s2x1-16c1-gap",
            "4c2-p3s2-p2-p2",
            "7",
            "2c1-d3v-gap-9b-8",
            "4c5b-p2-d3b-p2-p2-4c3vb",
        ] {
            let read = topology(text);
            assert_eq!(read.to_string(), text);
            let network = read.architecture([3, 40, 36], 5).unwrap();
            assert_eq!(read.batch_norm().len(), network.layers().len(), "{text}");
            let again = Topology::of(&network).unwrap();
            assert_eq!(again.to_string(), text.replace('b', ""), "{network}");
        }
        let network = topology("6c3s2-d3-p2").architecture([3, 9, 8], 2).unwrap();
        assert_eq!(
            network.to_string(),
            "3x9x8: Conv 3x3 3→6 stride 2 pad 1 + ReLU, Conv 3x3 6→6 groups 6 pad 1 + ReLU + MaxPool 2x2, \
             Dense 24→2"
        );
        assert_eq!(topology("4c5b-p2-d3b-p2-p2").batch_norm(), [true, true, false, false]);
        // options in any order
        assert_eq!(topology("4c3bvs2").to_string(), "4c3vs2b");
    }

    #[test]
    fn even_kernels_keep_the_size_too() {
        let network = topology("4c4-4c2x6").architecture([1, 10, 11], 2).unwrap();
        assert!(network.layers()[..2].iter().all(|layer| layer.output() == [4, 10, 11]));
    }

    #[test]
    fn what_does_not_fit_is_named_with_the_reason() {
        for (text, reason) in [
            ("", "layer 1, \"\", is empty: layers are written with one - between them"),
            ("8c3--9", "layer 2, \"\", is empty"),
            ("8c3-x", "layer 2, \"x\", is no layer: expected"),
            ("9q", "has \"q\" after it; 32c3 is a convolution, and a dense layer takes b"),
            ("8c", "needs the size of its kernel, such as c3"),
            ("0c3", "\"0c3\", has a 0"),
            ("8c3s0", "has a 0"),
            ("8c3q", "has \"q\" after it; a convolution takes v (no padding), sN (stride) and b"),
            ("8c99999999999999999999", "is too large: at most 65535"),
            ("p2b", "has \"b\" after it; a pooling takes sN (stride)"),
            ("9-p2", "layer 2, \"p2\", follows a dense layer"),
            ("8c3vv", "has \"v\" twice"),
        ] {
            let refusal = text.parse::<Topology>().unwrap_err().to_string();
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
        assert!(["7"; 61].join("-").parse::<Topology>().is_err());
        for (text, reason) in [
            ("8c3-p2-p2-p2", "layer 4, \"p2\", is larger than what it takes: 8 channels of 1x1"),
            ("8c3-p2-8c3-p2-8c3-p2", "layer 6, \"p2\", leaves nothing of a single row or column"),
            ("8c7v", "layer 1, \"8c7v\", is larger than what it takes: 3 channels of 6x5"),
            ("65535-65535", "parameters, at most 16777216"),
        ] {
            let refusal = topology(text).architecture([3, 6, 5], 2).unwrap_err().to_string();
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
        assert!(topology("8").architecture([1, 4, 4], 0).is_err());
    }

    #[test]
    fn other_families_have_no_text() {
        let relu6 = Kind::Dense { outputs: 3, activation: Activation::Relu6 };
        let last = Kind::Dense { outputs: 3, activation: Activation::None };
        let add = Kind::Add { other: 0, activation: Activation::Relu };
        let grouped = Kind::Conv(Conv { groups: 2, ..Conv::new(4, [1, 1]) });
        let padded = Kind::Conv(Conv { padding: Padding::even(2), ..Conv::new(4, [3, 3]) });
        for kinds in [vec![relu6, last], vec![add, last], vec![grouped, last], vec![padded, last]] {
            let network = Architecture::new([4, 3, 3], kinds).unwrap();
            assert_eq!(Topology::of(&network), None, "{network}");
        }
        let network = Architecture::new([4, 3, 3], vec![relu6]).unwrap();
        assert_eq!(Topology::of(&network), None);
    }
}
