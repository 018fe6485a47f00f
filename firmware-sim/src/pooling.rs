//! Poolings that are a layer of their own on a device: those that a computer makes part of a convolution, and copies.

use firmware::format::MAX_POOLED_STRIDE;
use network::{Affine, Architecture, Conv, Kind, Network, POOL, Pool, PoolMode};

/// The same network, in which no depthwise convolution pools, nor one that steps far: the firmware computes the rows
/// under a pooling at once, and only of convolutions whose rows are near each other. And no dense layer takes what a
/// convolution takes with padding: it takes a copy, by a pooling of 1x1, since padding would lie between its rows.
pub(crate) fn separate(network: &Network) -> Network {
    let layers = network.architecture().layers();
    let is_padded = |value: usize| {
        let pads = |kind| matches!(kind, Kind::Conv(Conv { padding, .. }) if padding.left + padding.right > 0);
        layers.iter().any(|layer| layer.source() == value && pads(layer.kind()))
    };
    let mut kinds = vec![];
    let mut affine = vec![];
    // of each value of `network`, which one gives the same now
    let mut values = vec![0];
    for (layer, weights) in network.layers() {
        let source = values[layer.source()];
        affine.push(weights.clone());
        match layer.kind() {
            Kind::Conv(conv) if conv.pool && !pools_on_a_device(conv) => {
                kinds.push((source, Kind::Conv(Conv { pool: false, ..conv })));
                let pool = Pool::new(PoolMode::Max, [POOL; 2]);
                kinds.push((kinds.len(), Kind::Pool(pool)));
                affine.push(Affine { weights: vec![], bias: vec![] });
            }
            kind @ Kind::Dense { .. } if is_padded(layer.source()) => {
                kinds.push((source, Kind::Pool(Pool::new(PoolMode::Max, [1; 2]))));
                affine.insert(affine.len() - 1, Affine { weights: vec![], bias: vec![] });
                kinds.push((kinds.len(), kind));
            }
            Kind::Add { other, activation } => {
                kinds.push((source, Kind::Add { other: values[other], activation }));
            }
            kind => kinds.push((source, kind)),
        }
        values.push(kinds.len());
    }
    let architecture = Architecture::connected(network.architecture().input(), kinds)
        .expect("each layer takes what it took");
    Network::new(architecture, affine)
}

fn pools_on_a_device(conv: Conv) -> bool {
    conv.groups == 1 && conv.stride[0] <= MAX_POOLED_STRIDE
}

#[cfg(test)]
mod tests {
    use network::{Activation, Padding};

    use super::*;

    #[test]
    fn what_pools_by_itself_gives_the_same() {
        let padding = Padding::even(1);
        let conv =
            Conv { padding, pool: true, activation: Activation::Relu, ..Conv::new(4, [3, 3]) };
        let depthwise = Conv { groups: 4, ..conv };
        let far = Conv { stride: [5, 1], ..Conv::new(2, [1, 1]) };
        let far = Conv { pool: true, ..far };
        for (kinds, layers) in [
            (vec![(0, Kind::Conv(conv))], 1),
            (vec![(0, Kind::Conv(conv)), (1, Kind::Conv(depthwise))], 3),
            (vec![(0, Kind::Conv(far))], 2),
            (
                vec![
                    (0, Kind::Conv(depthwise)),
                    (0, Kind::Conv(depthwise)),
                    (1, Kind::Add { other: 2, activation: Activation::None }),
                ],
                5,
            ),
            // the second takes what the first takes with padding
            (
                vec![
                    (0, Kind::Conv(Conv { pool: false, ..conv })),
                    (1, Kind::Conv(Conv { pool: false, ..depthwise })),
                    (1, Kind::Dense { outputs: 3, activation: Activation::None }),
                    (2, Kind::Dense { outputs: 3, activation: Activation::None }),
                    (3, Kind::Add { other: 4, activation: Activation::None }),
                ],
                6,
            ),
        ] {
            let architecture = Architecture::connected([4, 20, 12], kinds).unwrap();
            let whole = |count: usize| (0..count).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
            let affine = architecture.layers().iter().map(|layer| Affine {
                weights: whole(layer.outputs() * layer.fan_in()),
                bias: whole(layer.outputs()),
            });
            let affine = affine.collect();
            let network = Network::new(architecture, affine);
            let separate = separate(&network);
            assert_eq!(separate.architecture().layers().len(), layers);
            let input: Vec<f32> = (0..960_u16).map(|i| f32::from(i * 31 % 97)).collect();
            assert_eq!(separate.activations(&input).pop(), network.activations(&input).pop());
        }
    }
}
