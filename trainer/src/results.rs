//! What a trained network is measured by: test images, corrupted images, and the calibration of its confidence.

use std::path::Path;
use std::time::Duration;

use dataset::{ConfusionMatrix, Interval};
use runtime::{Calibration, Image};
use safe_io::SingleLine;
use tch::Tensor;
use trainer::calibrate::{FEW_IMAGES, Few, calibrate, calibrate_few, verdicts};
use trainer::data::Dataset;
use trainer::evaluate::{Evaluation, evaluate_samples, images_tensor};
use trainer::export::{self, COMPARED_IMAGES};
use trainer::model::Model;
use trainer::robustness::{CORRUPTED_IMAGES, corrupted, robustness};
use trainer::synthetic::{Synthetic, generate};
use trainer::train::{EvalSet, Run};

use crate::setup::Setup;
use safe_io::print::print_line;

pub(crate) struct Results {
    /// On the test images.
    pub(crate) test: Evaluation,
    /// Accuracy on corrupted images, in words; none without images of [`EvalSet`].
    pub(crate) corrupted: Option<String>,
    /// By the validation images; none without those.
    pub(crate) calibration: Option<Calibration>,
    /// The same in words.
    pub(crate) confidence: Option<String>,
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
            "\ntest      {:.2} % of {} images right{}, after {:.0} s of training\n\n{}",
            test.report.accuracy() * 100.0,
            test.report.total(),
            setup.beside(setup.others(&test.report)),
            took.as_secs_f64(),
            test.report.table(&setup.classes)
        ));
        if let Some(fault) = one_answer(&test.report, &setup.classes) {
            print_line(format_args!("\nanswers   {fault}"));
        }
        let corrupted = run.eval_images().map(|(images, labels)| {
            describe_corrupted(
                &robustness(network, images, labels, dataset.is_ink()),
                options.eval_set,
            )
        });
        if let Some(line) = &corrupted {
            print_line(format_args!("\ncorrupted {line}"));
        }
        let fitted = fit_calibration(run, setup, network, dataset);
        let (calibration, confidence) = fitted.unzip();
        Ok(Self { test, corrupted, calibration, confidence })
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
            setup.rejected,
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
    setup: &Setup,
    network: &Model,
    dataset: &Dataset,
) -> Option<(Calibration, String)> {
    let options = &setup.options;
    let (EvalSet::Validation(_) | EvalSet::Own, Some((images, labels))) =
        (options.eval_set, run.eval_images())
    else {
        return None;
    };
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
    let (calibration, confidence) = if images.size()[0] < FEW_IMAGES && unseen.is_none() {
        let few = calibrate_few(network, (images, labels), setup.rejected);
        (few.calibration, describe_few(&few, images.size()[0]))
    } else {
        let hard: Vec<Tensor> =
            corrupted(images, dataset.is_ink()).map(|(_, images)| images).collect();
        let no_class = (!to_calibrate.is_empty())
            .then(|| images_tensor(to_calibrate).to_device(options.device));
        let (clean, rejected) = ((images, labels), setup.rejected);
        let mut calibration = calibrate(network, clean, &hard, no_class.as_ref(), rejected);
        if options.recipe.synthetic.is_none() {
            // it never saw what is of no class
            calibration.digit_from = 0.0;
        }
        let Calibration { temperature, sure_from, digit_from, .. } = calibration;
        let confidence = format!(
            "temperature {temperature:.3}; sure from a confidence of {sure_from:.4}, a digit from {digit_from:.4}"
        );
        (calibration, confidence)
    };
    print_line(format_args!("\ncalibration {confidence}"));
    let none = if dataset.is_ink() { "no digit" } else { "no match" };
    print_verdicts("test", none, network, &calibration, &dataset.test.images);
    if !to_measure.is_empty() {
        print_verdicts("non-digits", none, network, &calibration, to_measure);
    }
    Some((calibration, confidence))
}

/// Temperature and threshold, each with how sure it is.
fn describe_few(few: &Few, images: i64) -> String {
    let Few { calibration, temperatures: [low, high], sure: [right, of], parts } = *few;
    let temperature = calibration.temperature;
    let fitted = format!("temperature {temperature:.2} ({low:.2} to {high:.2} at 95 %)");
    if of == 0 {
        return format!(
            "{fitted}; no answer is ever sure: of {images} validation images some of the most confident answers are wrong; more pictures, more steps or right labels may help"
        );
    }
    let least = Interval::wilson(right, of).low * 100.0;
    format!(
        "{fitted}; sure from a confidence of {:.3}: {right} of {of} right, at least {least:.1} % at 95 %, of {images} validation images in {parts} parts",
        calibration.sure_from
    )
}

fn print_verdicts(
    name: &str,
    none: &str,
    network: &Model,
    calibration: &Calibration,
    images: &[Image],
) {
    if images.is_empty() {
        return;
    }
    let parts = verdicts(network, calibration, images);
    let [sure, unsure, no_class] = parts.map(|part| part * 100.0);
    print_line(format_args!(
        "{name:<11} {sure:.1} % sure, {unsure:.1} % unsure, {no_class:.1} % {none}"
    ));
}

/// What is wrong with a network that gives every image the same answer, and what to do; `None` of any other.
fn one_answer(report: &ConfusionMatrix, classes: &[String]) -> Option<String> {
    let labels = report.counts().iter().filter(|answers| answers.iter().any(|&count| count > 0));
    let is_given = |class: &usize| report.counts().iter().any(|answers| answers[*class] > 0);
    let given: Vec<usize> = (0..report.counts().len()).filter(is_given).collect();
    match given[..] {
        [only] if labels.count() > 1 => Some(format!(
            "every test image is taken for `{}`: the network has not learnt to tell the classes apart. Train for more --steps, with a smaller --lr, or with --balance if most images are of that class; and see whether the pictures lie in the right folders",
            SingleLine(&classes[only])
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_to_all_is_told_and_a_test_of_one_class_is_not() {
        let classes = ["cat", "dog", "nan"].map(String::from);
        let mut report = ConfusionMatrix::new(3);
        report.record(2, 2);
        assert_eq!(one_answer(&report, &classes), None);
        report.record(0, 2);
        assert!(
            one_answer(&report, &classes)
                .unwrap()
                .starts_with("every test image is taken for `nan`")
        );
        report.record(0, 1);
        assert_eq!(one_answer(&report, &classes), None);
        assert_eq!(one_answer(&ConfusionMatrix::new(3), &classes), None);
    }
}
