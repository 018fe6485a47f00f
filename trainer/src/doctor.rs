//! What this machine has for training: libtorch, CUDA, threads, images; and what to do about each fault.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use safe_io::SingleLine;
use tch::{Cuda, Device, Kind, Tensor};

use trainer::data::{self, Lacking, pictures};

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Such as `libtorch`.
    pub(crate) subject: &'static str,
    /// One line.
    pub(crate) found: String,
    /// What to do; none if nothing is wrong.
    pub(crate) fix: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, found, fix } = self;
        write!(f, "{subject:8}  {}  {found}", if fix.is_some() { "fault" } else { "ok   " })?;
        fix.as_ref().map_or(Ok(()), |fix| write!(f, "\n{:17}→ {fix}", ""))
    }
}

/// Looks at everything; `folder` is where the images are, and training `may_fetch` MNIST into it.
pub(crate) fn diagnose(folder: &Path, may_fetch: bool) -> Vec<Finding> {
    let driver = Path::new("/proc/driver/nvidia/version").exists();
    let devices = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    let cores = available_parallelism().map_or(1, usize::from);
    vec![
        libtorch(loaded_from("libtorch_cpu").as_deref(), convolves(Device::Cpu)),
        cuda(tch::utils::has_cuda(), driver, devices, || convolves(Device::Cuda(0))),
        threads(tch::get_num_threads() as usize, cores),
        images(folder, may_fetch),
    ]
}

fn libtorch(library: Option<&Path>, convolves: bool) -> Finding {
    let folder = library.and_then(Path::parent);
    let version = folder
        .and_then(|folder| fs::read_to_string(folder.join("../build-version")).ok())
        .map_or_else(|| "of unknown version".to_owned(), |version| version.trim().to_owned());
    let place = folder.map_or_else(|| "linked".to_owned(), |folder| folder.display().to_string());
    let found = format!("{version} in {place}");
    if convolves {
        return Finding { subject: "libtorch", found, fix: None };
    }
    Finding {
        subject: "libtorch",
        found: format!("{found}: a convolution comes out wrong"),
        fix: Some("delete that folder and run trainer/run --setup-only, or set LIBTORCH to a libtorch 2.13.0 of your own".into()),
    }
}

fn cuda(
    in_libtorch: bool,
    driver: bool,
    devices: i64,
    convolves: impl FnOnce() -> bool,
) -> Finding {
    let (found, fix) = match (in_libtorch, driver, devices) {
        (false, false, _) => {
            ("not in this libtorch, and there is no NVIDIA driver".to_owned(), None)
        }
        (false, true, _) => (
            "not in this libtorch, but there is an NVIDIA driver".to_owned(),
            Some("LENET_TORCH=cuda trainer/run --setup-only"),
        ),
        (true, false, 0) => (
            "in this libtorch, but there is no NVIDIA driver".to_owned(),
            Some(
                "install the driver and see that nvidia-smi lists a device, or train with --device cpu",
            ),
        ),
        (true, true, 0) => (
            "in this libtorch and a driver is there, but no device that it can use".to_owned(),
            Some("see what nvidia-smi and CUDA_VISIBLE_DEVICES say; the driver must be of CUDA 13"),
        ),
        (true, _, devices) if convolves() => (format!("{devices} devices"), None),
        (true, _, devices) => (
            format!("{devices} devices, but a convolution on cuda:0 fails"),
            Some("see what nvidia-smi says, or train with --device cpu"),
        ),
    };
    Finding { subject: "CUDA", found, fix: fix.map(Into::into) }
}

fn threads(threads: usize, cores: usize) -> Finding {
    let fix = (threads > cores).then(|| {
        format!("more than cores makes it slower: --threads {cores}, or unset OMP_NUM_THREADS")
    });
    Finding { subject: "threads", found: format!("{threads} on {cores} cores"), fix }
}

fn images(folder: &Path, may_fetch: bool) -> Finding {
    let place = SingleLine(folder.display());
    if !may_fetch && pictures::is_meant(folder) {
        return images_of_pictures(folder);
    }
    let (found, fix) = match data::load(folder) {
        Ok(dataset) => {
            let (training, test) = (dataset.train.images.len(), dataset.test.images.len());
            let name = dataset.name;
            (format!("{name}: {training} training and {test} test images in {place}"), None)
        }
        Err(error) if error.is::<Lacking>() && !may_fetch => (
            error.to_string(),
            Some("name a folder that has them, or train with --download to fetch MNIST".to_owned()),
        ),
        Err(error) if error.is::<Lacking>() && data::check_fetchable(folder).is_ok() => {
            (format!("none yet in {place}: MNIST is fetched into it at the first training"), None)
        }
        Err(error) => (
            format!("{error:#}"),
            Some(format!("mend or delete what is broken in {place}, or choose another --data")),
        ),
    };
    Finding { subject: "images", found, fix }
}

fn images_of_pictures(folder: &Path) -> Finding {
    let place = SingleLine(folder.display());
    let (found, fix) = match pictures::count(folder) {
        Ok([classes, pictures]) => {
            (format!("{pictures} pictures of {classes} classes in {place}"), None)
        }
        Err(error) => (
            format!("{error:#}"),
            Some("--data takes a folder of pictures with a folder per class, a CSV file of pictures, or a folder with the four IDX files".to_owned()),
        ),
    };
    Finding { subject: "images", found, fix }
}

/// The file that a loaded library came from; only Linux tells.
fn loaded_from(name: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find(|line| line.contains(name))?;
    path.find('/').map(|start| PathBuf::from(&path[start..]))
}

/// Whether 25 ones under a kernel of 25 ones make 25; libtorch panics where a device does not work.
fn convolves(device: Device) -> bool {
    let ones = || Tensor::f_ones([1, 1, 5, 5], (Kind::Float, device));
    let sum = ones().and_then(|picture| {
        picture
            .f_conv2d(&ones()?, None::<Tensor>, [1, 1], [0, 0], [1, 1], 1)?
            .f_double_value(&[0, 0, 0, 0])
    });
    sum.is_ok_and(|sum| (sum - 25.0).abs() < f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_train() {
        let folder = tempfile::tempdir().unwrap();
        let findings = diagnose(folder.path(), true);
        assert_eq!(
            findings.iter().map(|finding| finding.subject).collect::<Vec<_>>(),
            ["libtorch", "CUDA", "threads", "images"]
        );
        assert_eq!(findings[0].fix, None);
        assert!(findings[0].found.contains("/lib"), "{}", findings[0].found);
        assert!(findings[3].found.contains("none yet"));
    }

    #[test]
    fn every_fault_has_its_fix() {
        let faults = [
            libtorch(None, false),
            cuda(false, true, 0, || false),
            cuda(true, false, 0, || false),
            cuda(true, true, 0, || false),
            cuda(true, true, 2, || false),
            threads(64, 2),
            images(Path::new("Cargo.toml"), true),
            images(Path::new("no/such/folder"), false),
        ];
        for finding in faults {
            assert!(finding.fix.is_some(), "{finding}");
            assert!(finding.to_string().contains("fault"));
        }
        for finding in
            [cuda(false, false, 0, || false), cuda(true, true, 1, || true), threads(1, 2)]
        {
            assert_eq!(finding.fix, None, "{finding}");
        }
    }
}
