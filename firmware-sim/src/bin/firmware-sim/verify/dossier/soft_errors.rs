//! What flipped bits of the model and of an inference's memory do.

use firmware_sim::soft_errors::{
    self, Counts, GroupReport, Memory, Options, Share, WRAPS_AS_A_DEVICE,
};
use maud::html;

use super::Subject;
use super::evidence::{Evidence, Finding};
use crate::cli::Kind;
use crate::model;

/// Images that are shown after each flip, unless there are fewer.
const IMAGES: usize = 10;

/// Flips of each part of each layer: a minute or less for small models.
const FLIPS: u64 = 64;

pub(super) fn evidence(subject: &Subject) -> anyhow::Result<Evidence> {
    if let Some(left_out) = subject.left_out(Kind::SoftErrors) {
        return Ok(left_out);
    }
    let int8 = subject.report.int8;
    let count = IMAGES.min(subject.test.content.samples().len());
    let content = subject.test.content.chosen(&subject.test.chosen(count));
    let is_classifier = subject.report.is_classifier;
    let options = Options { samples: Some(FLIPS), is_classifier, ..Options::default() };
    let bar = model::progress_bar(0, "flips");
    bar.set_length(soft_errors::flips(int8, &options));
    let found = soft_errors::inject(int8, content.samples(), &options, |flips| bar.inc(flips));
    bar.finish_and_clear();
    let found = found?;
    let percent = |share: Share| {
        let [found, low, high] = [share.found, share.low, share.high].map(|it| 100.0 * it);
        format!("{found:.2} % ({low:.2} to {high:.2})")
    };
    let whole =
        |memory, of: fn(&Counts) -> u64| found.share(memory, of).map(percent).unwrap_or_default();
    let name = |group: &GroupReport| match &group.layer {
        Some(layer) => format!("{layer} {}", group.part.name()),
        None => group.part.name().to_owned(),
    };
    let class = if is_classifier { "a class" } else { "outputs that are no classes" };
    let html = html! {
        p {
            "One bit at a time flips in flash, after the check at the start, or in the memory of an inference, and the engine runs: " (FLIPS)
            " flips of each part of each layer, seed " (options.seed) "; after each flip of flash " (count) " images, after one of scratch one of them. "
            "Intervals are of 95 % confidence, of parts sampled by themselves (Wilson); the whole weighs each part by its bits."
        }
        table.text {
            tr { th { "a flip of any bit of" } th { "masked" } th { "changes outputs alone" } th { "changes " (class) } th { "leaves no answer" } th { "found at the next start" } th { "found between frames" } }
            tr {
                td { "flash" }
                td { (whole(Memory::Flash, |it| it.masked)) } td { (whole(Memory::Flash, |it| it.outputs)) }
                td { (whole(Memory::Flash, |it| it.class)) } td { (whole(Memory::Flash, |it| it.no_answer)) }
                td { (whole(Memory::Flash, |it| it.at_start)) } td { (whole(Memory::Flash, |it| it.by_steps)) }
            }
            tr {
                td { "scratch" }
                td { (whole(Memory::Scratch, |it| it.masked)) } td { (whole(Memory::Scratch, |it| it.outputs)) }
                td { (whole(Memory::Scratch, |it| it.class)) } td { (whole(Memory::Scratch, |it| it.no_answer)) } td { "–" } td { "–" }
            }
        }
        p { "By part: how many of the flips were masked, changed outputs alone, changed a class (or outputs that are no classes), left no answer; the last two are wrong." }
        table {
            tr { th { "part" } th { "bits" } th { "flips" } th { "masked" } th { "outputs alone" } th { (class) } th { "no answer" } th { "wrong, 95 %" } }
            @for group in &found.groups {
                @let counts = group.counts();
                tr {
                    td { (name(group)) } td { (group.bits) } td { (counts.flips) } td { (counts.masked) } td { (counts.outputs) }
                    td { (counts.class) } td { (counts.no_answer) } td { (percent(group.share(Counts::wrong))) }
                }
            }
        }
    };
    let mut finding = Finding::new(html, found.json());
    if !WRAPS_AS_A_DEVICE {
        finding = finding.limit("How many flips change the answer on a device: this is a build for development, which counts an overflow as no answer");
    }
    Ok(finding
        .limit("Flips of other bits than those sampled, of several bits at once, and what they do to other images")
        .limit("Flips in registers, on the stack, in code, and within a step of the engine")
        .limit("How often bits flip on the device")
        .into())
}
