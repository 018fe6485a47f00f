//! The report as one JSON object.
//!
//! | field | what |
//! |---|---|
//! | `float`, `int8`, `data` | `path` as given, and `sha256`: of the file; of the image file and the label file after it, unpacked |
//! | `calibration_images`, `agreement_margin` | of the int8 model; the margin from which on answers say that they agree with float, in units of its logits, or null if none does |
//! | `images`, `labelled` | images compared, and those of them that have a label |
//! | `classes`, `assumed_classes` | names of the classes, in the order of their numbers; whether these are those of the folders, since the ONNX file names none |
//! | `is_classifier` | whether the outputs are classes; if not, `equal`, `gate`, `verdicts`, `agrees…` and `margins` are null, and `unequal` and `least_certain` empty |
//! | `float_right`, `int8_right` | `count` among `labelled`, `share` of them, and `low` and `high` of the 95 % interval; `share` is null if there are none |
//! | `equal` | the same among `images`: both give the same class |
//! | `gate` | `min_agreement`, and whether `equal` `passes`: its `high` is not below; null if the outputs are no classes |
//! | `verdicts` | what the device says: `sure`, `unsure`, `none`, among `images`, and `sure_right`, among the sure ones |
//! | `of_no_class` | the same verdicts of pictures of no class, `none` being right, among these; null if there are none |
//! | `agrees` | images of which the device says that float gives the same class, among `images` |
//! | `agrees_right`, `agrees_unequal` | those of them that are read right, and for which float gives another class after all |
//! | `logits` | of the outputs: `largest_difference`, `mean_difference`, `rms_difference`, in float's units; `sqnr_db`; `histogram`: `[upper edge, count]` of each bin of int8 − float |
//! | `margins` | float's best logit over its next: `least`, and what 1 %, 10 % and 50 % of the images are below |
//! | `layers` | of each layer: `layer`, `sqnr_db`, `cosine`, `mean_error_lsb`, `largest_error_lsb`, `saturated` (0 to 1), `dead_channels`, `channels`, `sum_bits`, `bound_bits`, `limit_bits`; null for what is not finite |
//! | `unequal` | every image for which the two give different classes: `image`, `label`, `float`, `int8`, `float_margin`, `int8_margin`, `verdict`, `agrees`, `turns_at` |
//! | `least_certain` | the 20 images with the smallest `int8_margin`, in the same form; `turns_at`, the first layer after which int8 diverges, is null where the classes are equal |
//! | `reconstruction` | of a model that gives as many numbers as it takes, no pixels: mean squared differences of outputs to what went in, of `float` and `int8`, and `largest_change` of a sample's by int8, a share of float's; else null |
//! | `most_different` | the 20 samples whose outputs differ most: `image`, `largest_difference`, and `reconstruction`, `[float, int8]` or null; empty of a classifier |
//!
//! Fields may be added, not renamed.

use firmware::Verdict;
use firmware_sim::verify::{Comparison, LayerFidelity};
use serde_json::{Value, json};

use super::{Report, Source, verdict};
use crate::share::Share;

/// Bins of the histogram of logit errors.
const BINS: usize = 41;

pub(super) fn object(report: &Report) -> Value {
    let verification = report.verification;
    let header = report.int8.header();
    // of outputs that are no classes, what is said of classes is null
    let of_classes = |value: Value| if report.is_classifier { value } else { Value::Null };
    let list = |samples: &mut dyn Iterator<Item = Value>| -> Value { samples.collect() };
    let [unequal, least_certain, most_different] = if report.is_classifier {
        [
            list(&mut verification.disagreements().map(|it| comparison(report, it))),
            list(&mut verification.least_certain().iter().map(|it| comparison(report, it))),
            json!([]),
        ]
    } else {
        let most = verification.most_different();
        [json!([]), json!([]), list(&mut most.iter().map(difference))]
    };
    let reconstruction = verification.reconstruction();
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
        "is_classifier": report.is_classifier,
        "float_right": share(&report.among_labelled(verification.float_correct())),
        "int8_right": share(&report.among_labelled(verification.int8_correct())),
        "equal": of_classes(share(&report.share(verification.agreements()))),
        "gate": report.gate.as_ref().map(|gate| json!({ "min_agreement": gate.min, "passes": gate.passes() })),
        "verdicts": of_classes(json!({
            "sure": share(&report.share(verification.verdicts(Verdict::Sure))),
            "sure_right": share(&report.sure_correct()),
            "unsure": share(&report.share(verification.verdicts(Verdict::Unsure))),
            "none": share(&report.share(verification.verdicts(Verdict::None))),
        })),
        "of_no_class": report.verdicts_of_no_class().map(|verdicts| {
            verdicts.iter().map(|(name, found)| ((*name).to_owned(), share(found))).collect::<Value>()
        }),
        "agrees": of_classes(share(&report.share(verification.agreeing()))),
        "agrees_right": of_classes(share(&report.among_agreeing(verification.agreeing_correct()))),
        "agrees_unequal": of_classes(share(&report.among_agreeing(verification.agreeing_disagreements()))),
        "logits": {
            "largest_difference": verification.max_difference(),
            "mean_difference": verification.mean_difference(),
            "rms_difference": verification.rms_difference(),
            "sqnr_db": verification.sqnr_db(),
            "histogram": verification.logit_histogram::<BINS>().as_slice(),
        },
        "margins": of_classes(json!({
            "least": verification.margin_quantile(0.0),
            "1%": verification.margin_quantile(0.01),
            "10%": verification.margin_quantile(0.1),
            "50%": verification.margin_quantile(0.5),
        })),
        "reconstruction": reconstruction.map(|it| json!({
            "float": it.float, "int8": it.int8, "largest_change": it.max_change,
        })),
        "layers": verification.layers.iter().map(layer).collect::<Value>(),
        "unequal": unequal,
        "least_certain": least_certain,
        "most_different": most_different,
    })
}

fn difference(comparison: &Comparison) -> Value {
    json!({
        "image": comparison.image,
        "largest_difference": comparison.max_difference,
        "reconstruction": comparison.reconstruction,
    })
}

fn source(source: &Source) -> Value {
    json!({ "path": source.path.to_string_lossy(), "sha256": source.hex() })
}

pub(super) fn share(share: &Share) -> Value {
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
