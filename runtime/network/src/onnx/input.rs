//! Which picture a graph's input takes.

use super::{Attribute, Dimension, Graph, Port};
use crate::architecture::Shape;

/// Maximum channels of a picture.
const MAX_CHANNELS: usize = 4;
/// Maximum height and width of a picture.
const MAX_SIDE: usize = 256;
/// Maximum length of a vector that is no picture.
const MAX_VECTOR: usize = 4096;

/// A way to read the input's axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Channels, height and width of the picture; a vector is `[length, 1, 1]`.
    pub(crate) picture: Shape,
    /// Axes of the picture in the order in which they lie in the input: `[1, 2, 0]` if channels are last.
    pub(crate) order: [usize; 3],
    /// The input's lengths for one picture.
    pub(crate) lengths: Vec<usize>,
    /// The batch that the file fixes, where that is not 1.
    pub(crate) fixed_batch: Option<usize>,
}

/// Ways to read the graph's input, the likeliest first.
pub(crate) fn layouts(graph: &Graph) -> Vec<Layout> {
    let Some(Port { shape, .. }) = graph.inputs.first() else { return vec![] };
    let [first, rest @ ..] = &shape[..] else { return vec![] };
    let fixed = |dimensions: &[Dimension]| {
        let length = |dimension: &Dimension| match dimension {
            Dimension::Fixed(length) => Some(*length),
            Dimension::Symbol(_) => None,
        };
        dimensions.iter().map(length).collect::<Option<Vec<usize>>>()
    };
    let mut layouts = vec![];
    if let Some(lengths) = fixed(rest) {
        let fixed_batch = match first {
            Dimension::Fixed(length) if *length > 1 => Some(*length),
            _ => None,
        };
        for (picture, order) in pictures(&lengths, graph) {
            let lengths = [&[1][..], &lengths].concat();
            layouts.push(Layout { picture, order, lengths, fixed_batch });
        }
    }
    if let Some(lengths) = fixed(shape) {
        for (picture, order) in pictures(&lengths, graph) {
            layouts.push(Layout { picture, order, lengths: lengths.clone(), fixed_batch: None });
        }
    }
    layouts
}

/// Axes of a picture whose channels come first, and last.
const FIRST: [usize; 3] = [0, 1, 2];
const LAST: [usize; 3] = [1, 2, 0];

/// Pictures that these lengths, without a batch, can be.
fn pictures(lengths: &[usize], graph: &Graph) -> Vec<(Shape, [usize; 3])> {
    let mut lengths = lengths;
    // other axes of length 1 say nothing
    while let [1, rest @ ..] = lengths
        && rest.len() >= 3
    {
        lengths = rest;
    }
    while let [rest @ .., 1] = lengths
        && rest.len() >= 3
    {
        lengths = rest;
    }
    let is_side = |length: usize| (1..=MAX_SIDE).contains(&length);
    let is_channels = |length: usize| (1..=MAX_CHANNELS).contains(&length);
    match *lengths {
        [length] if (1..=MAX_VECTOR).contains(&length) => {
            let side = length.isqrt();
            let picture = if side * side == length { [1, side, side] } else { [length, 1, 1] };
            vec![(picture, FIRST)]
        }
        [length, 1] | [1, length] if length > MAX_SIDE => pictures(&[length], graph),
        [height, width] if is_side(height) && is_side(width) => vec![([1, height, width], FIRST)],
        [a, b, c] => {
            let first = is_channels(a) && is_side(b) && is_side(c);
            let last = is_channels(c) && is_side(a) && is_side(b);
            let (first, last) =
                (first.then_some(([a, b, c], FIRST)), last.then_some(([c, a, b], LAST)));
            match (first, last) {
                // a transposition to channels first tells that they were last
                (Some(first), Some(last)) if is_transposed(graph) => vec![last, first],
                (first, last) => first.into_iter().chain(last).collect(),
            }
        }
        _ => vec![],
    }
}

/// Whether the input is transposed as channels that are last are.
fn is_transposed(graph: &Graph) -> bool {
    let Some(input) = graph.inputs.first() else { return false };
    graph.nodes.iter().any(|node| {
        node.op == "Transpose"
            && node.inputs.first() == Some(&input.name)
            && node.attributes.get("perm") == Some(&Attribute::Ints(vec![0, 3, 1, 2]))
    })
}

/// Whether an element type is one of pixels, 0 to 255; `None` if no input may have it.
pub(crate) fn takes_pixels(element: &str) -> Option<bool> {
    match element {
        "uint8" | "int32" | "int64" => Some(true),
        "float32" | "float64" | "float16" | "bfloat16" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(shape: &[i64]) -> Vec<(Shape, Option<usize>)> {
        let length = |&length: &i64| match usize::try_from(length) {
            Ok(length) => Dimension::Fixed(length),
            Err(_) => Dimension::Symbol("n".into()),
        };
        let shape = shape.iter().map(length).collect();
        let port = Port { name: "x".into(), element: "float32".into(), shape };
        let graph = Graph { inputs: vec![port], ..crate::onnx::empty() };
        layouts(&graph).into_iter().map(|layout| (layout.picture, layout.fixed_batch)).collect()
    }

    #[test]
    fn a_picture_is_recognised_with_and_without_a_batch() {
        assert_eq!(found(&[-1, 3, 20, 32]), [([3, 20, 32], None)]);
        assert_eq!(found(&[-1, 20, 32, 3]), [([3, 20, 32], None)]);
        assert_eq!(found(&[10, 1, 28, 28]), [([1, 28, 28], Some(10))]);
        assert_eq!(found(&[-1, 28, 28]), [([1, 28, 28], None)]);
        assert_eq!(found(&[1, 28, 28])[0], ([1, 28, 28], None));
        assert_eq!(found(&[28, 28]), [([28, 1, 1], Some(28)), ([1, 28, 28], None)]);
        assert_eq!(found(&[784]), [([1, 28, 28], None)]);
        assert_eq!(found(&[1, 784, 1])[0], ([1, 28, 28], None));
        assert_eq!(found(&[-1, 640]), [([640, 1, 1], None)]);
        assert_eq!(found(&[-1, 1, 28, 28, 1]), [([1, 28, 28], None)]);
        assert_eq!(found(&[-1, 1, 49, 10]), [([1, 49, 10], None)]);
        for refused in
            [&[-1, 3, -1, -1][..], &[-1, 3, 300, 300], &[-1, 5, 20, 20], &[-1, 5000], &[]]
        {
            assert_eq!(found(refused), [], "{refused:?}");
        }
    }
}
