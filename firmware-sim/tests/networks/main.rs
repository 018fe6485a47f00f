//! Networks other than LeNet: quantised, packed, run by the engine and by the host, or refused by all reasons.

mod dead;
mod evidence;

use dataset::Image;
use firmware::Model;
use firmware::format::Layout;
use firmware_sim::int8::{Header, Int8Network};
use firmware_sim::memory::Memory;
use firmware_sim::quantize::{Options, Warning, quantize, quantize_and_warn, quantize_with};
use firmware_sim::verify::{FloatModel, Verification, compare};
use firmware_sim::{Error, Samples};
use fixtures::benchmarks::Random;
use network::onnx::{Graph, Origin, Port};
use network::{
    Activation, Affine, Architecture, Conv, Kind, Layer, Network, Normalization, Padding, Pool,
    PoolMode, Shape,
};
use runtime::FloatInput;

use Activation::{None as Linear, Relu, Relu6};

fn network(random: &mut Random, input: Shape, kinds: &[(usize, Kind)]) -> Network {
    let architecture = Architecture::connected(input, kinds.iter().copied()).unwrap();
    let affine = architecture.layers().iter().map(|layer| {
        let scale = (2.0 / layer.fan_in().max(1) as f32).sqrt();
        let weights = layer.outputs() * layer.fan_in();
        Affine {
            weights: (0..weights).map(|_| random.real() * scale).collect(),
            bias: (0..layer.outputs()).map(|_| random.real() * 0.1).collect(),
        }
    });
    let affine = affine.collect();
    Network::new(architecture, affine)
}

/// The network as a file that takes pixels.
fn onnx(network: &Network) -> Vec<u8> {
    let origin = Origin {
        name: "test".into(),
        producer: ["test", "1"].map(String::from),
        metadata: std::collections::BTreeMap::new(),
    };
    Graph::of_network(network, Normalization { offset: 0.0, scale: 1.0 / 64.0 }, origin).emit()
}

/// The same, which takes what the first layer takes.
fn onnx_of_floats(network: &Network) -> Vec<u8> {
    let mut graph = Graph::parse(&onnx(network)).unwrap();
    let shape = network.architecture().input();
    let normalized = graph
        .nodes
        .iter()
        .position(|node| ["Conv", "Gemm", "Flatten", "MaxPool", "Add"].contains(&node.op.as_str()));
    let kept = graph.nodes.split_off(normalized.unwrap());
    graph.nodes = kept;
    let name = graph.nodes[0].inputs[0].clone();
    graph.inputs = vec![Port::of_batches(&name, "float32", &shape)];
    graph.emit()
}

fn conv(maps: usize, kernel: usize, activation: Activation) -> Conv {
    Conv { activation, ..Conv::new(maps, [kernel; 2]) }
}

fn dense(outputs: usize, activation: Activation) -> Kind {
    Kind::Dense { outputs, activation }
}

fn pool(mode: PoolMode, window: usize, activation: Activation) -> Kind {
    Kind::Pool(Pool { activation, ..Pool::new(mode, [window; 2]) })
}

