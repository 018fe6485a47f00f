//! Accuracy, scores per class and the confusion matrix of a classifier.

use std::cmp::Reverse;
use std::fmt;

use safe_io::SingleLine;

/// Maximum number of classes whose matrix fits a terminal.
const MAX_MATRIX_CLASSES: usize = 30;
/// Characters of a line of the matrix up to which names of any length stand above its columns.
const MAX_NAMED_COLUMNS: usize = 90;
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
        let frame = self.frame();
        writeln!(f, "{}  precision  recall      F1  images", frame.title("class"))?;
        for (class, score) in matrix.per_class().iter().enumerate() {
            let ClassScore { precision, recall, f1, support } = *score;
            let answers: u64 = matrix.counts.iter().map(|row| row[class]).sum();
            let precision = quotient(precision, answers);
            let (recall, f1) = (quotient(recall, support), quotient(f1, answers + support));
            let name = &frame.rows[class];
            writeln!(f, "{name}  {precision:>9}  {recall:>6}  {f1:>6}  {support:6}")?;
        }
        if frame.has_matrix { self.matrix(&frame, f) } else { self.commonest(&frame, f) }
    }
}

/// A share, or `-` where there is nothing to divide by.
fn quotient(share: f64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{share:.4}") }
}

/// What stands around the numbers of a table.
struct Frame {
    /// Above the columns of the matrix.
    columns: Vec<String>,
    /// Characters of such a column.
    width: usize,
    /// The first column, each of the same length.
    rows: Vec<String>,
    /// Whether names stand above the columns too, and so need no numbers beside them.
    is_named: bool,
    has_matrix: bool,
}

impl Frame {
    /// The head of the first column.
    fn title(&self, title: &str) -> String {
        let width = self.rows.first().map_or(0, |row| row.chars().count());
        if self.is_named { format!("{title:>width$}") } else { format!("{title:width$}") }
    }
}

impl Table<'_> {
    fn frame(&self) -> Frame {
        let counts = &self.matrix.counts;
        let numbers = (0..counts.len()).map(|class| class.to_string());
        let name = |class| self.names.get(class).map(|name| SingleLine(name).to_string());
        let names = numbers.clone().enumerate();
        let names: Vec<String> =
            names.map(|(class, number)| name(class).unwrap_or(number)).collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let digits = counts.iter().flatten().max().map_or(1, |most| most.to_string().len()).max(3);
        let has_matrix = counts.len() <= MAX_MATRIX_CLASSES;
        let matrix = if has_matrix { counts.len() * (longest.max(digits) + 1) } else { 0 };
        if longest <= digits || longest + matrix <= MAX_NAMED_COLUMNS {
            let rows = names.iter().map(|name| format!("{name:>0$}", longest.max(5))).collect();
            let width = longest.max(digits);
            return Frame { columns: names, width, rows, is_named: true, has_matrix };
        }
        let rows = names.iter().zip(numbers.clone());
        let rows = rows.map(|(name, number)| format!("{number:>5} {name:longest$}")).collect();
        let columns = numbers.collect();
        Frame { columns, width: digits, rows, is_named: false, has_matrix }
    }

    fn matrix(&self, frame: &Frame, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frame { columns, width, rows, .. } = frame;
        writeln!(f, "\nlabel \\ answer")?;
        write!(f, "{} ", frame.title(""))?;
        columns.iter().try_for_each(|name| write!(f, " {name:>width$}"))?;
        for (name, row) in rows.iter().zip(&self.matrix.counts) {
            write!(f, "\n{name} ")?;
            row.iter().try_for_each(|count| write!(f, " {count:>width$}"))?;
        }
        Ok(())
    }

    fn commonest(&self, frame: &Frame, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut confused: Vec<(u64, usize, usize)> = Vec::new();
        for (label, row) in self.matrix.counts.iter().enumerate() {
            for (answer, &count) in row.iter().enumerate() {
                if label != answer && count > 0 {
                    confused.push((count, label, answer));
                }
            }
        }
        confused.sort_by_key(|&(count, label, answer)| (Reverse(count), label, answer));
        let [label, answer] = ["label", "answer"].map(|title| frame.title(title));
        let width = answer.chars().count();
        write!(f, "\n{label}  {answer}  images")?;
        for (count, label, answer) in confused.into_iter().take(LISTED_PAIRS) {
            let [label, answer] = [label, answer].map(|class| &frame.rows[class]);
            write!(f, "\n{label}  {answer:>width$}  {count:6}")?;
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
    fn names_stand_for_the_numbers_where_they_fit_above_the_columns() {
        let mut matrix = ConfusionMatrix::new(3);
        matrix.record(0, 0);
        matrix.record(0, 1);
        let names = ["cat", "donkey", "b\n"].map(str::to_owned);
        assert_eq!(
            matrix.table(&names).to_string(),
            " class  precision  recall      F1  images\n\
             \x20  cat     1.0000  0.5000  0.6667       2\n\
             donkey     0.0000       -  0.0000       0\n\
             \x20  b\\n          -       -       -       0\n\
             \nlabel \\ answer\n\
             \x20          cat donkey    b\\n\n\
             \x20  cat       1      1      0\n\
             donkey       0      0      0\n\
             \x20  b\\n       0      0      0"
        );
    }

    #[test]
    fn long_names_stand_beside_the_numbers() {
        let long = "a donkey that looks to the left".to_owned();
        let names = ["cat".to_owned(), long.clone() + " and up", long];
        let text = ConfusionMatrix::new(3).table(&names).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].find("precision"), Some(6 + names[1].len() + 2));
        assert!(lines[2].starts_with("    1 a donkey that looks to the left and up          -"));
        assert_eq!(lines[6].trim_start(), "0   1   2");
        assert!(lines[9].starts_with("    2 a donkey that looks to the left     "), "{text}");
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
