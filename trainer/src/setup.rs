//! What a run is to be, by its arguments and its data: decided once, before the first step.

use std::path::Path;

use anyhow::{anyhow, bail, ensure};
use dataset::Dimensions;
use safe_io::SingleLine;
use safe_io::print::print_line;
use trainer::checkpoint::{Identity, identity};
use trainer::costs::Costs;
use trainer::data::Dataset;
use trainer::plots::grouped;
use trainer::train::Options;

use crate::cli::{Classes, Cli};

pub(crate) struct Setup {
    /// Names, by label.
    pub(crate) classes: Vec<String>,
    pub(crate) options: Options,
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
        print_line(format_args!("device    {why}"));
        describe_network(&options, dataset.shape())?;
        warn_of_few_steps(&options, dataset);
        let identity = identity(dataset, &classes, cli.recipe(dataset), &options);
        Ok(Self { classes, options, identity })
    }
}

/// Prints the network with its costs.
fn describe_network(options: &Options, shape: [usize; 3]) -> anyhow::Result<()> {
    let topology = &options.topology;
    let architecture = topology.architecture(shape, options.classes as usize).map_err(|error| {
        anyhow!("--network {topology} on images of {}: {error}", Dimensions(shape))
    })?;
    let costs = Costs::of(&architecture);
    let name = topology.name().map_or_else(String::new, |name| format!("{name}, "));
    print_line(format_args!(
        "network   {name}{topology}: {} parameters, {} multiplications an image; int8 on a microcontroller takes about {} kB of flash and {} kB of RAM",
        grouped(architecture.parameters() as u64),
        grouped(architecture.macs() as u64),
        costs.flash_bytes.div_ceil(1000),
        costs.ram_bytes.div_ceil(1000),
    ));
    // LeNet's are in every book
    if topology.name() != Some("lenet") {
        for layer in architecture.layers() {
            print_line(format_args!("          {:<8} {layer}", layer.name()));
        }
    }
    Ok(())
}

/// Steps below which a network has hardly begun to learn.
const FEW_STEPS: u64 = 200;

fn warn_of_few_steps(options: &Options, dataset: &Dataset) {
    let images = dataset.train.images.len();
    let recipe = &options.recipe;
    let of_a_pass = images.div_ceil(recipe.batch_size) as u64;
    let steps = (u64::from(recipe.epochs) * of_a_pass).max(recipe.min_steps);
    if steps < FEW_STEPS {
        print_line(format_args!(
            "steps     {steps}: too few to learn much from {images} images; say --steps 3000, or --epochs {}",
            3000_u64.div_ceil(of_a_pass)
        ));
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
