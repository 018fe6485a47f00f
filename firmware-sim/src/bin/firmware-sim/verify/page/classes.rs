//! What was taken for what: a classifier's confusion matrix, and figures of each class.

use dataset::ConfusionMatrix;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::Report;
use super::super::json::share as share_json;
use crate::share::Share;

/// Maximum number of classes whose matrix fits a page.
const MAX_CLASSES: usize = 32;
/// Pairs that are listed where it does not.
const MAX_PAIRS: usize = 40;

/// A class as the int8 model reads it.
struct Class {
    name: String,
    /// Right ones among the images of the class.
    recall: Share,
    /// Right ones among the answers that name it.
    precision: Share,
    /// Images of the class for which float gives the same answer.
    agreement: Share,
}

/// The int8 model's answers by label; `None` without labels or classes.
pub(in super::super) struct Confusion<'a> {
    report: &'a Report<'a>,
    matrix: ConfusionMatrix,
    /// By label: images, and agreements.
    agreements: Vec<[u64; 2]>,
}

impl<'a> Confusion<'a> {
    pub(in super::super) fn of(report: &'a Report<'a>) -> Option<Self> {
        if !report.is_classifier || report.verification.labelled() == 0 {
            return None;
        }
        let classes = report.classes.len();
        let mut matrix = ConfusionMatrix::new(classes);
        let mut agreements = vec![[0; 2]; classes];
        for comparison in &report.verification.comparisons {
            let Some(label) = comparison.label.map(usize::from) else { continue };
            matrix.record(label, comparison.int8.into());
            let agreement: &mut [u64; 2] = &mut agreements[label];
            agreement[0] += 1;
            agreement[1] += u64::from(comparison.float == comparison.int8);
        }
        Some(Self { report, matrix, agreements })
    }

    fn classes(&self) -> Vec<Class> {
        let counts = self.matrix.counts();
        let of_class = |(class, &[all, agreements]): (usize, &[u64; 2])| {
            let right = counts[class][class];
            let answers = counts.iter().map(|row| row[class]).sum();
            Class {
                name: self.report.class(class as u16).to_string(),
                recall: Share { count: right, all },
                precision: Share { count: right, all: answers },
                agreement: Share { count: agreements, all },
            }
        };
        self.agreements.iter().enumerate().map(of_class).collect()
    }

    /// `classes`, and `matrix`: `[label][answer]`.
    pub(in super::super) fn json(&self) -> Value {
        let of_class = |class: Class| {
            json!({
                "class": class.name,
                "images": class.recall.all,
                "recall": share_json(&class.recall),
                "precision": share_json(&class.precision),
                "agreement": share_json(&class.agreement),
            })
        };
        json!({
            "classes": self.classes().into_iter().map(of_class).collect::<Value>(),
            "matrix": self.matrix.counts(),
        })
    }

    pub(in super::super) fn html(&self) -> Markup {
        let cell =
            |share: &Share| html! { td { (share.percent()) } td { (share.interval_percent()) } };
        html! {
            p {
                "The int8 model's answers, class by class: recall is right ones among the images of the class, precision right ones "
                "among the answers that name it, agreement the images of the class for which float gives the same answer. Intervals are "
                "of 95 % confidence (Wilson): of few images they are wide."
            }
            table {
                tr {
                    th { "class" } th { "images" } th { "recall" } th { "interval" } th { "precision" } th { "interval" }
                    th { "agreement" } th { "interval" }
                }
                @for class in self.classes() {
                    tr {
                        td { (class.name) } td { (class.recall.all) }
                        (cell(&class.recall)) (cell(&class.precision)) (cell(&class.agreement))
                    }
                }
            }
            (self.matrix())
        }
    }

    fn matrix(&self) -> Markup {
        let counts = self.matrix.counts();
        let name = |class: usize| self.report.class(class as u16);
        if counts.len() > MAX_CLASSES {
            return self.pairs();
        }
        html! {
            p { "Confusion matrix, images by label and by the int8 model's answer:" }
            table {
                tr { th { "label \\ answer" } @for class in 0..counts.len() { th { (name(class)) } } }
                @for (label, row) in counts.iter().enumerate() {
                    tr {
                        td { (name(label)) }
                        @for (answer, count) in row.iter().enumerate() {
                            td class=[(answer == label).then_some("diagonal")] { (count) }
                        }
                    }
                }
            }
        }
    }

    /// The commonest confusions.
    fn pairs(&self) -> Markup {
        let name = |class: usize| self.report.class(class as u16);
        let counts = self.matrix.counts().iter().enumerate();
        let mut pairs: Vec<(u64, usize, usize)> = counts
            .flat_map(|(label, row)| {
                let row = row.iter().enumerate();
                row.map(move |(answer, &count)| (count, label, answer))
            })
            .filter(|&(count, label, answer)| count > 0 && label != answer)
            .collect();
        pairs.sort_by_key(|&(count, label, answer)| (u64::MAX - count, label, answer));
        html! {
            p { "What was most often taken for what; the whole matrix is in the JSON:" }
            table {
                tr { th { "label" } th { "answer" } th { "images" } }
                @for (count, label, answer) in pairs.into_iter().take(MAX_PAIRS) {
                    tr { td { (name(label)) } td { (name(answer)) } td { (count) } }
                }
            }
        }
    }
}
