//! `firmware-sim verify`: how much the int8 model differs from the float model.

mod dossier;
mod json;
mod origin;
pub(crate) mod page;
mod text;

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use dataset::Image;
use dataset::idx::Part;
use firmware::{Model, Verdict};
use firmware_sim::quantize::{NEVER_AGREES, is_classifier};
use firmware_sim::verify::{FloatModel, Verification, compare};
use firmware_sim::{Samples, identity};
use safe_io::{SingleLine, output};

use crate::cli::Given;
use crate::data::{Content, Data, Wanted};
use crate::model::{Onnx, with_hint};
use crate::share::{Gate, Share, percent};
use crate::{cli, data, model, provenance};
use dossier::Subject;
use origin::Origin;

/// Share of the images on which the two models must agree, if none is asked for.
const MIN_AGREEMENT: f64 = 0.998;

/// What was compared, and the result.
struct Report<'a> {
    onnx: Source<'a>,
    q8: Source<'a>,
    data: Source<'a>,
    content: &'a Content,
    /// Names of the classes, or their numbers.
    classes: Vec<String>,
    /// Whether these are the names of folders, in their order.
    assumes_classes: bool,
    /// What test images have to do with training images, if it is known.
    trained_on: Option<TrainedOn>,
    /// Training images that test images were compared with, if these are with the data.
    training_images: Option<usize>,
    /// Minimum share of images of equal answers; `None` if the outputs are no classes.
    gate: Option<Gate>,
    /// Whether the outputs are classes.
    is_classifier: bool,
    int8: Model<'a>,
    verification: &'a Verification,
    /// The same on pictures of no class, if there are any.
    of_no_class: Option<&'a Verification>,
    origin: Origin,
}

/// What it is called.
const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Sure => "sure",
        Verdict::Unsure => "unsure",
        Verdict::None => "none",
    }
}

/// How test images may flatter both models: they agree better on images that they were trained or calibrated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrainedOn {
    /// So many of so many test images are training images too.
    Some(usize, usize),
    /// Nothing says which of these images are for the test.
    Undivided(usize),
}

impl fmt::Display for TrainedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Some(seen, all) => write!(
                f,
                "{seen} of {all} test images are training images too, on which quantize calibrates"
            )?,
            Self::Undivided(all) => write!(
                f,
                "the data name no test images, so all {all} are compared: the model may have been trained and calibrated on \
                 some of them"
            )?,
        }
        f.write_str("; other images may agree less")
    }
}

/// A file or a dataset.
struct Source<'a> {
    path: &'a Path,
    sha256: [u8; 32],
}