/// Networks of all kinds of layers, and what they take.
fn networks() -> Vec<(Shape, Vec<(usize, Kind)>)> {
    let same = Padding::even(1);
    let padded = |maps, activation| Conv { padding: same, ..conv(maps, 3, activation) };
    let chain = |kinds: Vec<Kind>| kinds.into_iter().enumerate().collect::<Vec<_>>();
    let uneven = Padding { bottom: 1, right: 1, ..Padding::default() };
    let strided = Conv { stride: [2; 2], padding: uneven, ..conv(8, 3, Relu6) };
    let depthwise = |maps, channels, activation| {
        Kind::Conv(Conv { groups: channels, ..padded(maps, activation) })
    };
    let overlapping = Pool { stride: [2; 2], padding: same, ..Pool::new(PoolMode::Max, [3; 2]) };
    let counted =
        Pool { stride: [1; 2], padding: same, ..Pool::new(PoolMode::AverageWithPadding, [3, 3]) };
    vec![
        // as LeNet, of other sizes, colours and classes
        (
            [3, 17, 13],
            chain(vec![
                Kind::Conv(Conv { pool: true, ..padded(7, Relu) }),
                Kind::Conv(Conv { pool: true, ..conv(5, 2, Relu6) }),
                dense(9, Relu),
                dense(11, Linear),
            ]),
        ),
        // a residual block without an activation before the sum, then another of one value twice
        (
            [2, 9, 8],
            vec![
                (0, Kind::Conv(padded(6, Relu))),
                (1, Kind::Conv(padded(6, Linear))),
                (2, Kind::Add { other: 1, activation: Relu }),
                (3, Kind::Add { other: 3, activation: Linear }),
                (4, Kind::Conv(conv(6, 1, Linear))),
                (5, Kind::Add { other: 4, activation: Linear }),
                (6, pool(PoolMode::Average, 4, Linear)),
                (7, dense(4, Linear)),
            ],
        ),
        // depthwise, with and without a multiplier, and a global mean
        (
            [3, 12, 12],
            chain(vec![
                Kind::Conv(strided),
                depthwise(8, 8, Relu),
                Kind::Conv(conv(10, 1, Linear)),
                depthwise(20, 10, Relu6),
                Kind::Conv(conv(6, 1, Relu)),
                pool(PoolMode::Average, 6, Linear),
                dense(2, Linear),
            ]),
        ),
        // poolings of all kinds; a ReLU after one of values of both signs
        (
            [1, 14, 15],
            chain(vec![
                Kind::Conv(padded(4, Linear)),
                Kind::Pool(Pool { activation: Relu, ..overlapping }),
                Kind::Conv(conv(4, 1, Linear)),
                Kind::Pool(overlapping),
                Kind::Pool(counted),
                Kind::Conv(conv(5, 2, Linear)),
                pool(PoolMode::Average, 2, Linear),
            ]),
        ),
        // vectors, more classes than letters, and outputs that are none
        ([1, 1, 40], chain(vec![dense(33, Relu), dense(65, Linear)])),
        ([1, 6, 6], chain(vec![dense(7, Linear), dense(300, Linear)])),
    ]
}

/// Quantises and compares; whether engine and host agree on every logit is asserted within.
fn verified(onnx: &[u8], samples: Samples<'_>) -> (Vec<u8>, Verification) {
    let q8 = quantize_with(onnx, samples, Samples::NONE, Options::default(), |_| ()).unwrap();
    let float = FloatModel::parse(onnx).unwrap();
    let found = compare(&float, Model::parse(&q8).unwrap(), samples, &[], |_| ()).unwrap();
    (q8, found)
}

#[test]
fn networks_of_all_kinds_of_layers_run_as_float_does() {
    let mut random = Random(7);
    for (shape, kinds) in networks() {
        let network = network(&mut random, shape, &kinds);
        let images: Vec<Image> = (0..12).map(|_| random.image(shape)).collect();
        let (q8, found) = verified(&onnx(&network), Samples::Images(&images));
        let architecture = network.architecture();
        // random weights average out what images differ by; a wrong layer would leave nothing
        assert!(found.sqnr_db() > 18.0, "{} dB: {architecture}", found.sqnr_db());
        for layer in &found.layers {
            assert!(
                layer.sqnr_db > 18.0,
                "{} dB at {}: {architecture}",
                layer.sqnr_db,
                layer.layer
            );
        }
        let names: Vec<&str> = architecture.layers().iter().map(Layer::name).collect();
        assert!(found.layers.iter().map(|layer| layer.layer.as_str()).eq(names));
        let model = Model::parse(&q8).unwrap();
        let memory = Memory::of(model);
        assert_eq!(memory.macs(), architecture.macs());
        assert_eq!(memory.rows.len(), kinds.len() + 1);
        assert_eq!(
            (memory.file_bytes, memory.scratch_bytes),
            (q8.len(), model.scratch_words() * 4)
        );
        // what is unpacked packs to the same bytes
        let stated = Header::of(model);
        for layout in [Layout::Bytes, Layout::Words] {
            let other = Int8Network::of(model).emit(stated, layout).unwrap();
            let model = Model::parse(&other).unwrap();
            assert!(Int8Network::of(model).emit(stated, Layout::Bytes).unwrap() == q8);
        }
    }
}

