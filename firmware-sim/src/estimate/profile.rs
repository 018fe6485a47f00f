//! What layers took on boards, as it is committed, and what others will take by that.

use super::Work;
use super::fit::{FACTORS, weighted_sum, weights};
use crate::board::Machine;

/// The committed measurements.
const COMMITTED: &str = include_str!("../../boards/profile.csv");

/// First line of a profile.
pub const HEADER: &str =
    "machine,network,layer,routine,macs,nonzero_macs,reads,sums,steps,mean,most";

/// Instructions of a layer of a network on a machine: a line of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// [`Machine::name`].
    pub machine: String,
    /// What the network is called.
    pub network: String,
    /// What the layer has to do.
    pub work: Work,
    /// Mean over all images.
    pub mean: f64,
    /// Maximum.
    pub most: f64,
}

impl Measured {
    /// As a line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { machine, network, work, mean, most } = self;
        let Work { layer, routine, counts: [macs, nonzero, reads, sums, steps] } = work;
        format!(
            "{machine},{network},{layer},{routine},{macs},{nonzero},{reads},{sums},{steps},{mean:.0},{most:.0}"
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let [machine, network, layer, routine, macs, nonzero, reads, sums, steps, mean, most] =
            line.split(',').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let [machine, network, layer, routine] =
            [machine, network, layer, routine].map(str::to_owned);
        let count = |text: &str| text.parse().ok();
        let counts = [count(macs)?, count(nonzero)?, count(reads)?, count(sums)?, count(steps)?];
        let [mean, most] = [mean.parse().ok()?, most.parse().ok()?];
        Some(Self { machine, network, work: Work { layer, routine, counts }, mean, most })
    }
}

/// Many measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// In the order of the file.
    pub measured: Vec<Measured>,
}

impl Profile {
    /// What is committed.
    ///
    /// # Panics
    /// Never: a test reads it.
    #[must_use]
    pub fn committed() -> Self {
        Self::parse(COMMITTED).expect("the committed profile is tested")
    }

    /// Reads a file of lines after a [`HEADER`]; `None` if a line is no measurement.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lines = text.strip_prefix(HEADER)?.trim().lines();
        Some(Self { measured: lines.map(Measured::parse).collect::<Option<_>>()? })
    }

    /// Instructions that layers of this work are expected to take.
    #[must_use]
    pub fn estimate(&self, machine: Machine, works: &[Work]) -> f64 {
        works.iter().map(|work| self.of_layer(machine, work)).sum()
    }

    /// The same of one layer.
    #[must_use]
    pub fn of_layer(&self, machine: Machine, work: &Work) -> f64 {
        // an M7 runs the same code
        let machine = if machine == Machine::M7 { Machine::M4 } else { machine };
        let samples = |routine: Option<&str>| -> Vec<([f64; FACTORS], f64)> {
            let of_machine = self.measured.iter().filter(|it| it.machine == machine.name());
            let same = of_machine.filter(|it| routine.is_none_or(|name| name == it.work.routine));
            same.map(|it| (it.work.counts.map(|count| count as f64), it.mean)).collect()
        };
        let mut same = samples(Some(&work.routine));
        if same.is_empty() {
            same = samples(None);
        }
        weighted_sum(&work.counts.map(|count| count as f64), &weights(&same))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORKS: [&str; 10] = [
        "lenet",
        "meter",
        "ds_cnn",
        "resnet8",
        "mobilenet",
        "autoencoder",
        "depthwise",
        "grey",
        "colour",
        "dense",
    ];
    /// What the README says of the estimate.
    const MAX_ERROR: f64 = 0.15;

    fn of_network(machine: Machine, network: &str) -> Vec<Measured> {
        let measured = Profile::committed().measured.into_iter();
        measured.filter(|it| it.machine == machine.name() && it.network == network).collect()
    }

    #[test]
    fn estimates_are_near_what_was_measured_of_every_network_on_every_core() {
        for machine in Machine::ALL.into_iter().filter(|&machine| machine != Machine::M7) {
            for network in NETWORKS {
                let (works, means): (Vec<Work>, Vec<f64>) =
                    of_network(machine, network).into_iter().map(|it| (it.work, it.mean)).unzip();
                let measured: f64 = means.iter().sum();
                assert!(measured > 0.0, "{network} on {machine:?} was measured");
                let error = Profile::committed().estimate(machine, &works) / measured - 1.0;
                println!("{} {network}: {:+.1} %", machine.name(), 100.0 * error);
                assert!(error.abs() < MAX_ERROR, "{network} on {machine:?}: {error:+.3}");
            }
        }
    }

    #[test]
    fn an_m7_is_taken_for_an_m4_and_an_unmeasured_routine_for_all_others() {
        let profile = Profile::committed();
        let works: Vec<Work> =
            of_network(Machine::M4, "lenet").into_iter().map(|it| it.work).collect();
        let [m4, m7] = [Machine::M4, Machine::M7].map(|it| profile.estimate(it, &works));
        assert!((m4 - m7).abs() < 1e-9);
        let unknown = Work { routine: "Unknown".into(), ..works[0].clone() };
        assert!(profile.estimate(Machine::M4, &[unknown]) > 0.0);
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        let measured = Profile::committed().measured;
        let lines: Vec<String> = measured.iter().map(Measured::line).collect();
        assert_eq!(format!("{HEADER}\n{}\n", lines.join("\n")), COMMITTED);
        for line in ["m4,lenet", "m4,lenet,conv1,Grey,1,1,1,1,1,x,1"] {
            assert!(Profile::parse(&format!("{HEADER}\n{line}\n")).is_none(), "{line}");
        }
        assert!(Profile::parse("another header\n").is_none());
    }
}