pub(crate) fn run(arguments: &cli::Verify) -> anyhow::Result<()> {
    let [onnx_path, q8_path] =
        [&arguments.model, &arguments.quantized].map(|path| SingleLine(path.display()));
    let unwritable = |path: &Path| format!("cannot write {}", SingleLine(path.display()));
    arguments.check_usage().unwrap_or_else(|error| error.exit());
    let given = arguments.data.given()?;
    let models = vec![arguments.model.clone(), arguments.quantized.clone()];
    check_outputs(arguments, &[models, data::paths(&given, Part::Test)].concat(), arguments.force)?;
    let origin = Origin::find()?;
    let float_input = arguments.input.float_input()?;
    let onnx = Onnx::read(&arguments.model, float_input)?;
    let float = FloatModel::parse_with(&onnx.bytes, float_input)
        .map_err(with_hint)
        .with_context(|| onnx_path.to_string())?;
    let file = model::read(&arguments.quantized)?;
    let int8 = model::parse_q8(&file, &q8_path)?;
    let test = data::load(&given, Part::Test, &Wanted::of_onnx(&onnx))?;
    data::ensure_any(&test, given.path())?;
    check_outputs(arguments, &test.paths, true)?;
    let (trained_on, training_images) = TrainedOn::find(&given, &test, &onnx);
    if let Some(trained_on) = trained_on {
        // a standard error that is closed changes nothing
        let _ = writeln!(io::stderr(), "warning: {trained_on}");
    }

    let samples = test.content.samples();
    let bar = model::progress_bar(samples.len(), "images");
    let progress = |done| bar.set_position(done as u64);
    let verification = compare(&float, int8, samples, &test.labels, progress);
    bar.finish_and_clear();
    let verification = verification
        .map_err(with_hint)
        .with_context(|| format!("{q8_path} against {onnx_path}"))?;
    let of_no_class = match &test.of_no_class[..] {
        [] => None,
        images => Some(compare(&float, int8, Samples::Images(images), &[], |_| ())?),
    };
    let is_classifier = is_classifier(
        onnx.outputs(),
        onnx.shape().iter().product(),
        onnx.classes().is_some() || !test.labels.is_empty(),
    );
    ensure!(
        is_classifier || arguments.min_agreement.is_none(),
        "--min-agreement is of classes, and the {} outputs of {onnx_path} are none: leave it out",
        onnx.outputs()
    );
    let numbers = || (0..onnx.outputs()).map(|class| class.to_string()).collect();
    let report = Report {
        onnx: Source { path: &arguments.model, sha256: identity(&onnx.bytes) },
        q8: Source { path: &arguments.quantized, sha256: identity(&file) },
        data: Source { path: given.path(), sha256: data::hash(&test) },
        content: &test.content,
        assumes_classes: onnx.classes().is_none() && test.assumed_classes.is_some(),
        classes: onnx.classes().or_else(|| test.assumed_classes.clone()).unwrap_or_else(numbers),
        trained_on,
        training_images,
        // the largest of outputs that are no classes says nothing
        gate: is_classifier.then(|| Gate {
            min: arguments.min_agreement.unwrap_or(MIN_AGREEMENT),
            found: Share { count: verification.agreements(), all: verification.images() },
        }),
        is_classifier,
        int8,
        verification: &verification,
        of_no_class: of_no_class.as_ref(),
        origin,
    };

    if let Some(path) = &arguments.report {
        let page = provenance::sealed_page(&page::html(&report)?);
        // once more: somebody may have changed the file meanwhile
        provenance::check(path, &[], arguments.force, provenance::is_our_page)?;
        output::write(path, page.as_bytes()).with_context(|| unwritable(path))?;
    }
    let (verdict, unmet) = match &arguments.dossier {
        Some(folder) => {
            let subject =
                Subject { report: &report, onnx: &onnx, q8: &file, test: &test, arguments };
            let (verdict, unmet) = dossier::write(&subject, folder)?;
            (Some(format!("dossier  {}: {verdict}", SingleLine(folder.display()))), unmet)
        }
        None => (None, vec![]),
    };
    let mut stdout = io::stdout().lock();
    if arguments.json {
        writeln!(stdout, "{}", json::object(&report))?;
    } else {
        writeln!(stdout, "{}", text::text(&report))?;
        if let Some(verdict) = verdict {
            writeln!(stdout, "\n{verdict}")?;
        }
    }
    ensure!(
        report.takes_same_input(),
        "{q8_path} and {onnx_path} differ from the first layer on, by more than that layer gives: they do not take the same \
         input; say the same of pixels as when the .q8 was made"
    );
    ensure_agreement(&report)?;
    arguments.dossier.as_ref().map_or(Ok(()), |folder| dossier::ensure_met(&unmet, folder))
}

/// Whether the page and the dossier may be written, and are none of the inputs.
fn check_outputs(arguments: &cli::Verify, inputs: &[PathBuf], force: bool) -> anyhow::Result<()> {
    if let Some(path) = &arguments.report {
        provenance::check(path, inputs, force, provenance::is_our_page)?;
        // that of a file in the current folder is empty
        let folder = Path::new(".").join(path.parent().unwrap_or(path));
        let is_same = |dossier: &PathBuf| dossier == path || is_same_folder(&folder, dossier);
        ensure!(
            !arguments.dossier.as_ref().is_some_and(is_same),
            "--report {}: a dossier writes to this folder: name another file, or leave it out, as a dossier has all that a report has",
            SingleLine(path.display())
        );
    }
    arguments.dossier.as_ref().map_or(Ok(()), |folder| dossier::check(folder, inputs, force))
}

/// Whether two paths are of one folder, which is there.
fn is_same_folder(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|folder| folder.canonicalize().ok());
    one.is_some() && one == other
}

/// Fails if the two models give the same class for too few images.
fn ensure_agreement(report: &Report) -> anyhow::Result<()> {
    let [onnx_path, q8_path] =
        [&report.onnx, &report.q8].map(|source| SingleLine(source.path.display()));
    let verification = report.verification;
    if let Some(Gate { min, found }) = report.gate.as_ref().filter(|gate| !gate.passes()) {
        let margins = verification.disagreements().map(|comparison| comparison.float_margin);
        bail!(
            "{q8_path} and {onnx_path} give the same class for {} of {} images, {} (95 % confidence: {}): less than \
             --min-agreement {min}, {}. Where they differ, the margin of float's best class is at most {:.3}; of half of all \
             images it is above {:.3}. Calibrate on more images like these, or give the share that is enough by \
             --min-agreement",
            found.count,
            found.all,
            found.percent(),
            found.interval_percent(),
            percent(*min),
            margins.fold(0.0, f64::max),
            verification.margin_quantile(0.5),
        );
    }
    Ok(())
}

