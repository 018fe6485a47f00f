//! What a trained network is measured by: test images, corrupted images, and the calibration of its confidence.

use std::path::Path;
use std::time::Duration;

use runtime::{Calibration, Image};
use safe_io::SingleLine;
use tch::Tensor;
use trainer::calibrate::{calibrate, verdicts};
use trainer::data::Dataset;
use trainer::evaluate::{Evaluation, evaluate_samples, images_tensor};
use trainer::export::{self, COMPARED_IMAGES};
use trainer::model::Model;
use trainer::robustness::{CORRUPTED_IMAGES, corrupted, robustness};
use trainer::synthetic::{Synthetic, generate};
use trainer::train::{EvalSet, Options, Run};

use crate::setup::Setup;
use safe_io::print::print_line;

pub(crate) struct Results {
    /// On the test images.
    pub(crate) test: Evaluation,
    /// Accuracy on corrupted images, in words; none without images of [`EvalSet`].
    pub(crate) corrupted: Option<String>,
    /// By the validation images; none without those.
    pub(crate) calibration: Option<Calibration>,
}

impl Results {
    /// Measures `network`, the result of `run`, and prints what comes out.
    pub(crate) fn measure(
        run: &Run,
        network: &Model,
        setup: &Setup,
        dataset: &Dataset,
    ) -> anyhow::Result<Self> {
        let options = &setup.options;
        let test = evaluate_samples(network, &dataset.test)?;
        let took: Duration = run.history().iter().map(|epoch| epoch.took).sum();
        print_line(format_args!(
            "\ntest      {:.2} % of {} images right, after {:.0} s of training\n\n{}",
            test.report.accuracy() * 100.0,
            test.report.total(),
            took.as_secs_f64(),
            test.report.table(&setup.classes)
        ));
        let corrupted = run.eval_images().map(|(images, labels)| {
            describe_corrupted(&robustness(network, images, labels, dataset.is_ink()), options.eval_set)
        });
        if let Some(line) = &corrupted {
            print_line(format_args!("\ncorrupted {line}"));
        }
        let calibration = fit_calibration(run, options, network, dataset);
        Ok(Self { test, corrupted, calibration })
    }

    /// Writes the ONNX file, and prints how it compares with `network`.
    pub(crate) fn export(
        &self,
        run: &Run,
        network: &Model,
        setup: &Setup,
        dataset: &Dataset,
        path: &Path,
    ) -> anyhow::Result<()> {
        let metadata = export::metadata(
            &setup.identity,
            setup.options.eval_set,
            run.result_epoch(),
            self.test.report.accuracy(),
            self.calibration.as_ref(),
            dataset,
        );
        let compared = dataset.test.images.len().min(COMPARED_IMAGES);
        let parity = export::export(network, &metadata, &dataset.test.images[..compared], path)?;
        print_line(format_args!(
            "\nexported  {}: on {} test images runtime gives libtorch's digits, logits within {:.1e}",
            SingleLine(path.display()),
            parity.images,
            parity.largest_difference
        ));
        Ok(())
    }
}

/// The mean, and what it is the mean of.
fn describe_corrupted(scores: &[(&str, f64)], eval_set: EvalSet) -> String {
    let percent: Vec<f64> = scores.iter().map(|(_, accuracy)| accuracy * 100.0).collect();
    let mean = percent.iter().sum::<f64>() / percent.len() as f64;
    let each =
        scores.iter().zip(percent).map(|((name, _), percent)| format!("{name} {percent:.1}"));
    format!(
        "{mean:.1} % of {} images right: {}",
        eval_set.name(),
        each.collect::<Vec<_>>().join(", ")
    )
}

/// Fits the confidence to the validation images, and prints which verdicts that gives.
fn fit_calibration(
    run: &Run,
    options: &Options,
    network: &Model,
    dataset: &Dataset,
) -> Option<Calibration> {
    let (EvalSet::Validation(_) | EvalSet::Own, Some((images, labels))) =
        (options.eval_set, run.eval_images())
    else {
        return None;
    };
    let hard: Vec<Tensor> = corrupted(images, dataset.is_ink()).map(|(_, images)| images).collect();
    // other pictures than those that were trained on
    let unseen = options.recipe.synthetic.map(|amounts| {
        let non_digits = amounts.non_digits.min(2 * CORRUPTED_IMAGES as usize);
        let amounts = Synthetic { per_style: 0, rewritten: 0, non_digits };
        generate(amounts, &dataset.train, 0, !options.seed).images
    });
    let [to_calibrate, to_measure] = unseen.as_deref().map_or([[].as_slice(); 2], |images| {
        let (one, other) = images.split_at(images.len() / 2);
        [one, other]
    });
    let no_class =
        (!to_calibrate.is_empty()).then(|| images_tensor(to_calibrate).to_device(options.device));
    let mut calibration = calibrate(network, (images, labels), &hard, no_class.as_ref());
    if options.recipe.synthetic.is_none() {
        // it never saw what is of no class
        calibration.digit_from = 0.0;
    }
    let Calibration { temperature, sure_from, digit_from, .. } = calibration;
    print_line(format_args!(
        "\ncalibration temperature {temperature:.3}; sure from a confidence of {sure_from:.4}, a digit from {digit_from:.4}"
    ));
    print_verdicts("test", network, &calibration, &dataset.test.images);
    if !to_measure.is_empty() {
        print_verdicts("non-digits", network, &calibration, to_measure);
    }
    Some(calibration)
}

fn print_verdicts(name: &str, network: &Model, calibration: &Calibration, images: &[Image]) {
    let [sure, unsure, none] = verdicts(network, calibration, images).map(|part| part * 100.0);
    print_line(format_args!(
        "{name:<11} {sure:.1} % sure, {unsure:.1} % unsure, {none:.1} % no digit"
    ));
}
