//! `runtime bench`: how long predictions take, and where the time goes.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dataset::idx;
use dataset::idx::Part;
use runtime::{Classifier, Image, MNIST_SHAPE, OperatorTime};
use safe_io::SingleLine;
use serde_json::json;

use crate::cli;
use crate::hint::with_hint;
use crate::model;

/// Images of noise where there are no others.
const NOISE_IMAGES: usize = 256;

/// Images between two readings of the clock in a profile.
const PROFILE_IMAGES: usize = 1000;

pub(crate) fn run(arguments: &cli::Bench) -> anyhow::Result<()> {
    let classifier = model::classifier(&arguments.model)?;
    let images = match &arguments.data {
        None if classifier.input_shape() != MNIST_SHAPE => noise(classifier.input_shape()),
        folder => test_images(folder.as_deref(), classifier.input_shape())?,
    };
    let time = Duration::from_secs_f32(arguments.seconds);
    if arguments.profile {
        profile(arguments, &classifier, &images, time)
    } else {
        bench(arguments, &classifier, &images, time)
    }
}

/// The dataset's test images.
fn test_images(folder: Option<&Path>, shape: [usize; 3]) -> anyhow::Result<Vec<Image>> {
    let folder = folder.map(Path::to_owned).or_else(safe_io::default_data_folder);
    let folder = folder
        .context("you have no home folder to look for images in: give one with --data DIR")?;
    let images = idx::load_of_shape(&folder, Part::Test, shape).map_err(with_hint)?.images;
    ensure!(!images.is_empty(), "{} holds no test images", SingleLine(folder.display()));
    Ok(images)
}

/// Images for a model that no dataset at hand has images of: how long a run takes depends little on them.
fn noise(shape: [usize; 3]) -> Vec<Image> {
    let mut state = 1_u32;
    let mut pixel = || {
        // Numerical Recipes' generator; its high bits are the good ones
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let length = shape.iter().product();
    let mut image = || {
        let pixels: Vec<u8> = (0..length).map(|_| pixel()).collect();
        Image::new(shape, pixels).expect("models take images")
    };
    (0..NOISE_IMAGES).map(|_| image()).collect()
}

fn bench(
    arguments: &cli::Bench,
    classifier: &Classifier,
    images: &[Image],
    time: Duration,
) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    if !arguments.json {
        writeln!(output, "kernels  {}", arguments.model.kernels())?;
        writeln!(output, "batch  threads         p50         p99   per image    images/s")?;
    }
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = if arguments.threads.is_empty() {
        &[NonZeroUsize::MIN, cores][..]
    } else {
        &arguments.threads
    };
    for &batch in &arguments.batch {
        for &threads in threads {
            let times = Times::measure(classifier, images, batch, threads, time)?;
            if arguments.json {
                let line = json!({
                    "kernels": arguments.model.kernels().to_string(),
                    "batch": batch,
                    "threads": threads,
                    "calls": times.calls.len(),
                    "p50_us": micros(times.quantile(0.5)),
                    "p99_us": micros(times.quantile(0.99)),
                    "images_per_second": times.images_per_second(batch),
                });
                writeln!(output, "{line}")?;
            } else {
                let [p50, p99] = [0.5, 0.99].map(|part| micros(times.quantile(part)));
                let per_image = p50 / batch.get() as f64;
                let speed = times.images_per_second(batch);
                writeln!(
                    output,
                    "{batch:5}  {threads:7}  {p50:8.1} µs {p99:8.1} µs {per_image:8.1} µs  {speed:10.0}"
                )?;
            }
            output.flush()?;
        }
    }
    Ok(())
}

/// Durations of the calls, sorted.
struct Times {
    calls: Vec<Duration>,
}

impl Times {
    /// Calls until `time` has passed, each with the next images of the dataset.
    fn measure(
        classifier: &Classifier,
        images: &[Image],
        batch: NonZeroUsize,
        threads: NonZeroUsize,
        time: Duration,
    ) -> anyhow::Result<Self> {
        let mut session = classifier.session(threads.get()).context("cannot start a thread")?;
        let batches: Vec<Vec<Image>> = (0..images.len().div_ceil(batch.get()))
            .map(|number| {
                let from = number * batch.get();
                images.iter().cycle().skip(from).take(batch.get()).cloned().collect()
            })
            .collect();
        // the first calls fill caches and grow buffers
        session.scores(&batches[0]);
        let mut calls = vec![];
        let started = Instant::now();
        for batch in batches.iter().cycle() {
            let call = Instant::now();
            session.scores(batch);
            calls.push(call.elapsed());
            if started.elapsed() >= time {
                break;
            }
        }
        calls.sort();
        Ok(Self { calls })
    }

    fn quantile(&self, part: f64) -> Duration {
        self.calls[(part * (self.calls.len() - 1) as f64).round() as usize]
    }

    fn images_per_second(&self, batch: NonZeroUsize) -> f64 {
        let time: Duration = self.calls.iter().sum();
        (self.calls.len() * batch.get()) as f64 / time.as_secs_f64()
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn profile(
    arguments: &cli::Bench,
    classifier: &Classifier,
    images: &[Image],
    time: Duration,
) -> anyhow::Result<()> {
    let batch = arguments.batch[0].get();
    let mut count = 0;
    let mut total: Vec<OperatorTime> = vec![];
    let started = Instant::now();
    for images in images.chunks(PROFILE_IMAGES.max(batch)).cycle() {
        let times = classifier.profile(images, batch);
        count += images.len();
        if total.is_empty() {
            total = times;
        } else {
            total.iter_mut().zip(times).for_each(|(total, more)| total.time += more.time);
        }
        if started.elapsed() >= time {
            break;
        }
    }
    let sum: Duration = total.iter().map(|operator| operator.time).sum();
    let mut output = io::stdout().lock();
    if !arguments.json {
        let kernels = arguments.model.kernels();
        writeln!(output, "kernels  {kernels}, batch {batch}, one thread, {count} images")?;
        writeln!(output, "time per image     share   GFLOP/s  operator")?;
    }
    for OperatorTime { name, macs, time } in total {
        let per_image = micros(time) / count as f64;
        let share = time.as_secs_f64() / sum.as_secs_f64();
        // a multiplication and an addition each; a pooling has none
        let speed = (macs > 0).then(|| 2.0 * macs as f64 / per_image / 1e3);
        if arguments.json {
            let line =
                json!({ "operator": name, "us": per_image, "share": share, "gflops": speed });
            writeln!(output, "{line}")?;
        } else {
            let speed = speed.map_or(String::new(), |speed| format!("{speed:.1}"));
            writeln!(
                output,
                "{per_image:10.2} µs  {:7.1} %  {speed:>8}  {}",
                share * 100.0,
                SingleLine(name)
            )?;
        }
    }
    if !arguments.json {
        writeln!(output, "{:10.2} µs", micros(sum) / count as f64)?;
    }
    Ok(())
}