#[test]
fn signals_have_a_scale_that_is_found_by_calibration() {
    let mut random = Random(3);
    let kinds = [Kind::Conv(conv(6, 3, Relu)), dense(5, Linear)];
    let kinds: Vec<_> = kinds.into_iter().enumerate().collect();
    let network = network(&mut random, [2, 8, 7], &kinds);
    let onnx = onnx_of_floats(&network);
    let signals: Vec<Vec<f32>> =
        (0..20).map(|_| (0..112).map(|_| random.real() * 30.0).collect()).collect();
    let (q8, found) = verified(&onnx, Samples::Signals(&signals));
    assert!(found.sqnr_db() > 30.0, "{}", found.sqnr_db());
    let input = Int8Network::of(Model::parse(&q8).unwrap()).input;
    assert_eq!(input.zero, 128);
    assert!((input.scale - 30.0 / 127.0).abs() < 0.01, "{input:?}");
    let refused = |samples: Samples<'_>| {
        quantize_with(&onnx, samples, Samples::NONE, Options::default(), |_| ()).unwrap_err()
    };
    let images = [random.image([2, 8, 7])];
    assert!(matches!(refused(Samples::Images(&images)), Error::PixelsUnknown));
    let error = refused(Samples::Signals(&[vec![0.0; 112], vec![0.0; 111]]));
    assert!(matches!(error, Error::Length { index: 1, expected: 112, found: 111 }));
    let error = refused(Samples::Signals(&[vec![f32::INFINITY; 112]]));
    assert!(error.to_string().starts_with("sample 0 holds inf, which is not finite"), "{error}");
}

#[test]
fn pixels_before_a_float_input_are_bytes_on_the_device() {
    let mut random = Random(5);
    let padded = Conv { padding: Padding::even(1), ..conv(6, 3, Relu) };
    let kinds: Vec<_> = [Kind::Conv(padded), dense(5, Linear)].into_iter().enumerate().collect();
    let network = network(&mut random, [3, 8, 7], &kinds);
    let onnx = onnx_of_floats(&network);
    let images: Vec<Image> = (0..20).map(|_| random.image([3, 8, 7])).collect();
    let byte = 1.0 / 255.0;
    for (mean, std, layers) in [(0.0, byte, 2), (0.0, 1.0, 2), (0.5, 0.25, 3)] {
        let float_input = Some(FloatInput::new(&[mean], &[std]).unwrap());
        let options = Options { float_input, ..Options::default() };
        let samples = Samples::Images(&images);
        let q8 = quantize_with(&onnx, samples, Samples::NONE, options, |_| ()).unwrap();
        let model = Model::parse(&q8).unwrap();
        assert_eq!((model.layers().records.len(), model.header().input.zero), (layers, 0));
        let float = FloatModel::parse_with(&onnx, float_input).unwrap();
        let found = compare(&float, model, samples, &[], |_| ()).unwrap();
        assert!(found.sqnr_db() > 25.0, "{}", found.sqnr_db());
        let other = FloatModel::parse(&onnx).unwrap();
        assert!(matches!(compare(&other, model, samples, &[], |_| ()), Err(Error::Input)));
    }
}

