//! What the run had to learn from: classes, sizes and colours of a folder of pictures, and the files that were refused.

use std::collections::BTreeMap;

use dataset::folder::Subset;
use maud::{Markup, html};
use runtime::labelled::{EqualPictures, Summary};

use super::printable;
use crate::plots::grouped;

/// Maximum number of classes in the table.
const MAX_CLASSES: usize = 256;
/// Maximum number of files that are named for a reason, and groups of equal pictures of a kind.
const MAX_NAMED: usize = 10;

/// The section on a folder or a CSV file of pictures.
pub(super) fn section(found: &Summary) -> Markup {
    let (pictures, classes) = (grouped(found.pictures() as u64), found.classes.len());
    html! {
        h2 { "What was found" }
        p { (pictures) " pictures in " (classes) " classes, in " code { (printable(&found.root.display().to_string())) } "." }
        dl {
            @if let Some(survey) = &found.survey {
                dt { "rows" } dd { (survey.rows.to_string()) }
                dt { "columns" } dd { (survey.columns.to_string()) }
                dt { "in colour" } dd { (grouped(survey.colored as u64)) " of " (grouped(survey.pictures as u64)) }
            }
            dt { "equal" } dd { (equal(&found.equal)) }
            @if let Some(division) = &found.division {
                dt { "divided" }
                dd { "by seed " (division.seed) ", each class alike; equal pictures stay together, nearly equal ones may not" }
            }
        }
        (table(found))
        (refused(found))
    }
}

fn table(found: &Summary) -> Markup {
    let is_used = |subset: &Subset| found.classes.iter().any(|it| it.counts[*subset as usize] > 0);
    let subsets: Vec<Subset> = Subset::ALL.into_iter().filter(is_used).collect();
    html! {
        div.table {
            table {
                thead { tr { th { "class" } th { "pictures" } @for subset in &subsets { th { (subset.name()) } } } }
                tbody {
                    @for class in found.classes.iter().take(MAX_CLASSES) {
                        tr {
                            th { (printable(&class.name)) }
                            td { (grouped(class.pictures() as u64)) }
                            @for subset in &subsets {
                                @let count = class.counts[*subset as usize];
                                td class=[(count == 0).then_some("lacking")] { (grouped(count as u64)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

type IsOfKind = fn(&EqualPictures) -> bool;

/// How many pictures are equal to others, and those of them that are a fault.
fn equal(all: &[EqualPictures]) -> Markup {
    let more: usize = all.iter().map(|equal| equal.names.len() - 1).sum();
    let kinds: [(&str, IsOfKind); 2] = [
        ("in several classes, so that a label is wrong", |equal| equal.across_classes),
        ("in several of training, validation and test", |equal| equal.across_subsets),
    ];
    html! {
        @if more == 0 { "no two pictures" } @else { (grouped(more as u64)) " by all pixels to another" }
        @for (what, is_of_kind) in kinds {
            @let groups: Vec<&EqualPictures> = all.iter().filter(|it| is_of_kind(it)).collect();
            @if !groups.is_empty() {
                br; (groups.len()) " " (what) ": "
                @for (index, group) in groups.iter().take(MAX_NAMED).enumerate() {
                    @if index > 0 { "; " }
                    (printable(&group.names.join(" = ")))
                }
                @if groups.len() > MAX_NAMED { "; …" }
            }
        }
    }
}

/// The files that were not taken, by reason, the most frequent first.
fn refused(found: &Summary) -> Markup {
    let mut by_reason = BTreeMap::<String, Vec<&str>>::new();
    for refused in &found.refused {
        by_reason.entry(refused.reason.to_string()).or_default().push(&refused.name);
    }
    let mut by_reason: Vec<_> = by_reason.into_iter().collect();
    by_reason.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    html! {
        @if by_reason.is_empty() {
            p { "No file was refused." }
        } @else {
            div.table {
                table {
                    thead { tr { th { "refused because" } th { "files" } th.names { "such as" } } }
                    tbody {
                        @for (reason, names) in by_reason.iter().take(MAX_NAMED) {
                            tr {
                                th { (printable(reason)) }
                                td { (grouped(names.len() as u64)) }
                                td.names {
                                    (printable(&names[..names.len().min(MAX_NAMED)].join(", ")))
                                    @if names.len() > MAX_NAMED { ", …" }
                                }
                            }
                        }
                        @if by_reason.len() > MAX_NAMED {
                            tr { th { "and " (by_reason.len() - MAX_NAMED) " other reasons" } td {} td {} }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use dataset::Division;
    use dataset::folder::{Reason, Refused};
    use runtime::labelled::{ClassSummary, Extent, Survey};

    use super::*;

    /// Two classes, one without a picture for the test, with a fault of each kind.
    pub(in crate::report) fn some() -> Summary {
        let class = |name: &str, counts| ClassSummary { name: name.into(), counts };
        let refused = |name: &str, reason| Refused { name: name.into(), reason };
        let extent = Extent { smallest: 7, median: 20, largest: 32 };
        Summary {
            root: "pho<tos".into(),
            classes: vec![class("c&t", [900, 0, 100]), class("北", [20, 5, 0])],
            survey: Some(Survey { pictures: 1025, rows: extent, columns: extent, colored: 1000 }),
            refused: vec![
                refused("b.png", Reason::Content("no <picture".into())),
                refused(".DS_Store", Reason::Hidden),
                refused("cat/.hidden", Reason::Hidden),
            ],
            equal: vec![EqualPictures {
                names: vec!["1.png".into(), "2.png".into()],
                across_classes: true,
                across_subsets: false,
            }],
            division: Some(Division { seed: 7, validation: 0.15, test: 0.15 }),
        }
    }

    #[test]
    fn all_that_was_found_is_said_and_escaped() {
        let page = section(&some()).into_string();
        for said in [
            "1,025 pictures in 2 classes, in <code>pho&lt;tos</code>",
            "7 to 32, median 20",
            "1,000 of 1,025",
            "by seed 7",
            "<th>c&amp;t</th><td>1,000</td><td>900</td><td class=\"lacking\">0</td><td>100</td>",
            "<th>hidden</th><td>2</td><td class=\"names\">.DS_Store, cat/.hidden</td>",
            "<th>no &lt;picture</th><td>1</td>",
            "1 in several classes, so that a label is wrong: 1.png = 2.png",
        ] {
            assert!(page.contains(said), "{said} in {page}");
        }
        let nothing = Summary { refused: vec![], equal: vec![], ..some() };
        let page = section(&nothing).into_string();
        assert!(page.contains("No file was refused.") && page.contains("no two pictures"));
    }
}
