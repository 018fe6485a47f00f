//! `runtime evaluate` on a folder per class or a CSV file: how good a model is on labelled picture files.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use dataset::ConfusionMatrix;
use dataset::folder::{Picture, Refused};
use image::DynamicImage;
use runtime::labelled::{self, decode_each, refused_json};
use runtime::picture::{self, Limits};
use runtime::preprocess::{Content, Preprocess};
use runtime::reliability::{Reliability, Score};
use runtime::{Classifier, Prediction, Verdict};
use safe_io::SingleLine;
use serde_json::{Value, json};

use crate::canvas::check_output;
use crate::cli;
use crate::contact_sheet::{ContactSheet, Tile};
use crate::evaluate::{bins, per_class, verdicts};
use crate::hint::with_hint;
use crate::model;
use crate::note;
use crate::progress;
use crate::test_pictures::{self, Entry, TestPictures};
use safe_io::print::print_error;

/// Maximum number of errors that are listed.
const MAX_ERRORS: usize = 20;

/// A picture that was read.
struct Answer {
    entry: Entry,
    prediction: Prediction,
}

impl Answer {
    /// The class is right, whatever the verdict.
    fn is_right(&self) -> bool {
        self.entry.label == Some(self.prediction.class())
    }

    /// Whether somebody should look at it: the wrong class, or a sure one where there is none.
    fn is_misread(&self) -> bool {
        match self.entry.label {
            Some(_) => !self.is_right(),
            None => self.prediction.verdict == Verdict::Sure,
        }
    }
}

pub(crate) fn run(arguments: &cli::Evaluate, data: &Path) -> anyhow::Result<ExitCode> {
    if let Some(path) = &arguments.sheet {
        let inputs = [Some(data), arguments.model.file.as_deref()];
        let inputs: Vec<&Path> = inputs.into_iter().flatten().collect();
        check_output(path, &inputs, arguments.force, "")?;
    }
    let classifier = model::classifier(&arguments.model)?;
    note::assumption(&classifier, arguments.model.file.as_deref());
    let mut spread = note::Spread::new(&classifier);
    let limits = Limits::from(&arguments.limits);
    let TestPictures { entries, refused } = test_pictures::load(data, classifier.classes())?;
    let pictures: Vec<Picture> = entries.iter().map(|entry| entry.picture.clone()).collect();
    let predict = |_, picture: &DynamicImage| {
        let prepared = classifier.preparation().prepare(picture);
        (classifier.predict(&prepared), prepared.content)
    };
    let bar = progress::bar(entries.len());
    let read = decode_each(&pictures, limits, predict, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let mut tally = Tally { classifier: &classifier, answers: vec![], refused, unread: 0 };
    for (entry, read) in entries.into_iter().zip(read) {
        match read {
            Ok((prediction, content)) => {
                if content == Content::Drawing {
                    spread.add(&prediction);
                }
                tally.answers.push(Answer { entry, prediction });
            }
            Err(error) => {
                let reason = labelled::reason(&error);
                tally.refused.push(Refused { name: entry.picture.name, reason });
                tally.unread += 1;
                print_error(&with_hint(error));
            }
        }
    }
    spread.note();
    let mut output = io::stdout().lock();
    let printed = if arguments.json {
        writeln!(output, "{}", tally.json())
    } else {
        write!(output, "{tally}")
    };
    // a reader that left early still gets its file
    if let Some(path) = &arguments.sheet {
        tally.sheet(limits).save(path, &tally.headline())?;
    }
    printed?;
    Ok(if tally.unread == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All answers, for counting.
struct Tally<'a> {
    classifier: &'a Classifier,
    answers: Vec<Answer>,
    /// Files that are no pictures by their names, or cannot be read.
    refused: Vec<Refused>,
    /// Those among them that cannot be read.
    unread: usize,
}

impl Tally<'_> {
    /// Pictures that show a digit.
    fn digits(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.entry.label.is_some())
    }

    fn reliability(&self) -> Reliability {
        self.digits().fold(Reliability::default(), |mut reliability, answer| {
            reliability.record(&answer.prediction, answer.is_right());
            reliability
        })
    }

    /// Pictures without a digit that got each verdict: sure, unsure, no digit.
    fn non_digits(&self) -> [usize; 3] {
        [Verdict::Sure, Verdict::Unsure, Verdict::NoDigit].map(|verdict| {
            let non_digits = self.answers.iter().filter(|answer| answer.entry.label.is_none());
            non_digits.filter(|answer| answer.prediction.verdict == verdict).count()
        })
    }

    fn confusion(&self) -> ConfusionMatrix {
        let mut confusion = ConfusionMatrix::new(self.classifier.classes().len());
        for answer in &self.answers {
            if let Some(label) = answer.entry.label {
                confusion.record(label, answer.prediction.class());
            }
        }
        confusion
    }

    fn sources(&self) -> BTreeMap<&str, Score> {
        let mut sources = BTreeMap::<&str, Score>::new();
        for answer in self.digits() {
            sources.entry(&answer.entry.picture.source).or_default().record(answer.is_right());
        }
        sources
    }

    fn mean_over_sources(&self) -> f64 {
        let sources = self.sources();
        let sum: f64 = sources.values().map(|score| score.percent()).sum();
        sum / sources.len().max(1) as f64
    }

    /// The misread pictures, read again: a few of them, while all would fill the memory.
    fn sheet(&self, limits: Limits) -> ContactSheet {
        let mut sheet = ContactSheet::default();
        for answer in self.answers.iter().filter(|answer| answer.is_misread()) {
            sheet.push(|| {
                let picture = picture::load(&answer.entry.picture.path, limits).ok()?;
                let seen = self.classifier.preparation().prepare(&picture).image;
                let name = SingleLine(&answer.entry.picture.name).to_string();
                Some(Tile::new(name, self.caption(answer), &picture, &seen))
            });
        }
        sheet
    }

    /// Label, answer, confidence, verdict.
    fn caption(&self, answer: &Answer) -> String {
        let Answer { entry, prediction } = answer;
        let label = entry.label.map_or("none", |class| self.classifier.classes()[class].as_str());
        let (read, percent) = (prediction.name(), prediction.confidence() * 100.0);
        format!("{label} → {read}  {percent:.1} %, {}", self.verdict(prediction.verdict))
    }

    /// The verdict's name for a model of this kind.
    fn verdict(&self, verdict: Verdict) -> &'static str {
        verdict.name_after(self.preprocess())
    }

    fn preprocess(&self) -> Preprocess {
        self.classifier.preparation().preprocess()
    }

    fn headline(&self) -> String {
        let all = self.reliability().all();
        format!("{:.2} % right, {} of {} pictures", all.percent(), all.right, all.of)
    }

    fn json(&self) -> Value {
        let reliability = self.reliability();
        let all = reliability.all();
        let [as_sure, as_unsure, as_no_digit] = self.non_digits();
        let score = |score: Score| json!({ "right": score.right, "of": score.of });
        let confusion = self.confusion();
        let errors = self.digits().filter(|answer| !answer.is_right()).map(|answer| {
            json!({
                "path": answer.entry.picture.name,
                "label": answer.entry.label,
                "digit": answer.prediction.class(),
                "class": answer.prediction.name(),
                "confidence": answer.prediction.confidence(),
                "verdict": self.verdict(answer.prediction.verdict),
            })
        });
        json!({
            "accuracy": all.percent() / 100.0,
            "right": all.right,
            "of": all.of,
            "mean_over_sources": self.mean_over_sources() / 100.0,
            "sources": self.sources().into_iter().map(|(name, of)| (name, score(of))).collect::<BTreeMap<_, _>>(),
            "classes": per_class(&confusion, self.classifier.classes()),
            "confusion": confusion.counts(),
            "verdicts": verdicts(&reliability),
            "reliability": bins(&reliability),
            "nothing": { "sure": as_sure, "unsure": as_unsure, "no_digit": as_no_digit },
            "errors": errors.collect::<Vec<_>>(),
            "refused": refused_json(&self.refused),
            "unread": self.unread,
        })
    }
}

