//! One page about a run, which needs nothing beside it: no network, no scripts, no fonts.

mod found;

use std::path::Path;

use dataset::{ConfusionMatrix, Interval};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use runtime::labelled::Summary;
use safe_io::PAGE_STYLE;

use crate::evaluate::Score;
use crate::plots::{self, Figures, Format, grouped, write_whole};
use crate::provenance::GENERATOR;
use crate::train::Epoch;

/// Maximum rows of the table of epochs; of more, evenly spaced ones are shown.
const MAX_ROWS: usize = 200;

/// Writes the page to `path`; a file that is there is replaced as a whole.
///
/// # Errors
/// If it cannot be written.
pub fn write(
    figures: &Figures<'_>,
    facts: &[(&str, String)],
    found: Option<&Summary>,
    path: &Path,
) -> anyhow::Result<()> {
    write_whole(path, emit(figures, facts, found)?.as_bytes())
}

/// The page, as HTML; `facts` say how the run was made, by name, and `found` what pictures it was made of.
///
/// # Errors
/// If a plot cannot be drawn; none is known.
pub fn emit(
    figures: &Figures<'_>,
    facts: &[(&str, String)],
    found: Option<&Summary>,
) -> anyhow::Result<String> {
    let mut svgs = Vec::new();
    for svg in plots::all(figures, Format::Svg)? {
        svgs.push(String::from_utf8(svg)?);
    }
    let [samples, curves, confusion, worst, filters] = &svgs[..] else {
        unreachable!("there are five plots")
    };
    let title = format!("{} on {}", printable(figures.network), printable(figures.dataset));
    let accuracy = format!("{:.2} %", figures.report.accuracy() * 100.0);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) ": " (accuracy) }
                style { (PreEscaped(PAGE_STYLE)) }
            }
            body {
                h1 { (title) }
                (result(figures.report, &accuracy))
                h2 { "The run" }
                dl { @for (name, fact) in facts { dt { (printable(name)) } dd { (printable(fact)) } } }
                @if let Some(found) = found { (found::section(found)) }
                h2 { "Training" }
                (figure(curves))
                (epochs(figures))
                h2 { "Test" }
                (figure(confusion))
                (classes(figures))
                (figure(worst))
                (files(figures))
                h2 { "Training images" }
                (figure(samples))
                h2 { "First layer" }
                (figure(filters))
                footer { "Written by trainer " (env!("CARGO_PKG_VERSION")) "." }
            }
        }
    };
    Ok(page.into_string() + "\n")
}

/// `text` with U+FFFD for control characters, which HTML forbids even escaped.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn result(report: &ConfusionMatrix, accuracy: &str) -> Markup {
    let Interval { low, high } = Interval::wilson(report.correct(), report.total());
    let [low, high] = [low, high].map(|end| format!("{:.2} %", end * 100.0));
    html! {
        p.result { strong { (accuracy) } " of " (grouped(report.total())) " test images right" }
        p {
            (grouped(report.total() - report.correct())) " errors. By chance of the test images, the true accuracy lies "
            "between " (low) " and " (high) " (95 % confidence, Wilson)."
        }
    }
}

fn figure(svg: &str) -> Markup {
    html! { figure { (PreEscaped(svg)) } }
}

fn epochs(figures: &Figures<'_>) -> Markup {
    let history = figures.history;
    let step = history.len().div_ceil(MAX_ROWS).max(1);
    let last = history.len().saturating_sub(1);
    let shown = |(index, _): &(usize, &Epoch)| (index + 1).is_multiple_of(step) || *index == last;
    html! {
        div.table {
            table {
                thead {
                    tr {
                        th { "epoch" } th { "training loss" } th { "accuracy" }
                        th { (figures.eval_set.name()) " loss" } th { "accuracy" } th { "seconds" }
                    }
                }
                tbody {
                    @for (_, Epoch { epoch, training, eval, took }) in history.iter().enumerate().filter(shown) {
                        tr {
                            th { (epoch) }
                            (cells(Some(*training)))
                            (cells(*eval))
                            td { (format!("{:.1}", took.as_secs_f64())) }
                        }
                    }
                }
            }
        }
        @if step > 1 { p { "Every " (step) "th of " (history.len()) " epochs." } }
    }
}

