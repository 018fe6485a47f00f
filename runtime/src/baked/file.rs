//! Reads a baked file, whose weights stay where they are.

use std::collections::BTreeMap;

use network::{Architecture, Scores, Shape};

use super::reader::Reader;
use super::{Baked, BakedFault, CRC_BYTES, MAGIC, VERSION, layer, limits, scores_code, texts};
use crate::engine::Weights;

/// A [`Baked`] model in the bytes of its file, checked.
pub(crate) struct BakedFile<'a> {
    pub(crate) architecture: Architecture,
    pub(crate) takes_pixels: bool,
    pub(crate) scores: Scores,
    pub(crate) class_names: Option<Vec<String>>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) identity: [u8; 32],
    /// Of each layer.
    pub(crate) weights: Vec<Weights<'a>>,
}

impl<'a> BakedFile<'a> {
    /// As [`Baked::parse`].
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, BakedFault> {
        let mut file = Reader::new(bytes);
        if !Baked::is_baked(bytes) {
            return Err(if looks_like_onnx(bytes) { BakedFault::Onnx } else { BakedFault::Magic });
        }
        file.take(MAGIC.len(), "header")?;
        let version = file.u32("header")?;
        if version != VERSION {
            return Err(BakedFault::Version { found: version });
        }
        let crc = file.take_last(CRC_BYTES)?;
        if crc32fast::hash(&bytes[..bytes.len() - CRC_BYTES]).to_le_bytes() != crc {
            return Err(BakedFault::Checksum);
        }
        let identity = file.array("header")?;
        let mut input: Shape = [0; 3];
        for length in &mut input {
            *length = file.length("header")?;
        }
        limits::check_input(input)?;
        let takes_pixels = match file.u8("header")? {
            0 => false,
            1 => true,
            _ => return Err(BakedFault::Header),
        };
        let scores = file.u8("header").and_then(parse_scores)?;
        let layers = usize::from(file.u16("header")?);
        limits::check_layers(layers)?;
        let [names, pairs] = [file.length("header")?, file.length("header")?];
        let kinds: Vec<_> =
            (1..=layers).map(|number| layer::parse(&mut file, number)).collect::<Result<_, _>>()?;
        let architecture = Architecture::connected(input, kinds)?;
        // before anything is multiplied that could overflow
        limits::check(&architecture)?;
        if names != 0 && names != architecture.outputs() {
            return Err(BakedFault::ClassNames);
        }
        let class_names = (0..names).map(|_| file.text("class names"));
        let class_names: Vec<String> = class_names.collect::<Result<_, _>>()?;
        let class_names = (names > 0).then_some(class_names);
        let metadata = parse_metadata(&mut file, pairs)?;
        let bytes = architecture.layers().iter().map(|layer| 4 * layer.parameters() as u64);
        if bytes.sum::<u64>() != file.rest() as u64 {
            return Err(BakedFault::Weights);
        }
        limits::check_length(texts(class_names.as_deref(), &metadata), &architecture)?;
        let weights = architecture.layers().iter().map(|layer| {
            let weights = Weights::Bytes {
                weights: file.floats(layer.outputs() * layer.fan_in(), "weights")?,
                bias: file.floats(layer.outputs(), "weights")?,
            };
            let name = || layer.name().to_owned();
            if weights.are_finite() {
                Ok(weights)
            } else {
                Err(BakedFault::NotFinite { layer: name() })
            }
        });
        let weights = weights.collect::<Result<_, BakedFault>>()?;
        Ok(Self { architecture, takes_pixels, scores, class_names, metadata, identity, weights })
    }
}

fn parse_scores(code: u8) -> Result<Scores, BakedFault> {
    let all = [Scores::Logits, Scores::Probabilities, Scores::Independent];
    all.into_iter().find(|&scores| scores_code(scores) == code).ok_or(BakedFault::Header)
}

/// Pairs whose keys rise, so that a model has one file.
fn parse_metadata(file: &mut Reader, pairs: usize) -> Result<BTreeMap<String, String>, BakedFault> {
    let mut metadata: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..pairs {
        let key = file.text("metadata")?;
        if metadata.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(BakedFault::Metadata);
        }
        metadata.insert(key, file.text("metadata")?);
    }
    Ok(metadata)
}

/// Whether bytes start as an ONNX file does: a small `ir_version`, then another field of `ModelProto`.
///
/// Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, whose fields are lengths and numbers only.
fn looks_like_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=63, next, ..] if matches!(next >> 3, 2..=8 | 14) && matches!(next & 7, 0 | 2))
}