impl fmt::Display for Tally<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources();
        let reliability = self.reliability();
        let all = reliability.all();
        if all.of > 0 {
            writeln!(f, "accuracy  {:6.2} %  ({} of {})", all.percent(), all.right, all.of)?;
        }
        if sources.len() > 1 {
            writeln!(
                f,
                "sources   {:6.2} %  mean over {}",
                self.mean_over_sources(),
                sources.len()
            )?;
            let shown =
                sources.into_iter().map(|(name, score)| (SingleLine(name).to_string(), score));
            let shown: Vec<(String, Score)> = shown.collect();
            let longest = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            for (name, score) in shown {
                let Score { right, of } = score;
                writeln!(f, "  {name:longest$}  {:6.2} %  ({right} of {of})", score.percent())?;
            }
        }
        if all.of > 0 {
            let confusion = self.confusion();
            let confusion = confusion.table(self.classifier.classes());
            write!(f, "\n{confusion}\n\n{}", reliability.table(self.preprocess()))?;
        }
        let non_digits = self.non_digits();
        let count: usize = non_digits.iter().sum();
        if count > 0 {
            let [sure, unsure, none] = non_digits;
            let name = match self.preprocess() {
                Preprocess::Digit => "non-digits",
                _ => "of no class",
            };
            let verdict = self.verdict(Verdict::NoDigit);
            let s = if count == 1 { "" } else { "s" };
            writeln!(
                f,
                "\n{name}  {count} picture{s}: {none} called {verdict}, {unsure} unsure, {sure} sure"
            )?;
        }
        if all.right < all.of {
            writeln!(f, "\nerrors    label → answer")?;
            for answer in self.digits().filter(|answer| !answer.is_right()).take(MAX_ERRORS) {
                writeln!(
                    f,
                    "  {}  {}",
                    SingleLine(&answer.entry.picture.name),
                    self.caption(answer)
                )?;
            }
            let more = (all.of - all.right).saturating_sub(MAX_ERRORS);
            if more > 0 {
                writeln!(f, "  and {more} more, which --json lists")?;
            }
        }
        if self.unread > 0 {
            writeln!(f, "\nunread    {} files", self.unread)?;
        }
        Ok(())
    }
}
