//! Layers of all kinds on all instructions, and networks of them, compared with their definition.

use network::{
    Activation, Affine, Architecture, Conv, Kind, Layer, Network, Padding, Pool, PoolMode, Shape,
};
use proptest::prelude::*;
use proptest::sample::select;

use super::layer::Layouts;
use super::{Buffers, CompiledLayer, Program, Weights, Workspace};
use crate::input::FloatInput;
use crate::kernels::{Instructions, Layout, places_of_channels_last};

/// Numbers from −1 to 1 that look random.
struct Numbers(u32);

impl Numbers {
    fn vector(&mut self, count: usize) -> Vec<f32> {
        let number = |_| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.0 as i32 as f32 / i32::MAX as f32
        };
        (0..count).map(number).collect()
    }

    /// Weights that keep values about as large as they were.
    fn affine(&mut self, layer: &Layer) -> Affine {
        let scale = 2.0 / (layer.fan_in().max(1) as f32).sqrt();
        let mut weights = self.vector(layer.outputs() * layer.fan_in());
        for weight in &mut weights {
            *weight *= scale;
        }
        Affine { weights, bias: self.vector(layer.outputs()) }
    }
}

fn channels_last(values: &[f32], shape: Shape) -> Vec<f32> {
    places_of_channels_last(shape).map(|place| values[place]).collect()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let close = (found - expected).abs() < 1e-4 * expected.abs().max(1.0);
        assert!(close, "{what}: {found} for {expected} at {index}");
    }
}

/// Runs a layer of random weights on all instructions, from and to all layouts.
#[track_caller]
fn assert_runs_as_defined(layer: &Layer, seed: u32) {
    let mut numbers = Numbers(seed);
    let affine = numbers.affine(layer);
    let images = 2;
    let length: usize = layer.input().iter().product();
    let input = numbers.vector(images * length);
    let layouts = match Layouts::of(layer) {
        Layouts::First => vec![[Layout::ChannelsFirst; 2]],
        Layouts::Same => vec![[Layout::ChannelsFirst; 2], [Layout::ChannelsLast; 2]],
        Layouts::Last | Layouts::Vector => {
            let both = [Layout::ChannelsFirst, Layout::ChannelsLast];
            both.into_iter().flat_map(|input| both.map(|output| [input, output])).collect()
        }
    };
    let mut workspace = Workspace::default();
    for instructions in Instructions::available() {
        for &layouts in &layouts {
            let compiled =
                CompiledLayer::with_layouts(layer, Weights::Floats(&affine), instructions, layouts);
            let [mut values, mut expected] = [vec![], vec![]];
            for image in input.chunks(length) {
                let output = layer.apply(&affine, image);
                let in_layout = |layout, values: &[f32], shape| match layout {
                    Layout::ChannelsFirst => values.to_vec(),
                    Layout::ChannelsLast => channels_last(values, shape),
                };
                values.extend(in_layout(layouts[0], image, layer.input()));
                expected.extend(in_layout(layouts[1], &output, layer.output()));
            }
            let mut output = vec![f32::NAN; expected.len()];
            compiled.run(&values, &mut workspace, &mut output);
            let what = format!("{layer} of {:?} on {instructions}, {layouts:?}", layer.input());
            assert_close(&output, &expected, &what);
            if affine.weights.len() == layer.outputs() * layer.fan_in() {
                assert_eq!(compiled.affine(), affine, "{what}");
            }
        }
    }
}

fn activations() -> impl Strategy<Value = Activation> {
    select(vec![Activation::None, Activation::Relu, Activation::Relu6])
}

fn paddings() -> impl Strategy<Value = Padding> {
    let uneven = [0..3_usize, 0..3_usize, 0..3_usize, 0..3_usize]
        .prop_map(|[top, left, bottom, right]| Padding { top, left, bottom, right });
    prop_oneof![(0..2_usize).prop_map(Padding::even), uneven]
}

prop_compose! {
    /// Convolutions of which groups, channels of a group and maps of a group are given.
    fn convs(groups: std::ops::Range<usize>, channels: std::ops::Range<usize>, maps: std::ops::Range<usize>)(
        (groups, channels, maps) in (groups, channels, maps),
        kernel in prop_oneof![Just([3, 3]), Just([1, 1]), [1..6_usize, 1..6_usize]],
        more in [0..12_usize, 0..12_usize],
        stride in [1..4_usize, 1..4_usize],
        padding in paddings(),
        activation in activations(),
        pool in any::<bool>(),
    ) -> Option<Layer> {
        let conv = Conv { maps: groups * maps, kernel, stride, padding, groups, activation, pool };
        let [height, width] = [0, 1].map(|axis| (kernel[axis] + more[axis]).saturating_sub(1).max(1));
        Layer::alone([groups * channels, height, width], Kind::Conv(conv))
    }
}

