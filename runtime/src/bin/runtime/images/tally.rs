//! Answers to labelled pictures, counted.

use std::collections::BTreeMap;

use dataset::ConfusionMatrix;
use dataset::folder::{OF_NO_CLASS, Picture};
use runtime::labelled::{Summary, refused_json};
use runtime::picture::{self, Limits};
use runtime::preprocess::Preprocess;
use runtime::reliability::{Reliability, Score};
use runtime::{Classifier, Verdict};
use safe_io::SingleLine;
use serde_json::{Value, json};

use crate::contact_sheet::{Caption, ContactSheet, Tile};
use crate::evaluate::{bins, per_class, verdicts};

/// What a model says of a picture that was read.
pub(super) struct Answer {
    /// Number of the picture among all that were read.
    pub(super) place: usize,
    /// Its class among the model's; `None` if it is of none.
    pub(super) label: Option<usize>,
    /// The likeliest class.
    pub(super) class: usize,
    /// Its probability, 0 to 1.
    pub(super) confidence: f32,
    pub(super) verdict: Verdict,
}

impl Answer {
    /// The class is right, whatever the verdict.
    fn is_right(&self) -> bool {
        self.label == Some(self.class)
    }

    /// Whether somebody should look at it: the wrong class, or a sure one where there is none.
    fn is_misread(&self) -> bool {
        match self.label {
            Some(_) => !self.is_right(),
            None => self.verdict == Verdict::Sure,
        }
    }
}

/// All answers, for counting.
pub(super) struct Tally<'a> {
    classifier: &'a Classifier,
    /// What was found, with the files that are no pictures by their names, or cannot be read.
    pub(super) summary: Summary,
    pictures: Vec<Picture>,
    /// The surest first.
    answers: Vec<Answer>,
    /// Pictures that were to be evaluated and cannot be read.
    pub(super) unread: usize,
    pub(super) reliability: Reliability,
    pub(super) confusion: ConfusionMatrix,
}

impl<'a> Tally<'a> {
    /// Counts the answers to some of the pictures.
    pub(super) fn new(
        classifier: &'a Classifier,
        summary: Summary,
        pictures: Vec<Picture>,
        mut answers: Vec<Answer>,
        unread: usize,
    ) -> Self {
        let mut reliability = Reliability::default();
        let mut confusion = ConfusionMatrix::new(classifier.classes().len());
        for answer in &answers {
            if let Some(label) = answer.label {
                reliability.record_answer(answer.confidence, answer.verdict, answer.is_right());
                confusion.record(label, answer.class);
            }
        }
        let is_sure = |answer: &Answer| answer.verdict == Verdict::Sure;
        answers.sort_by(|a, b| {
            is_sure(b).cmp(&is_sure(a)).then(b.confidence.total_cmp(&a.confidence))
        });
        Self { classifier, summary, pictures, answers, unread, reliability, confusion }
    }

