//! `firmware-sim verify`: how much the int8 model differs from the float model.

mod json;
mod page;
mod text;

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use dataset::idx;
use dataset::idx::{Part, Split};
use dataset::{Image, Interval};
use firmware::Model;
use firmware_sim::verify::{FloatModel, Verification, compare};
use firmware_sim::{Error, identity};
use safe_io::{SingleLine, output};
use sha2::{Digest, Sha256};
use zerocopy::IntoBytes;

use crate::{cli, model, provenance};

/// What was compared, and the result.
struct Report<'a> {
    onnx: Source<'a>,
    q8: Source<'a>,
    data: Source<'a>,
    split: &'a Split,
    int8: Model<'a>,
    verification: &'a Verification,
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
        let inputs = [models, idx::paths(&folder, Part::Test)].concat();
        provenance::check(path, &inputs, arguments.force, provenance::is_our_page)?;
    }
    let onnx = model::read_onnx(&arguments.model)?;
    let float = FloatModel::parse(&onnx).with_context(|| onnx_path.to_string())?;
    let file = model::read(&arguments.quantized)?;
    let int8 = Model::new(&file).with_context(|| q8_path.to_string())?;
    let split = model::load_data(&folder, Part::Test)?;
    warn_of_training_images(&folder, &split);

    let bar = model::progress_bar(split.images.len(), "images");
    let verification = compare(&float, int8, &split, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let verification = verification
        .map_err(with_hint)
        .with_context(|| format!("{q8_path} against {onnx_path}"))?;
    let report = Report {
        onnx: Source { path: &arguments.model, sha256: identity(&onnx) },
        q8: Source { path: &arguments.quantized, sha256: identity(file.as_bytes()) },
        data: Source { path: &folder, sha256: hash(&split) },
        split: &split,
        int8,
        verification: &verification,
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
    ensure!(
        verification.agreement() >= arguments.min_agreement,
        "{q8_path} and {onnx_path} agree on {} of {} images, below --min-agreement {}",
        verification.agreements(),
        verification.images(),
        arguments.min_agreement
    );
    Ok(())
}

/// `quantize` calibrates on the training images: on the same ones, both models agree better than on others.
fn warn_of_training_images(folder: &Path, split: &Split) {
    // a folder without them has nothing to warn of
    let Ok(training) = idx::load(folder, Part::Train) else { return };
    let training: HashSet<&[u8]> = training.images.iter().map(Image::pixels).collect();
    let seen = split.images.iter().filter(|image| training.contains(image.pixels())).count();
    if seen > 0 {
        // a standard error that is closed changes nothing
        let _ = writeln!(
            io::stderr(),
            "warning: {seen} of {} test images are training images too, on which quantize calibrates: \
             other images may agree less",
            split.images.len()
        );
    }
}

/// Adds what a user of this command can do about it.
fn with_hint(error: Error) -> anyhow::Error {
    match error {
        Error::Origin { .. } => anyhow!("{error}: run `firmware-sim quantize` on this one"),
        error => error.into(),
    }
}

/// SHA-256 of the image file and the label file after it, unpacked.
fn hash(split: &Split) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(idx::emit_images(&split.images));
    hash.update(idx::emit_labels(&split.labels));
    hash.finalize().into()
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
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, all } = self;
        if *all == 0 {
            return f.write_str("-  (0 of 0)");
        }
        let Interval { low, high } = self.interval();
        let (low, high) = (low * 100.0, high * 100.0);
        write!(
            f,
            "{:.2} %  ({count} of {all}; with 95 % confidence {low:.2} to {high:.2} %)",
            self.share() * 100.0
        )
    }
}

impl Report<'_> {
    fn share(&self, count: u64) -> Share {
        Share { count, all: self.verification.images() }
    }

    /// The same of the confident answers.
    fn among_confident(&self, count: u64) -> Share {
        Share { count, all: self.verification.confident() }
    }
}
