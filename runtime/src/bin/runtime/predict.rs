//! `runtime predict`: a line a picture, and on to the next whatever happens to one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use runtime::picture::{self, Limits};
use runtime::preprocess::{self, Content, Step};
use runtime::{Classifier, Prediction, Verdict};
use safe_io::SingleLine;
use serde_json::{Value, json};

use crate::canvas;
use crate::cli::{self, Show};
use crate::show::{self, Page, Row};
use safe_io::print::print_error;

/// Endings of the files that are taken from a folder.
const PICTURES: [&str; 11] =
    ["png", "jpg", "jpeg", "gif", "bmp", "webp", "pnm", "pbm", "pgm", "ppm", "pam"];

pub(crate) fn run(arguments: &cli::Predict) -> anyhow::Result<ExitCode> {
    let (images, show) = arguments.task().unwrap_or_else(|error| error.exit());
    if let Some(Show::File(path)) = &show {
        let otherwise = "name another file, or put --show last to draw in the terminal";
        canvas::check_replaceable(path, otherwise)?;
    }
    let classifier = arguments.model.load()?;
    let limits = Limits::from(&arguments.limits);
    let mut page = Page::default();
    let mut output = io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    let mut printed = Ok(());
    for argument in images {
        let paths = pictures(argument).unwrap_or_else(|error| vec![(argument.clone(), Err(error))]);
        for (path, picture) in paths {
            let seen = picture.and_then(|()| see(&classifier, &path, limits, show.is_some()));
            let line = match (&seen, arguments.json) {
                (seen, true) => {
                    writeln!(
                        output,
                        "{}",
                        json_line(&classifier, &path, seen.as_ref(), arguments.top)
                    )
                }
                (Ok(seen), false) => {
                    writeln!(output, "{}", text_line(&classifier, &path, seen, arguments.top))
                }
                (Err(error), false) => {
                    print_error(error);
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
                (Ok(seen), Some(Show::File(_))) => page.push(seen.row(&path))?,
                (Ok(seen), Some(Show::Terminal)) => {
                    writeln!(output, "{}", seen.in_terminal(&classifier))?;
                }
                (Ok(_), None) => (),
            }
        }
    }
    if let Some(Show::File(path)) = &show {
        page.save(path, classifier.classes())?;
    }
    printed.and(output.flush())?;
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
        let title = SingleLine(path.display()).to_string();
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

/// The pictures that an argument means: itself, or the files that a folder holds, by name.
///
/// What is no file there is left alone: a pipe would wait for a writer, and nobody named it.
fn pictures(argument: &Path) -> anyhow::Result<Vec<(PathBuf, anyhow::Result<()>)>> {
    if !argument.is_dir() {
        return Ok(vec![(argument.to_owned(), Ok(()))]);
    }
    let unreadable = || format!("cannot read folder {}", argument.display());
    let mut paths = vec![];
    for entry in argument.read_dir().with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let named = ending.is_some_and(|ending| PICTURES.contains(&ending.as_str()));
        // a link to nowhere is one that cannot be read
        if named && path.metadata().map_or(true, |there| there.is_file()) {
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
    format!("{}  {}{}", SingleLine(path.display()), ranked.join("   "), seen.doubt())
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
