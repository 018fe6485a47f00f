//! How good a classifier is on labelled images: accuracy, scores per class, confusion matrix.

mod interval;

pub use interval::Interval;

use std::cmp::Reverse;
use std::fmt;

use crate::classifier::Classifier;
use crate::idx::Split;
use crate::reliability::Reliability;

/// Images a run of the engine: large enough to amortise the call, small enough for the cache.
pub const BATCH: usize = 100;

/// Most classes whose matrix fits a terminal.
const MATRIX_CLASSES: usize = 30;
/// Pairs that are listed where the matrix does not fit.
const COMMONEST: usize = 20;

/// Counts of every (label, answer) pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `[label][predicted]`
    confusion: Vec<Vec<u64>>,
}

/// How well one class is recognised; 0 where a quotient has nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// Right answers among the answers "this class".
    pub precision: f64,
    /// Right answers among the images of this class.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Images of this class.
    pub support: u64,
}

impl Report {
    /// An empty report on `classes` classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self { confusion: vec![vec![0; classes]; classes] }
    }

    /// Counts one answer. The report grows where a label lies beyond the classes it was made for.
    pub fn record(&mut self, label: usize, predicted: usize) {
        let classes = self.confusion.len().max(label + 1).max(predicted + 1);
        if classes > self.confusion.len() {
            self.confusion.resize(classes, vec![]);
            self.confusion.iter_mut().for_each(|row| row.resize(classes, 0));
        }
        self.confusion[label][predicted] += 1;
    }

    /// Right answers.
    #[must_use]
    pub fn correct(&self) -> u64 {
        self.confusion.iter().enumerate().map(|(class, row)| row[class]).sum()
    }

    /// Answers counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.confusion.iter().flatten().sum()
    }

    /// Right answers among all, 0 to 1.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// Counts by `[label][predicted]`.
    #[must_use]
    pub fn confusion(&self) -> &[Vec<u64>] {
        &self.confusion
    }

    /// Scores of each class, then what was taken for what: all pairs, or with many classes the commonest.
    ///
    /// `names` are those of the classes, as [`Classifier::classes`] gives them.
    #[must_use]
    pub const fn table<'a>(&'a self, names: &'a [String]) -> Table<'a> {
        Table { report: self, names }
    }

    /// Scores of each class, in order.
    #[must_use]
    pub fn per_class(&self) -> Vec<ClassScore> {
        (0..self.confusion.len())
            .map(|class| {
                let hits = self.confusion[class][class];
                let support = self.confusion[class].iter().sum();
                let answers = self.confusion.iter().map(|row| row[class]).sum();
                ClassScore {
                    precision: ratio(hits, answers),
                    recall: ratio(hits, support),
                    f1: ratio(2 * hits, answers + support),
                    support,
                }
            })
            .collect()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for Report {
    /// [`Report::table`] with numbers for names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(&[]).fmt(f)
    }
}

/// A [`Report`] as text.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    report: &'a Report,
    names: &'a [String],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, .. } = self;
        writeln!(f, "class{}  precision  recall      F1  images", self.name(None))?;
        for (class, score) in report.per_class().iter().enumerate() {
            let ClassScore { precision, recall, f1, support } = score;
            let name = self.name(Some(class));
            writeln!(f, "{class:>5}{name}  {precision:9.4}  {recall:6.4}  {f1:6.4}  {support:6}")?;
        }
        if report.confusion.len() <= MATRIX_CLASSES { self.matrix(f) } else { self.commonest(f) }
    }
}