/// Loss and accuracy.
fn cells(score: Option<Score>) -> Markup {
    html! {
        @if let Some(Score { loss, accuracy }) = score {
            td { (format!("{loss:.4}")) } td { (format!("{:.2} %", accuracy * 100.0)) }
        } @else {
            td { "–" } td { "–" }
        }
    }
}

fn classes(figures: &Figures<'_>) -> Markup {
    html! {
        div.table {
            table {
                thead { tr { th { "class" } th { "precision" } th { "recall" } th { "F1" } th { "images" } } }
                tbody {
                    @for (class, score) in figures.report.per_class().iter().enumerate() {
                        tr {
                            th { (printable(&figures.class(class))) }
                            @for part in [score.precision, score.recall, score.f1] { td { (format!("{part:.4}")) } }
                            td { (grouped(score.support)) }
                        }
                    }
                }
            }
        }
    }
}

/// Files of the pictures in the plot of the worst errors, by their numbers there.
fn files(figures: &Figures<'_>) -> Markup {
    let shown = figures.misclassifications.iter().take(plots::MAX_WORST);
    let files = shown.filter_map(|wrong| Some((wrong, figures.test_files.get(wrong.index)?)));
    let files: Vec<_> = files.collect();
    html! {
        @if !files.is_empty() {
            div.table {
                table {
                    thead { tr { th { "image" } th.names { "file" } th { "label" } th { "prediction" } th { "probability" } } }
                    tbody {
                        @for (wrong, file) in files {
                            tr {
                                th { "#" (wrong.index) }
                                td.names { (printable(file)) }
                                @for class in [wrong.label, wrong.predicted] { td { (printable(&figures.class(class))) } }
                                td { (format!("{:.1} %", wrong.probability * 100.0)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::tests::Made;
    use crate::recipe::Recipe;

    #[test]
    fn the_page_says_all_and_escapes_what_is_not_its_own() {
        let recipe = Recipe::BEST;
        let mut made = Made::of(3, 2, &recipe);
        made.classes[1] = "<b>&\"".into();
        let facts = [("model", "a<script>'\u{1}.onnx".to_owned()), ("seed", "7".to_owned())];
        let found = found::tests::some();
        let files: Vec<String> = (0..6).map(|at| format!("c&t/{at}\u{1}.png")).collect();
        let figures = Figures { test_files: &files, ..made.figures(&recipe) };
        let page = emit(&figures, &facts, Some(&found)).unwrap();
        assert!(page.contains("<h2>What was found</h2>") && page.contains("c&amp;t"));
        assert!(page.contains("<th>&lt;b&gt;&amp;&quot;</th>"));
        assert!(page.contains("<dd>a&lt;script&gt;'\u{fffd}.onnx</dd>"));
        let wrong = &made.misclassifications[0];
        let row = format!(
            "<tr><th>#{0}</th><td class=\"names\">c&amp;t/{0}\u{fffd}.png</td>",
            wrong.index
        );
        assert!(page.contains(&row), "{row}");
        assert!(!page.contains("<b>") && !page.contains("<script"));
        assert!(crate::provenance::is_our_page(page.as_bytes()));
        assert!(page.contains("<strong>66.67 %</strong> of 6 test images right"));
        assert!(page.contains("between 30.00 % and 90.32 %"), "{page}");
        assert!(page.contains("<tr><th>2</th><td>1.0000</td><td>90.00 %</td><td>0.0000</td>"));
        assert_eq!(page.matches("<svg ").count(), plots::NAMES.len());
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("http") && !elsewhere.contains("url("));
    }

    #[test]
    fn long_runs_and_many_classes_make_no_giant() {
        let recipe = Recipe::BEST;
        let made = Made::of(256, 1001, &recipe);
        let page = emit(&made.figures(&recipe), &[], None).unwrap();
        assert!(!page.contains("What was found") && !page.contains("<th class=\"names\">file"));
        assert!(page.len() < 2_000_000, "{}", page.len());
        assert!(page.contains("<th>1001</th>") && page.contains("Every 6th of 1001 epochs"));
    }
}
