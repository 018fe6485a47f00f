//! `runtime evaluate`: how good a model is on a dataset's test split.

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use dataset::ConfusionMatrix;
use dataset::idx;
use dataset::idx::{Part, Split};
use runtime::evaluate::evaluate_with;
use runtime::reliability::{Bin, Reliability, Score};
use runtime::{Classifier, Verdict, preprocess};
use safe_io::SingleLine;
use serde_json::{Value, json};

use crate::canvas::check_output;
use crate::cli;
use crate::contact_sheet::{Caption, ContactSheet, Tile};
use crate::hint::with_hint;
use crate::model;
use crate::note;
use crate::progress;

/// Images that tell whether the scores depend on them.
const SPREAD_IMAGES: usize = 100;

pub(crate) fn run(arguments: &cli::Evaluate) -> anyhow::Result<()> {
    if let Some(path) = &arguments.sheet {
        let inputs: Vec<&Path> = arguments.model.file.as_deref().into_iter().collect();
        check_output(path, &inputs, arguments.force, "")?;
    }
    let classifier = model::classifier(&arguments.model)?;
    let split = test_split(arguments, &classifier)?;
    note::assumption(&classifier, arguments.model.file.as_deref());
    let started = Instant::now();
    let bar = progress::bar(split.images.len());
    let (report, reliability) =
        evaluate_with(&classifier, &split, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let mut spread = note::Spread::new(&classifier);
    let step = split.images.len().div_ceil(SPREAD_IMAGES);
    let some: Vec<_> = split.images.iter().step_by(step).cloned().collect();
    classifier.predict_batch(&some).iter().for_each(|prediction| spread.add(prediction));
    spread.note();
    let mut output = io::stdout().lock();
    if arguments.json {
        writeln!(output, "{}", json_line(&report, &reliability, classifier.classes()))?;
    } else {
        let (correct, total) = (report.correct(), report.total());
        writeln!(
            output,
            "accuracy {:.2} %  ({correct} of {total}, {seconds:.1} s)",
            report.accuracy() * 100.0
        )?;
        let reliability = reliability.table(classifier.preparation().preprocess());
        writeln!(output, "\n{}\n\n{reliability}", report.table(classifier.classes()))?;
    }
    if let Some(path) = &arguments.sheet {
        let right = format!("{:.2} % right", report.accuracy() * 100.0);
        sheet(&classifier, &split).save(path, &right)?;
    }
    Ok(())
}

/// The misread images.
fn sheet(classifier: &Classifier, split: &Split) -> ContactSheet {
    let mut sheet = ContactSheet::default();
    for (at, image) in split.images.iter().enumerate() {
        let prediction = classifier.predict(image);
        let label = usize::from(split.labels[at]);
        if prediction.class() != label {
            sheet.push(|| {
                let verdict = prediction.verdict.name_after(classifier.preparation().preprocess());
                let names = [classifier.classes()[label].as_str(), prediction.name()];
                let caption = Caption::new(names, prediction.confidence(), verdict);
                let name = format!("test image {at}");
                Some(Tile::new(name, caption, &preprocess::drawing(image), image))
            });
        }
    }
    sheet
}

/// The images of the dataset's test split, with labels that the model has.
pub(crate) fn test_split(
    arguments: &cli::Evaluate,
    classifier: &Classifier,
) -> anyhow::Result<Split> {
    let folder = arguments.data.clone().or_else(safe_io::default_data_folder);
    let folder = folder
        .context("you have no home folder to look for images in: give one with --data DIR")?;
    let split = idx::load_of_shape(&folder, Part::Test, classifier.input_shape());
    let split = split.map_err(with_hint)?;
    let classes = classifier.classes().len();
    let folder = SingleLine(folder.display());
    ensure!(!split.images.is_empty(), "{folder} holds no test images");
    match split.labels.iter().find(|&&label| usize::from(label) >= classes) {
        Some(label) => bail!("{folder} holds label {label}, but the model has {classes} classes"),
        None => Ok(split),
    }
}

fn json_line(report: &ConfusionMatrix, reliability: &Reliability, names: &[String]) -> Value {
    json!({
        "accuracy": report.accuracy(),
        "correct": report.correct(),
        "total": report.total(),
        "classes": per_class(report, names),
        "confusion": report.counts(),
        "verdicts": verdicts(reliability),
        "reliability": bins(reliability),
    })
}

/// Scores of each class with its name.
pub(crate) fn per_class(report: &ConfusionMatrix, names: &[String]) -> Value {
    let classes = report.per_class();
    let classes = classes.iter().zip(names).map(|(score, name)| {
        json!({
            "class": name,
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "support": score.support,
        })
    });
    classes.collect()
}

/// Right answers and answers of each verdict.
pub(crate) fn verdicts(reliability: &Reliability) -> Value {
    let score = |verdict| {
        let Score { right, of } = reliability.verdict(verdict);
        json!({ "right": right, "of": of })
    };
    json!({
        "sure": score(Verdict::Sure),
        "unsure": score(Verdict::Unsure),
        "no_digit": score(Verdict::NoDigit),
    })
}

/// Right answers and answers of each range of confidence.
pub(crate) fn bins(reliability: &Reliability) -> Value {
    let bins = reliability.bins().map(|Bin { from, mean_confidence, score }| {
        json!({ "from": from, "mean_confidence": mean_confidence, "right": score.right, "of": score.of })
    });
    bins.collect()
}
