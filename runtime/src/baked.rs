//! Baked models: a network with its weights as a file that needs no ONNX reader.
//!
//! Little-endian, without gaps; equal models give equal bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 32 | SHA-256 of the ONNX file that it was baked from |
//! | 12 | channels, height and width of the input, `u32` each |
//! | 1 | 1 if pixels go in as they are, 0 to 255; 0 if the caller normalizes them |
//! | 1 | meaning of the scores: 0 logits, 1 probabilities, 2 independent probabilities |
//! | 2 | number of layers |
//! | 4 | number of class names: one for each score, or 0 where classes are numbered |
//! | 4 | number of metadata entries |
//! | 32 for each layer | [`layer`]: kind, what it takes, geometry, activation |
//! | for each class | its name: length as `u32`, then UTF-8 |
//! | for each entry | key and value, likewise; the keys rise |
//! | for each layer | weights, then biases: `f32`, in the order of [`network::Affine`] |
//! | 4 | CRC-32 (ISO-HDLC, as in zip) of everything before |

mod fault;
mod file;
mod layer;
mod limits;
mod reader;

use std::collections::BTreeMap;

use network::{Affine, Network, Scores};

pub use fault::BakedFault;
pub(crate) use file::BakedFile;

/// What a file starts with.
const MAGIC: [u8; 8] = *b"BAKEDNET";
/// The layout that this library reads and writes.
const VERSION: u32 = 1;
/// Bytes of the checksum.
const CRC_BYTES: usize = 4;

/// Maximum bytes of a baked model's file, as of an ONNX file.
pub const MAX_BAKED_BYTES: u64 = 64 << 20;

/// A network with all that is needed to classify with it; [`Self::parse`] and [`Self::emit`] are its file.
///
/// ```
/// use network::{Activation, Affine, Architecture, Kind, Network, Scores};
/// use runtime::{Baked, Classifier, Options};
///
/// let dense = Kind::Dense { outputs: 2, activation: Activation::None };
/// let affine = Affine { weights: vec![0.01; 2 * 784], bias: vec![0.0, 9.0] };
/// let network = Network::new(Architecture::new([1, 28, 28], vec![dense])?, vec![affine]);
/// let names = Some(vec!["blank".into(), "ink".into()]);
/// let baked = Baked::new(network, true, Scores::Logits, names, Default::default(), [0; 32])?;
/// assert_eq!(Baked::parse(&baked.emit())?, baked);
/// assert_eq!(Classifier::of_baked(&baked, Options::default())?.classes(), ["blank", "ink"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Baked {
    network: Network,
    takes_pixels: bool,
    scores: Scores,
    class_names: Option<Vec<String>>,
    metadata: BTreeMap<String, String>,
    identity: [u8; 32],
}

impl Baked {
    /// Checks what [`Self::parse`] would check.
    ///
    /// `takes_pixels` says whether pixels go in as they are, and `identity` is the SHA-256 of the ONNX file.
    ///
    /// # Errors
    /// [`BakedFault`] if the network is larger than what is read, or if class names or weights do not fit.
    pub fn new(
        network: Network,
        takes_pixels: bool,
        scores: Scores,
        class_names: Option<Vec<String>>,
        metadata: BTreeMap<String, String>,
        identity: [u8; 32],
    ) -> Result<Self, BakedFault> {
        limits::check(network.architecture())?;
        let outputs = network.architecture().outputs();
        if class_names.as_ref().is_some_and(|names| names.len() != outputs) {
            return Err(BakedFault::ClassNames);
        }
        let is_finite = |affine: &Affine| {
            affine.weights.iter().chain(&affine.bias).all(|value| value.is_finite())
        };
        if let Some((layer, _)) = network.layers().find(|(_, affine)| !is_finite(affine)) {
            return Err(BakedFault::NotFinite { layer: layer.name().to_owned() });
        }
        let baked = Self { network, takes_pixels, scores, class_names, metadata, identity };
        limits::check_length(baked.texts(), baked.network.architecture())?;
        Ok(baked)
    }