impl Table<'_> {
    /// What follows the number of a class, padded to the longest; nothing where the numbers are the names.
    fn name(&self, class: Option<usize>) -> String {
        let numbers = self.names.iter().enumerate().all(|(class, name)| *name == class.to_string());
        if numbers {
            return String::new();
        }
        let longest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let name = class.and_then(|class| self.names.get(class)).map_or("", String::as_str);
        format!(" {name:longest$}")
    }

    fn matrix(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let confusion = &self.report.confusion;
        writeln!(f, "\nlabel \\ answer")?;
        let width =
            confusion.iter().flatten().max().map_or(1, |most| most.to_string().len()).max(3);
        write!(f, "{:>5}{} ", "", self.name(None))?;
        (0..confusion.len()).try_for_each(|class| write!(f, " {class:>width$}"))?;
        for (class, row) in confusion.iter().enumerate() {
            write!(f, "\n{class:>5}{} ", self.name(Some(class)))?;
            row.iter().try_for_each(|count| write!(f, " {count:>width$}"))?;
        }
        Ok(())
    }

    fn commonest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut confused: Vec<(u64, usize, usize)> = Vec::new();
        for (label, row) in self.report.confusion.iter().enumerate() {
            for (answer, &count) in row.iter().enumerate() {
                if label != answer && count > 0 {
                    confused.push((count, label, answer));
                }
            }
        }
        confused.sort_by_key(|&(count, label, answer)| (Reverse(count), label, answer));
        let name = |class| format!("{class:>5}{}", self.name(Some(class)));
        let (label, answer) = (self.name(None), self.name(None));
        write!(f, "\nlabel{label}  answer{answer}  images")?;
        for (count, label, answer) in confused.into_iter().take(COMMONEST) {
            write!(f, "\n{}   {}  {count:6}", name(label), name(answer))?;
        }
        Ok(())
    }
}

/// Asks `classifier` about every image of `split`: what it answers, and what its confidence is worth.
#[must_use]
pub fn evaluate(classifier: &Classifier, split: &Split) -> (Report, Reliability) {
    let mut report = Report::new(classifier.classes().len());
    let mut reliability = Reliability::default();
    for (images, labels) in split.images.chunks(BATCH).zip(split.labels.chunks(BATCH)) {
        for (prediction, &label) in classifier.classify_batch(images).iter().zip(labels) {
            let (label, answer) = (usize::from(label), prediction.digit());
            report.record(label, answer);
            reliability.record(prediction, label == answer);
        }
    }
    (report, reliability)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes: three zeros of which one is missed, one 1 found.
    fn small() -> Report {
        let mut report = Report::new(2);
        for (label, answer) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
            report.record(label, answer);
        }
        report
    }

    #[test]
    fn scores_follow_their_definitions() {
        let report = small();
        assert_eq!((report.correct(), report.total()), (3, 4));
        let [zero, one] = report.per_class()[..] else { panic!("two classes") };
        assert_eq!(zero, ClassScore { precision: 1.0, recall: 2.0 / 3.0, f1: 0.8, support: 3 });
        assert_eq!(one, ClassScore { precision: 0.5, recall: 1.0, f1: 2.0 / 3.0, support: 1 });
    }

    #[test]
    fn a_class_that_never_occurs_scores_zero_and_divides_by_nothing() {
        let mut report = small();
        report.record(3, 3);
        assert_eq!(
            report.per_class()[2],
            ClassScore { precision: 0.0, recall: 0.0, f1: 0.0, support: 0 }
        );
        assert_eq!(Report::new(10).correct(), 0);
        assert!(Report::new(10).accuracy().abs() < f64::EPSILON);
    }

    #[test]
    fn the_table_reads_at_a_glance() {
        assert_eq!(
            small().to_string(),
            "class  precision  recall      F1  images\n\
             \x20   0     1.0000  0.6667  0.8000       3\n\
             \x20   1     0.5000  1.0000  0.6667       1\n\
             \nlabel \\ answer\n\
             \x20        0   1\n\
             \x20   0    2   1\n\
             \x20   1    0   1"
        );
    }

    #[test]
    fn names_stand_beside_the_numbers() {
        let names = ["cat".to_owned(), "donkey".to_owned()];
        assert_eq!(
            small().table(&names).to_string(),
            "class         precision  recall      F1  images\n\
             \x20   0 cat        1.0000  0.6667  0.8000       3\n\
             \x20   1 donkey     0.5000  1.0000  0.6667       1\n\
             \nlabel \\ answer\n\
             \x20               0   1\n\
             \x20   0 cat       2   1\n\
             \x20   1 donkey    0   1"
        );
    }

    #[test]
    fn many_classes_are_told_by_the_commonest_confusions() {
        let mut report = Report::new(40);
        for (label, answer) in [(3, 3), (5, 7), (39, 1), (39, 1)] {
            report.record(label, answer);
        }
        let text = report.to_string();
        let (_, confused) = text.split_once("\n\n").unwrap();
        assert_eq!(confused, "label  answer  images\n   39       1       2\n    5       7       1");
    }
}
