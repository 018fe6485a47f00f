//! Layers that give only zeros: their scale is a guess, which must cost what takes them nothing.

use super::*;

/// A network whose second layer gives nothing, and biases of another size than the weights of what follows.
fn with_a_dead_layer(random: &mut Random, is_pooled: bool) -> Network {
    let hidden = Conv { pool: is_pooled, ..conv(6, 3, Relu) };
    let kinds: Vec<_> = [Kind::Conv(conv(4, 3, Relu)), Kind::Conv(hidden), dense(3, Linear)]
        .into_iter()
        .enumerate()
        .collect();
    let network = network(random, [1, 12, 12], &kinds);
    let mut affine = network.affine().to_vec();
    affine[1].bias.fill(-1e6);
    for weight in &mut affine[2].weights {
        *weight *= 1e3;
    }
    affine[2].bias = vec![0.3, 0.301, -0.2];
    Network::new(network.architecture().clone(), affine)
}

#[test]
fn a_layer_that_gives_nothing_leaves_the_biases_after_it_exact_and_is_named() {
    let mut random = Random(8);
    for is_pooled in [false, true] {
        let onnx = onnx(&with_a_dead_layer(&mut random, is_pooled));
        let images: Vec<Image> = (0..32).map(|_| random.image([1, 12, 12])).collect();
        let samples = Samples::Images(&images);
        let (q8, warnings) =
            quantize_and_warn(&onnx, samples, Samples::NONE, Options::default(), |_| ()).unwrap();
        let dead = Warning::Dead { layer: "conv2".into(), samples: 32 };
        assert_eq!(warnings, [dead]);
        let float = FloatModel::parse(&onnx).unwrap();
        let found = compare(&float, Model::parse(&q8).unwrap(), samples, &[], |_| ()).unwrap();
        assert_eq!(found.agreements(), 32);
        assert!(found.max_difference() < 1e-5, "{}", found.max_difference());
    }
}

/// A network whose layers of these numbers give nothing; what the first gives is as small as `size`.
fn with_dead_layers(
    random: &mut Random,
    kinds: &[(usize, Kind)],
    dead: &[usize],
    size: f32,
) -> Network {
    let network = network(random, [1, 12, 12], kinds);
    let mut affine = network.affine().to_vec();
    for layer in dead {
        affine[*layer].bias.fill(-1e6 * size.max(1.0));
    }
    let Affine { weights, bias } = &mut affine[0];
    weights.iter_mut().chain(bias).for_each(|weight| *weight *= size);
    let last = affine.last_mut().unwrap();
    last.bias = vec![0.3 * size, 0.301 * size, -0.2 * size];
    Network::new(network.architecture().clone(), affine)
}

#[test]
fn a_mean_or_a_sum_of_what_gives_nothing_keeps_all_else_exact() {
    let mut random = Random(9);
    let same = |maps| Kind::Conv(Conv { padding: Padding::even(1), ..conv(maps, 3, Relu) });
    let add = |other| Kind::Add { other, activation: Relu };
    let mean = |window| pool(PoolMode::Average, window, Linear);
    let last = dense(3, Linear);
    for (kinds, dead, named) in [
        // a mean, streamed or not
        (
            vec![(0, same(4)), (1, same(6)), (2, mean(12)), (3, last)],
            &[1][..],
            &["conv2", "pool1"][..],
        ),
        (vec![(0, same(4)), (1, same(6)), (2, mean(5)), (3, last)], &[1], &["conv2", "pool1"]),
        // a sum with what came before, with what comes after, and with what gives nothing either
        (vec![(0, same(4)), (1, same(4)), (2, add(1)), (3, last)], &[1], &["conv2"]),
        (vec![(0, same(4)), (1, same(4)), (1, same(4)), (3, add(2)), (4, last)], &[1], &["conv2"]),
        (
            vec![(0, same(4)), (1, same(4)), (1, same(4)), (3, add(2)), (4, mean(3)), (5, last)],
            &[1, 2],
            &["conv2", "conv3", "add1", "pool1"],
        ),
    ] {
        for size in [1e-6, 1.0, 1e6] {
            let network = with_dead_layers(&mut random, &kinds, dead, size);
            let onnx = onnx(&network);
            let images: Vec<Image> = (0..32).map(|_| random.image([1, 12, 12])).collect();
            let samples = Samples::Images(&images);
            let (q8, warnings) =
                quantize_and_warn(&onnx, samples, Samples::NONE, Options::default(), |_| ())
                    .unwrap();
            let found: Vec<&str> = warnings
                .iter()
                .map(|warning| match warning {
                    Warning::Dead { layer, .. } => layer.as_str(),
                    other => panic!("{other}"),
                })
                .collect();
            assert_eq!(found, named);
            let float = FloatModel::parse(&onnx).unwrap();
            let found = compare(&float, Model::parse(&q8).unwrap(), samples, &[], |_| ()).unwrap();
            assert!(found.sqnr_db() > 28.0, "{} dB, {size}: {kinds:?}", found.sqnr_db());
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_told_with_the_sample_that_gives_them() {
    let mut random = Random(10);
    let kinds: Vec<_> =
        [Kind::Conv(conv(3, 3, Relu)), dense(2, Linear)].into_iter().enumerate().collect();
    let onnx = onnx_of_floats(&network(&mut random, [1, 6, 6], &kinds));
    let signals: Vec<Vec<f32>> = (0..9).map(|_| (0..36).map(|_| random.real()).collect()).collect();
    let quantized = |signals: &[Vec<f32>]| {
        let samples = Samples::Signals(signals);
        quantize_with(&onnx, samples, Samples::NONE, Options::default(), |_| ())
    };
    let q8 = quantized(&signals).unwrap();
    let mut large = signals.clone();
    large[4] = (0..36).map(|_| random.real().signum() * 3e38).collect();
    let float = FloatModel::parse(&onnx).unwrap();
    let model = Model::parse(&q8).unwrap();
    let of_verify = compare(&float, model, Samples::Signals(&large), &[], |_| ()).unwrap_err();
    for error in [of_verify, quantized(&large).unwrap_err()] {
        let text = error.to_string();
        assert!(
            text.starts_with(
                "conv1 gives numbers that are not finite of sample 4, whose largest is 3e38"
            ),
            "{text}"
        );
    }
}
