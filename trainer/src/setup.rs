//! What a run is to be, by its arguments and its data: decided once, before the first step.

use std::path::Path;

use anyhow::{anyhow, ensure};
use safe_io::SingleLine;
use safe_io::print::print_line;
use trainer::checkpoint::{Identity, identity};
use trainer::data::Dataset;
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
        let classes = class_names(cli.classes.as_ref(), dataset.classes())?;
        let mut options = cli.options(device, dataset.train.images.len(), classes.len());
        if !dataset.is_mnist() {
            // the synthetic pictures are digits
            options.recipe.synthetic = None;
        }
        print_line(format_args!(
            "data      {}: {} training and {} test images in {}",
            dataset.name,
            dataset.train.images.len(),
            dataset.test.images.len(),
            SingleLine(folder.display())
        ));
        print_line(format_args!("device    {why}"));
        let identity = identity(dataset, &classes, cli.recipe, &options);
        Ok(Self { classes, options, identity })
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