proptest! {
    #[test]
    fn convolutions_are_those_of_the_definition(
        layer in convs(1..2, 1..6, 1..40),
        seed in any::<u32>(),
    ) {
        if let Some(layer) = layer {
            assert_runs_as_defined(&layer, seed);
        }
    }

    #[test]
    fn depthwise_convolutions_are_those_of_the_definition(
        layer in convs(1..40, 1..2, 1..3),
        seed in any::<u32>(),
    ) {
        if let Some(layer) = layer {
            assert_runs_as_defined(&layer, seed);
        }
    }

    #[test]
    fn grouped_convolutions_are_those_of_the_definition(
        layer in convs(2..4, 1..5, 1..20),
        seed in any::<u32>(),
    ) {
        if let Some(layer) = layer {
            assert_runs_as_defined(&layer, seed);
        }
    }

    #[test]
    fn poolings_are_those_of_the_definition(
        input in [1..20_usize, 1..10_usize, 1..10_usize],
        mode in select(vec![PoolMode::Max, PoolMode::Average, PoolMode::AverageWithPadding]),
        (window, stride) in ([1..6_usize, 1..6_usize], [1..4_usize, 1..4_usize]),
        padding in paddings(),
        activation in activations(),
        seed in any::<u32>(),
    ) {
        let pool = Pool { mode, window, stride, padding, activation };
        if let Some(layer) = Layer::alone(input, Kind::Pool(pool)) {
            assert_runs_as_defined(&layer, seed);
        }
    }

    #[test]
    fn dense_layers_take_their_inputs_from_any_layout(
        input in [1..20_usize, 1..5_usize, 1..5_usize],
        outputs in 1..70_usize,
        activation in activations(),
        seed in any::<u32>(),
    ) {
        let layer = Layer::alone(input, Kind::Dense { outputs, activation }).unwrap();
        assert_runs_as_defined(&layer, seed);
    }
}

fn padded(maps: usize, stride: usize, activation: Activation) -> Kind {
    let padding = Padding::even(1);
    Kind::Conv(Conv { stride: [stride; 2], padding, activation, ..Conv::new(maps, [3, 3]) })
}

fn depthwise(channels: usize, stride: usize) -> Kind {
    let conv = Conv { groups: channels, stride: [stride; 2], ..Conv::new(channels, [3, 3]) };
    let padding = Padding { bottom: 1, right: 1, ..Padding::default() };
    Kind::Conv(Conv { padding, activation: Activation::Relu6, ..conv })
}

fn dense(outputs: usize) -> Kind {
    Kind::Dense { outputs, activation: Activation::None }
}

/// Runs a network of random weights on all instructions.
#[track_caller]
fn assert_program_runs(input: Shape, kinds: Vec<(usize, Kind)>) {
    let architecture = Architecture::connected(input, kinds).unwrap();
    let mut numbers = Numbers(1);
    let affine = architecture.layers().iter().map(|layer| numbers.affine(layer)).collect();
    let network = Network::new(architecture, affine);
    let length: usize = input.iter().product();
    let images: Vec<Vec<u8>> =
        (1..4).map(|image| (0..length).map(|at| (at * at * image % 251) as u8).collect()).collect();
    let float_input = FloatInput::new(&[0.5], &[0.25]).unwrap();
    for instructions in Instructions::available() {
        for takes_pixels in [false, true] {
            let program = Program::of_network(&network, takes_pixels, instructions);
            let mut buffers = Buffers::default();
            let mut scores = vec![];
            // the second time, all memory holds something
            for _ in 0..2 {
                program.run(&images, float_input, &mut buffers, &mut scores, &mut |_, run| run());
            }
            let mut expected = vec![];
            for image in &images {
                let mut pixels = vec![];
                if takes_pixels {
                    pixels.extend(image.iter().copied().map(f32::from));
                } else {
                    pixels.resize(image.len(), 0.0);
                    float_input.write(image, instructions, &mut pixels);
                }
                expected.extend(network.activations(&pixels).pop().unwrap());
            }
            // of pixels, up to 255
            let largest = expected.iter().fold(1.0, |largest: f32, value| largest.max(value.abs()));
            let scaled =
                |values: &[f32]| values.iter().map(|value| value / largest).collect::<Vec<_>>();
            assert_close(&scaled(&scores), &scaled(&expected), instructions.name());
        }
    }
}

#[test]
fn a_residual_network_runs_as_defined() {
    let relu = Activation::Relu;
    let add = |other| Kind::Add { other, activation: relu };
    let shortcut = Kind::Conv(Conv { stride: [2; 2], ..Conv::new(12, [1, 1]) });
    let kinds = vec![
        (0, padded(8, 1, relu)),
        (1, padded(8, 1, relu)),
        (2, padded(8, 1, Activation::None)),
        (3, add(1)),
        (4, padded(12, 2, relu)),
        (5, padded(12, 1, Activation::None)),
        (4, shortcut),
        (6, add(7)),
        (8, Kind::Pool(Pool::new(PoolMode::Average, [5, 4]))),
        (9, dense(5)),
    ];
    assert_program_runs([3, 10, 8], kinds);
}

#[test]
fn a_value_that_a_plain_convolution_takes_too_has_its_channels_first() {
    let plain = Kind::Conv(Conv::new(9, [2, 2]));
    let pool = Kind::Pool(Pool::new(PoolMode::Max, [2, 2]));
    let kinds = vec![
        (0, padded(9, 1, Activation::Relu)),
        (1, depthwise(9, 1)),
        (1, plain),
        (3, depthwise(9, 2)),
        (2, pool),
        (5, padded(4, 1, Activation::Relu6)),
        (6, dense(7)),
    ];
    assert_program_runs([1, 9, 9], kinds);
}

#[test]
fn a_network_of_depthwise_and_pointwise_layers_runs_as_defined() {
    let pointwise =
        |maps| Kind::Conv(Conv { activation: Activation::Relu, ..Conv::new(maps, [1, 1]) });
    let kinds = [
        padded(8, 2, Activation::Relu),
        depthwise(8, 1),
        pointwise(20),
        depthwise(20, 2),
        pointwise(33),
        Kind::Pool(Pool::new(PoolMode::Max, [2, 2])),
        dense(6),
    ];
    assert_program_runs([3, 17, 21], kinds.into_iter().enumerate().collect());
}
