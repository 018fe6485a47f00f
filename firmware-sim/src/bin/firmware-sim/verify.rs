//! `firmware-sim verify`: how much the int8 model differs from the float model.

mod json;
mod page;
mod text;

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use dataset::idx::Part;
use dataset::{Image, Interval};
use firmware::{Model, Verdict};
use firmware_sim::quantize::{CLASSES, NEVER_AGREES};
use firmware_sim::verify::{FloatModel, Verification, compare};
use firmware_sim::{Samples, identity};
use safe_io::{SingleLine, output};

use crate::data::{Content, Data, Wanted};
use crate::model::{Onnx, with_hint};
use crate::{cli, data, model, provenance};

/// What was compared, and the result.
struct Report<'a> {
    onnx: Source<'a>,
    q8: Source<'a>,
    data: Source<'a>,
    content: &'a Content,
    /// Names of the classes, or their numbers.
    classes: Vec<String>,
    /// Test images that are training images too.
    trained_on: usize,
    int8: Model<'a>,
    verification: &'a Verification,
    /// The same on pictures of no class, if there are any.
    of_no_class: Option<&'a Verification>,
}

/// What it is called.
const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Sure => "sure",
        Verdict::Unsure => "unsure",
        Verdict::None => "none",
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
    let folder = arguments.data.folder()?;
    if let Some(path) = &arguments.report {
        let models = vec![arguments.model.clone(), arguments.quantized.clone()];
        let inputs = [models, data::paths(&folder, Part::Test)].concat();
        provenance::check(path, &inputs, arguments.force, provenance::is_our_page)?;
    }
    let float_input = arguments.input.float_input()?;
    let onnx = Onnx::read(&arguments.model, float_input)?;
    let float = FloatModel::parse_with(&onnx.bytes, float_input)
        .map_err(with_hint)
        .with_context(|| onnx_path.to_string())?;
    let file = model::read(&arguments.quantized)?;
    let int8 = Model::parse(&file).with_context(|| q8_path.to_string())?;
    let test = data::load(&folder, Part::Test, &Wanted::of_onnx(&onnx))?;
    data::ensure_any(&test, &folder)?;
    if let Some(path) = &arguments.report {
        provenance::check(path, &test.paths, true, provenance::is_our_page)?;
    }
    let trained_on = training_images(&folder, &test, &onnx);
    if trained_on > 0 {
        // a standard error that is closed changes nothing
        let _ = writeln!(
            io::stderr(),
            "warning: {trained_on} of {} test images are training images too, on which quantize calibrates: \
             other images may agree less",
            test.content.samples().len()
        );
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
    let numbers = || (0..onnx.outputs()).map(|class| class.to_string()).collect();
    let report = Report {
        onnx: Source { path: &arguments.model, sha256: identity(&onnx.bytes) },
        q8: Source { path: &arguments.quantized, sha256: identity(&file) },
        data: Source { path: &folder, sha256: data::hash(&test) },
        content: &test.content,
        classes: onnx.classes().unwrap_or_else(numbers),
        trained_on,
        int8,
        verification: &verification,
        of_no_class: of_no_class.as_ref(),
    };

    if let Some(path) = &arguments.report {
        let page = page::html(&report)?;
        output::write(path, page.as_bytes()).with_context(|| unwritable(path))?;
    }
    let mut stdout = io::stdout().lock();
    if arguments.json {
        writeln!(stdout, "{}", json::object(&report))?;
    } else {
        writeln!(stdout, "{}", text::text(&report))?;
    }
    let first = verification.layers.first();
    ensure!(
        first.is_none_or(|layer| layer.sqnr_db.is_nan() || layer.sqnr_db >= 0.0),
        "{q8_path} and {onnx_path} differ from the first layer on, by more than that layer gives: they do not take the same \
         input; say the same of pixels as when the .q8 was made"
    );
    // the largest of outputs that are no classes says nothing
    ensure!(
        !CLASSES.contains(&onnx.outputs()) || verification.agreement() >= arguments.min_agreement,
        "{q8_path} and {onnx_path} agree on {} of {} images, below --min-agreement {}",
        verification.agreements(),
        verification.images(),
        arguments.min_agreement
    );
    Ok(())
}

/// How many of the test images are training images too: `quantize` calibrates on those, and both models agree better on
/// them than on others.
fn training_images(folder: &Path, test: &Data, onnx: &Onnx) -> usize {
    let Content::Images(test) = &test.content else { return 0 };
    // a folder without them has nothing to warn of
    let Ok(Data { content: Content::Images(training), .. }) =
        data::load(folder, Part::Train, &Wanted::of_onnx(onnx).silently())
    else {
        return 0;
    };
    let training: HashSet<&[u8]> = training.iter().map(Image::pixels).collect();
    test.iter().filter(|image| training.contains(image.pixels())).count()
}

impl Source<'_> {
    fn hex(&self) -> String {
        base16ct::lower::encode_string(&self.sha256)
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, SHA-256 {}…", SingleLine(self.path.display()), &self.hex()[..16])
    }
}

/// A count among all, with its share and the interval around it.
struct Share {
    count: u64,
    all: u64,
}

impl Share {
    /// 0 to 1; NaN of none.
    fn share(&self) -> f64 {
        self.count as f64 / self.all as f64
    }

    fn interval(&self) -> Interval {
        Interval::wilson(self.count, self.all)
    }

    /// For people; a dash if there are none.
    fn percent(&self) -> String {
        if self.all == 0 { "-".into() } else { format!("{:.2} %", self.share() * 100.0) }
    }

    /// The same of the interval.
    fn interval_percent(&self) -> String {
        let Interval { low, high } = self.interval();
        if self.all == 0 {
            "-".into()
        } else {
            format!("{:.2} to {:.2} %", low * 100.0, high * 100.0)
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, all } = self;
        if *all == 0 {
            return f.write_str("-  (0 of 0)");
        }
        let [share, interval] = [self.percent(), self.interval_percent()];
        write!(f, "{share}  ({count} of {all}; with 95 % confidence {interval})")
    }
}

impl Report<'_> {
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
        if !CLASSES.contains(&self.int8.outputs()) {
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
        let verification = self.of_no_class.filter(|_| CLASSES.contains(&self.int8.outputs()))?;
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
