//! For how many images a few grey levels of each value do not change the class.

use dataset::Interval;
use firmware_sim::robustness::{Options, certify};
use maud::html;

use super::Subject;
use super::evidence::{Evidence, Finding};
use crate::cli::Kind;
use crate::data::evenly_spaced;
use crate::model;
use crate::share::Share;

/// Images that are looked at, unless there are fewer: some minutes.
const IMAGES: usize = 100;

pub(super) fn evidence(subject: &Subject) -> anyhow::Result<Evidence> {
    if let Some(left_out) = subject.left_out(Kind::Robustness) {
        return Ok(left_out);
    }
    if !subject.report.is_classifier {
        return Ok(Evidence::not_run("the outputs are no classes, so none can change"));
    }
    let samples = subject.test.content.samples();
    let all = samples.len();
    let count = IMAGES.min(all);
    let numbers = evenly_spaced(all, count);
    let options = Options::default();
    let bar = model::progress_bar(count, "images of robustness");
    let progress = |done| bar.set_position(done as u64);
    let found =
        certify(subject.report.int8, samples, &numbers, &subject.test.labels, &options, progress);
    bar.finish_and_clear();
    let found = found?;
    let share = |count: u64| Share { count, all: found.len() };
    let html = html! {
        p {
            (count) " of " (all) " test images, evenly spread. " strong { "Certified" } ": every image of which each value differs by so many grey levels at most gets "
            "the same class on the device, by bounds through the integer network that hold for all of them at once. " strong { "Attacked" }
            ": an image was found that gets another, and the engine gave it. " strong { "Unknown" } ": neither. Intervals are of 95 % confidence (Wilson)."
        }
        table {
            tr {
                th { "grey levels" } th { "certified" } th { "interval" } th { "and right" } th { "attacked" } th { "unknown" }
            }
            @for (index, level) in found.levels.iter().enumerate() {
                @let counts = found.counts(index);
                tr {
                    td { "±" (level) } td { (share(counts.certified).percent()) } td { (share(counts.certified).interval_percent()) }
                    td { (counts.certified_right) } td { (counts.attacked) } td { (counts.unknown) }
                }
            }
        }
    };
    let mut json = found.json();
    json["seed"] = options.seed.into();
    let Interval { low, .. } = Interval::wilson(found.counts(0).certified, found.len());
    Ok(Finding::new(html, json)
        .limit(format!(
            "Robustness of other images than these {count}: of images like them, at least {:.1} % are certified at the smallest level, with 97.5 % confidence",
            100.0 * low
        ))
        .limit("Changes of another kind than a few grey levels of each value: shifts, rotations, blur, light, dirt")
        .limit("Robustness of images that are unknown: neither a proof nor an attack was found")
        .into())
}
