//! The committed model answers alike in float and in int8.

use firmware_sim::Model;
use firmware_sim::host::identity;
use firmware_sim::host::quantize::quantize;
use firmware_sim::host::verify::{FloatModel, compare};
use runtime::EMBEDDED_MODEL;
use runtime::idx::Part;

/// Of 500 images; int8 may flip a digit only where the float model is nearly undecided.
const MIN_EQUAL: u64 = 499;
/// Four weight roundings and three of activations leave 41 dB together (measured on training images that were
/// not calibrated on); a lost bit in most of them would cost 6. It was 46 dB for a model without label smoothing,
/// whose logits were four times as large; the largest difference is smaller now, 0.08 for 0.26.
const MIN_SQNR_DB: f64 = 39.0;

#[test]
fn int8_reads_what_float_reads() {
    let q8 = quantize(EMBEDDED_MODEL, &crate::mnist_500(Part::Train).images).unwrap();
    let int8 = Model::parse(&q8).unwrap();
    assert_eq!(*int8.contents().identity, identity(EMBEDDED_MODEL));
    assert_eq!(int8.contents().calibration_images, 500);
    let float = FloatModel::parse(EMBEDDED_MODEL).unwrap();
    let test = crate::mnist_500(Part::Test);
    let mut done = vec![];
    let found = compare(&float, &int8, &test, |images| done.push(images)).unwrap();
    assert!(found.images == 500 && found.equal >= MIN_EQUAL, "{found:?}");
    assert!(found.sqnr_db() > MIN_SQNR_DB, "{} dB", found.sqnr_db());
    assert!(found.rms_difference() <= found.largest_difference);
    assert!(found.float_correct.abs_diff(found.int8_correct) <= found.images - found.equal);
    assert!(done.is_sorted() && done.last() == Some(&500), "{done:?}");
}
