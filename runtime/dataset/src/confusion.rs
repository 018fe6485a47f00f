//! Accuracy, scores per class and the confusion matrix of a classifier.

use std::cmp::Reverse;
use std::fmt;

/// Maximum number of classes whose matrix fits a terminal.
const MAX_MATRIX_CLASSES: usize = 30;
/// Pairs that are listed where the matrix does not fit.
const LISTED_PAIRS: usize = 20;

/// Counts of every (label, answer) pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    /// `[label][predicted]`
    counts: Vec<Vec<u64>>,
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

impl ConfusionMatrix {
    /// An empty matrix of `classes` classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self { counts: vec![vec![0; classes]; classes] }
    }

    /// Counts one answer. The matrix grows where a label lies beyond the classes it was made for.
    pub fn record(&mut self, label: usize, predicted: usize) {
        let classes = self.counts.len().max(label + 1).max(predicted + 1);
        if classes > self.counts.len() {
            self.counts.resize(classes, vec![]);
            self.counts.iter_mut().for_each(|row| row.resize(classes, 0));
        }
        self.counts[label][predicted] += 1;
    }

    /// Right answers.
    #[must_use]
    pub fn correct(&self) -> u64 {
        self.counts.iter().enumerate().map(|(class, row)| row[class]).sum()
    }

    /// Answers counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Right answers among all, 0 to 1.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// Counts by `[label][predicted]`.
    #[must_use]
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Scores of each class, then what was taken for what: all pairs, or with many classes the commonest.
    ///
    /// `names` are those of the classes, in the order of their numbers.
    #[must_use]
    pub const fn table<'a>(&'a self, names: &'a [String]) -> Table<'a> {
        Table { matrix: self, names }
    }

    /// Scores of each class, in order.
    #[must_use]
    pub fn per_class(&self) -> Vec<ClassScore> {
        (0..self.counts.len())
            .map(|class| {
                let hits = self.counts[class][class];
                let support = self.counts[class].iter().sum();
                let answers = self.counts.iter().map(|row| row[class]).sum();
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

impl fmt::Display for ConfusionMatrix {
    /// [`ConfusionMatrix::table`] with numbers for names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(&[]).fmt(f)
    }
}

/// A [`ConfusionMatrix`] as text.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    matrix: &'a ConfusionMatrix,
    names: &'a [String],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matrix, .. } = self;
        writeln!(f, "class{}  precision  recall      F1  images", self.name(None))?;
        for (class, score) in matrix.per_class().iter().enumerate() {
            let ClassScore { precision, recall, f1, support } = score;
            let name = self.name(Some(class));
            writeln!(f, "{class:>5}{name}  {precision:9.4}  {recall:6.4}  {f1:6.4}  {support:6}")?;
        }
        if matrix.counts.len() <= MAX_MATRIX_CLASSES { self.matrix(f) } else { self.commonest(f) }
    }
}

impl Table<'_> {
    /// The name after the number of a class, padded to the longest; empty where the numbers are the names.
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
        let counts = &self.matrix.counts;
        writeln!(f, "\nlabel \\ answer")?;
        let width = counts.iter().flatten().max().map_or(1, |most| most.to_string().len()).max(3);
        write!(f, "{:>5}{} ", "", self.name(None))?;
        (0..counts.len()).try_for_each(|class| write!(f, " {class:>width$}"))?;
        for (class, row) in counts.iter().enumerate() {
            write!(f, "\n{class:>5}{} ", self.name(Some(class)))?;
            row.iter().try_for_each(|count| write!(f, " {count:>width$}"))?;
        }
        Ok(())
    }

    fn commonest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut confused: Vec<(u64, usize, usize)> = Vec::new();
        for (label, row) in self.matrix.counts.iter().enumerate() {
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
        for (count, label, answer) in confused.into_iter().take(LISTED_PAIRS) {
            write!(f, "\n{}   {}  {count:6}", name(label), name(answer))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes: three zeros of which one is missed, one 1 found.
    fn small() -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(2);
        for (label, answer) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
            matrix.record(label, answer);
        }
        matrix
    }

    #[test]
    fn scores_follow_their_definitions() {
        let matrix = small();
        assert_eq!((matrix.correct(), matrix.total()), (3, 4));
        let [zero, one] = matrix.per_class()[..] else { panic!("two classes") };
        assert_eq!(zero, ClassScore { precision: 1.0, recall: 2.0 / 3.0, f1: 0.8, support: 3 });
        assert_eq!(one, ClassScore { precision: 0.5, recall: 1.0, f1: 2.0 / 3.0, support: 1 });
    }

    #[test]
    fn a_class_that_never_occurs_scores_zero_and_divides_by_nothing() {
        let mut matrix = small();
        matrix.record(3, 3);
        assert_eq!(
            matrix.per_class()[2],
            ClassScore { precision: 0.0, recall: 0.0, f1: 0.0, support: 0 }
        );
        assert_eq!(ConfusionMatrix::new(10).correct(), 0);
        assert!(ConfusionMatrix::new(10).accuracy().abs() < f64::EPSILON);
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
        let mut matrix = ConfusionMatrix::new(40);
        for (label, answer) in [(3, 3), (5, 7), (39, 1), (39, 1)] {
            matrix.record(label, answer);
        }
        let text = matrix.to_string();
        let (_, confused) = text.split_once("\n\n").unwrap();
        assert_eq!(confused, "label  answer  images\n   39       1       2\n    5       7       1");
    }
}
