//! What `--plots` and `--report` ask for.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use network::{Architecture, Kind};
use runtime::labelled::Summary;
use safe_io::SingleLine;
use sha2::{Digest, Sha256};
use tch::Device;
use trainer::data::Dataset;
use trainer::model::Model;
use trainer::optimizer::Rule;
use trainer::plots::{self, Figures, Samples};
use trainer::recipe::Recipe;
use trainer::report;
use trainer::schedule::Schedule;
use trainer::train::{EvalSet, Run};

use crate::cli::Cli;
use crate::origin;
use crate::results::Results;
use crate::setup::{Setup, describe_costs};
use safe_io::print::print_line;

/// What plots and report are about.
#[derive(Clone, Copy)]
pub(crate) struct Pages<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) dataset: &'a Dataset,
    /// What it was made of, if that was pictures.
    pub(crate) found: Option<&'a Summary>,
    pub(crate) results: &'a Results,
}

impl Pages<'_> {
    /// Writes what was asked for, and prints where it is.
    pub(crate) fn write(self, cli: &Cli, run: &Run, network: &Model) -> anyhow::Result<()> {
        if cli.plots.is_none() && cli.report.is_none() {
            return Ok(());
        }
        let Self { setup, dataset, results, .. } = self;
        let Setup { classes, options, .. } = setup;
        let exported = network.network();
        let title = match options.topology.name() {
            Some("lenet") => "LeNet".to_owned(),
            Some(name) => name.to_owned(),
            None => options.topology.to_string(),
        };
        let filter_shape = first_kernel(exported.architecture());
        let first = exported.affine().first().filter(|_| filter_shape.is_some());
        let figures = Figures {
            network: &title,
            is_ink: dataset.is_ink(),
            dataset: &dataset.name,
            classes,
            recipe: &options.recipe,
            eval_set: options.eval_set,
            history: run.history(),
            samples: &Samples::draw(&dataset.train, options.recipe.augmentation, options.seed),
            report: &results.test.report,
            misclassifications: &results.test.misclassifications,
            test: &dataset.test,
            test_files: &dataset.test_files,
            filters: first.map_or(&[], |first| &first.weights),
            filter_shape: filter_shape.unwrap_or([1; 3]),
        };
        if let Some(folder) = &cli.plots {
            plots::write(&figures, folder)?;
            print_line(format_args!(
                "plots     {} as PNG and SVG in {}",
                plots::NAMES.join(", "),
                SingleLine(folder.display())
            ));
        }
        if let Some(path) = &cli.report {
            let facts = self.facts(cli, run, exported.architecture())?;
            report::write(&figures, &facts, self.found, path)?;
            print_line(format_args!("report    {}", SingleLine(path.display())));
        }
        Ok(())
    }

    /// How the run was made.
    fn facts(
        self,
        cli: &Cli,
        run: &Run,
        architecture: &Architecture,
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        let Self { setup, dataset, results, .. } = self;
        let Setup { identity, options, .. } = setup;
        let took: Duration = run.history().iter().map(|epoch| epoch.took).sum();
        let mut facts = vec![("date", origin::date())];
        facts.push(("command", origin::command_line()));
        facts.push(("version", origin::version()));
        facts.push(("examples", describe_images(dataset, options.eval_set)));
        facts.extend(identity.iter().filter(|(name, _)| *name != "validation.images").cloned());
        facts.extend(setup.rejected_name().map(|name| ("none of these", name)));
        facts.push(("costs", describe_costs(architecture)));
        facts.extend(describe_recipe(&options.recipe));
        facts.extend([
            ("device", describe_device(options.device)),
            ("libtorch", option_env!("LIBTORCH_VERSION").unwrap_or("unknown").to_owned()),
            ("training time", format!("{:.1} s", took.as_secs_f64())),
        ]);
        let of_others = setup.others(&results.test.report);
        if let Some(name) = setup.rejected_name() {
            facts.push(("others", format!("{of_others} test images that are not `{name}` right")));
        }
        facts.extend(results.corrupted.clone().map(|corrupted| ("corrupted", corrupted)));
        facts.extend(results.confidence.clone().map(|confidence| ("confidence", confidence)));
        if let Some(path) = &cli.export {
            let model = fs::read(path)
                .with_context(|| format!("cannot read {}", SingleLine(path.display())))?;
            facts.push(("model", path.display().to_string()));
            facts.push(("model.sha256", base16ct::lower::encode_string(&Sha256::digest(model))));
        }
        Ok(facts)
    }
}

fn describe_images(dataset: &Dataset, eval_set: EvalSet) -> String {
    let (train, test) = (dataset.train.images.len(), dataset.test.images.len());
    match eval_set {
        EvalSet::Validation(held_out) => {
            let rest = train - held_out;
            format!("{rest} for training, {held_out} for validation, {test} for the test")
        }
        EvalSet::Own => {
            let held_out = dataset.validation.images.len();
            format!("{train} for training, {held_out} for validation, {test} for the test")
        }
        EvalSet::Test => {
            format!(
                "{train} for training, {test} for the test and for evaluation after every epoch"
            )
        }
    }
}

fn describe_device(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "CPU".to_owned(),
    }
}

/// What a recipe has beside what names a run.
fn describe_recipe(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let schedule = match recipe.schedule {
        Schedule::Constant => "constant learning rate".to_owned(),
        Schedule::OneCycle { warm_up } => {
            format!("one cycle, rising for {:.0} % of the steps", warm_up * 100.0)
        }
    };
    let rule = match recipe.rule {
        Rule::Adam { .. } => "Adam".to_owned(),
        Rule::Muon { ratio } => format!("Muon at {ratio} times the learning rate, and Adam"),
    };
    let averaging = recipe.averaging.map_or_else(
        || "none: the last weights are the result".to_owned(),
        |decay| format!("of the weights, decay {decay} a step"),
    );
    let augmentation =
        recipe.augmentation.map_or_else(|| "none".to_owned(), |changes| changes.to_string());
    vec![
        ("optimizer", rule),
        ("schedule", schedule),
        ("weight decay", recipe.weight_decay.to_string()),
        ("label smoothing", recipe.label_smoothing.to_string()),
        ("dropout", recipe.dropout.to_string()),
        ("averaging", averaging),
        ("augmentation", augmentation),
    ]
}

/// Channels, rows and columns of the first layer's kernels, if it is a convolution.
fn first_kernel(architecture: &Architecture) -> Option<[usize; 3]> {
    let first = architecture.layers().first()?;
    match (first.kind(), &first.weights()[..]) {
        (Kind::Conv(_), &[_, channels, rows, columns]) => Some([channels, rows, columns]),
        _ => None,
    }
}
