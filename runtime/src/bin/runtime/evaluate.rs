//! `runtime evaluate`: how good a model is on a dataset's test split.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, ensure};
use dataset::ConfusionMatrix;
use dataset::idx;
use dataset::idx::Part;
use runtime::Verdict;
use runtime::evaluate::evaluate;
use runtime::reliability::{Bin, Reliability, Score};
use serde_json::{Value, json};

use crate::cli;
use crate::hint::with_hint;
use crate::model;

pub(crate) fn run(arguments: &cli::Evaluate) -> anyhow::Result<()> {
    let source = model::Source::read(arguments.model.file.as_deref(), arguments.model.kernels())?;
    let classifier = source.classifier(arguments.model.options()?)?;
    let folder = arguments.data.clone().or_else(safe_io::default_data_folder);
    let folder = folder
        .context("you have no home folder to look for images in: give one with --data DIR")?;
    let split = idx::load_of_shape(&folder, Part::Test, classifier.input_shape());
    let split = split.map_err(with_hint)?;
    let classes = classifier.classes().len();
    let beyond = split.labels.iter().find(|&&label| usize::from(label) >= classes);
    if let Some(label) = beyond {
        let folder = folder.display();
        anyhow::bail!("{folder} holds label {label}, but the model has {classes} classes");
    }
    let started = Instant::now();
    let (report, reliability) = evaluate(&classifier, &split);
    let seconds = started.elapsed().as_secs_f64();
    ensure!(report.total() > 0, "{} holds no test images", folder.display());
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
    Ok(())
}

fn json_line(report: &ConfusionMatrix, reliability: &Reliability, names: &[String]) -> Value {
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
    json!({
        "accuracy": report.accuracy(),
        "correct": report.correct(),
        "total": report.total(),
        "classes": classes.collect::<Vec<_>>(),
        "confusion": report.counts(),
        "verdicts": verdicts(reliability),
        "reliability": bins(reliability),
    })
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
