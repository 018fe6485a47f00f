//! What `board --worst-case` shows.

use std::collections::BTreeMap;

use firmware_sim::board::{BoardReport, WorstCase};
use serde_json::json;

/// Lines for people.
pub(super) fn text(worst: &WorstCase, report: &BoardReport) -> String {
    let there = worst.stack.there;
    let stack = match &worst.stack.bound {
        Err(error) => vec![format!("no bound: {error}")],
        Ok(bound) => {
            let fits = if worst.stack.fits() { "" } else { ", which is not shown to be enough" };
            let mut lines = vec![
                format!(
                    "at most {} bytes, of {there} that there are{fits}: {} of the program, {} of an interrupt",
                    bound.bytes(),
                    bound.program,
                    bound.interrupt
                ),
                format!("deepest that was seen: {}", report.stack),
            ];
            let path = bound.path.iter().map(|(function, above)| format!("{above} {function}"));
            lines.push(format!("deepest path: {}", path.collect::<Vec<_>>().join(", ")));
            let out = bound.left_out.iter().map(|it| {
                let caller =
                    if it.caller.is_empty() { String::new() } else { format!(" by {}", it.caller) };
                format!("{}{caller} ({})", it.function, it.why)
            });
            lines.push(match out.collect::<Vec<_>>().join(", ").as_str() {
                "" => "no function is left out".into(),
                out => format!("left out, since never called: {out}"),
            });
            lines
        }
    };
    let mut lines = vec!["worst case".to_owned()];
    for (name, paragraph) in [("stack", stack), ("instructions", instructions(worst, report))] {
        for (index, line) in paragraph.iter().enumerate() {
            lines.push(format!("{:<12} {line}", if index == 0 { name } else { "" }));
        }
    }
    lines.join("\n")
}

fn instructions(worst: &WorstCase, report: &BoardReport) -> Vec<String> {
    let (mean, most) = report.total();
    let bound = match &worst.instructions {
        Ok(bound) => bound,
        Err(reason) => {
            return vec![format!("no estimate: {reason}; mean {mean:.0}, maximum seen {most:.0}")];
        }
    };
    let names = report.layers.iter().map(String::as_str).chain(["rows"]).zip(&bound.layers);
    let layers = names.map(|(name, bound)| format!("{name} {bound}")).collect::<Vec<_>>();
    let at_most = if bound.is_shown() { "estimated at most" } else { "NOT SHOWN to be at most" };
    let mut lines = vec![
        format!("{at_most} {}; mean {mean:.0}, maximum seen {most:.0}", bound.instructions()),
        format!("of these: {}, interrupts {}", layers.join(", "), bound.interrupts),
        format!(
            "an image without zeros takes {}; the rest is what zeros cost, and both sides of short branches",
            bound.dense
        ),
    ];
    let mut functions: BTreeMap<&str, usize> = BTreeMap::new();
    for (function, _) in &bound.exceeded {
        *functions.entry(function).or_default() += 1;
    }
    let exceeded = functions.iter().map(|(function, count)| format!("{count} of {function}"));
    let exceeded: Vec<String> = exceeded.collect();
    lines.push(if exceeded.is_empty() {
        format!(
            "none of the {} images executes any instruction more often than the estimate assumes",
            bound.images
        )
    } else {
        format!("an image executes instructions more often: {}", exceeded.join(", "))
    });
    lines
}

/// The same for programs.
pub(super) fn json(worst: &WorstCase, report: &BoardReport) -> serde_json::Value {
    let stack = match &worst.stack.bound {
        Err(error) => json!({ "refused": error.to_string() }),
        Ok(bound) => json!({
            "bytes": bound.bytes(),
            "program": bound.program,
            "interrupt": bound.interrupt,
            "path": bound.path.iter().map(|(name, above)| json!([name, above])).collect::<Vec<_>>(),
            "by_pointer": bound.by_pointer,
            "left_out":
                bound.left_out.iter().map(|it| json!([it.function, it.caller, it.why])).collect::<Vec<_>>(),
        }),
    };
    let instructions = match &worst.instructions {
        Err(reason) => json!({ "refused": reason }),
        Ok(bound) => json!({
            "bound": bound.instructions(),
            "layers": bound.layers,
            "interrupts": bound.interrupts,
            "without_zeros": bound.dense,
            "is_shown": bound.is_shown(),
            "exceeded": bound.exceeded.iter().map(|(name, at)| json!([name, at])).collect::<Vec<_>>(),
            "checked_by_images": bound.images,
        }),
    };
    json!({
        "stack": stack,
        "stack_there": worst.stack.there,
        "stack_fits": worst.stack.fits(),
        "stack_seen": report.stack,
        "instructions": instructions,
    })
}
