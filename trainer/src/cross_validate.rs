//! How good a recipe is on images of a kind, measured on all of them: `--folds`.

use std::time::Instant;

use anyhow::ensure;
use dataset::Interval;
use dataset::idx::Split;
use safe_io::print::print_line;
use trainer::data::{Dataset, Fold};
use trainer::evaluate::evaluate;
use trainer::train::{EvalSet, Options, Run};

use crate::setup::Setup;
use crate::share::Share;
use crate::train_loop::check_converging;

/// Trains once for each part, on all others, and prints how many of it are right.
///
/// Nothing is chosen on the part that is left out: the result is that of the last step.
pub(crate) fn run(setup: &Setup, dataset: &Dataset, parts: usize) -> anyhow::Result<()> {
    let images = dataset.train.images.len() + dataset.validation.images.len();
    ensure!(parts <= images, "--folds {parts}: there are only {images} images");
    let options = Options { eval_set: EvalSet::Validation(0), ..setup.options.clone() };
    let none = Split { images: vec![], labels: vec![] };
    print_line(format_args!(
        "\nfolds     {parts} parts of {images} images, equal images together; each is left out once, and the others are trained on\n\nfold  right"
    ));
    let (mut all, mut others) = (Share::default(), Share::default());
    let mut accuracies = vec![];
    for (number, Fold { train, test }) in (1..).zip(dataset.folds(options.seed, parts)) {
        let began = Instant::now();
        let mut run = Run::new(&train, &none, options.clone())?;
        while let Some(progress) = run.advance() {
            check_converging(&progress, options.recipe.learning_rate)?;
        }
        let report = evaluate(&run.network(), &test)?;
        let right = Share { right: report.correct(), of: report.total() };
        let of_others = setup.others(&report);
        print_line(format_args!(
            "{number:>4}  {right}{}, {:.0} s",
            setup.beside(of_others),
            began.elapsed().as_secs_f64()
        ));
        all += right;
        others += of_others;
        accuracies.push(right.part());
    }
    let mean = accuracies.iter().sum::<f64>() / parts as f64;
    let squares: f64 = accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum();
    let deviation = (squares / (parts - 1) as f64).sqrt();
    let Interval { low, high } = Interval::wilson(all.right, all.of);
    print_line(format_args!(
        "\nall   {all}{}\nmean  {:.2} % over the folds, standard deviation {:.2}; {:.2} to {:.2} % by chance of the images (95 % confidence, Wilson)",
        setup.beside(others),
        mean * 100.0,
        deviation * 100.0,
        low * 100.0,
        high * 100.0
    ));
    Ok(())
}
