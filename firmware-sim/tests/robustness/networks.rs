//! Small networks of all kinds of layers that a device runs, with random weights.

use firmware::Model;
use firmware_sim::Samples;
use firmware_sim::quantize::{Options, quantize_with};
use fixtures::benchmarks::Random;
use network::onnx::{Graph, Origin};
use network::{
    Activation, Affine, Architecture, Conv, Kind, Network, Normalization, Padding, Pool, PoolMode,
    Shape,
};

use Activation::{None as Linear, Relu, Relu6};

/// A network, each layer with the number of the value that it takes.
pub(crate) type Layers = (Shape, Vec<(usize, Kind)>);

fn conv(maps: usize, kernel: usize, activation: Activation) -> Conv {
    Conv { activation, ..Conv::new(maps, [kernel; 2]) }
}

pub(crate) fn dense(outputs: usize, activation: Activation) -> Kind {
    Kind::Dense { outputs, activation }
}

fn chain(kinds: Vec<Kind>) -> Vec<(usize, Kind)> {
    kinds.into_iter().enumerate().collect()
}

/// Convolutions that are padded, strided, depthwise and pooled; poolings of all kinds; sums; both kinds of zero.
pub(crate) fn of_all_kinds() -> Vec<Layers> {
    let same = Padding::even(1);
    let padded = |maps, activation| Conv { padding: same, ..conv(maps, 3, activation) };
    let uneven = Padding { bottom: 1, right: 1, ..Padding::default() };
    let depthwise = |maps, channels, activation| {
        Kind::Conv(Conv { groups: channels, ..padded(maps, activation) })
    };
    let max = Pool { stride: [2; 2], padding: same, ..Pool::new(PoolMode::Max, [3; 2]) };
    let mean =
        Pool { stride: [1; 2], padding: same, ..Pool::new(PoolMode::AverageWithPadding, [3; 2]) };
    let add = |other, activation| Kind::Add { other, activation };
    vec![
        (
            [1, 9, 11],
            chain(vec![
                Kind::Conv(Conv { pool: true, ..padded(5, Relu) }),
                Kind::Conv(Conv { pool: true, ..padded(4, Relu6) }),
                dense(9, Relu),
                dense(5, Linear),
            ]),
        ),
        (
            [2, 6, 5],
            vec![
                (0, Kind::Conv(padded(4, Relu))),
                (1, Kind::Conv(padded(4, Linear))),
                (2, add(1, Relu)),
                (3, add(3, Linear)),
                (4, Kind::Conv(conv(4, 1, Linear))),
                (5, add(4, Linear)),
                (6, Kind::Pool(Pool::new(PoolMode::Average, [3; 2]))),
                (7, dense(4, Linear)),
            ],
        ),
        (
            [3, 8, 8],
            chain(vec![
                Kind::Conv(Conv { stride: [2; 2], padding: uneven, ..conv(4, 3, Relu6) }),
                depthwise(4, 4, Relu),
                Kind::Conv(conv(5, 1, Linear)),
                depthwise(10, 5, Relu6),
                Kind::Conv(conv(4, 1, Relu)),
                Kind::Pool(Pool::new(PoolMode::Average, [4; 2])),
                dense(3, Linear),
            ]),
        ),
        (
            [1, 10, 9],
            chain(vec![
                Kind::Conv(padded(3, Linear)),
                Kind::Pool(max),
                Kind::Conv(conv(4, 1, Linear)),
                Kind::Pool(max),
                Kind::Pool(mean),
                Kind::Conv(conv(5, 2, Linear)),
                dense(4, Linear),
            ]),
        ),
        // a last layer that is no dense one
        (
            [1, 8, 8],
            chain(vec![
                Kind::Conv(conv(4, 3, Relu)),
                Kind::Conv(conv(6, 3, Relu)),
                Kind::Pool(Pool::new(PoolMode::Average, [4; 2])),
            ]),
        ),
        ([1, 1, 20], chain(vec![dense(12, Relu), dense(11, Relu), dense(10, Linear)])),
    ]
}

/// Few enough inputs to try all of a box.
pub(crate) fn of_few_inputs() -> Vec<Layers> {
    let pooled = Conv { pool: true, padding: Padding::even(1), ..conv(4, 2, Relu) };
    let add = Kind::Add { other: 1, activation: Relu };
    vec![
        ([1, 2, 3], chain(vec![Kind::Conv(pooled), dense(6, Relu), dense(3, Linear)])),
        ([1, 1, 5], chain(vec![dense(6, Relu6), dense(5, Relu), dense(3, Linear)])),
        (
            [1, 1, 6],
            vec![(0, dense(6, Relu)), (1, dense(6, Linear)), (2, add), (3, dense(2, Linear))],
        ),
    ]
}

/// Quantised, with random weights, on random images.
pub(crate) fn quantized(random: &mut Random, (shape, kinds): &Layers) -> Vec<u8> {
    let architecture = Architecture::connected(*shape, kinds.iter().copied()).unwrap();
    let affine = architecture.layers().iter().map(|layer| {
        let scale = (3.0 / layer.fan_in().max(1) as f32).sqrt();
        let weights = layer.outputs() * layer.fan_in();
        Affine {
            weights: (0..weights).map(|_| random.real() * scale).collect(),
            bias: (0..layer.outputs()).map(|_| random.real() * 0.1).collect(),
        }
    });
    let affine = affine.collect();
    let network = Network::new(architecture, affine);
    let origin = Origin {
        name: "test".into(),
        producer: ["test", "1"].map(String::from),
        metadata: std::collections::BTreeMap::new(),
    };
    let normalization = Normalization { offset: 0.5, scale: 1.0 / 128.0 };
    let onnx = Graph::of_network(&network, normalization, origin).emit();
    let images: Vec<_> = (0..20).map(|_| random.image(*shape)).collect();
    let images = Samples::Images(&images);
    let q8 = quantize_with(&onnx, images, Samples::NONE, Options::default(), |_| ()).unwrap();
    assert!(Model::parse(&q8).is_ok());
    q8
}
