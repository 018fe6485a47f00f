//! The report as one JSON object.
//!
//! | field | what |
//! |---|---|
//! | `float`, `int8`, `data` | `path` as given, and `sha256`: of the file; of the image file and the label file after it, unpacked |
//! | `calibration_images`, `agreement_margin` | of the int8 model; the margin from which on answers say that they agree with float, in units of its logits, or null if none does |
//! | `images`, `labelled` | images compared, and those of them that have a label |
//! | `classes`, `assumed_classes` | names of the classes, in the order of their numbers; whether these are those of the folders, since the ONNX file names none |
//! | `float_right`, `int8_right` | `count` among `labelled`, `share` of them, and `low` and `high` of the 95 % interval; `share` is null if there are none |
//! | `equal` | the same among `images`: both give the same class |
//! | `gate` | `min_agreement`, and whether `equal` `passes`: its `high` is not below; null if the outputs are no classes |
//! | `verdicts` | what the device says: `sure`, `unsure`, `none`, among `images`, and `sure_right`, among the sure ones |
//! | `of_no_class` | the same verdicts of pictures of no class, `none` being right, among these; null if there are none |
//! | `agrees` | images of which the device says that float gives the same class, among `images` |
//! | `agrees_right`, `agrees_unequal` | those of them that are read right, and for which float gives another class after all |
//! | `logits` | `largest_difference`, `rms_difference`, both in float's units; `histogram`: `[upper edge, count]` of each bin of int8 − float |
//! | `margins` | float's best logit over its next: `least`, and what 1 %, 10 % and 50 % of the images are below |
//! | `layers` | of each layer: `layer`, `sqnr_db`, `cosine`, `mean_error_lsb`, `largest_error_lsb`, `saturated` (0 to 1), `dead_channels`, `channels`, `sum_bits`, `bound_bits`, `limit_bits`; null for what is not finite |
//! | `unequal` | every image for which the two give different classes: `image`, `label`, `float`, `int8`, `float_margin`, `int8_margin`, `verdict`, `agrees`, `turns_at` |
//! | `least_certain` | the 20 images with the smallest `int8_margin`, in the same form; `turns_at`, the first layer after which int8 diverges, is null where the classes are equal |
//!
//! Fields may be added, not renamed.

use firmware::Verdict;
use firmware_sim::verify::{Comparison, LayerFidelity};
use serde_json::{Value, json};

use super::{Report, Share, Source, verdict};

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
        "agreement_margin": report.agreement_margin(),
        "images": verification.images(),
        "labelled": verification.labelled(),
        "classes": report.classes,
        "assumed_classes": report.assumes_classes,
        "float_right": share(&report.among_labelled(verification.float_correct())),
        "int8_right": share(&report.among_labelled(verification.int8_correct())),
        "equal": share(&report.share(verification.agreements())),
        "gate": report.gate.as_ref().map(|gate| json!({ "min_agreement": gate.min, "passes": gate.passes() })),
        "verdicts": {
            "sure": share(&report.share(verification.verdicts(Verdict::Sure))),
            "sure_right": share(&report.sure_correct()),
            "unsure": share(&report.share(verification.verdicts(Verdict::Unsure))),
            "none": share(&report.share(verification.verdicts(Verdict::None))),
        },
        "of_no_class": report.verdicts_of_no_class().map(|verdicts| {
            verdicts.iter().map(|(name, found)| ((*name).to_owned(), share(found))).collect::<Value>()
        }),
        "agrees": share(&report.share(verification.agreeing())),
        "agrees_right": share(&report.among_agreeing(verification.agreeing_correct())),
        "agrees_unequal": share(&report.among_agreeing(verification.agreeing_disagreements())),
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
        "verdict": verdict(comparison.verdict),
        "agrees": comparison.agrees,
        "turns_at": comparison.first_diverging_layer.map(|index| report.layer(index)),
    })
}
