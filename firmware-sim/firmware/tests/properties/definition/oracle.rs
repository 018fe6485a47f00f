//! What each layer computes, by its definition, in 128-bit integers that cannot overflow.

use firmware::format::{Channel, Kind, Record, Value};

use super::network::Network;

/// What a value's bytes stand for, `[channel][row][column]`.
type Maps = Vec<Vec<Vec<i128>>>;

/// The logits for an image, `[row][column][channel]`.
pub(crate) fn logits(network: &Network, image: &[u8]) -> Vec<i128> {
    let mut values = vec![of_bytes(&network.input, image)];
    let last = network.records.len() - 1;
    for (layer, record) in network.records.iter().enumerate() {
        let sums = sums(network, layer, &values);
        if layer == last {
            return sums.into_iter().flatten().flatten().collect();
        }
        values.push(activations(record, &network.channels[layer], sums));
    }
    unreachable!("it returns after the last layer")
}

fn of_bytes(value: &Value, bytes: &[u8]) -> Maps {
    let [channels, height, width] = value.shape();
    let at = |c: usize, y: usize, x: usize| i128::from(bytes[(y * width + x) * channels + c]);
    let zero = i128::from(value.zero);
    maps([channels, height, width], |c, y, x| at(c, y, x) - zero)
}

fn maps([channels, height, width]: [usize; 3], at: impl Fn(usize, usize, usize) -> i128) -> Maps {
    let row = |c, y| (0..width).map(|x| at(c, y, x)).collect();
    (0..channels).map(|c| (0..height).map(|y| row(c, y)).collect()).collect()
}

/// Sums with biases, after a pooling that is part of the layer.
fn sums(network: &Network, layer: usize, values: &[Maps]) -> Maps {
    let record = &network.records[layer];
    let (weights, channels) = (&network.weights[layer], &network.channels[layer]);
    let input_value = network.value(record.source.into());
    let input = &values[usize::from(record.source)];
    let taps = record.taps(input_value);
    let zero = i128::from(input_value.zero);
    // what the bias is where 0 is 0
    let bias = |output: usize| {
        let weights = weights[output * taps..][..taps].iter();
        i128::from(channels[output].bias.get())
            + zero * weights.copied().map(i128::from).sum::<i128>()
    };
    let [rows, columns] = record.kernel.map(usize::from);
    let [down, across] = record.stride.map(usize::from);
    let [top, _, left, _] = record.padding.map(usize::from);
    let inputs = input.len();
    let at = |c: usize, y: usize, x: usize| {
        let row = y.checked_sub(top).and_then(|y| input[c].get(y));
        row.and_then(|row| row.get(x.checked_sub(left)?).copied())
    };
    let window = |y: usize, x: usize| {
        (0..rows).flat_map(move |row| {
            (0..columns).map(move |column| [y * down + row, x * across + column])
        })
    };
    let shape = record.output.shape();
    match Kind::of_code(record.kind).unwrap() {
        kind @ (Kind::Conv | Kind::Depthwise) => {
            let multiplier = shape[0] / inputs;
            let place = |output: usize, y: usize, x: usize| {
                let mut sum = bias(output);
                for (tap, [y, x]) in window(y, x).enumerate() {
                    let weight = |tap: usize| i128::from(weights[output * taps + tap]);
                    if kind == Kind::Depthwise {
                        let value = at(output / multiplier, y, x);
                        sum += weight(tap) * value.unwrap_or(0);
                    } else {
                        for c in 0..inputs {
                            sum += weight(tap * inputs + c) * at(c, y, x).unwrap_or(0);
                        }
                    }
                }
                sum
            };
            maps(shape, |output, y, x| {
                if record.pooled == 0 {
                    return place(output, y, x);
                }
                let window = [[0, 0], [0, 1], [1, 0], [1, 1]];
                window
                    .map(|[dy, dx]| place(output, 2 * y + dy, 2 * x + dx))
                    .into_iter()
                    .max()
                    .unwrap()
            })
        }
        Kind::Dense => {
            let [_, height, width] = input_value.shape();
            maps(shape, |output, _, _| {
                let places = (0..height).flat_map(|y| (0..width).map(move |x| [y, x]));
                let values = places.flat_map(|[y, x]| input.iter().map(move |map| map[y][x]));
                let weights = &weights[output * taps..];
                let products =
                    values.zip(weights).map(|(value, &weight)| value * i128::from(weight));
                bias(output) + products.sum::<i128>()
            })
        }
        Kind::MaxPool => {
            maps(shape, |c, y, x| window(y, x).filter_map(|[y, x]| at(c, y, x)).max().unwrap())
        }
        Kind::AveragePool => {
            // a padding counts as zeros
            let bias = i128::from(channels[0].bias.get()) + (rows * columns) as i128 * zero;
            maps(shape, |c, y, x| {
                bias + window(y, x).filter_map(|[y, x]| at(c, y, x)).sum::<i128>()
            })
        }
        Kind::Add => {
            let other_zero = i128::from(network.value(record.other.into()).zero);
            let other = &values[usize::from(record.other)];
            let [a, b] = [weights[0], weights[1]].map(i128::from);
            let bias = i128::from(channels[0].bias.get());
            maps(shape, |c, y, x| {
                bias + (input[c][y][x] + zero) * a + (other[c][y][x] + other_zero) * b
            })
        }
    }
}

/// What the layer hands on, as real numbers: of a pool of the largest what it found.
fn activations(record: &Record, channels: &[Channel], sums: Maps) -> Maps {
    if record.kind == Kind::MaxPool.code() {
        return sums;
    }
    let zero = i128::from(record.output.zero);
    let of_channel = |(c, map): (usize, Vec<Vec<i128>>)| {
        let channel = &channels[if channels.len() == 1 { 0 } else { c }];
        let (mantissa, shift) = (i128::from(channel.mantissa.get()), u32::from(channel.shift));
        let activation = |sum: i128| {
            let rounded = (sum * mantissa + (1 << (shift - 1))) >> shift;
            (rounded + zero).clamp(0, 255) - zero
        };
        map.into_iter().map(|row| row.into_iter().map(activation).collect()).collect()
    };
    sums.into_iter().enumerate().map(of_channel).collect()
}
