//! `runtime predict`: a line a picture, and on to the next whatever happens to one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use runtime::picture::{self, Limits};
use runtime::{Classifier, Prediction, preprocess};
use serde_json::{Value, json};

use crate::cli;

/// Endings of the files that are taken from a folder.
const PICTURES: [&str; 11] =
    ["png", "jpg", "jpeg", "gif", "bmp", "webp", "pnm", "pbm", "pgm", "ppm", "pam"];

pub(crate) fn run(arguments: &cli::Predict) -> anyhow::Result<ExitCode> {
    let classifier = arguments.model.load()?;
    let limits = Limits::from(&arguments.limits);
    let mut output = io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for argument in &arguments.images {
        let paths = pictures(argument).unwrap_or_else(|error| vec![(argument.clone(), Err(error))]);
        for (path, picture) in paths {
            let prediction = picture.and_then(|()| predict(&classifier, &path, limits));
            if prediction.is_err() {
                code = ExitCode::FAILURE;
            }
            match prediction {
                _ if arguments.json => {
                    writeln!(
                        output,
                        "{}",
                        json_line(&classifier, &path, prediction, arguments.top)
                    )?;
                }
                Ok(prediction) => {
                    writeln!(
                        output,
                        "{}",
                        text_line(&classifier, &path, &prediction, arguments.top)
                    )?;
                }
                Err(error) => eprintln!("error: {error:#}"),
            }
        }
    }
    output.flush()?;
    Ok(code)
}

/// The pictures that an argument means: itself, or what a folder holds, by name.
fn pictures(argument: &Path) -> anyhow::Result<Vec<(PathBuf, anyhow::Result<()>)>> {
    if !argument.is_dir() {
        return Ok(vec![(argument.to_owned(), Ok(()))]);
    }
    let unreadable = || format!("cannot read folder {}", argument.display());
    let mut paths = vec![];
    for entry in argument.read_dir().with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if ending.is_some_and(|ending| PICTURES.contains(&ending.as_str())) {
            paths.push(path);
        }
    }
    anyhow::ensure!(!paths.is_empty(), "folder {} holds no pictures", argument.display());
    paths.sort();
    Ok(paths.into_iter().map(|path| (path, Ok(()))).collect())
}

fn predict(classifier: &Classifier, path: &Path, limits: Limits) -> anyhow::Result<Prediction> {
    let picture = if path == Path::new("-") {
        picture::read(io::stdin().lock(), limits).context("standard input")?
    } else {
        picture::load(path, limits)?
    };
    Ok(classifier.read(&preprocess::prepare(&picture)))
}

fn text_line(classifier: &Classifier, path: &Path, prediction: &Prediction, top: u16) -> String {
    let ranked: Vec<String> = prediction
        .top(usize::from(top))
        .into_iter()
        .map(|(class, p)| format!("{}  {:5.1} %", classifier.classes()[class], p * 100.0))
        .collect();
    format!("{}  {}", path.display(), ranked.join("   "))
}

fn json_line(
    classifier: &Classifier,
    path: &Path,
    prediction: anyhow::Result<Prediction>,
    top: u16,
) -> Value {
    let path = path.display().to_string();
    match prediction {
        Err(error) => json!({ "path": path, "error": format!("{error:#}") }),
        Ok(prediction) => {
            let mut line = json!({
                "path": path,
                "digit": prediction.digit(),
                "confidence": decimal(prediction.confidence()),
                "probabilities": prediction.probabilities.iter().copied().map(decimal).collect::<Vec<_>>(),
            });
            let class = &classifier.classes()[prediction.digit()];
            if *class != prediction.digit().to_string() {
                line["class"] = class.as_str().into();
            }
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

/// Six decimals: more would differ from one processor to the next.
fn decimal(probability: f32) -> f64 {
    (f64::from(probability) * 1e6).round() / 1e6
}
