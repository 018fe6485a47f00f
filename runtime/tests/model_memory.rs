//! What loading a model allocates: small for a file that is refused, bounded for any other. How long it takes is printed,
//! and what would take minutes is refused by its nodes.

use std::time::Instant;

use fixtures::graph::GraphBuilder;
use fixtures::protobuf::field;
use network::onnx::Attribute;
use peak_alloc::PeakAlloc;
use runtime::{Classifier, Error};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// Maximum that a file of a mebibyte takes, whether it is refused or loads.
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

/// The file of a network that goes on from pixels as numbers.
fn network(build: impl FnOnce(GraphBuilder) -> GraphBuilder) -> Vec<u8> {
    build(GraphBuilder::bytes_in()).emit(10)
}

fn conv(graph: GraphBuilder, shape: [usize; 4], pads: i64) -> GraphBuilder {
    let name = format!("weights{}", graph.graph.tensors.len());
    graph.zeros(&name, &shape).node("Conv", &[&name], &[ints("pads", &[pads; 4])])
}

/// Ten scores of as many features as there are `maps`.
fn scores(graph: GraphBuilder, maps: usize) -> GraphBuilder {
    graph.node("GlobalAveragePool", &[], &[]).flatten().zeros("last", &[maps, 10]).node(
        "Gemm",
        &["last"],
        &[],
    )
}

fn int(name: &str, value: i64) -> (&str, Attribute) {
    (name, Attribute::Int(value))
}

fn ints<'a>(name: &'a str, values: &[i64]) -> (&'a str, Attribute) {
    (name, Attribute::Ints(values.to_vec()))
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
    let named = network(|mut graph| {
        graph.graph.nodes[0].name = name;
        conv(graph, [10, 1, 28, 28], 0).flatten()
    });
    let (model, peak) = measure("a long name", &named);
    assert!(model.is_ok() && peak < 64 * MIB, "{peak}");
}

fn convolutions_that_lay_out_much_are_refused() {
    let wide = network(|graph| {
        let graph = conv(graph, [600, 1, 1, 1], 64);
        scores(conv(graph, [1, 600, 1, 28], 0), 1)
    });
    let tall = network(|graph| {
        let graph = conv(graph, [60, 1, 1, 1], 64);
        scores(conv(graph, [1, 60, 28, 28], 0), 1)
    });
    let pooled = network(|graph| {
        let settings = [ints("kernel_shape", &[64; 2]), ints("pads", &[32; 4])];
        scores(conv(graph, [600, 1, 1, 1], 64).node("MaxPool", &[], &settings), 600)
    });
    let read_often = network(|graph| {
        let graph = conv(graph, [600, 1, 1, 1], 64);
        let large = graph.last().to_owned();
        let pool = |graph: GraphBuilder, _| {
            let sum = graph.last().to_owned();
            graph.reading(&large).node("GlobalAveragePool", &[], &[]).node("Add", &[&sum], &[])
        };
        let graph = graph.node("GlobalAveragePool", &[], &[]);
        scores((0..100).fold(graph, pool), 600)
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
        let graph = conv(graph, [70, 1, 1, 1], 64);
        scores(conv(graph, [1, 70, 1, 10], 0), 1)
    });
    let padded = network(|graph| {
        let graph = conv(graph, [70, 1, 1, 1], 64);
        scores(conv(graph, [1, 70, 3, 3], 1), 1)
    });
    let many = network(|graph| scores(conv(graph, [300, 1, 1, 1], 64).relu(), 300));
    let folded = network(|graph| {
        let pixels = graph.last().to_owned();
        let graph = graph
            .zeros("column", &[2_800, 1])
            .zeros("row", &[2_800])
            .reading("column")
            .node("Add", &["row"], &[])
            .node("Transpose", &[], &[])
            .zeros("few", &[2_800, 10])
            .node("MatMul", &["few"], &[]);
        let folded = graph.last().to_owned();
        graph
            .reading(&pixels)
            .flatten()
            .zeros("features", &[784, 50])
            .zeros("more", &[50, 2_800])
            .node("MatMul", &["features"], &[])
            .node("MatMul", &["more"], &[])
            .node("MatMul", &[&folded], &[])
    });
    let deep = network(|graph| {
        let graph = conv(graph, [10, 1, 28, 28], 0);
        (0..900).fold(graph, |graph, _| graph.node("Sigmoid", &[], &[])).flatten()
    });
    let doubled = network(|graph| {
        let double = |graph: GraphBuilder, _| {
            let last = graph.last().to_owned();
            graph.node("Concat", &[&last], &[int("axis", 1)])
        };
        let graph = (0..12).fold(graph.flatten(), double).node("Sigmoid", &[], &[]);
        scores_of_rows(graph, 784 << 12)
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
fn scores_of_rows(graph: GraphBuilder, columns: i64) -> GraphBuilder {
    let graph = graph.ints("square", &[-1, 16, columns / 64, 4]);
    scores(graph.node("Reshape", &["square"], &[]), 16)
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
        // what works on rows has to have its axes in order
        let softmax: Step = ("Softmax", &[], &[]);
        let often = chain(930, &[softmax], &moves.repeat(2));
        let refusal = measure("so, more often", &often).0.unwrap_err().to_string();
        assert!(refusal.contains("nodes that part, join or exchange axes"), "{refusal}");
    }
}

type Step<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, Attribute)]);

/// `length` nodes on a matrix of 28×28, and `moves` spread over them.
fn chain(length: usize, steps: &[Step], moves: &[Step]) -> Vec<u8> {
    network(|graph| {
        let mut graph = graph
            .ints("28", &[-1, 28, 28])
            .ints("56", &[-1, 14, 56])
            .zeros("one", &[1])
            .zeros("row", &[28])
            .zeros("column", &[28, 1])
            .zeros("square", &[28, 28])
            .node("Reshape", &["28"], &[]);
        let mut moves = moves.iter();
        let every = length / (moves.len() + 1);
        for index in 0..length {
            let next = if index % every == every - 1 { moves.next() } else { None };
            let (op, more, attributes) = *next.unwrap_or(&steps[index % steps.len()]);
            graph = graph.node(op, more, attributes);
        }
        graph
            .zeros("last", &[784, 10])
            .ints("flat", &[-1, 784])
            .node("Reshape", &["flat"], &[])
            .node("Gemm", &["last"], &[])
    })
}
