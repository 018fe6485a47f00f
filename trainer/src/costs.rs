//! What a network takes on a microcontroller, before it is trained: estimates; `firmware-sim quantize` says it exactly.

use network::{Architecture, Kind, Layer, POOL};

/// Bytes of a file of the firmware beside weights: header, and of a layer.
const HEADER_BYTES: usize = 128;
const LAYER_BYTES: usize = 64;
/// Bytes of a channel: bias, multiplier, bound.
const CHANNEL_BYTES: usize = 16;

/// Estimates for weights and values of one byte each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Weights, biases and multipliers.
    pub flash_bytes: usize,
    /// Rows of all values that have to be held at once.
    pub ram_bytes: usize,
}

impl Costs {
    /// Of a network whose layers follow each other.
    #[must_use]
    pub fn of(architecture: &Architecture) -> Self {
        let layers = architecture.layers();
        let flash =
            |layer: &Layer| layer.outputs() * (layer.fan_in() + CHANNEL_BYTES) + LAYER_BYTES;
        Self {
            flash_bytes: HEADER_BYTES + layers.iter().map(flash).sum::<usize>(),
            ram_bytes: layers.iter().map(held_bytes).sum::<usize>() + 4 * architecture.outputs(),
        }
    }
}

/// Bytes of the rows of its input that a layer needs at once.
fn held_bytes(layer: &Layer) -> usize {
    let [channels, height, width] = layer.input();
    let rows = match layer.kind() {
        Kind::Conv(conv) => {
            let more = if conv.pool { (POOL - 1) * conv.stride[0] } else { 0 };
            conv.kernel[0] + more
        }
        Kind::Pool(pool) => pool.window[0].min(pool.stride[0]),
        Kind::Dense { .. } | Kind::Add { .. } => height,
    };
    channels * rows.min(height) * width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenet_takes_about_what_its_file_and_its_plan_take() {
        let costs = Costs::of(&Architecture::lenet(10));
        // `firmware-sim quantize` gives 442 kB and, with working memory, 3 kB
        assert!((430_000..450_000).contains(&costs.flash_bytes), "{costs:?}");
        assert!((2_000..7_000).contains(&costs.ram_bytes), "{costs:?}");
    }
}
