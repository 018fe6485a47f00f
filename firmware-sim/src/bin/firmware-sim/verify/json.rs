//! The report as one JSON object.
//!
//! | field | what |
//! |---|---|
//! | `float`, `int8`, `data` | `path` as given, and `sha256`: of the file; of the image file and the label file after it, unpacked |
//! | `calibration_images`, `guard` | of the int8 model; `guard` is the agreement margin, in units of its logits |
//! | `images`, `labelled` | images compared, and those of them that have a label |
//! | `classes` | names of the classes, in the order of their numbers |
//! | `float_right`, `int8_right` | `count` among `labelled`, `share` of them, and `low` and `high` of the 95 % interval; `share` is null if there are none |
//! | `equal`, `confident` | the same among `images` |
//! | `confident_right` | the same among the confident ones; `share` is null if there are none |
//! | `confident_unequal` | images |
//! | `logits` | `largest_difference`, `rms_difference`, both in float's units; `histogram`: `[upper edge, count]` of each bin of int8 − float |
//! | `margins` | float's best logit over its next: `least`, and what 1 %, 10 % and 50 % of the images are below |
//! | `layers` | of each layer: `layer`, `sqnr_db`, `cosine`, `mean_error_lsb`, `largest_error_lsb`, `saturated` (0 to 1), `dead_channels`, `channels`, `sum_bits`, `bound_bits`, `limit_bits`; null for what is not finite |
//! | `unequal` | every image for which the two give different classes: `image`, `label`, `float`, `int8`, `float_margin`, `int8_margin`, `confident`, `turns_at` |
//! | `least_certain` | the 20 images with the smallest `int8_margin`, in the same form; `turns_at`, the first layer after which int8 diverges, is null where the classes are equal |
//!
//! Fields may be added, not renamed.

use firmware_sim::verify::{Comparison, LayerFidelity};
use serde_json::{Value, json};

use super::{Report, Share, Source};

/// Bins of the histogram of logit errors.
const BINS: usize = 41;

pub(super) fn object(report: &Report) -> Value {
    let verification = report.verification;
    let header = report.int8.header();
    json!({
        "float": source(&report.onnx),
        "int8": source(&report.q8),
        "data": source(&report.data),
        "calibration_images": header.calibration_images.get(),
        "guard": header.agreement_margin.get(),
        "images": verification.images(),
        "labelled": verification.labelled(),
        "classes": report.classes,
        "float_right": share(&report.among_labelled(verification.float_correct())),
        "int8_right": share(&report.among_labelled(verification.int8_correct())),
        "equal": share(&report.share(verification.agreements())),
        "confident": share(&report.share(verification.confident())),
        "confident_right": share(&report.among_confident(verification.confident_correct())),
        "confident_unequal": verification.confident_disagreements(),
        "logits": {
            "largest_difference": verification.max_difference(),
            "rms_difference": verification.rms_difference(),
            "histogram": verification.logit_histogram::<BINS>().as_slice(),
        },
        "margins": {
            "least": verification.margin_quantile(0.0),
            "1%": verification.margin_quantile(0.01),
            "10%": verification.margin_quantile(0.1),
            "50%": verification.margin_quantile(0.5),
        },
        "layers": verification.layers.iter().map(layer).collect::<Value>(),
        "unequal": verification.disagreements().map(|it| comparison(report, it)).collect::<Value>(),
        "least_certain": verification.least_certain().iter().map(|it| comparison(report, it)).collect::<Value>(),
    })
}

fn source(source: &Source) -> Value {
    json!({ "path": source.path.to_string_lossy(), "sha256": source.hex() })
}

fn share(share: &Share) -> Value {
    let interval = share.interval();
    json!({
        "count": share.count,
        "share": share.share(),
        "low": interval.low,
        "high": interval.high,
    })
}

fn layer(layer: &LayerFidelity) -> Value {
    json!({
        "layer": layer.layer,
        "sqnr_db": layer.sqnr_db,
        "cosine": layer.cosine,
        "mean_error_lsb": layer.mean_error_lsb,
        "largest_error_lsb": layer.max_error_lsb,
        "saturated": layer.saturated,
        "dead_channels": layer.dead_channels,
        "channels": layer.channels,
        "sum_bits": layer.accumulator_bits,
        "bound_bits": layer.bound_bits,
        "limit_bits": layer.limit_bits,
    })
}

fn comparison(report: &Report, comparison: &Comparison) -> Value {
    json!({
        "image": comparison.image,
        "label": comparison.label,
        "float": comparison.float,
        "int8": comparison.int8,
        "float_margin": comparison.float_margin,
        "int8_margin": comparison.int8_margin,
        "confident": comparison.confident,
        "turns_at": comparison.first_diverging_layer.map(|index| report.layer(index)),
    })
}
