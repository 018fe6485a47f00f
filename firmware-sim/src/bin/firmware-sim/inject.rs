//! `firmware-sim inject`: what flipped bits do.

mod picture;

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, ensure};
use comfy_table::Table;
use dataset::idx::Part as Subset;
use firmware_sim::quantize::is_classifier;
use firmware_sim::soft_errors::{self, Counts, GroupReport, Memory, Options, Share, SoftErrors};
use firmware_sim::{Samples, sha256};
use safe_io::{SingleLine, output};
use serde_json::json;

use crate::data::Wanted;
use crate::table::of_numbers;
use crate::{cli, data, model, provenance};

pub(crate) fn run(arguments: &cli::Inject) -> anyhow::Result<()> {
    let path = SingleLine(arguments.quantized.display());
    let given = arguments.data.given()?;
    if let Some(picture) = &arguments.picture {
        let inputs =
            [vec![arguments.quantized.clone()], data::paths(&given, Subset::Test)].concat();
        provenance::check(picture, &inputs, arguments.force, provenance::is_our_page)?;
    }
    let file = model::read(&arguments.quantized)?;
    let int8 = model::parse_q8(&file, &path)?;
    let test = data::load(&given, Subset::Test, &Wanted::of_model(int8))?;
    data::ensure_any(&test, given.path())?;
    let (count, all) = (arguments.images.get(), test.content.samples().len());
    ensure!(
        count <= all,
        "--images {count}: {} has {all} {}, so give at most {all}",
        SingleLine(given.path().display()),
        test.source.what()
    );
    if !soft_errors::WRAPS_AS_A_DEVICE {
        data::print_line(
            "warning: this is a build for development, which counts an overflow as no answer: build with --release",
        );
    }
    let content = test.content.chosen(&test.chosen(count));
    let samples: Samples<'_> = content.samples();
    let options = Options {
        is_double: arguments.flips == 2,
        samples: (!arguments.all).then(|| arguments.samples.get().into()),
        seed: arguments.seed,
        parts: arguments.parts.clone(),
        is_classifier: is_classifier(
            int8.outputs(),
            int8.header().input.size(),
            !test.labels.is_empty(),
        ),
    };
    let bar = model::progress_bar(0, "flips");
    bar.set_length(soft_errors::flips(int8, &options));
    let started = Instant::now();
    let found = soft_errors::inject(int8, samples, &options, |flips| bar.inc(flips));
    bar.finish_and_clear();
    let found = found.with_context(|| path.to_string())?;
    if let Some(picture) = &arguments.picture {
        let drawing = provenance::sealed_page(&picture::svg(&found)?);
        provenance::check(picture, &[], arguments.force, provenance::is_our_page)?;
        output::write(picture, drawing.as_bytes())
            .with_context(|| format!("cannot write {}", SingleLine(picture.display())))?;
    }
    let hash = sha256(&file);
    let mut stdout = io::stdout().lock();
    if arguments.json {
        let mut object = found.json();
        object["int8"] = json!({ "path": arguments.quantized.to_string_lossy(), "sha256": hash });
        writeln!(stdout, "{object}")?;
    } else {
        writeln!(stdout, "int8     {path}, SHA-256 {}…", &hash[..16])?;
        writeln!(
            stdout,
            "images   {count} of {}, after each flip of flash; of scratch one",
            test.selection(count)
        )?;
        let bits = if found.is_double { "two of 32 at once" } else { "one at a time" };
        let seconds = started.elapsed().as_secs_f64();
        writeln!(stdout, "bits     {bits}, seed {} ({seconds:.1} s)\n", found.seed)?;
        writeln!(stdout, "{}", table(&found))?;
        for (name, memory) in [("flash", Memory::Flash), ("scratch", Memory::Scratch)] {
            if let Some(summary) = summary(&found, memory) {
                let of = if arguments.parts.is_empty() { "" } else { "of the parts tried: " };
                writeln!(stdout, "\n{name:8} {of}{summary}")?;
            }
        }
    }
    Ok(())
}

/// Of each part how many flips do what, the part of one layer after another.
fn table(found: &SoftErrors) -> Table {
    let mut table = of_numbers(&[
        "",
        "bits",
        "flips",
        "masked",
        "logits",
        if found.is_classifier { "class" } else { "outputs" },
        "no answer",
        "wrong, 95 %",
        "at start",
        "between",
        "by layer",
    ]);
    for group in &found.groups {
        table.add_row(row(group));
    }
    table
}

fn row(group: &GroupReport) -> Vec<String> {
    let percent = |of: fn(&Counts) -> u64| format!("{:.1} %", 100.0 * group.share(of).found);
    let Share { low, high, .. } = group.share(Counts::wrong);
    let counts = group.counts();
    let wrong = if group.is_all {
        format!("{:.1} %, all", 100.0 * low)
    } else {
        format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high)
    };
    let of_flash = |of: fn(&Counts) -> u64| {
        if group.part.is_scratch() { "-".into() } else { percent(of) }
    };
    let name = match &group.layer {
        Some(layer) => format!("{} {}", SingleLine(layer), group.part.name()),
        None => group.part.name().into(),
    };
    vec![
        name,
        group.bits.to_string(),
        counts.flips.to_string(),
        percent(|it| it.masked),
        percent(|it| it.outputs),
        percent(|it| it.class),
        percent(|it| it.no_answer),
        wrong,
        of_flash(|it| it.at_start),
        of_flash(|it| it.by_steps),
        if group.layer.is_some() { of_flash(|it| it.by_layer) } else { "-".into() },
    ]
}

/// Of any bit of a memory.
fn summary(found: &SoftErrors, memory: Memory) -> Option<String> {
    let share = |of: fn(&Counts) -> u64| {
        let Share { found, low, high } = found.share(memory, of)?;
        Some(format!("{:.2} % ({:.2} to {:.2})", 100.0 * found, 100.0 * low, 100.0 * high))
    };
    let changed = if found.is_classifier {
        format!("logits alone in {}, a class in {}", share(|it| it.outputs)?, share(|it| it.class)?)
    } else {
        format!("outputs in {}", share(|it| it.class)?)
    };
    let what = format!(
        "a flip of any bit is masked in {}, changes {changed}, and leaves no answer in {}",
        share(|it| it.masked)?,
        share(|it| it.no_answer)?
    );
    Some(if memory == Memory::Flash {
        format!(
            "{what}; until it is found: at the next start in {}, between frames in {}",
            share(|it| it.at_start)?,
            share(|it| it.by_steps)?
        )
    } else {
        what
    })
}
