//! What `--plots` and `--report` ask for.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use network::{Architecture, Kind};
use safe_io::SingleLine;
use sha2::{Digest, Sha256};
use tch::Device;
use trainer::augment::Augmentation;
use trainer::data::Dataset;
use trainer::lenet::LeNet;
use trainer::optimizer::Rule;
use trainer::plots::{self, Figures, Samples};
use trainer::recipe::Recipe;
use trainer::report;
use trainer::schedule::Schedule;
use trainer::train::{EvalSet, Run};

use crate::cli::Cli;
use crate::results::Results;
use crate::setup::Setup;
use safe_io::print::print_line;

/// Writes what was asked for, and prints where it is.
pub(crate) fn write(
    cli: &Cli,
    setup: &Setup,
    dataset: &Dataset,
    run: &Run,
    network: &LeNet,
    results: &Results,
) -> anyhow::Result<()> {
    if cli.plots.is_none() && cli.report.is_none() {
        return Ok(());
    }
    let Setup { classes, options, .. } = setup;
    let exported = network.network();
    let figures = Figures {
        dataset: &dataset.name,
        classes,
        recipe: &options.recipe,
        eval_set: options.eval_set,
        history: run.history(),
        samples: &Samples::draw(&dataset.train, options.recipe.augmentation, options.seed),
        report: &results.test.report,
        misclassifications: &results.test.misclassifications,
        test: &dataset.test,
        filters: exported.affine().first().map_or(&[], |first| &first.weights),
        filter_side: first_kernel_side(exported.architecture()),
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
        report::write(&figures, &facts(cli, setup, dataset, run, results)?, path)?;
        print_line(format_args!("report    {}", SingleLine(path.display())));
    }
    Ok(())
}

/// How the run was made.
fn facts(
    cli: &Cli,
    setup: &Setup,
    dataset: &Dataset,
    run: &Run,
    results: &Results,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let Setup { identity, options, .. } = setup;
    let took: Duration = run.history().iter().map(|epoch| epoch.took).sum();
    let mut facts = vec![("images", describe_images(dataset, options.eval_set))];
    facts.extend(identity.iter().filter(|(name, _)| *name != "validation.images").cloned());
    facts.extend(describe_recipe(&options.recipe));
    facts.extend([
        ("device", describe_device(options.device)),
        ("libtorch", option_env!("LIBTORCH_VERSION").unwrap_or("unknown").to_owned()),
        ("training time", format!("{:.1} s", took.as_secs_f64())),
    ]);
    facts.extend(results.corrupted.clone().map(|corrupted| ("corrupted", corrupted)));
    if let Some(path) = &cli.export {
        let model = fs::read(path)
            .with_context(|| format!("cannot read {}", SingleLine(path.display())))?;
        facts.push(("model", path.display().to_string()));
        facts.push(("model.sha256", base16ct::lower::encode_string(&Sha256::digest(model))));
    }
    Ok(facts)
}

fn describe_images(dataset: &Dataset, eval_set: EvalSet) -> String {
    let (train, test) = (dataset.train.images.len(), dataset.test.images.len());
    match eval_set {
        EvalSet::Validation(held_out) => {
            let rest = train - held_out;
            format!("{rest} for training, {held_out} for validation, {test} for the test")
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

/// Rows of the first convolution's kernel.
fn first_kernel_side(architecture: &Architecture) -> usize {
    architecture
        .layers()
        .iter()
        .find_map(|layer| match layer.kind() {
            Kind::Conv(conv) => Some(conv.kernel[0]),
            _ => None,
        })
        .unwrap_or(1)
}
