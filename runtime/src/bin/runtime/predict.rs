//! `runtime predict`: one line per picture; one that fails does not stop the others.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use runtime::picture::{self, Limits};
use runtime::preprocess::{Content, Step};
use runtime::{Classifier, Prediction};
use safe_io::SingleLine;
use serde_json::{Value, json};

use crate::canvas;
use crate::cli::{self, Show};
use crate::folder::{self, Folder};
use crate::hint::with_hint;
use crate::model;
use crate::note;
use crate::progress;
use crate::show::{self, MAX_ROWS, Page, Row};
use crate::stdin;
use safe_io::print::print_error;

pub(crate) fn run(arguments: &cli::Predict) -> anyhow::Result<ExitCode> {
    let task = arguments.task(stdin::is_data());
    let (images, show) = task.unwrap_or_else(|error| error.exit());
    if let Some(Show::File(path)) = &show {
        let pictures = images.iter().map(PathBuf::as_path);
        let inputs: Vec<&Path> = pictures.chain(arguments.model.file.as_deref()).collect();
        canvas::check_output(
            path,
            &inputs,
            arguments.force,
            ", or put --show last to draw in the terminal",
        )?;
    }
    let listed = |argument: &PathBuf| {
        pictures(argument).unwrap_or_else(|error| vec![(argument.clone(), Err(error))])
    };
    let pictures: Vec<_> = images.iter().flat_map(listed).collect();
    ensure!(
        pictures.len() <= MAX_ROWS || !matches!(show, Some(Show::File(_))),
        "--show writes at most {MAX_ROWS} pictures on a page, and these are {}: name fewer",
        pictures.len()
    );
    let classifier = model::classifier(&arguments.model)?;
    note::assumption(&classifier, arguments.model.file.as_deref());
    let mut spread = note::Spread::new(&classifier);
    let limits = Limits::from(&arguments.limits);
    let mut page = Page::default();
    let mut output = io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    let mut printed = Ok(());
    let bar = progress::bar_beside_lines(pictures.len());
    for (path, found) in pictures {
        bar.inc(1);
        let seen = found.and_then(|()| see(&classifier, &path, limits, show.is_some()));
        if let Ok(Seen { prediction, content: Content::Drawing, .. }) = &seen {
            spread.add(prediction);
        }
        let line = match (&seen, arguments.json) {
            (seen, true) => {
                let line = json_line(&classifier, &path, seen.as_ref(), arguments.top);
                writeln!(output, "{line}")
            }
            (Ok(seen), false) => {
                writeln!(output, "{}", text_line(&classifier, &path, seen, arguments.top))
            }
            (Err(error), false) => {
                bar.suspend(|| print_error(error));
                Ok(())
            }
        };
        match &show {
            // a reader that left early still gets its file
            Some(Show::File(_)) => printed = printed.and(line),
            _ => line?,
        }
        match (seen, &show) {
            (Err(_), _) => code = ExitCode::FAILURE,
            (Ok(seen), Some(Show::File(_))) => page.push(seen.row(&path, &classifier)),
            (Ok(seen), Some(Show::Terminal)) => {
                writeln!(output, "{}", seen.in_terminal(&classifier))?;
            }
            (Ok(_), None) => (),
        }
    }
    bar.finish_and_clear();
    spread.note();
    if let Some(Show::File(path)) = &show {
        page.save(path, &classifier)?;
    }
    printed.and(output.flush())?;
    Ok(code)
}

/// A picture that was read.
struct Seen {
    prediction: Prediction,
    content: Content,
    /// The original first and what the model sees last; empty unless they are to be shown.
    steps: Vec<Step>,
}

impl Seen {
    fn row(self, path: &Path, classifier: &Classifier) -> Row {
        let path = SingleLine(path.display());
        let title = match self.reason(classifier) {
            Some(reason) => format!("{path}: {reason}"),
            None => path.to_string(),
        };
        Row { title, steps: self.steps, prediction: self.prediction }
    }

