//! `runtime predict`: a line a picture, and on to the next whatever happens to one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use runtime::picture::{self, Limits};
use runtime::preprocess::{self, Content, Step};
use runtime::{Classifier, Prediction, Verdict};
use serde_json::{Value, json};

use crate::canvas;
use crate::cli::{self, Show};
use crate::show::{self, Page, Row};

/// Endings of the files that are taken from a folder.
const PICTURES: [&str; 11] =
    ["png", "jpg", "jpeg", "gif", "bmp", "webp", "pnm", "pbm", "pgm", "ppm", "pam"];

pub(crate) fn run(arguments: &cli::Predict) -> anyhow::Result<ExitCode> {
    let (images, show) = arguments.task().unwrap_or_else(|error| error.exit());
    if let Some(Show::File(path)) = &show {
        canvas::check_replaceable(path)?;
    }
    let classifier = arguments.model.load()?;
    let limits = Limits::from(&arguments.limits);
    let mut page = Page::default();
    let mut output = io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for argument in images {
        let paths = pictures(argument).unwrap_or_else(|error| vec![(argument.clone(), Err(error))]);
        for (path, picture) in paths {
            let seen = picture.and_then(|()| see(&classifier, &path, limits, show.is_some()));
            match (&seen, arguments.json) {
                (seen, true) => {
                    let line = json_line(&classifier, &path, seen.as_ref(), arguments.top);
                    writeln!(output, "{line}")?;
                }
                (Ok(seen), false) => {
                    let line = text_line(&classifier, &path, seen, arguments.top);
                    writeln!(output, "{line}")?;
                }
                (Err(error), false) => eprintln!("error: {error:#}"),
            }
            match (seen, &show) {
                (Err(_), _) => code = ExitCode::FAILURE,
                (Ok(seen), Some(Show::File(_))) => page.push(seen.row(&path))?,
                (Ok(seen), Some(Show::Terminal)) => {
                    writeln!(output, "{}", seen.in_terminal(&classifier))?;
                }
                (Ok(_), None) => (),
            }
        }
    }
    output.flush()?;
    if let Some(Show::File(path)) = &show {
        page.save(path, classifier.classes())?;
    }
    Ok(code)
}

/// What was made of a picture.
struct Seen {
    prediction: Prediction,
    content: Content,
    /// The original first and the 28×28 last; none unless they are to be shown.
    steps: Vec<Step>,
}

impl Seen {
    fn row(self, path: &Path) -> Row {
        Row { title: path.display().to_string(), steps: self.steps, prediction: self.prediction }
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

    /// Why an answer is none, or not sure.
    fn doubt(&self) -> &'static str {
        match (self.prediction.verdict, self.content) {
            (Verdict::Sure, _) => "",
            (Verdict::Unsure, _) => "  unsure",
            (Verdict::NoDigit, Content::Drawing) => "  no digit: it looks like none",
            (Verdict::NoDigit, Content::Blank) => "  no digit: nothing is drawn there",
            (Verdict::NoDigit, Content::Several) => "  no digit: there are several drawings",
            (Verdict::NoDigit, Content::Clutter) => "  no digit: there are no strokes on paper",
        }
    }
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

fn see(classifier: &Classifier, path: &Path, limits: Limits, shown: bool) -> anyhow::Result<Seen> {
    let picture = if path == Path::new("-") {
        picture::read(io::stdin().lock(), limits).context("standard input")?
    } else {
        picture::load(path, limits)?
    };
    let (steps, prepared) =
        if shown { preprocess::trace(&picture) } else { (vec![], preprocess::prepare(&picture)) };
    Ok(Seen { prediction: classifier.read(&prepared), content: prepared.content, steps })
}

fn text_line(classifier: &Classifier, path: &Path, seen: &Seen, top: u16) -> String {
    let ranked: Vec<String> = seen
        .prediction
        .top(usize::from(top))
        .into_iter()
        .map(|(class, p)| format!("{}  {:5.1} %", classifier.classes()[class], p * 100.0))
        .collect();
    format!("{}  {}{}", path.display(), ranked.join("   "), seen.doubt())
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
        Ok(Seen { prediction, .. }) => {
            let mut line = json!({
                "path": path,
                "digit": prediction.digit(),
                "confidence": decimal(prediction.confidence()),
                "verdict": prediction.verdict.name(),
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
