//! What must hold for any bytes: one property for each kind of file that is read.
//!
//! The fuzzer looks for bytes that break one; `tests/integration/properties.rs` checks the same properties on all seeds, and
//! on changes of them, with stable Rust.

pub mod changes;
/// Shared with the tests of the engine.
#[path = "../../../firmware-sim/firmware/tests/properties/definition/mod.rs"]
mod definition;

use std::io::Cursor;

use dataset::folder::{self, Subset};
use dataset::idx;
use firmware::link::{Buffers, Chip, Counter, Device, Frame, Reply, Request};
use firmware::{Dimensions, Model};
use image::{DynamicImage, ImageFormat};
use network::onnx::{Attribute, Graph, Tensor, Values};
use runtime::picture::{self, Limits};
use runtime::preprocess::{self, Color, Content, Preparation, Preprocess};
use runtime::{Baked, Classifier, Image, Kernels, Options, PIXELS};
use web::Models;

/// Maximum difference of a sum in another order, as a part of the largest it can be: 1,000 terms by 2⁻²⁴ each.
const SUM_ORDER: f64 = 1e-4;

/// An ONNX file is refused for what its diagnosis says too, or our kernels and tract's give one score per class, and the same scores.
pub fn model(bytes: &[u8]) {
    let parsed = Graph::parse(bytes);
    match (&parsed, Graph::diagnose(bytes, None)) {
        (Ok(_), diagnosed) => assert!(diagnosed.expect("it was parsed").1.is_empty()),
        // the first reason is among all of them
        (Err(network::Error::Graph(first)), Ok((graph, faults))) => {
            let _ = graph.node_costs();
            assert!(faults.contains(first));
        }
        (Err(_), diagnosed) => assert!(diagnosed.is_err()),
    }
    let Ok(graph) = parsed else { return };
    let Ok(fused) = Classifier::new(&graph, Options::default()) else { return };
    let plain = Options { kernels: Kernels::Tract, ..Options::default() };
    let plain = match Classifier::new(&graph, plain) {
        // sums in another order overflow elsewhere
        Err(runtime::Error::NotFinite) => return,
        plain => plain.expect("what loads fused loads plain"),
    };
    let shape = fused.input_shape();
    let ramp = (0..shape.iter().product()).map(|i: usize| (i * 7) as u8).collect::<Vec<_>>();
    for pixels in [vec![0; ramp.len()], ramp] {
        let image = Image::new(shape, pixels).expect("a model takes images");
        let (fused, plain) = (fused.predict(&image), plain.predict(&image));
        assert_eq!(fused.probabilities.len(), plain.probabilities.len());
        if let Some(bound) = value_bound(&graph) {
            for (fused, plain) in fused.logits.iter().zip(&plain.logits) {
                let off = f64::from((fused - plain).abs());
                assert!(off <= SUM_ORDER * bound, "{fused} for {plain}, values up to {bound}");
            }
        }
    }
}

/// A baked model is refused, or written again byte for byte, and its engine can be built or not.
///
/// The checksum is made to fit, since the fuzzer would not find one that does.
pub fn baked(bytes: &[u8]) {
    let file = sealed(bytes);
    assert!(file == bytes || Baked::parse(bytes).is_err());
    let Ok(baked) = Baked::parse(&file) else { return };
    assert!(baked.emit() == file);
    if let Ok(classifier) = Classifier::of_baked(&baked, Options::default()) {
        assert_eq!(classifier.classes().len(), baked.network().architecture().outputs());
    }
}

/// A baked model whose checksum fits.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let content = &bytes[..bytes.len().saturating_sub(size_of::<u32>())];
    [content, &crc32fast::hash(content).to_le_bytes()].concat()
}

