//! How many parts a file has, counted before memory is given to any of them.
//!
//! A message without content takes two bytes in a file and hundreds in memory. Sources: the encoding,
//! <https://protobuf.dev/programming-guides/encoding/>, and the numbers of the fields,
//! <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::GraphFault;

/// Maximum parts of a file: operators, their inputs and settings, constants, axes, names; LeNet has 250. So many settings
/// take 150 MiB.
const MAX_PARTS: usize = 50_000;

/// What the fields of a message are that are neither numbers nor text.
struct Message(&'static [(u32, Field)]);

enum Field {
    Message(&'static Message),
    /// Never read here, whatever is in it.
    Refused(&'static str),
}

use Field::Refused;

const LEAF: Field = Field::Message(&Message(&[]));
const SPARSE: Field = Refused("sparse tensors");
const SUBGRAPH: Field = Refused("graphs within operators, that is control flow");
const TYPES: Field = Refused("attributes that are types");

const SHAPE: Field = Field::Message(&Message(&[(1, LEAF)]));
const TENSOR_TYPE: Field = Field::Message(&Message(&[(2, SHAPE)]));
const TYPE: Field = Field::Message(&Message(&[(1, TENSOR_TYPE)]));
const PORT: Field = Field::Message(&Message(&[(2, TYPE)]));
const TENSOR: Field = Field::Message(&Message(&[(3, LEAF), (13, LEAF)]));
const ATTRIBUTE: Field = Field::Message(&Message(&[
    (5, TENSOR),
    (6, SUBGRAPH),
    (10, TENSOR),
    (11, SUBGRAPH),
    (14, TYPES),
    (15, TYPES),
    (22, SPARSE),
    (23, SPARSE),
]));
const NODE: Field = Field::Message(&Message(&[(5, ATTRIBUTE)]));
const ANNOTATION: Field = Field::Message(&Message(&[(2, LEAF)]));
const GRAPH: Field = Field::Message(&Message(&[
    (1, NODE),
    (5, TENSOR),
    (11, PORT),
    (12, PORT),
    (13, PORT),
    (14, ANNOTATION),
    (15, SPARSE),
]));
const MODEL: Message = Message(&[
    (7, GRAPH),
    (8, LEAF),
    (14, LEAF),
    (20, Refused("training information")),
    (25, Refused("functions of its own")),
]);

/// Refuses a file of more than [`MAX_PARTS`], or with what is never read. What is no protobuf is left to the decoder to
/// tell.
pub(super) fn check(bytes: &[u8]) -> Result<(), GraphFault> {
    let mut refused = vec![];
    let counted = count(bytes, &MODEL, &mut 0, &mut refused);
    match refused.first() {
        Some(what) => Err(GraphFault::Refused { what }),
        None => counted,
    }
}

/// What the file has that is never read; an error only if it has more than [`MAX_PARTS`].
pub(super) fn refused(bytes: &[u8]) -> Result<Vec<GraphFault>, GraphFault> {
    let mut refused = vec![];
    count(bytes, &MODEL, &mut 0, &mut refused)?;
    Ok(refused.into_iter().map(|what| GraphFault::Refused { what }).collect())
}

fn count(
    mut bytes: &[u8],
    message: &Message,
    parts: &mut usize,
    refused: &mut Vec<&'static str>,
) -> Result<(), GraphFault> {
    while let Some((number, content)) = next_field(&mut bytes) {
        *parts += 1;
        match message.0.iter().find(|(known, _)| *known == number) {
            Some((_, Field::Message(message))) => count(content, message, parts, refused)?,
            Some((_, Refused(what))) => {
                // so many empty messages have room in it
                *parts += content.len() / 2;
                if !refused.contains(what) {
                    refused.push(what);
                }
            }
            None => {}
        }
        if *parts > MAX_PARTS {
            return Err(GraphFault::TooManyParts);
        }
    }
    Ok(())
}

/// A field's number and its bytes, if it is not a number; none at the end, or where the bytes are damaged.
fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (number, kind) = decode_key(bytes).ok()?;
    if kind != WireType::LengthDelimited {
        skip_field(kind, number, bytes, DecodeContext::default()).ok()?;
        return Some((number, &[]));
    }
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((number, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_messages_count_and_other_bytes_do_not() {
        let mut parts = 0;
        assert!(
            count(&super::super::network::tests::lenet().emit(), &MODEL, &mut parts, &mut vec![])
                .is_ok()
        );
        assert!(parts < 300, "{parts}");
        // a graph, field 7, of nodes, field 1, without content
        let graph = |nodes: usize| {
            let mut bytes = vec![0x3a];
            prost::encoding::encode_varint(2 * nodes as u64, &mut bytes);
            bytes.extend([0x0a, 0].repeat(nodes));
            bytes
        };
        assert!(check(&graph(MAX_PARTS - 1)).is_ok());
        assert_eq!(check(&graph(MAX_PARTS)), Err(GraphFault::TooManyParts));
        assert!(check(b"no protobuf").is_ok() && check(&[]).is_ok());
    }

    #[test]
    fn what_is_never_read_is_refused_by_name() {
        // a graph, of a node, of an attribute, of a graph
        let message = check(&[0x3a, 6, 0x0a, 4, 0x2a, 2, 0x32, 0]).unwrap_err().to_string();
        assert!(message.contains("control flow"), "{message}");
        let message = check(&[0xca, 0x01, 0]).unwrap_err().to_string();
        assert!(message.contains("functions"), "{message}");
    }

    #[test]
    fn what_is_never_read_is_counted_by_its_length_and_told_with_all_else() {
        // training information, then functions, of `length` bytes together
        let file = |length: usize| {
            let mut bytes = vec![0xa2, 0x01, 0, 0xca, 0x01];
            prost::encoding::encode_varint(length as u64, &mut bytes);
            bytes.extend(vec![0; length]);
            bytes
        };
        let faults = refused(&file(2 * MAX_PARTS - 4)).unwrap();
        let faults: Vec<String> = faults.iter().map(GraphFault::to_string).collect();
        assert!(matches!(&faults[..], [training, functions]
            if training.contains("training information") && functions.contains("functions")));
        assert_eq!(refused(&file(2 * MAX_PARTS)), Err(GraphFault::TooManyParts));
    }
}
