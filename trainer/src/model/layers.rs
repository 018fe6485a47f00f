//! Tensors of one layer, and what it makes of its input.

use network::{Affine, Conv, Padding, Pool, PoolMode};
use tch::{Device, Kind, Tensor};

/// Added to a variance, as in PyTorch.
const EPSILON: f64 = 1e-5;

/// Weights of one layer, each a view of the network's with a gradient of its own.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) weights: Tensor,
    /// Of a layer with a batch normalisation what is added after it: before it, it would be subtracted with the mean.
    pub(super) bias: Tensor,
    pub(super) norm: Option<BatchNorm>,
}

/// Batch normalisation of each output channel (Ioffe and Szegedy 2015).
#[derive(Debug)]
pub(super) struct BatchNorm {
    pub(super) scale: Tensor,
    /// Kept over the steps, without a gradient.
    pub(super) mean: Tensor,
    pub(super) variance: Tensor,
    /// Of the pictures trained on last.
    batch_mean: Tensor,
    batch_variance: Tensor,
}

impl BatchNorm {
    /// What was trained on last.
    pub(super) fn of_batch(&self) -> [&Tensor; 2] {
        [&self.batch_mean, &self.batch_variance]
    }

    fn apply(&self, sums: &Tensor, shift: &Tensor, is_trained: bool) -> Tensor {
        let of_a_channel = sums.numel() as i64 / self.scale.size()[0].max(1);
        if is_trained && of_a_channel > 1 {
            // with a momentum of 1 the "running" statistics are those of this batch
            let batch = [&self.batch_mean, &self.batch_variance].map(Some);
            let [mean, variance] = batch;
            return sums.batch_norm(
                Some(&self.scale),
                Some(shift),
                mean,
                variance,
                true,
                1.0,
                EPSILON,
                true,
            );
        }
        if is_trained {
            // a single value has no variance
            let kept = [(&self.batch_mean, &self.mean), (&self.batch_variance, &self.variance)];
            tch::no_grad(|| {
                for (batch, kept) in kept {
                    batch.shallow_clone().copy_(kept);
                }
            });
        }
        let [mean, variance] = [&self.mean, &self.variance].map(Some);
        sums.batch_norm(Some(&self.scale), Some(shift), mean, variance, false, 0.0, EPSILON, true)
    }
}

impl Leaves {
    pub(super) fn new(weights: Tensor, bias: Tensor, scale: Option<Tensor>) -> Self {
        let with_gradient = |leaf: Tensor| leaf.set_requires_grad(true);
        let norm = scale.map(|scale| BatchNorm {
            mean: scale.zeros_like(),
            variance: scale.ones_like(),
            batch_mean: scale.zeros_like(),
            batch_variance: scale.ones_like(),
            scale: with_gradient(scale),
        });
        Self { weights: with_gradient(weights), bias: with_gradient(bias), norm }
    }

    /// All that has a gradient, in the network's order.
    pub(super) fn trained(&self) -> impl Iterator<Item = &Tensor> {
        let scale = self.norm.iter().map(|norm| &norm.scale);
        [&self.weights, &self.bias].into_iter().chain(scale)
    }

    /// What is added to the sums; a batch normalisation adds it later.
    fn added(&self) -> Option<&Tensor> {
        self.norm.is_none().then_some(&self.bias)
    }

    fn normalize(&self, sums: Tensor, is_trained: bool) -> Tensor {
        match &self.norm {
            Some(norm) => norm.apply(&sums, &self.bias, is_trained),
            None => sums,
        }
    }

    /// A dense layer of `[pictures, inputs]`, before its activation.
    pub(super) fn dense(&self, values: &Tensor, is_trained: bool) -> Tensor {
        self.normalize(values.linear(&self.weights, self.added()), is_trained)
    }

    /// Weights and biases with a batch normalisation folded into them, out of libtorch.
    ///
    /// # Panics
    /// Never: every weight is float32.
    pub(super) fn affine(&self) -> Affine {
        let values = |leaf: &Tensor| -> Vec<f32> {
            Vec::try_from(leaf.detach().to_device(Device::Cpu).contiguous().flatten(0, -1))
                .expect("weights are float32 of one axis here")
        };
        let mut affine = Affine { weights: values(&self.weights), bias: values(&self.bias) };
        if let Some(norm) = &self.norm {
            let [scale, mean, variance] = [&norm.scale, &norm.mean, &norm.variance].map(values);
            let shift = std::mem::replace(&mut affine.bias, vec![0.0; scale.len()]);
            affine.fold_output(|output| {
                let deviation = (f64::from(variance[output]) + EPSILON).sqrt();
                let scale = f64::from(scale[output]) / deviation;
                [scale, f64::from(shift[output]) - scale * f64::from(mean[output])]
            });
        }
        affine
    }
}

/// A convolution, before its pooling and activation.
pub(super) fn convolve(values: &Tensor, leaves: &Leaves, conv: Conv, is_trained: bool) -> Tensor {
    let Padding { top, left, bottom, right } = conv.padding;
    let sides = |sides: [usize; 2]| sides.map(|side| side as i64);
    // libtorch pads both ends of an axis alike
    let (padded, padding) = if top == bottom && left == right {
        (values.shallow_clone(), sides([top, left]))
    } else {
        let ends = [left, right, top, bottom].map(|side| side as i64);
        (values.constant_pad_nd(ends), [0, 0])
    };
    let groups = conv.groups as i64;
    let sums =
        padded.conv2d(&leaves.weights, leaves.added(), sides(conv.stride), padding, [1, 1], groups);
    leaves.normalize(sums, is_trained)
}

/// A pooling that is no part of a convolution, before its activation.
///
/// # Panics
/// If it is padded: no written network's is.
pub(super) fn pool(values: &Tensor, pool: Pool) -> Tensor {
    assert!(pool.padding.is_none(), "no written network pads a pooling");
    let [window, stride] = [pool.window, pool.stride].map(|sides| sides.map(|side| side as i64));
    match pool.mode {
        PoolMode::Max => values.max_pool2d(window, stride, [0, 0], [1, 1], false),
        PoolMode::Average | PoolMode::AverageWithPadding => {
            if [window[0], window[1]] == values.size()[2..] {
                return values.mean_dim([2, 3].as_slice(), true, Kind::Float);
            }
            values.avg_pool2d(window, stride, [0, 0], false, true, None::<i64>)
        }
    }
}
