use network::{Activation, Padding};
use proptest::prelude::*;

use super::*;
use crate::kernels::{channels_first, places_of_channels_last};

/// Largest difference, relative to the largest output: the module says what is measured.
const TOLERANCE: f32 = 1e-4;

#[derive(Debug, Clone)]
struct Case {
    layer: Layer,
    affine: Affine,
    input: Vec<f32>,
}

prop_compose! {
    fn cases()(
        [channels, maps] in [1..40_usize, 1..40_usize],
        kernel in prop::sample::select(vec![3_usize, 5]),
        [height, width] in [5..14_usize, 5..14_usize],
        [top, left, bottom, right] in [0..4_usize, 0..4_usize, 0..4_usize, 0..4_usize],
        pool in any::<bool>(),
        activation in prop::sample::select(
            vec![Activation::None, Activation::Relu, Activation::Relu6],
        ),
    )(
        layer in Just({
            let padding = Padding { top, left, bottom, right };
            let pool = pool && height + top + bottom > kernel && width + left + right > kernel;
            let conv = Geometry { padding, activation, pool, ..Geometry::new(maps, [kernel; 2]) };
            Layer::alone([channels, height, width], Kind::Conv(conv)).unwrap()
        }),
        weights in prop::collection::vec(-1.0..1.0_f32, maps * channels * kernel * kernel),
        bias in prop::collection::vec(-1.0..1.0_f32, maps),
        input in prop::collection::vec(-1.0..1.0_f32, channels * height * width),
    ) -> Case {
        Case { layer, affine: Affine { weights, bias }, input }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_tile_on_every_set_of_instructions_convolves_as_the_definition_does(
        case in cases(),
        last in any::<bool>(),
    ) {
        let Case { layer, affine, input } = &case;
        let (layout, in_layout) = if last {
            let places = places_of_channels_last(layer.input());
            (Layout::ChannelsLast, places.map(|place| input[place]).collect())
        } else {
            (Layout::ChannelsFirst, input.clone())
        };
        let expected = layer.apply(affine, input);
        let sums = layer.accumulate(affine, input);
        let largest = sums.iter().fold(0.0_f32, |largest, sum| largest.max(sum.abs()));
        for instructions in Instructions::available() {
            for tile in Tile::possible(layer).unwrap() {
                let conv = Winograd::with(layer, affine, layout, instructions, tile);
                prop_assert_eq!(&conv.affine(), affine);
                // what is left from another image does not count
                let mut workspace = vec![f32::NAN; conv.workspace()];
                let mut output = vec![f32::NAN; expected.len()];
                conv.run(&in_layout, &mut workspace, &mut output);
                let mut first = vec![f32::NAN; expected.len()];
                channels_first(&output, layer.outputs(), &mut first);
                for (found, expected) in first.iter().zip(&expected) {
                    prop_assert!(
                        (found - expected).abs() < TOLERANCE * largest,
                        "{instructions}, {tile:?}: {found} for {expected}"
                    );
                }
            }
        }
    }
}

/// A convolution of stride 1 with a pooling, without padding.
fn layer(input: [usize; 3], maps: usize, kernel: [usize; 2]) -> Layer {
    Layer::alone(input, Kind::Conv(Geometry { pool: true, ..Geometry::new(maps, kernel) })).unwrap()
}

#[test]
fn a_part_of_the_maps_gives_the_same_bits_as_all() {
    let whole = layer([9, 12, 12], 50, [5, 5]);
    let value = |index: usize| (index * 7919 % 1009) as f32 / 1009.0 - 0.5;
    let affine = Affine {
        weights: (0..whole.outputs() * whole.fan_in()).map(value).collect(),
        bias: (0..whole.outputs()).map(value).collect(),
    };
    let input: Vec<f32> = (0..9 * 12 * 12).map(value).collect();
    let run = |conv: &Winograd, outputs: usize| {
        let mut output = vec![f32::NAN; outputs * 4 * 4];
        conv.run(&input, &mut vec![f32::NAN; conv.workspace()], &mut output);
        output
    };
    for instructions in Instructions::available() {
        let conv = Winograd::new(&whole, &affine, Layout::ChannelsFirst, instructions);
        let expected = run(&conv, 50);
        for maps in [0..25, 25..50, 13..30] {
            let part = layer([9, 12, 12], maps.len(), [5, 5]);
            let weights = affine.rows().skip(maps.start).take(maps.len()).flatten();
            let bias = affine.bias[maps.clone()].to_vec();
            let of_maps = Affine { weights: weights.copied().collect(), bias };
            let part = Winograd::new(&part, &of_maps, Layout::ChannelsFirst, instructions);
            let found = run(&part, maps.len());
            for (found, all) in found.chunks(maps.len()).zip(expected.chunks(50)) {
                assert_eq!(found, &all[maps.clone()], "{instructions}, {maps:?}");
            }
        }
    }
}

#[test]
fn the_second_convolution_of_lenet_suits_and_the_first_does_not() {
    for instructions in Instructions::available() {
        assert!(!Winograd::suits(&layer([1, 28, 28], 20, [5, 5]), instructions));
        assert!(Winograd::suits(&layer([20, 12, 12], 50, [5, 5]), instructions));
    }
}

#[test]
fn strides_groups_and_other_kernels_do_not_suit() {
    let [conv, wide] = [[3, 3], [3, 5]].map(|kernel| Geometry::new(32, kernel));
    let others = [
        wide,
        Geometry::new(32, [7, 7]),
        Geometry { stride: [2, 2], ..conv },
        Geometry { stride: [1, 2], ..conv },
        Geometry { groups: 2, ..conv },
        Geometry { groups: 32, ..conv },
    ];
    for instructions in Instructions::available() {
        let suits = |conv| {
            let layer = Layer::alone([32, 16, 16], Kind::Conv(conv)).unwrap();
            Winograd::suits(&layer, instructions)
        };
        assert!(suits(conv));
        for other in others {
            assert!(!suits(other), "{other:?}");
        }
    }
}