impl TrainedOn {
    /// What is to be warned of, and how many training images the test images were compared with.
    fn find(given: &Given, test: &Data, onnx: &Onnx) -> (Option<Self>, Option<usize>) {
        let Content::Images(images) = &test.content else { return (None, None) };
        if test.source == (data::Source::Pictures { is_divided: false }) {
            return (Some(Self::Undivided(images.len())), None);
        }
        // a folder without training images has nothing to warn of
        let training = data::load(given, Part::Train, &Wanted::of_onnx(onnx).silently());
        let Ok(Data { content: Content::Images(training), .. }) = training else {
            return (None, None);
        };
        let pixels: HashSet<&[u8]> = training.iter().map(Image::pixels).collect();
        let seen = images.iter().filter(|image| pixels.contains(image.pixels())).count();
        ((seen > 0).then_some(Self::Some(seen, images.len())), Some(training.len()))
    }
}

impl Source<'_> {
    /// Its name, without its folder.
    fn name(&self) -> String {
        origin::last_part(self.path)
    }

    fn hex(&self) -> String {
        base16ct::lower::encode_string(&self.sha256)
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, SHA-256 {}…", SingleLine(self.path.display()), &self.hex()[..16])
    }
}

impl Report<'_> {
    /// Whether the first layers agree, within int8's error: they differ by less than they give. Of one that gives nothing in
    /// float, there is nothing to compare.
    fn takes_same_input(&self) -> bool {
        let first = self.verification.layers.first();
        first.is_none_or(|layer| !layer.sqnr_db.is_finite() || layer.sqnr_db >= 0.0)
    }

    fn share(&self, count: u64) -> Share {
        Share { count, all: self.verification.images() }
    }

    /// The same of the images that have a label.
    fn among_labelled(&self, count: u64) -> Share {
        Share { count, all: self.verification.labelled() }
    }

    /// A class by name.
    fn class(&self, class: u16) -> SingleLine<&str> {
        SingleLine(self.classes.get(usize::from(class)).map_or("?", String::as_str))
    }

    /// A layer by name.
    fn layer(&self, index: usize) -> &str {
        self.verification.layers.get(index).map_or("", |layer| layer.layer.as_str())
    }

    /// The same of the images whose answer says that it agrees with float.
    fn among_agreeing(&self, count: u64) -> Share {
        Share { count, all: self.verification.agreeing() }
    }

    /// What the device says of its answers, which are of two kinds: how sure it is, and whether float gives the same
    /// class. Nothing, if the outputs are no classes.
    fn answers(&self) -> Vec<(&'static str, Share)> {
        if !self.is_classifier {
            return vec![];
        }
        let verification = self.verification;
        let verdict = |verdict| self.share(verification.verdicts(verdict));
        vec![
            ("sure", verdict(Verdict::Sure)),
            ("sure, right", self.sure_correct()),
            ("unsure", verdict(Verdict::Unsure)),
            ("none", verdict(Verdict::None)),
            ("agrees", self.share(verification.agreeing())),
            ("agrees, differs", self.among_agreeing(verification.agreeing_disagreements())),
        ]
    }

    /// What the device says of pictures of no class: how many, and of these it should give no class.
    fn verdicts_of_no_class(&self) -> Option<[(&'static str, Share); 3]> {
        let verification = self.of_no_class.filter(|_| self.is_classifier)?;
        let share =
            |verdict| Share { count: verification.verdicts(verdict), all: verification.images() };
        Some([Verdict::None, Verdict::Unsure, Verdict::Sure].map(|it| (verdict(it), share(it))))
    }

    /// Right ones among those of which the device is sure, if there are labels.
    fn sure_correct(&self) -> Share {
        let verification = self.verification;
        let is_labelled = verification.labelled() > 0;
        let all = if is_labelled { verification.verdicts(Verdict::Sure) } else { 0 };
        Share { count: verification.sure_correct(), all }
    }

    /// The margin from which on answers say that they agree with float, if any do.
    fn agreement_margin(&self) -> Option<u32> {
        Some(self.int8.header().agreement_margin.get()).filter(|&margin| margin != NEVER_AGREES)
    }
}