/// A bound of all values, if they are sums of products with constants and far from overflow.
fn value_bound(graph: &Graph) -> Option<f64> {
    let mut largest = if graph.inputs[0].element == "uint8" { 255.0 } else { 1.0_f64 };
    let constant = |name: Option<&String>| match graph.tensors.get(name?)? {
        Tensor { shape, values: Values::F32(values) } => Some((&shape[..], &values[..])),
        _ => None,
    };
    let size = |value: &f32| f64::from(value.abs());
    for node in &graph.nodes {
        let (rows, factors) = match node.op.as_str() {
            "Cast" | "Constant" | "Flatten" | "MaxPool" | "Relu" | "Reshape" => continue,
            "Conv" => (true, [1.0; 2]),
            "Gemm" => {
                let factor = |name| match node.attributes.get(name) {
                    Some(Attribute::Float(factor)) => size(factor),
                    _ => 1.0,
                };
                let rows = node.attributes.get("transB") == Some(&Attribute::Int(1));
                (rows, ["alpha", "beta"].map(factor))
            }
            _ => return None,
        };
        let (shape, weights) = constant(node.inputs.get(1))?;
        let outputs = if rows { shape[0] } else { shape[1] };
        let mut sums = vec![0.0; outputs];
        for (index, weight) in weights.iter().enumerate() {
            let output = if rows { index / (weights.len() / outputs) } else { index % outputs };
            sums[output] += size(weight) * factors[0];
        }
        let bias = match node.inputs.get(2) {
            Some(_) => constant(node.inputs.get(2))?.1.iter().map(size).fold(0.0, f64::max),
            None => 0.0,
        };
        let gain = sums.into_iter().fold(0.0, f64::max);
        largest = largest.max(largest * gain + bias * factors[1]);
    }
    (largest < 1e30).then_some(largest)
}

/// An IDX file is refused, or its items are emitted as the same bytes, or as bytes that are read alike.
pub fn idx(bytes: &[u8]) {
    if let Ok(images) = idx::images(bytes) {
        let emitted = idx::emit_images(&images);
        // one channel is emitted without the size of that axis
        assert!(emitted == bytes || idx::images(&emitted).unwrap() == images);
    }
    if let Ok(labels) = idx::labels(bytes) {
        assert!(idx::emit_labels(&labels) == bytes);
    }
}

/// A list of pictures in CSV is refused, or each of its pictures has a class that is named once; and a list of the same
/// pictures, written by the one rule of quotes, is read alike.
pub fn csv(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for the list");
    let read = |content: &[u8]| {
        let path = folder.path().join("list.csv");
        std::fs::write(&path, content).expect("the list is written");
        folder::list(&path)
    };
    let Ok(listing) = read(bytes) else { return };
    assert_eq!(listing.counts().iter().sum::<usize>(), listing.pictures.len());
    assert!(listing.counts().iter().all(|&count| count > 0));
    let mut lines = String::from("path,label,split,source\n");
    for picture in &listing.pictures {
        let class = &listing.classes[usize::from(picture.label)];
        let subset = match picture.subset {
            None => "",
            Some(Subset::Train) => "train",
            Some(Subset::Validation) => "validation",
            Some(Subset::Test) => "test",
        };
        let values = [&picture.name, class, subset, &picture.source];
        lines += &values.map(|value| format!("\"{}\"", value.replace('"', "\"\""))).join(",");
        lines += "\n";
    }
    let again = read(lines.as_bytes()).expect("what was read is read again");
    assert_eq!((again.classes, again.pictures), (listing.classes, listing.pictures));
}

/// What is dropped on the page is refused and changes nothing, or what is open then answers a picture with finite
/// probabilities, as many as it has classes.
pub fn page(bytes: &[u8]) {
    let mut models = Models::default();
    for model in [include_bytes!("../seeds/baked/convolutions"), bytes, &sealed(bytes)] {
        let before = models.description();
        if models.open(model).is_err() {
            assert_eq!(models.description(), before);
        }
        let Some(preparation) = models.preparation() else { continue };
        let [channels, height, width] = preparation.shape();
        assert!(models.take(&vec![0; channels * height * width + 1]).is_err());
        // a picture of any size, whose pixels are the file
        let [width, height] = [1 + bytes.len() % 61, 1 + bytes.len() % 53];
        let pixels = bytes.iter().copied().chain([7; 1 << 14]).take(4 * width * height).collect();
        models.prepare(pixels, width, height).expect("a picture of this size");
        assert!(models.prepare(vec![], width, height).is_err());
        let classes = models.description().lines().count() - 3;
        for answer in [models.classify_float(), models.classify_int8()].into_iter().flatten() {
            assert_eq!(answer.logits.len(), size_of::<f32>() * answer.probabilities.len());
            assert!(answer.class < classes && answer.probabilities.len() == classes);
            assert!(
                answer.probabilities.iter().all(|probability| (0.0..=1.0).contains(probability))
            );
        }
        assert!(models.seen().is_some());
    }
}

