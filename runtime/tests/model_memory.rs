//! What loading a model allocates: small for a file that is refused, bounded for any other. How long it takes is printed,
//! and what would take minutes is refused by its nodes.

use std::time::Instant;

use peak_alloc::PeakAlloc;
use prost::Message;
use runtime::{Classifier, EMBEDDED_MODEL, Error};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// No file of a mebibyte takes more, whether it is refused or loads.
const MAX_PEAK: usize = 256 * MIB;

/// Loads it; with the maximum of the bytes that were allocated.
fn measure(name: &str, bytes: &[u8]) -> (Result<Classifier, Error>, usize) {
    assert!(bytes.len() < 2 * MIB, "{name}: {}", bytes.len());
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let model = Classifier::parse(bytes);
    let (peak, took) = (MEMORY.peak_usage() - before, start.elapsed());
    let answer = model.as_ref().err().map_or("loads".into(), ToString::to_string);
    println!("{name}: {} bytes of file, {peak} allocated, {took:?}: {answer:.100}", bytes.len());
    assert!(peak < MAX_PEAK, "{name}: {peak}");
    (model, peak)
}

/// A graph that reads our model's input, changed.
fn network(change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut model = ModelProto::decode(EMBEDDED_MODEL).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.initializer.clear();
    let input = graph.input[0].name.clone();
    graph.node.retain(|node| node.op_type == "Cast");
    assert_eq!(graph.node[0].input, [input]);
    change(graph);
    graph.output[0].name.clone_from(&graph.node.last().unwrap().output[0]);
    model.encode_to_vec()
}

/// A node that reads what the one before it makes.
fn node(graph: &mut GraphProto, op: &str, more: &[&str], attributes: &[AttributeProto]) {
    let last = graph.node.last().unwrap().output[0].clone();
    graph.node.push(NodeProto {
        op_type: op.into(),
        input: [last].into_iter().chain(more.iter().map(|&name| name.to_owned())).collect(),
        output: vec![format!("value{}", graph.node.len())],
        attribute: attributes.to_vec(),
        ..NodeProto::default()
    });
}

fn constant(graph: &mut GraphProto, name: &str, dims: &[i64]) {
    graph.initializer.push(TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: DataType::Float.into(),
        raw_data: vec![0; 4 * dims.iter().product::<i64>() as usize],
        ..TensorProto::default()
    });
}

fn whole_numbers(graph: &mut GraphProto, name: &str, values: &[i64]) {
    graph.initializer.push(TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64.into(),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    });
}

fn conv(graph: &mut GraphProto, dims: [i64; 4], pads: i64) {
    let name = format!("weights{}", graph.initializer.len());
    constant(graph, &name, &dims);
    node(graph, "Conv", &[&name], &[ints("pads", &[pads; 4])]);
}

/// Ten scores from one feature of each of `maps` maps.
fn scores(graph: &mut GraphProto, maps: i64) {
    node(graph, "GlobalAveragePool", &[], &[]);
    node(graph, "Flatten", &[], &[]);
    constant(graph, "last", &[maps, 10]);
    node(graph, "Gemm", &["last"], &[]);
}

