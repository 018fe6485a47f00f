//! One page about a run, which needs nothing beside it: no network, no scripts, no fonts.

use std::fmt::{self, Write as _};
use std::path::Path;

use runtime::evaluate::Interval;

use crate::evaluate::Score;
use crate::plots::{self, Figures, Format, grouped, write_whole};
use crate::train::Epoch;

/// Most rows of the table of epochs; of more, evenly spaced ones are shown.
const ROWS: usize = 200;

/// Readable on a phone, where plots are scrolled sideways rather than shrunk, and on paper.
const STYLE: &str = "
:root { color-scheme: light; font: 100%/1.5 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 75rem; margin: 0 auto; padding: 1rem }
h1, h2 { line-height: 1.2 }
h2 { margin: 2.5rem 0 1rem; border-bottom: 1px solid #ddd }
.result { font-size: 1.5rem; margin: 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem }
dt { color: #555 }
dd { margin: 0; overflow-wrap: anywhere }
figure, .table { margin: 1rem 0; overflow-x: auto }
svg { display: block; min-width: 44rem; max-width: 100%; height: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .75rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child { text-align: left }
footer { margin-top: 2.5rem; color: #555 }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .5rem } }
@media print { :root { font-size: 80% } svg { min-width: 0 } figure, tr { break-inside: avoid } h2 { break-after: avoid } }
";

/// Text for an element or an attribute; control characters, which HTML forbids, become U+FFFD.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            _ if letter.is_control() => f.write_char(char::REPLACEMENT_CHARACTER),
            _ => f.write_char(letter),
        })
    }
}

/// Writes the page to `path`; a file that is there is replaced as a whole.
///
/// # Errors
/// If it cannot be written.
pub fn write(figures: &Figures<'_>, facts: &[(&str, String)], path: &Path) -> anyhow::Result<()> {
    write_whole(path, emit(figures, facts)?.as_bytes())
}

/// The page, as HTML; `facts` say how the run was made, by name.
///
/// # Errors
/// If a plot cannot be drawn; none is known.
pub fn emit(figures: &Figures<'_>, facts: &[(&str, String)]) -> anyhow::Result<String> {
    let mut svgs = Vec::new();
    for svg in plots::all(figures, Format::Svg)? {
        svgs.push(String::from_utf8(svg)?);
    }
    let [samples, curves, confusion, worst, filters] = &svgs[..] else {
        unreachable!("there are five plots")
    };
    let report = figures.report;
    let Interval { low, high } = Interval::wilson(report.correct(), report.total());
    let mut page = String::new();
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>LeNet on {0}: {1:.2} %</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>LeNet on {0}</h1>\n<p class=\"result\"><strong>{1:.2} %</strong> of {2} test images right</p>\n\
         <p>{3} errors. By chance of the test images, the true accuracy lies between {4:.2} % and {5:.2} % \
         (95 % confidence, Wilson).</p>\n",
        Escaped(figures.dataset),
        report.accuracy() * 100.0,
        grouped(report.total()),
        grouped(report.total() - report.correct()),
        low * 100.0,
        high * 100.0
    )?;
    page += "<h2>The run</h2>\n<dl>\n";
    for (name, fact) in facts {
        writeln!(page, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(fact))?;
    }
    page += "</dl>\n<h2>Training</h2>\n";
    figure(&mut page, curves)?;
    epochs(&mut page, figures)?;
    page += "<h2>Test</h2>\n";
    figure(&mut page, confusion)?;
    classes(&mut page, figures)?;
    figure(&mut page, worst)?;
    page += "<h2>Training images</h2>\n";
    figure(&mut page, samples)?;
    page += "<h2>First layer</h2>\n";
    figure(&mut page, filters)?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(page, "<footer>Written by trainer {version}.</footer>\n</body>\n</html>")?;
    Ok(page)
}

fn figure(page: &mut String, svg: &str) -> fmt::Result {
    writeln!(page, "<figure>\n{svg}</figure>")
}

fn epochs(page: &mut String, figures: &Figures<'_>) -> fmt::Result {
    let watched = figures.watch.name();
    *page += "<div class=\"table\"><table>\n<thead><tr><th>epoch</th><th>training loss</th><th>accuracy</th>";
    writeln!(
        page,
        "<th>{watched} loss</th><th>accuracy</th><th>seconds</th></tr></thead>\n<tbody>"
    )?;
    let history = figures.history;
    let step = history.len().div_ceil(ROWS).max(1);
    let last = history.len().saturating_sub(1);
    let shown = |(index, _): &(usize, &Epoch)| (index + 1).is_multiple_of(step) || *index == last;
    for (_, Epoch { epoch, training, watched, took }) in history.iter().enumerate().filter(shown) {
        let cells = |score: &Score| {
            format!("<td>{:.4}</td><td>{:.2} %</td>", score.loss, score.accuracy * 100.0)
        };
        writeln!(
            page,
            "<tr><th>{epoch}</th>{}{}<td>{:.1}</td></tr>",
            cells(training),
            watched.as_ref().map_or_else(|| "<td>–</td><td>–</td>".into(), cells),
            took.as_secs_f64()
        )?;
    }
    *page += "</tbody>\n</table></div>\n";
    if step > 1 {
        writeln!(page, "<p>Every {step}th of {} epochs.</p>", history.len())?;
    }
    Ok(())
}

fn classes(page: &mut String, figures: &Figures<'_>) -> fmt::Result {
    *page += "<div class=\"table\"><table>\n<thead><tr><th>class</th><th>precision</th><th>recall</th>\
              <th>F1</th><th>images</th></tr></thead>\n<tbody>\n";
    for (class, score) in figures.report.per_class().iter().enumerate() {
        writeln!(
            page,
            "<tr><th>{}</th><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{}</td></tr>",
            Escaped(&figures.class(class)),
            score.precision,
            score.recall,
            score.f1,
            grouped(score.support)
        )?;
    }
    *page += "</tbody>\n</table></div>\n";
    Ok(())
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
        let page = emit(&made.figures(&recipe), &facts).unwrap();
        assert!(page.contains("<th>&lt;b&gt;&amp;&quot;</th>"));
        assert!(page.contains("<dd>a&lt;script&gt;&#39;\u{fffd}.onnx</dd>"));
        assert!(!page.contains("<b>") && !page.contains("<script"));
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
        let page = emit(&made.figures(&recipe), &[]).unwrap();
        assert!(page.len() < 2_000_000, "{}", page.len());
        assert!(page.contains("<th>1001</th>") && page.contains("Every 6th of 1001 epochs"));
    }
}
