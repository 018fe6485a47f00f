//! What `board --cycles` shows.

use std::collections::BTreeMap;

use anyhow::ensure;
use comfy_table::Table;
use firmware_sim::board::counts::Counts;
use firmware_sim::board::timing::{Cycles, Timing, WorkCycles};
use firmware_sim::board::{BoardReport, Machine};
use serde_json::json;

use crate::table::of_numbers;

/// Means over the images of a run.
pub(crate) struct ModelledCycles {
    timing: Timing,
    wait_states: u32,
    /// Of each layer, of taking rows in, and of all: name, instructions and cycles.
    layers: Vec<(String, f64, [f64; 2])>,
    /// The same of each kind of work.
    works: Vec<(&'static str, f64, [f64; 2])>,
}

/// Refuses machines whose makers publish no timing.
pub(super) fn ensure_published(machine: Machine) -> anyhow::Result<()> {
    let published: Vec<_> =
        Machine::ALL.iter().filter(|it| it.timing().is_some()).map(|it| it.name()).collect();
    ensure!(
        machine.timing().is_some(),
        "--cycles: no timing of {} is published, so give --machine {}",
        machine.title(),
        published.join("|")
    );
    Ok(())
}

impl ModelledCycles {
    pub(crate) fn of(
        timing: Timing,
        counts: &Counts,
        report: &BoardReport,
        wait_states: u32,
    ) -> Self {
        let mean = |it: u64| it as f64 / counts.images as f64;
        let means = |cycles: Cycles| [cycles.low, cycles.high].map(mean);
        let mut works: BTreeMap<&'static str, WorkCycles> = BTreeMap::new();
        let (mut layers, mut all) = (Vec::new(), WorkCycles::default());
        let names = report.layers.iter().map(String::as_str).chain(["rows"]);
        for (name, layer) in names.zip(&counts.layers) {
            let mut sum = WorkCycles::default();
            for (work, more) in timing.by_work(&counts.program, layer, wait_states) {
                let work = works.entry(work).or_default();
                for it in [&mut sum, &mut all, work] {
                    it.executed += more.executed;
                    it.cycles += more.cycles;
                }
            }
            layers.push((name.to_owned(), mean(sum.executed), means(sum.cycles)));
        }
        layers.push(("all".into(), mean(all.executed), means(all.cycles)));
        let works = works.into_iter();
        let mut works: Vec<_> =
            works.map(|(name, it)| (name, mean(it.executed), means(it.cycles))).collect();
        works.sort_by(|a, b| b.2[1].total_cmp(&a.2[1]));
        Self { timing, wait_states, layers, works }
    }

    pub(super) fn text(&self) -> String {
        let head = format!(
            "modelled cycles, not measured: {}; wait states of flash: {}",
            self.model(),
            self.wait_states
        );
        let layers =
            self.layers.iter().map(|(name, executed, cycles)| (&**name, *executed, *cycles));
        let layers = table("layer", layers);
        let works = table("kind of work", self.works.iter().copied());
        format!("{head}\n\n{}\n\n{}", layers.trim_fmt(), works.trim_fmt())
    }

    /// Cycles of an inference, such as `2402111 to 2781200`.
    pub(crate) fn range(&self) -> String {
        let [low, high] = self.layers.last().map_or([0.0; 2], |(.., cycles)| *cycles);
        if low < high { format!("{low:.0} to {high:.0}") } else { format!("{low:.0}") }
    }

    /// Which core's timing it is, and who says so.
    pub(crate) fn model(&self) -> String {
        format!("{} by {}", self.timing.title(), self.timing.source())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let object = |executed: f64, [low, high]: [f64; 2]| json!({ "instructions": executed, "low": low, "high": high });
        let mut layers = serde_json::Map::new();
        for (name, executed, cycles) in &self.layers {
            layers.insert(name.clone(), object(*executed, *cycles));
        }
        let mut works = serde_json::Map::new();
        for (name, executed, cycles) in &self.works {
            works.insert((*name).into(), object(*executed, *cycles));
        }
        json!({
            "core": self.timing.title(),
            "source": self.timing.source(),
            "wait_states": self.wait_states,
            "layers": layers,
            "works": works,
        })
    }
}

fn table<'a>(first: &str, rows: impl Iterator<Item = (&'a str, f64, [f64; 2])>) -> Table {
    let mut table = of_numbers(&[first, "instructions", "cycles, low", "high", "per instruction"]);
    for (name, executed, [low, high]) in rows {
        let [least, most] = [low, high].map(|cycles| cycles / executed.max(1.0));
        table.add_row([
            name.to_owned(),
            format!("{executed:.0}"),
            format!("{low:.0}"),
            format!("{high:.0}"),
            if low < high { format!("{least:.2} to {most:.2}") } else { format!("{least:.2}") },
        ]);
    }
    table
}