    /// Answers to pictures that show something of a class.
    fn labelled(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.label.is_some())
    }

    /// Answers of the wrong class, the surest first.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Answer> {
        self.labelled().filter(|answer| !answer.is_right())
    }

    pub(super) fn picture(&self, answer: &Answer) -> &Picture {
        &self.pictures[answer.place]
    }

    /// Names of the model's classes.
    pub(super) fn classes(&self) -> &[String] {
        self.classifier.classes()
    }

    /// Right answers to pictures of all classes but the one that is the answer "none of these", and the name of that; `None`
    /// where no class is.
    pub(super) fn others(&self) -> Option<(Score, &str)> {
        let rejected = usize::from(self.classifier.calibration().rejected?);
        let mut score = Score::default();
        for answer in self.labelled().filter(|answer| answer.label != Some(rejected)) {
            score.record(answer.is_right());
        }
        Some((score, &self.classes()[rejected]))
    }

    /// Names of the model's classes of which there is no picture, though there are others.
    pub(super) fn missing(&self) -> Vec<&str> {
        let counts = self.confusion.counts().iter().zip(self.classes());
        let missing = counts.filter(|(row, _)| row.iter().sum::<u64>() == 0);
        let missing: Vec<&str> = missing.map(|(_, name)| name.as_str()).collect();
        if missing.len() == self.classes().len() { vec![] } else { missing }
    }

    /// Pictures without a digit that got each verdict: sure, unsure, no digit.
    pub(super) fn non_digits(&self) -> [usize; 3] {
        [Verdict::Sure, Verdict::Unsure, Verdict::NoDigit].map(|verdict| {
            let non_digits = self.answers.iter().filter(|answer| answer.label.is_none());
            non_digits.filter(|answer| answer.verdict == verdict).count()
        })
    }

    /// Right answers to the pictures of each source.
    pub(super) fn sources(&self) -> BTreeMap<&str, Score> {
        let mut sources = BTreeMap::<&str, Score>::new();
        for answer in self.labelled() {
            let source = &self.picture(answer).source;
            sources.entry(source).or_default().record(answer.is_right());
        }
        sources
    }

    pub(super) fn mean_over_sources(&self) -> f64 {
        let sources = self.sources();
        let sum: f64 = sources.values().map(|score| score.percent()).sum();
        sum / sources.len().max(1) as f64
    }

    /// The misread pictures, read again: a few of them, while all would fill the memory.
    pub(super) fn sheet(&self, limits: Limits) -> ContactSheet {
        let mut sheet = ContactSheet::default();
        for answer in self.answers.iter().filter(|answer| answer.is_misread()) {
            sheet.push(|| {
                let Picture { path, name, .. } = self.picture(answer);
                let picture = picture::load(path, limits).ok()?;
                let seen = self.classifier.preparation().prepare(&picture).image;
                let name = SingleLine(name).to_string();
                let numbers = [answer.label.unwrap_or_default(), answer.class];
                let numbers = numbers.map(|class| format!("class {class}"));
                let caption =
                    self.caption(answer).or_if_not_drawable(numbers.each_ref().map(String::as_str));
                Some(Tile::new(name, caption, &picture, &seen))
            });
        }
        sheet
    }

    /// Label, answer, confidence, verdict.
    pub(super) fn caption(&self, answer: &Answer) -> Caption {
        let label = answer.label.map_or(OF_NO_CLASS, |class| self.classes()[class].as_str());
        let names = [label, self.classes()[answer.class].as_str()];
        Caption::new(names, answer.confidence, self.verdict(answer.verdict))
    }

    /// The verdict's name for a model of this kind.
    pub(super) fn verdict(&self, verdict: Verdict) -> &'static str {
        verdict.name_after(self.preprocess())
    }

    pub(super) fn preprocess(&self) -> Preprocess {
        self.classifier.preparation().preprocess()
    }

    pub(super) fn headline(&self) -> String {
        let all = self.reliability.all();
        let s = if all.of == 1 { "" } else { "s" };
        format!("{:.2} % right, {} of {} picture{s}", all.percent(), all.right, all.of)
    }

    /// Everything as one JSON object.
    pub(super) fn json(&self) -> Value {
        let all = self.reliability.all();
        let [as_sure, as_unsure, as_no_digit] = self.non_digits();
        let score = |score: Score| json!({ "right": score.right, "of": score.of });
        let errors = self.errors().map(|answer| {
            json!({
                "path": self.picture(answer).name,
                "label": answer.label,
                "label_class": answer.label.map(|label| &self.classes()[label]),
                "digit": answer.class,
                "class": self.classes()[answer.class],
                "confidence": answer.confidence,
                "verdict": self.verdict(answer.verdict),
            })
        });
        json!({
            "data": self.summary.json(),
            "accuracy": all.percent() / 100.0,
            "right": all.right,
            "of": all.of,
            "others": self.others().map(|(Score { right, of }, without)| {
                json!({ "without": without, "right": right, "of": of })
            }),
            "mean_over_sources": self.mean_over_sources() / 100.0,
            "sources": self.sources().into_iter().map(|(name, of)| (name, score(of))).collect::<BTreeMap<_, _>>(),
            "classes": per_class(&self.confusion, self.classes()),
            "missing_classes": self.missing(),
            "confusion": self.confusion.counts(),
            "verdicts": verdicts(&self.reliability),
            "reliability": bins(&self.reliability),
            "nothing": { "sure": as_sure, "unsure": as_unsure, "no_digit": as_no_digit },
            "errors": errors.collect::<Vec<_>>(),
            "refused": refused_json(&self.summary.refused),
            "unread": self.unread,
        })
    }
}