    /// Bakes a graph that was read from the ONNX file of this SHA-256.
    ///
    /// # Errors
    /// [`Error::NeedsTract`](crate::Error::NeedsTract) if it is more than layers,
    /// [`Error::Model`](crate::Error::Model) or [`Error::Baked`](crate::Error::Baked) if it is refused.
    #[cfg(feature = "tract")]
    pub fn of_graph(
        graph: &network::onnx::Graph,
        identity: [u8; 32],
    ) -> Result<Self, crate::Error> {
        use network::lowering::{Operation, WholeNetwork, lower};
        let lowered = lower(graph)?;
        let Some(WholeNetwork { network, takes_pixels, scores }) = lowered.network() else {
            let steps = lowered.steps.iter().filter_map(|step| match &step.operation {
                Operation::Plan(plan) => {
                    Some(plan.to_string().trim_start_matches("tract: ").to_owned())
                }
                Operation::Layer(..) => None,
            });
            return Err(crate::Error::NeedsTract { steps: steps.collect() });
        };
        let (names, metadata) = (graph.class_names(), graph.metadata.clone());
        Ok(Self::new(network, takes_pixels, scores, names, metadata, identity)?)
    }

    /// The layers with their weights.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Whether pixels go in as they are, 0 to 255; otherwise the caller normalizes them.
    #[must_use]
    pub const fn takes_pixels(&self) -> bool {
        self.takes_pixels
    }

    /// What the outputs mean.
    #[must_use]
    pub const fn scores(&self) -> Scores {
        self.scores
    }

    /// Names of the classes in the order of the scores; `None` where they are numbered.
    #[must_use]
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// The metadata of the ONNX file, and what `runtime bake` was told besides.
    #[must_use]
    pub const fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// SHA-256 of the ONNX file.
    #[must_use]
    pub const fn identity(&self) -> [u8; 32] {
        self.identity
    }

    /// Whether a file starts as a baked model does, of whatever version.
    #[must_use]
    pub fn is_baked(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// The file's bytes.
    ///
    /// # Panics
    /// Never: a model within the limits has lengths that fit.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let length = |length: usize| u32::try_from(length).expect("checked").to_le_bytes();
        let architecture = self.network.architecture();
        let mut bytes = vec![];
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.identity);
        bytes.extend(architecture.input().into_iter().flat_map(length));
        bytes.extend([u8::from(self.takes_pixels), scores_code(self.scores)]);
        let layers = u16::try_from(architecture.layers().len()).expect("checked");
        bytes.extend(layers.to_le_bytes());
        let names = self.class_names.as_deref().unwrap_or_default();
        bytes.extend(length(names.len()));
        bytes.extend(length(self.metadata.len()));
        bytes.extend(architecture.layers().iter().flat_map(layer::emit));
        for text in self.texts() {
            bytes.extend(length(text.len()));
            bytes.extend(text.as_bytes());
        }
        for Affine { weights, bias } in self.network.affine() {
            bytes.extend(weights.iter().chain(bias).flat_map(|value| value.to_le_bytes()));
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Class names, then each key of the metadata with its value.
    fn texts(&self) -> impl Iterator<Item = &String> {
        texts(self.class_names.as_deref(), &self.metadata)
    }

    /// Reads and checks a file's bytes.
    ///
    /// # Errors
    /// [`BakedFault`] with the first thing that is wrong. Never a panic, whatever the bytes; memory is taken for what
    /// the file holds, not for what it promises.
    pub fn parse(bytes: &[u8]) -> Result<Self, BakedFault> {
        let BakedFile {
            architecture,
            takes_pixels,
            scores,
            class_names,
            metadata,
            identity,
            weights,
        } = BakedFile::parse(bytes)?;
        let affine = weights.iter().map(|weights| weights.affine().into_owned()).collect();
        let network = Network::new(architecture, affine);
        Ok(Self { network, takes_pixels, scores, class_names, metadata, identity })
    }
}

/// Class names, then each key of the metadata with its value.
fn texts<'a>(
    class_names: Option<&'a [String]>,
    metadata: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = &'a String> {
    let pairs = metadata.iter().flat_map(|(key, value)| [key, value]);
    class_names.into_iter().flatten().chain(pairs)
}

const fn scores_code(scores: Scores) -> u8 {
    match scores {
        Scores::Logits => 0,
        Scores::Probabilities => 1,
        Scores::Independent => 2,
    }
}

#[cfg(test)]
mod tests;
