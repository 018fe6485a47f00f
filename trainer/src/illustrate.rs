//! What `--plots` and `--report` ask for.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use runtime::OneLine;
use sha2::{Digest, Sha256};
use tch::Device;
use trainer::augment::Augmentation;
use trainer::checkpoint::Identity;
use trainer::data::Dataset;
use trainer::evaluate::Examination;
use trainer::lenet::LeNet;
use trainer::optimizer::Rule;
use trainer::plots::{self, Figures, Samples};
use trainer::recipe::Recipe;
use trainer::report;
use trainer::schedule::Schedule;
use trainer::train::{Options, Run, Watch};

use crate::cli::Cli;
use crate::say;

/// A run that is over.
pub(crate) struct Finished<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) dataset: &'a Dataset,
    pub(crate) classes: &'a [String],
    pub(crate) options: &'a Options,
    pub(crate) run: &'a Run,
    pub(crate) network: &'a LeNet,
    pub(crate) examination: &'a Examination,
    /// How it stands corrupted images, if any are watched.
    pub(crate) corrupted: Option<String>,
}

/// Whether the plots can be written, asked before training.
pub(crate) fn prepare(cli: &Cli) -> anyhow::Result<()> {
    cli.plots.as_deref().map_or(Ok(()), plots::prepare)
}

/// Writes what was asked for, and says so.
pub(crate) fn write(cli: &Cli, finished: &Finished<'_>) -> anyhow::Result<()> {
    if cli.plots.is_none() && cli.report.is_none() {
        return Ok(());
    }
    let Finished { dataset, classes, options, run, network, examination, .. } = finished;
    let recipe = &options.recipe;
    let parameters = network.parameters();
    let figures = Figures {
        dataset: &dataset.name,
        classes,
        recipe,
        watch: options.watch,
        history: run.history(),
        samples: &Samples::draw(&dataset.train, recipe.augmentation, options.seed),
        report: &examination.report,
        mistakes: &examination.mistakes,
        test: &dataset.test,
        filters: &parameters[0].values,
    };
    if let Some(folder) = &cli.plots {
        plots::write(&figures, folder)?;
        say(format_args!(
            "plots     {} as PNG and SVG in {}",
            plots::NAMES.join(", "),
            OneLine(folder.display())
        ));
    }
    if let Some(path) = &cli.report {
        report::write(&figures, &facts(cli, finished)?, path)?;
        say(format_args!("report    {}", OneLine(path.display())));
    }
    Ok(())
}

/// How the run was made.
fn facts(cli: &Cli, finished: &Finished<'_>) -> anyhow::Result<Vec<(&'static str, String)>> {
    let Finished { identity, dataset, options, run, .. } = finished;
    let (train, test) = (dataset.train.images.len(), dataset.test.images.len());
    let images = match options.watch {
        Watch::Validation(held_out) => {
            format!(
                "{} for training, {held_out} for validation, {test} for the test",
                train - held_out
            )
        }
        Watch::Test => format!("{train} for training, {test} for the test and watched meanwhile"),
    };
    let device = match options.device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "CPU".to_owned(),
    };
    let mut facts = vec![("images", images)];
    facts.extend(identity.iter().filter(|(name, _)| *name != "validation.images").cloned());
    facts.extend(described(&options.recipe));
    let took: Duration = run.history().iter().map(|epoch| epoch.took).sum();
    facts.extend([
        ("device", device),
        ("libtorch", option_env!("LIBTORCH_VERSION").unwrap_or("unknown").to_owned()),
        ("training time", format!("{:.1} s", took.as_secs_f64())),
    ]);
    if let Some(corrupted) = &finished.corrupted {
        facts.push(("corrupted", corrupted.clone()));
    }
    if let Some(path) = &cli.export {
        let model =
            fs::read(path).with_context(|| format!("cannot read {}", OneLine(path.display())))?;
        facts.push(("model", path.display().to_string()));
        facts.push(("model.sha256", base16ct::lower::encode_string(&Sha256::digest(model))));
    }
    Ok(facts)
}

/// What a recipe has beside what names a run.
fn described(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let schedule = match recipe.schedule {
        Schedule::Constant => "constant learning rate".to_owned(),
        Schedule::OneCycle { warm_up } => {
            format!("one cycle, rising for {:.0} % of the steps", warm_up * 100.0)
        }
    };
    let rule = match recipe.rule {
        Rule::Adam => "Adam".to_owned(),
        Rule::Muon { ratio } => format!("Muon at {ratio} times the learning rate, and Adam"),
    };
    let averaging = recipe.averaging.map_or_else(
        || "none: the last weights are the result".to_owned(),
        |decay| format!("of the weights, decay {decay} a step"),
    );
    let augmentation = recipe.augmentation.map_or_else(
        || "none".to_owned(),
        |Augmentation {
             rotation_degrees,
             scale,
             shear,
             shift_px,
             bend_px,
             thickness,
             gamma,
             noise,
         }| {
            format!(
                "turn {rotation_degrees}°, scale {scale}, shear {shear}, shift {shift_px} px, \
                 bend {bend_px} px, thickness {thickness}, gamma {gamma}, noise {noise}"
            )
        },
    );
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
