//! `firmware-sim robustness`: for how many images a few grey levels of each pixel do not change the class.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, ensure};
use comfy_table::Table;
use dataset::idx::Part;
use firmware_sim::identity;
use firmware_sim::quantize::is_classifier;
use firmware_sim::robustness::{Effort, Outcome, Robustness, certify};
use safe_io::SingleLine;
use serde_json::json;

use crate::data::Wanted;
use crate::model::{Onnx, with_hint};
use crate::share::Share;
use crate::table::of_numbers;
use crate::{cli, data, model};

/// Images that are looked at, if nothing is said and there are more.
const DEFAULT_IMAGES: usize = 1000;
/// Attacked images that are listed.
const LISTED: usize = 10;

pub(crate) fn run(arguments: &cli::Robustness) -> anyhow::Result<()> {
    let [onnx_path, q8_path] =
        [&arguments.model, &arguments.quantized].map(|path| SingleLine(path.display()));
    let given = arguments.data.given()?;
    let onnx = Onnx::read(&arguments.model, arguments.input.float_input()?)?;
    let file = model::read(&arguments.quantized)?;
    let int8 = model::parse_q8(&file, &q8_path)?;
    let both = || format!("{q8_path} against {onnx_path}");
    onnx.ensure_origin(int8).with_context(both)?;
    let test = data::load(&given, Part::Test, &Wanted::of_onnx(&onnx))?;
    data::ensure_any(&test, given.path())?;
    let is_classifier = is_classifier(
        onnx.outputs(),
        onnx.shape().iter().product(),
        onnx.classes().is_some() || !test.labels.is_empty(),
    );
    ensure!(
        is_classifier,
        "the {} outputs of {onnx_path} are no classes, so none can change: give a classifier",
        onnx.outputs()
    );
    let samples = test.content.samples();
    let all = samples.len();
    let count = arguments.images.map_or(DEFAULT_IMAGES.min(all), NonZeroUsize::get);
    ensure!(
        count <= all,
        "--images {count}: {} has {all} {}, so give at most {all}",
        SingleLine(given.path().display()),
        test.source.what(),
    );
    let numbers: Vec<usize> = data::evenly_spaced(all, count);
    let options = arguments.options();
    let bar = model::progress_bar(count, "images");
    let progress = |done| bar.set_position(done as u64);
    let found = certify(int8, samples, &numbers, &test.labels, &options, progress);
    bar.finish_and_clear();
    let found = found.map_err(with_hint).with_context(both)?;
    let [q8_hash, data_hash] =
        [identity(&file), data::hash(&test)].map(|hash| base16ct::lower::encode_string(&hash));
    let mut stdout = io::stdout().lock();
    if arguments.json {
        let mut object = found.json();
        object["int8"] = source(&arguments.quantized, &q8_hash);
        object["data"] = source(given.path(), &data_hash);
        object["seed"] = options.seed.into();
        writeln!(stdout, "{object}")?;
    } else {
        let folder = SingleLine(given.path().display());
        write!(
            stdout,
            "int8     {q8_path}, SHA-256 {}…\nimages   {folder}, SHA-256 {}…\n{}",
            &q8_hash[..16],
            &data_hash[..16],
            text(&found)
        )?;
    }
    Ok(())
}

fn source(path: &Path, sha256: &str) -> serde_json::Value {
    json!({ "path": path.to_string_lossy(), "sha256": sha256 })
}

fn text(found: &Robustness) -> String {
    let all = found.len();
    let spread = if all == found.all as u64 { "all" } else { "evenly spread" };
    let mut text = format!("         {all} of {}, {spread}\n", found.all);
    let [labelled, right] = found.labelled_and_right();
    if labelled > 0 {
        let _ = writeln!(text, "right    {}", Share { count: right, all: labelled });
    }
    let _ = writeln!(text, "bounds   {}", effort(found.effort));
    let _ = writeln!(
        text,
        "\ncertified: every input whose values (pixels) differ by so many levels at most gets the same class\n\n{}",
        levels(found)
    );
    let attacked = attacked(found);
    if attacked.row_count() > 0 {
        let _ = writeln!(text, "\nattacked, first:\n{attacked}");
    }
    text
}

/// What was done for a certificate at most.
const fn effort(effort: Effort) -> &'static str {
    match effort {
        Effort::Intervals => "intervals",
        Effort::LastLayer => {
            "intervals; differences of outputs followed back to the input. Following every layer's sums back would take longer: \
             more images may be certifiable"
        }
        Effort::EveryLayer => "every layer's sums followed back to the input",
    }
}

fn levels(found: &Robustness) -> Table {
    let mut table = of_numbers(&[
        "levels",
        "certified",
        "share",
        "95 % interval",
        "and right",
        "attacked",
        "unknown",
    ]);
    for (index, level) in found.levels.iter().enumerate() {
        let counts = found.counts(index);
        let certified = Share { count: counts.certified, all: found.len() };
        table.add_row([
            format!("±{level}"),
            counts.certified.to_string(),
            certified.percent(),
            certified.interval_percent(),
            counts.certified_right.to_string(),
            counts.attacked.to_string(),
            counts.unknown.to_string(),
        ]);
    }
    table
}

fn attacked(found: &Robustness) -> Table {
    let mut table = of_numbers(&["image", "label", "class", "becomes", "levels"]);
    let first = found.samples.iter().filter_map(|sample| {
        let levels = found.levels.iter().zip(&sample.outcomes);
        let mut attacks = levels.filter_map(|(level, outcome)| match outcome {
            Outcome::Attacked(attack) => Some((level, attack.class)),
            _ => None,
        });
        attacks.next().map(|(level, to)| (level, to, sample))
    });
    for (level, to, sample) in first.take(LISTED) {
        table.add_row([
            sample.sample.to_string(),
            sample.label.map_or(String::new(), |label| label.to_string()),
            sample.class.to_string(),
            to.to_string(),
            format!("±{level}"),
        ]);
    }
    table
}
