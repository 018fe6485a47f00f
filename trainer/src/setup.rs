//! What a run is to be, by its arguments and its data: decided once, before the first step.

use std::path::Path;

use anyhow::{anyhow, bail, ensure};
use dataset::{ConfusionMatrix, Dimensions};
use network::Architecture;
use safe_io::SingleLine;
use safe_io::print::print_line;
use trainer::checkpoint::{Identity, identity};
use trainer::costs::Costs;
use trainer::data::Dataset;
use trainer::plots::grouped;
use trainer::recipe::{Name, Recipe};
use trainer::train::{EvalSet, Options};

use crate::cli::{Classes, Cli};
use crate::share::Share;

pub(crate) struct Setup {
    /// Names, by label.
    pub(crate) classes: Vec<String>,
    pub(crate) options: Options,
    /// The class that is the answer "none of these".
    pub(crate) rejected: Option<u16>,
    /// What a checkpoint must share to be resumed.
    pub(crate) identity: Identity,
}

impl Setup {
    /// Decides it, and prints the lines on data and device; `folder` is where the dataset is from.
    pub(crate) fn new(cli: &Cli, dataset: &Dataset, folder: &Path) -> anyhow::Result<Self> {
        let (device, why) = cli.device.resolve().map_err(|error| {
            anyhow!("{error}: LENET_TORCH=cuda trainer/run sets up CUDA, --device cpu does without")
        })?;
        let classes = match (&cli.classes, &dataset.names) {
            (None, Some(names)) => names.clone(),
            (Some(_), Some(names)) => bail!(
                "--classes is for labels that are numbers: the pictures name their classes, {}",
                SingleLine(names.join(", "))
            ),
            (given, None) => class_names(given.as_ref(), dataset.classes())?,
        };
        let rejected = cli.reject.as_deref().map(|name| number(name, &classes)).transpose()?;
        let mut options = cli.options(device, dataset, classes.len())?;
        if !dataset.is_mnist() {
            // the synthetic pictures are digits
            options.recipe.synthetic = None;
        }
        let validation = match dataset.validation.images.len() {
            0 => String::new(),
            count => format!(", {count} validation"),
        };
        print_line(format_args!(
            "data      {}: {} training{validation} and {} test images in {}",
            dataset.name,
            dataset.train.images.len(),
            dataset.test.images.len(),
            SingleLine(folder.display())
        ));
        if let Some(preparation) = &dataset.preparation {
            let [_, height, width] = preparation.shape();
            let (fit, color) = (preparation.preprocess().name(), preparation.color().name());
            print_line(format_args!("images    {height}x{width} {color} of the pictures, {fit}"));
        }
        if cli.only_shifts(dataset) {
            print_line(format_args!(
                "augment   shift, since a fifth of all pixels or more are neither black nor white; for drawings say \
                 --augment digits"
            ));
        }
        print_line(format_args!("device    {why}"));
        describe_network(&options, dataset.shape())?;
        warn_of_few_steps(&options, cli.recipe(dataset), dataset.train.images.len());
        warn_of_missing_classes(&options, dataset, &classes);
        let identity = identity(dataset, &classes, cli.recipe(dataset), &options);
        Ok(Self { classes, options, rejected, identity })
    }

    /// Of a report, the images of the classes that are not rejected.
    pub(crate) fn others(&self, report: &ConfusionMatrix) -> Share {
        let mut share = Share::default();
        for (class, answers) in report.counts().iter().enumerate() {
            if Some(class) != self.rejected.map(usize::from) {
                share.right += answers[class];
                share.of += answers.iter().sum::<u64>();
            }
        }
        share
    }

    /// Such as ", 98.70 % of 154 without nan", where a class is rejected.
    pub(crate) fn beside(&self, others: Share) -> String {
        self.rejected_name().map_or_else(String::new, |name| format!(", {others} without `{name}`"))
    }

    /// Name of the class that is rejected; safe to print.
    pub(crate) fn rejected_name(&self) -> Option<String> {
        let class = usize::from(self.rejected?);
        Some(SingleLine(&self.classes[class]).to_string())
    }
}

