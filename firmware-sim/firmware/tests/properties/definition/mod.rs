//! What a `.q8` file computes, by its definition, and what must hold for any bytes.
//!
//! The fuzzer in `tests/fuzz` takes this folder too.

pub(crate) mod network;
pub(crate) mod oracle;
pub(crate) mod repair;

use firmware::Model;
use firmware::format::checksum;
use network::{Network, Random};

/// Products and values that a network may have: the definition is slow, and holds whole maps.
const MAX_WORK: usize = 1 << 20;

/// Bytes are refused, or run within their scratch and give what the definition gives; so do they with a checksum that
/// fits, and with all else that follows from their layers.
///
/// A fuzzer finds no checksum, bound or plan by itself: without these changes it would not get past them.
pub(crate) fn refused_or_exact(bytes: &[u8]) {
    run(bytes);
    if let Some((content, _)) = bytes.split_last_chunk::<4>() {
        let crc = checksum(content).to_le_bytes();
        run(&[content, &crc].concat());
    }
    for file in [repair::restated(bytes), repair::repaired(bytes)].into_iter().flatten() {
        run(&file);
    }
}

/// Runs a file, wherever it lies, if it is accepted; says whether it is.
pub(crate) fn run(file: &[u8]) -> bool {
    // at a multiple of four, and one byte further
    let mut memory = vec![0; file.len() + 8];
    let start = memory.as_ptr().align_offset(4);
    let [is_accepted, _] = [start, start + 1].map(|start| {
        let flash = &mut memory[start..][..file.len()];
        flash.copy_from_slice(file);
        run_in_place(flash)
    });
    is_accepted
}

fn run_in_place(flash: &[u8]) -> bool {
    let Ok(model) = Model::parse(flash) else { return false };
    let network = Network::read(model);
    if work(&network) > MAX_WORK {
        return true;
    }
    let words = model.scratch_words();
    let mut random = Random(0);
    for _ in 0..2 {
        let image = network.image(&mut random);
        // what it holds does not matter, and nothing beyond its end is touched
        let mut scratch = vec![0x5afe_5afe; words + 4];
        let outputs = outputs(model, &image, &mut scratch[..words]);
        assert_eq!(outputs, oracle::logits(&network, &image));
        assert_eq!(scratch[words..], [0x5afe_5afe; 4]);
    }
    true
}

/// All outputs for an image, however the model gives them.
pub(crate) fn outputs(model: Model<'_>, image: &[u8], scratch: &mut [u32]) -> Vec<i128> {
    let mut outputs = vec![];
    let take = |first: usize, block: &[i32]| {
        assert_eq!(first, outputs.len());
        outputs.extend(block.iter().map(|&output| i128::from(output)));
    };
    model.infer_in_blocks(image, scratch, take).expect("the memory is the model's");
    let logits = model.infer(image, scratch).map(|logits| logits.0.iter().map(|&it| it.into()));
    let held = model.holds_outputs().then(|| outputs.clone());
    assert_eq!(logits.map(Iterator::collect), held);
    outputs
}

/// Products of all layers, or places of windows, and values between layers.
fn work(network: &Network) -> usize {
    let of_layer = |record: &firmware::format::Record| {
        let taps = record.taps(network.value(record.source.into()));
        let [rows, columns] = record.kernel.map(usize::from);
        let places = if record.pooled == 0 { 1 } else { 4 };
        record.output.size().saturating_mul(places).saturating_mul(taps.max(rows * columns))
    };
    let layers = network.records.iter().map(of_layer);
    layers.fold(network.input.size(), usize::saturating_add)
}