#[test]
fn all_reasons_against_a_network_are_told_at_once() {
    let mut random = Random(1);
    let refused = |random: &mut Random, input: Shape, kinds: Vec<Kind>| {
        let kinds: Vec<_> = kinds.into_iter().enumerate().collect();
        let onnx = onnx(&network(random, input, &kinds));
        let error = quantize(&onnx, &[random.image(input)], &[]).unwrap_err();
        let Error::Unsupported { reasons } = &error else { panic!("{error}") };
        (reasons.len(), error.to_string())
    };
    let grouped = Conv { groups: 2, ..conv(4, 1, Relu) };
    let inside =
        Pool { stride: [1; 2], padding: Padding::even(1), ..Pool::new(PoolMode::Average, [3; 2]) };
    let kinds = vec![
        Kind::Conv(conv(4, 13, Linear)),
        Kind::Conv(grouped),
        Kind::Pool(inside),
        dense(3, Relu6),
    ];
    let (count, text) = refused(&mut random, [1, 20, 20], kinds);
    assert_eq!(count, 4, "{text}");
    for part in [
        "conv1 has a kernel of 13x13, at most 11x11 runs",
        "; conv2 has 2 groups of 4 channels",
        "; pool1 averages what is inside",
        "; dense1 is the last layer, which gives plain sums: leave out its ReLU6",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let kinds = [Kind::Conv(conv(4, 13, Relu)), dense(3, Linear)];
    let kinds: Vec<_> = kinds.into_iter().enumerate().collect();
    let floats = onnx_of_floats(&network(&mut random, [1, 20, 20], &kinds));
    let text = quantize(&floats, &[random.image([1, 20, 20])], &[]).unwrap_err().to_string();
    assert!(text.contains("13x13") && text.contains("; the network takes float32"), "{text}");
    let many = [vec![dense(3, Relu); 65], vec![dense(2, Linear)]].concat();
    let (count, text) = refused(&mut random, [1, 4, 4], many);
    assert!(count == 1 && text.contains("the network has 66 layers, at most 64 run"), "{text}");
}

#[test]
fn a_relu_of_what_goes_in_is_computed_or_refused_by_what_would_mend_it() {
    let mut random = Random(2);
    let kinds: Vec<_> =
        [Kind::Conv(conv(3, 3, Relu)), dense(2, Linear)].into_iter().enumerate().collect();
    let onnx = onnx_of_floats(&network(&mut random, [1, 6, 6], &kinds));
    let mut graph = Graph::parse(&onnx).unwrap();
    let input = graph.inputs[0].name.clone();
    let mut relu = graph.nodes.iter().find(|node| node.op == "Relu").unwrap().clone();
    (relu.inputs, relu.outputs) = (vec![input.clone()], vec!["rectified".into()]);
    for node in &mut graph.nodes {
        for name in node.inputs.iter_mut().filter(|name| **name == input) {
            *name = "rectified".into();
        }
    }
    graph.nodes.insert(0, relu);
    let onnx = graph.emit();
    let signals = [vec![0.5; 36], vec![-0.5; 36]];
    let samples = Samples::Signals(&signals);
    let error = quantize_with(&onnx, samples, Samples::NONE, Options::default(), |_| ());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("pool1 is a ReLU of what goes into the model: leave it out"), "{text}");
    // of pixels it may do something, if a mean is subtracted from them, or nothing
    let images: Vec<Image> = (0..9).map(|_| random.image([1, 6, 6])).collect();
    let samples = Samples::Images(&images);
    for mean in [0.0, 0.5] {
        let float_input = Some(FloatInput::new(&[mean], &[0.5]).unwrap());
        let options = Options { float_input, ..Options::default() };
        let q8 = quantize_with(&onnx, samples, Samples::NONE, options, |_| ()).unwrap();
        let float = FloatModel::parse_with(&onnx, float_input).unwrap();
        let found = compare(&float, Model::parse(&q8).unwrap(), samples, &[], |_| ()).unwrap();
        assert!(found.sqnr_db() > 25.0, "{}", found.sqnr_db());
    }
}

#[test]
fn what_is_too_large_for_the_sums_of_24_bits_is_told_with_its_value() {
    let mut random = Random(4);
    // a mean of a whole map
    let shape = [1, 200, 200];
    let kinds = [Kind::Pool(Pool::new(PoolMode::Average, [200; 2])), dense(2, Linear)];
    let kinds: Vec<_> = kinds.into_iter().enumerate().collect();
    let onnx = onnx(&network(&mut random, shape, &kinds));
    let text = quantize(&onnx, &[random.image(shape)], &[]).unwrap_err().to_string();
    assert_eq!(
        text,
        "pool1: a mean of 200x200 = 40000 values, and the sum of at most 21902 fits: pool in two steps, such as by windows of \
         10x10 first, or make the map smaller"
    );
}

#[test]
fn an_output_of_very_many_inputs_loses_what_its_sums_need_and_says_so() {
    let mut random = Random(6);
    let shape = [2, 256, 256];
    let kinds = [(0, dense(2, Linear))];
    let onnx = onnx(&network(&mut random, shape, &kinds));
    let images = [random.image(shape), random.image(shape)];
    let samples = Samples::Images(&images);
    let (q8, warnings) =
        quantize_and_warn(&onnx, samples, Samples::NONE, Options::default(), |_| ()).unwrap();
    assert!(Model::parse(&q8).is_ok());
    let [Warning::Few { samples: 2 }, Warning::Coarse { layer, inputs: 131_072, factor }] =
        &warnings[..]
    else {
        panic!("{warnings:?}")
    };
    // all weights are of one size: at most a fourth of 127 on average is left to each
    assert!(layer == "dense1" && *factor > 127.0, "{factor}");
}