/// Prints the network with its costs.
fn describe_network(options: &Options, shape: [usize; 3]) -> anyhow::Result<()> {
    let topology = &options.topology;
    let architecture = topology.architecture(shape, options.classes as usize).map_err(|error| {
        anyhow!("--network {topology} on images of {}: {error}", Dimensions(shape))
    })?;
    let name = topology.name().map_or_else(String::new, |name| format!("{name}, "));
    print_line(format_args!("network   {name}{topology}: {}", describe_costs(&architecture)));
    // LeNet's are in every book
    if topology.name() != Some("lenet") {
        for layer in architecture.layers() {
            print_line(format_args!("          {:<8} {layer}", layer.name()));
        }
    }
    Ok(())
}

/// What a network takes, here and on a microcontroller.
pub(crate) fn describe_costs(architecture: &Architecture) -> String {
    let costs = Costs::of(architecture);
    format!(
        "{} parameters, {} multiplications an image; int8 on a microcontroller takes about {} kB of flash and {} kB of RAM",
        grouped(architecture.parameters() as u64),
        grouped(architecture.macs() as u64),
        costs.flash_bytes.div_ceil(1000),
        costs.ram_bytes.div_ceil(1000),
    )
}

/// The class of this name.
fn number(name: &str, classes: &[String]) -> anyhow::Result<u16> {
    let found = classes.iter().position(|class| class == name);
    let found = found.and_then(|class| u16::try_from(class).ok());
    found.ok_or_else(|| {
        let all = classes.iter().map(|class| format!("`{class}`")).collect::<Vec<_>>().join(", ");
        anyhow!("--reject {}: the classes are {}", SingleLine(name), SingleLine(all))
    })
}

/// Steps below which a network has hardly begun to learn.
const FEW_STEPS: u64 = 200;

fn warn_of_few_steps(options: &Options, name: Name, images: usize) {
    let steps = steps(&options.recipe, images);
    if steps >= FEW_STEPS {
        return;
    }
    let usual = Recipe { batch_size: options.recipe.batch_size, ..name.recipe() };
    let of_the_recipe = self::steps(&usual, images);
    let advice = if of_the_recipe < FEW_STEPS {
        format!("say --steps {}", 5 * FEW_STEPS)
    } else if options.recipe.epochs == usual.epochs {
        format!("the recipe's are {of_the_recipe}: leave --steps out")
    } else {
        format!("the recipe's are {of_the_recipe}, in {} epochs: leave --epochs out", usual.epochs)
    };
    print_line(format_args!(
        "steps     {steps}: too few to learn much from {images} images; {advice}"
    ));
}

/// Steps of a run on so many images.
fn steps(recipe: &Recipe, images: usize) -> u64 {
    let of_a_pass = images.div_ceil(recipe.batch_size) as u64;
    (u64::from(recipe.epochs) * of_a_pass).max(recipe.min_steps)
}

/// Maximum classes that a warning names.
const MAX_NAMED: usize = 10;

/// Says which classes have no image to train on, or none of those that are kept to choose and to calibrate by; the summary of
/// a folder of pictures has said it.
fn warn_of_missing_classes(options: &Options, dataset: &Dataset, classes: &[String]) {
    if dataset.preparation.is_some() {
        return;
    }
    let mut count = vec![0_usize; classes.len()];
    dataset.train.labels.iter().for_each(|&label| count[usize::from(label)] += 1);
    let warn = |what: &str, is_missing: &dyn Fn(usize) -> bool| {
        let missing: Vec<&str> = (0..classes.len())
            .filter(|&it| is_missing(count[it]))
            .map(|it| &*classes[it])
            .collect();
        if !missing.is_empty() {
            let more = if missing.len() > MAX_NAMED { ", …" } else { "" };
            let named = missing[..missing.len().min(MAX_NAMED)].join(", ");
            print_line(format_args!("missing   {what} {}{more}", SingleLine(named)));
        }
    };
    warn("no training image is of the class", &|images| images == 0);
    if let EvalSet::Validation(held_out) = options.eval_set {
        // of a class that is expected to have less than one image there
        let is_rare = |images| images > 0 && images * held_out < dataset.train.images.len();
        if held_out > 0 {
            warn("the validation images may lack the class", &is_rare);
        }
    }
}

/// The names that were given, or numbers, for labels of so many classes.
fn class_names(given: Option<&Classes>, classes: usize) -> anyhow::Result<Vec<String>> {
    let Some(Classes(names)) = given else {
        return Ok((0..classes).map(|class| class.to_string()).collect());
    };
    ensure!(
        names.len() >= classes,
        "--classes names {} classes, but there are labels up to {}: name all of them",
        names.len(),
        classes - 1
    );
    Ok(names.clone())
}