/// A picture is refused or prepared for models of any shape; written again without loss, it is prepared alike; and a blank one has no ink.
pub fn picture(bytes: &[u8]) {
    let limits = Limits { bytes: 1 << 20, pixels: 1 << 16 };
    let Ok(decoded) = picture::decode(bytes, limits) else { return };
    assert!(u64::from(decoded.width()) * u64::from(decoded.height()) <= limits.pixels);
    let prepared = preprocess::prepare(&decoded);
    if prepared.content == Content::Blank {
        assert_eq!(prepared.image, Image::mnist([0; PIXELS]));
    }
    for shape in [[1, 1, 1], [2, 28, 28], [3, 32, 20], [4, 7, 256]] {
        let color = if shape[0] < 3 { Color::Grey } else { Color::Rgb };
        for preprocess in [Preprocess::Stretch, Preprocess::Crop, Preprocess::Pad] {
            let preparation = Preparation::new(shape, preprocess, color).expect("models take it");
            let prepared = preparation.prepare(&decoded);
            assert_eq!((prepared.image.shape(), prepared.content), (shape, Content::Drawing));
        }
    }
    // PNG holds integers only
    let decoded = match decoded {
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => return,
        decoded => decoded,
    };
    let mut file = Cursor::new(vec![]);
    decoded.write_to(&mut file, ImageFormat::Png).expect("what was decoded can be written");
    let again = picture::decode(file.get_ref(), Limits::default()).expect("and read again");
    assert_eq!(preprocess::prepare(&again), prepared);
}

/// A `.q8` file is refused, or runs within its scratch and gives what its definition in 128-bit integers gives: as it is,
/// with a checksum that fits, and with all else that follows from its layers.
pub fn q8(bytes: &[u8]) {
    definition::refused_or_exact(bytes);
}

/// A small network, as a firmware holds it.
static NETWORK: &Aligned<[u8]> = &Aligned(*include_bytes!("../seeds/q8/bytes-0"));

#[repr(align(4))]
struct Aligned<T: ?Sized>(T);

/// What comes over a serial line, whatever it is, a board answers by whole frames: one for each request, and none for anything
/// else. After that it still answers.
pub fn line(bytes: &[u8]) {
    let sizes = Dimensions::of(&NETWORK.0);
    let model = Model::parse(&NETWORK.0).expect("the seed is a model");
    let (mut scratch, mut row) = (vec![0; sizes.scratch_words], vec![0; sizes.row_len]);
    let mut cycles = vec![0; sizes.layers + 1];
    let buffers = Buffers { scratch: &mut scratch, row: &mut row, cycles: &mut cycles };
    let chip = Chip { counter: Counter::SysTick, ..Chip::named("a fuzzer") };
    let mut device = Device::new(model, chip, buffers).expect("the buffers are long enough");
    let (mut received, mut last) = (Frame::new(), None);
    let hello = Request::Hello.emit(&mut Frame::new()).to_vec();
    for &byte in bytes.iter().chain(&hello) {
        let message = received.push(byte).map(<[u8]>::to_vec);
        let request = message.as_deref().and_then(Request::parse);
        let answer = device.on_byte(byte, &mut || 1);
        assert_eq!(request.is_some(), !answer.is_empty());
        if let (Some(request), Some(message)) = (request, &message) {
            assert_eq!(messages(request.emit(&mut Frame::new())), [&message[..]]);
            let answers = messages(answer);
            assert!(matches!(&answers[..], [answer] if Reply::parse(answer).is_some()));
        }
        last = message;
    }
    assert_eq!(last.as_deref().and_then(Request::parse), Some(Request::Hello));
}

/// The messages in a line's bytes.
fn messages(line: &[u8]) -> Vec<Vec<u8>> {
    let mut frame = Frame::new();
    line.iter().filter_map(|&byte| frame.push(byte).map(<[u8]>::to_vec)).collect()
}