fn int(name: &str, i: i64) -> AttributeProto {
    let r#type = AttributeType::Int.into();
    AttributeProto { name: name.into(), i, r#type, ..AttributeProto::default() }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let r#type = AttributeType::Ints.into();
    AttributeProto { name: name.into(), ints: ints.to_vec(), r#type, ..AttributeProto::default() }
}

/// A message as a field of another.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    prost::encoding::encode_varint(number << 3 | 2, &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

// One test, since what others allocate would count too.
#[test]
fn a_file_of_a_mebibyte_takes_bounded_memory_and_time() {
    messages_without_content_are_counted();
    lists_take_a_few_times_their_bytes();
    convolutions_that_lay_out_much_are_refused();
    what_the_limits_allow_loads_within_them();
    as_many_nodes_as_there_may_be_load_in_time();
}

/// Each takes two bytes in the file, and hundreds in memory.
fn messages_without_content_are_counted() {
    let empty = |number| field(number, &[]).repeat(MIB / 3);
    for (name, graph) in [
        ("nodes", empty(1)),
        ("constants", empty(5)),
        ("inputs", empty(11)),
        ("outputs", empty(12)),
        ("values", empty(13)),
        ("annotations", empty(14)),
        ("attributes of a node", field(1, &empty(5))),
        ("inputs of a node", field(1, &empty(1))),
        ("tensors of an attribute", field(1, &field(5, &empty(10)))),
        ("words of an attribute", field(1, &field(5, &empty(9)))),
        ("words of a constant", field(5, &empty(6))),
        ("references to other files", field(5, &empty(13))),
        ("axes of an input", field(11, &field(2, &field(1, &field(2, &empty(1)))))),
    ] {
        let (refusal, peak) = measure(name, &field(7, &graph));
        let message = refusal.unwrap_err().to_string();
        assert!(message.contains("more parts") && peak < MIB, "{name}: {peak}, {message}");
    }
    for number in [8, 14] {
        let (refusal, peak) = measure("parts of the file", &empty(number));
        assert!(refusal.is_err() && peak < MIB, "{peak}");
    }
    // as many as pass
    let few = |number| field(number, &[]).repeat(49_900);
    for (name, graph) in [
        ("few nodes", few(1)),
        ("few constants", few(5)),
        ("few inputs", few(11)),
        ("few attributes", field(1, &few(5))),
    ] {
        let file = [field(7, &graph), field(8, &[0x10, 13])].concat();
        assert!(measure(name, &file).0.is_err());
    }
}

/// Whole numbers that take a byte in the file take eight in memory.
fn lists_take_a_few_times_their_bytes() {
    let ones = vec![1; MIB];
    for (name, graph) in [
        ("lengths", field(5, &field(1, &ones))),
        ("whole numbers", field(5, &field(7, &ones))),
        (
            "a setting",
            field(1, &[field(5, &[&[0xa0, 0x01, 7][..], &field(8, &ones)].concat())].concat()),
        ),
    ] {
        let file = [field(7, &graph), field(8, &[0x10, 13])].concat();
        let (refusal, peak) = measure(name, &file);
        assert!(refusal.is_err() && peak < 64 * MIB, "{name}: {peak}");
    }
    let name = "n".repeat(MIB);
    let named = network(|graph| {
        graph.node[0].name = name;
        conv(graph, [10, 1, 28, 28], 0);
        node(graph, "Flatten", &[], &[]);
    });
    let (model, peak) = measure("a long name", &named);
    assert!(model.is_ok() && peak < 64 * MIB, "{peak}");
}

fn convolutions_that_lay_out_much_are_refused() {
    let wide = network(|graph| {
        conv(graph, [600, 1, 1, 1], 64);
        conv(graph, [1, 600, 1, 28], 0);
        scores(graph, 1);
    });
    let tall = network(|graph| {
        conv(graph, [60, 1, 1, 1], 64);
        conv(graph, [1, 60, 28, 28], 0);
        scores(graph, 1);
    });
    let pooled = network(|graph| {
        conv(graph, [600, 1, 1, 1], 64);
        let settings = [ints("kernel_shape", &[64; 2]), ints("pads", &[32; 4])];
        node(graph, "MaxPool", &[], &settings);
        scores(graph, 600);
    });
    let read_often = network(|graph| {
        conv(graph, [600, 1, 1, 1], 64);
        let large = graph.node.last().unwrap().output[0].clone();
        for _ in 0..100 {
            node(graph, "GlobalAveragePool", &[], &[]);
            graph.node.last_mut().unwrap().input[0].clone_from(&large);
        }
        scores(graph, 600);
    });
    for (name, file) in
        [("wide", wide), ("tall", tall), ("pooled", pooled), ("read often", read_often)]
    {
        let (refusal, peak) = measure(name, &file);
        let message = refusal.unwrap_err().to_string();
        assert!(message.contains("too much memory or time"), "{name}: {message}");
        assert!(peak < 64 * MIB, "{name}: {peak}");
    }
}

fn what_the_limits_allow_loads_within_them() {
    let laid_out = network(|graph| {
        conv(graph, [70, 1, 1, 1], 64);
        conv(graph, [1, 70, 1, 10], 0);
        scores(graph, 1);
    });
    let padded = network(|graph| {
        conv(graph, [70, 1, 1, 1], 64);
        conv(graph, [1, 70, 3, 3], 1);
        scores(graph, 1);
    });
    let many = network(|graph| {
        conv(graph, [300, 1, 1, 1], 64);
        node(graph, "Relu", &[], &[]);
        scores(graph, 300);
    });
    let folded = network(|graph| {
        constant(graph, "column", &[2_800, 1]);
        constant(graph, "row", &[2_800]);
        node(graph, "Add", &["row"], &[]);
        graph.node.last_mut().unwrap().input[0] = "column".into();
        node(graph, "Transpose", &[], &[]);
        constant(graph, "few", &[2_800, 10]);
        node(graph, "MatMul", &["few"], &[]);
        let folded = graph.node.last().unwrap().output[0].clone();
        graph.node.push(NodeProto {
            op_type: "Flatten".into(),
            input: vec![graph.node[0].output[0].clone()],
            output: vec!["flattened".into()],
            ..NodeProto::default()
        });
        constant(graph, "features", &[784, 50]);
        constant(graph, "more", &[50, 2_800]);
        node(graph, "MatMul", &["features"], &[]);
        node(graph, "MatMul", &["more"], &[]);
        node(graph, "MatMul", &[&folded], &[]);
    });
    let deep = network(|graph| {
        conv(graph, [10, 1, 28, 28], 0);
        for _ in 0..900 {
            node(graph, "Sigmoid", &[], &[]);
        }
        node(graph, "Flatten", &[], &[]);
    });
    let doubled = network(|graph| {
        node(graph, "Flatten", &[], &[]);
        for _ in 0..12 {
            let last = graph.node.last().unwrap().output[0].clone();
            node(graph, "Concat", &[&last], &[int("axis", 1)]);
        }
        node(graph, "Sigmoid", &[], &[]);
        scores_of_rows(graph, 784 << 12);
    });
    for (name, file) in [
        ("laid out", laid_out),
        ("padded", padded),
        ("many values", many),
        ("folded", folded),
        ("deep", deep),
        ("doubled", doubled),
    ] {
        let (model, _) = measure(name, &file);
        model.unwrap();
    }
}

/// Ten scores of `[1, columns]`, without weights for each.
fn scores_of_rows(graph: &mut GraphProto, columns: i64) {
    whole_numbers(graph, "square", &[-1, 16, columns / 64, 4]);
    node(graph, "Reshape", &["square"], &[]);
    scores(graph, 16);
}

/// A program that simplifies a graph takes long where what it moves meets what it moved before.
fn as_many_nodes_as_there_may_be_load_in_time() {
    let (turn, first) = ([ints("perm", &[0, 2, 1])], [int("axis", 1)]);
    let (sigmoid, relu): (Step, Step) = (("Sigmoid", &[], &[]), ("Relu", &[], &[]));
    let (to_28, to_56): (Step, Step) = (("Reshape", &["28"], &[]), ("Reshape", &["56"], &[]));
    let kinds: [(&str, &[Step]); 7] = [
        ("added", &[("Add", &["one"], &[]), ("Add", &["row"], &[]), relu]),
        ("scaled", &[("Mul", &["row"], &[]), ("Sub", &["column"], &[]), sigmoid]),
        ("softmax", &[("Softmax", &[], &[]), ("Softmax", &[], &first), ("Elu", &[], &[])]),
        ("multiplied", &[("MatMul", &["square"], &[]), relu]),
        ("bent", &[("PRelu", &["column"], &[]), ("Clip", &["one"], &[])]),
        ("pooled", &[("GlobalMaxPool", &[], &[]), ("Mul", &["square"], &[]), sigmoid]),
        ("normalized", &[("BatchNormalization", &["row"; 4], &[]), sigmoid]),
    ];
    for (name, steps) in kinds {
        // whether it loads or tract gives up
        drop(measure(name, &chain(930, steps, &[])));
    }
    let transpose: Step = ("Transpose", &[], &turn);
    for (name, moves) in [
        ("turned", &[transpose; 14][..]),
        ("reshaped", &[to_56, to_28].repeat(7)),
        ("turned and reshaped", &[transpose, to_56, to_28].repeat(4)),
    ] {
        let (model, _) = measure(name, &chain(930, &[sigmoid], moves));
        model.unwrap();
        let often = chain(90, &[sigmoid], &moves.repeat(2));
        let refusal = measure("so, more often", &often).0.unwrap_err().to_string();
        assert!(refusal.contains("nodes that part, join or exchange axes"), "{refusal}");
    }
}

type Step<'a> = (&'a str, &'a [&'a str], &'a [AttributeProto]);

/// `length` nodes on a matrix of 28×28, and `moves` spread over them.
fn chain(length: usize, steps: &[Step], moves: &[Step]) -> Vec<u8> {
    network(|graph| {
        whole_numbers(graph, "28", &[-1, 28, 28]);
        whole_numbers(graph, "56", &[-1, 14, 56]);
        constant(graph, "one", &[1]);
        constant(graph, "row", &[28]);
        constant(graph, "column", &[28, 1]);
        constant(graph, "square", &[28, 28]);
        node(graph, "Reshape", &["28"], &[]);
        let mut moves = moves.iter();
        let every = length / (moves.len() + 1);
        for index in 0..length {
            let next = if index % every == every - 1 { moves.next() } else { None };
            let (op, more, attributes) = *next.unwrap_or(&steps[index % steps.len()]);
            node(graph, op, more, attributes);
        }
        constant(graph, "last", &[784, 10]);
        whole_numbers(graph, "flat", &[-1, 784]);
        node(graph, "Reshape", &["flat"], &[]);
        node(graph, "Gemm", &["last"], &[]);
    })
}
