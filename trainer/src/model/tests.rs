use super::*;

/// LeNet of so many classes, with weights from libtorch's generator.
pub(crate) fn lenet(classes: usize) -> Model {
    of("lenet", [1, 28, 28], classes)
}

fn of(topology: &str, input: [usize; 3], classes: usize) -> Model {
    Model::of_topology(&topology.parse().unwrap(), input, classes, Device::Cpu).unwrap()
}

/// What training does to weights, in short: a few steps against the gradient of noise.
fn train_a_little(model: &Model, images: &Tensor) {
    let factors = Tensor::ones([images.size()[0], model.hidden()], (Kind::Float, Device::Cpu));
    for _ in 0..3 {
        model.forward(images, Some(&factors)).square().mean(Kind::Float).backward();
        let gradient = model.take_gradient();
        let count = gradient.size()[0];
        let mut weights = model.weights().narrow(0, 0, count);
        tch::no_grad(|| weights -= gradient * 0.05);
        if let Some(statistics) = model.batch_statistics() {
            model.update_statistics(&statistics);
        }
    }
}

#[test]
fn a_batch_normalisation_is_folded_into_the_weights_of_its_layer() {
    let _rng = crate::seeding::lock_rng(3);
    for text in
        ["8c3b-p2-d3b-12c1b-p2-9b", "6c3s2b-p3s2-5c4b-gap", "6c5vb-p2-p2-7-8b", "4c2x3-d3vs2x1b"]
    {
        let model = of(text, [3, 17, 14], 4);
        let images = Tensor::randint(256, [40, 3, 17, 14], (Kind::Float, Device::Cpu));
        train_a_little(&model, &images);
        let expected = model.logits(&images);
        let folded = Model::from_network(&model.network());
        let difference = (folded.logits(&images) - &expected).abs().max().double_value(&[]);
        assert!(difference < 1e-4, "{text}: {difference}");
        // nor is it what the slow reference disagrees with
        let pixels = Vec::<f32>::try_from(images.get(0).reshape(-1)).unwrap();
        let Normalization { offset, scale } = NORMALIZATION;
        let input: Vec<f32> = pixels.iter().map(|pixel| (pixel - offset) * scale).collect();
        let reference = model.network().activations(&input).pop().unwrap();
        for (found, expected) in
            reference.iter().zip(Vec::<f32>::try_from(expected.get(0)).unwrap())
        {
            assert!((found - expected).abs() < 1e-4, "{text}: {found} for {expected}");
        }
    }
}

#[test]
fn statistics_of_a_batch_are_its_means_and_variances_and_the_kept_ones_follow_them() {
    let _rng = crate::seeding::lock_rng(4);
    let model = of("3c1b-gap", [1, 4, 5], 2);
    let images = Tensor::randint(256, [64, 1, 4, 5], (Kind::Float, Device::Cpu));
    let ones = Tensor::ones([64, model.hidden()], (Kind::Float, Device::Cpu));
    let _ = model.forward(&images, Some(&ones));
    let found = Vec::<f32>::try_from(model.batch_statistics().unwrap()).unwrap();
    let pixels = (&images - 127.5) / 127.5;
    for map in 0..3 {
        let weight = model.weights().double_value(&[map]);
        let mean = weight * pixels.mean(Kind::Double).double_value(&[]);
        let deviation = weight * pixels.std(true).double_value(&[]);
        assert!((f64::from(found[map as usize]) - mean).abs() < 1e-4);
        assert!((f64::from(found[3 + map as usize]) - deviation.powi(2)).abs() < 1e-4);
    }
    for _ in 0..200 {
        model.update_statistics(&model.batch_statistics().unwrap());
    }
    let kept = model.weights().narrow(0, model.weights().size()[0] - 6, 6);
    let difference = (kept - model.batch_statistics().unwrap()).abs().max().double_value(&[]);
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn a_single_picture_is_trained_on_without_a_variance_of_its_own() {
    let _rng = crate::seeding::lock_rng(5);
    let model = of("4c3b-gap-5b", [1, 6, 6], 2);
    let image = Tensor::randint(256, [1, 1, 6, 6], (Kind::Float, Device::Cpu));
    let ones = Tensor::ones([1, model.hidden()], (Kind::Float, Device::Cpu));
    model.forward(&image, Some(&ones)).sum(Kind::Float).backward();
    assert!(model.take_gradient().isfinite().all().int64_value(&[]) == 1);
    let statistics = model.batch_statistics().unwrap();
    assert!(statistics.isfinite().all().int64_value(&[]) == 1);
}

#[test]
fn blocks_cover_all_weights_that_have_a_gradient() {
    let _rng = crate::seeding::lock_rng(5);
    for (text, input) in [("lenet", [1, 28, 28]), ("small", [3, 32, 20]), ("tiny", [1, 28, 28])] {
        let model = of(text, input, 7);
        let mut end = 0;
        for Block { start, rows, columns, .. } in model.blocks() {
            assert_eq!(start, end);
            end += rows * columns;
        }
        let statistics = model.batch_statistics().map_or(0, |statistics| statistics.size()[0]);
        assert_eq!(model.weights().size(), [end + statistics]);
    }
}

#[test]
fn parameters_and_gradient_are_in_the_order_that_the_network_uses() {
    let _rng = crate::seeding::lock_rng(1);
    let network = lenet(10);
    let pixels = Tensor::randint(256, [3, 1, 28, 28], (Kind::Float, Device::Cpu));
    let exported = network.network();
    assert_eq!(exported.architecture().parameters(), 431_080);
    // the network again, from what is exported
    let tensors: Vec<Tensor> = exported
        .layers()
        .flat_map(|(layer, affine)| {
            let weights = Tensor::from_slice(&affine.weights).view(&lengths(layer)[..]);
            [weights, Tensor::from_slice(&affine.bias)]
        })
        .collect();
    let stage = |input: &Tensor, at: usize| {
        let maps = input.conv2d(&tensors[at], Some(&tensors[at + 1]), [1, 1], [0, 0], [1, 1], 1);
        maps.relu().max_pool2d_default(2)
    };
    let normalized: Tensor = (&pixels - 127.5) / 127.5;
    let flat = stage(&stage(&normalized, 0), 2).flatten(1, -1);
    let hidden = flat.linear(&tensors[4], Some(&tensors[5])).relu();
    let expected = hidden.linear(&tensors[6], Some(&tensors[7]));
    let found = network.forward(&pixels, None);
    assert!((&found - expected).abs().max().double_value(&[]) < 1e-5);

    // a small step against the gradient lowers the sum by its squared length
    let before = found.sum(Kind::Double);
    before.backward();
    let gradient = network.take_gradient();
    let length = gradient.square().sum(Kind::Double).double_value(&[]);
    let step = 1e-3 / length.sqrt();
    let _ = tch::no_grad(|| network.weights().shallow_clone().subtract_(&(gradient * step)));
    let fell =
        before.double_value(&[]) - network.logits(&pixels).sum(Kind::Double).double_value(&[]);
    assert!((fell / (step * length) - 1.0).abs() < 0.05, "{fell} for {}", step * length);
    assert!(network.take_gradient().abs().max().double_value(&[]) < f64::EPSILON);
}