    fn in_terminal(&self, classifier: &Classifier) -> String {
        match &self.steps[..] {
            [original, .., seen] => show::in_terminal(
                &original.picture,
                &seen.picture,
                &self.prediction,
                classifier.classes(),
            ),
            _ => String::new(),
        }
    }

    /// Why there is no answer; `None` where there is one.
    fn reason(&self, classifier: &Classifier) -> Option<&'static str> {
        self.prediction.verdict.reason(self.content, classifier.preparation().preprocess())
    }
}

/// The pictures that an argument means: itself, or the files that a folder holds, by name.
fn pictures(argument: &Path) -> anyhow::Result<Vec<(PathBuf, anyhow::Result<()>)>> {
    if stdin::is_meant(argument) || !argument.is_dir() {
        return Ok(vec![(argument.to_owned(), Ok(()))]);
    }
    let Folder { pictures, skipped } = folder::read(argument)?;
    let name = SingleLine(argument.display());
    if pictures.is_empty() && skipped.is_empty() {
        bail!("folder {name} holds no pictures");
    }
    if pictures.is_empty() {
        bail!("folder {name} holds no pictures, but {skipped}");
    }
    if !skipped.is_empty() {
        note::print(format_args!("folder {name}: skipped {skipped}"));
    }
    Ok(pictures.into_iter().map(|path| (path, Ok(()))).collect())
}

fn see(classifier: &Classifier, path: &Path, limits: Limits, shown: bool) -> anyhow::Result<Seen> {
    let picture = if stdin::is_meant(path) {
        picture::read(io::stdin().lock(), limits).map_err(with_hint).context(stdin::NAME)?
    } else {
        picture::load(path, limits).map_err(with_hint)?
    };
    let preparation = classifier.preparation();
    let (steps, prepared) =
        if shown { preparation.trace(&picture) } else { (vec![], preparation.prepare(&picture)) };
    Ok(Seen { prediction: classifier.predict(&prepared), content: prepared.content, steps })
}

/// The verdict's name for a model of this kind.
fn verdict(classifier: &Classifier, prediction: &Prediction) -> &'static str {
    prediction.verdict.name_after(classifier.preparation().preprocess())
}

/// `PATH  CLASS  CONFIDENCE %  VERDICT`, or `PATH  no digit: REASON`.
fn text_line(classifier: &Classifier, path: &Path, seen: &Seen, top: u16) -> String {
    let path = SingleLine(path.display());
    let verdict = verdict(classifier, &seen.prediction);
    if let Some(reason) = seen.reason(classifier) {
        return format!("{path}  {verdict}: {reason}");
    }
    let ranked: Vec<String> = seen
        .prediction
        .top(usize::from(top))
        .into_iter()
        .map(|(class, p)| format!("{}  {:5.1} %", classifier.classes()[class], p * 100.0))
        .collect();
    format!("{path}  {}  {verdict}", ranked.join("   "))
}

fn json_line(
    classifier: &Classifier,
    path: &Path,
    seen: Result<&Seen, &anyhow::Error>,
    top: u16,
) -> Value {
    let path = path.display().to_string();
    match seen {
        Err(error) => json!({ "path": path, "error": format!("{error:#}") }),
        Ok(seen) => {
            let prediction = &seen.prediction;
            let mut line = json!({
                "path": path,
                "digit": prediction.class(),
                "class": prediction.name(),
                "confidence": decimal(prediction.confidence()),
                "verdict": verdict(classifier, prediction),
                "reason": seen.reason(classifier),
                "probabilities": prediction.probabilities.iter().copied().map(decimal).collect::<Vec<_>>(),
            });
            if top > 1 {
                let ranked = prediction.top(usize::from(top)).into_iter();
                line["top"] = ranked
                    .map(|(class, p)| json!({ "class": classifier.classes()[class], "probability": decimal(p) }))
                    .collect();
            }
            line
        }
    }
}

/// Rounds to six decimals: more would differ from one processor to the next.
fn decimal(probability: f32) -> f64 {
    (f64::from(probability) * 1e6).round() / 1e6
}
