//! `firmware-sim board`: the engine on an emulated board, or on a real one.

mod counted;
mod cycles;
mod report;
mod worst_case;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use dataset::idx::Part;
use firmware::Model;
use firmware::format::Layout;
use firmware_sim::board::{
    BoardBuilder, BoardError, BoardReport, Machine, Port, Retries, SerialBoard, laid_out,
    max_images,
};
use firmware_sim::memory::Memory;
use firmware_sim::quantize::quantize;
use firmware_sim::{estimate, samples};
use safe_io::SingleLine;

use crate::cli::Given;
use crate::data::{self, Wanted};
use crate::model::Onnx;
use crate::{cli, model};
use counted::Counted;
pub(crate) use cycles::ModelledCycles;
use report::Run;

/// Images that are read unless another number is given.
const DEFAULT_IMAGES: usize = 100;

/// What runs the model.
enum Device {
    Emulated(Machine),
    Real(Port, Box<SerialBoard>),
}

impl Device {
    fn new(arguments: &cli::Board) -> anyhow::Result<Self> {
        let Some(port) = &arguments.serial else { return Ok(Self::Emulated(arguments.machine)) };
        let port = Port::named(port, arguments.baud);
        let board = SerialBoard::connect(port.clone(), Retries::default()).map_err(with_hint)?;
        Ok(Self::Real(port, Box::new(board)))
    }

    fn layout(&self) -> Layout {
        match self {
            Self::Emulated(machine) => machine.layout(),
            Self::Real(_, board) => board.info().layout,
        }
    }

    /// Maximum of images of so many bytes in one run.
    fn max_images(&self, size: usize) -> usize {
        match self {
            Self::Emulated(_) => max_images(size),
            Self::Real(..) => usize::MAX,
        }
    }
}

pub(crate) fn run(arguments: &cli::Board) -> anyhow::Result<()> {
    if arguments.counted.cycles {
        cycles::ensure_published(arguments.machine)?;
    }
    let given = arguments.data.given()?;
    let path = given.path();
    let named = || {
        arguments
            .quantized
            .as_ref()
            .map_or("embedded model".into(), |path| SingleLine(path.display()).to_string())
    };
    let bytes = model_file(arguments, &given)?;
    model::parse_q8(&bytes, named())?;
    let mut device = Device::new(arguments)?;
    // what the board gets, so that its lengths are those of the report
    let bytes = laid_out(&bytes, device.layout()).with_context(named)?;
    let model = Model::parse(&bytes).with_context(named)?;
    if let Device::Real(_, board) = &device {
        board.check(model).with_context(named)?;
    }
    let wanted = wanted(arguments, model)?;
    let test = data::load(&given, Part::Test, &wanted)?;
    data::ensure_any(&test, path)?;
    let all = test.content.samples().len();
    let most = device.max_images(model.header().input.size());
    let count = arguments.images.map_or(DEFAULT_IMAGES.min(all).min(most), NonZeroUsize::get);
    ensure!(
        count <= all,
        "--images {count}: {} has {all} {}, so give at most {}",
        SingleLine(path.display()),
        test.source.what(),
        all.min(most)
    );
    ensure!(
        count <= most,
        "--images {count}: a board takes at most {most} of this size in one run"
    );
    let chosen = test.chosen(count);
    let images = samples::frames(model, test.content.samples(), &chosen)?;
    let started = Instant::now();
    let (report, counted) = match &mut device {
        Device::Emulated(machine) => emulated(arguments, *machine, model, &images)
            .with_context(|| format!("{} with {}", machine.title(), named()))?,
        Device::Real(_, board) => {
            let report = with_bar(&images, |progress| board.run(&bytes, &images, progress))?;
            (report, Counted::default())
        }
    };

    let labels = chosen.iter().filter_map(|&index| test.labels.get(index).copied());
    let labels: Vec<u8> = labels.collect();
    let of_all = test.selection(count);
    let assumed_classes = test.assumed_classes.as_deref();
    let file_name = arguments.quantized.as_deref().and_then(Path::file_stem);
    let network = file_name.map_or("lenet".into(), |name| name.to_string_lossy().replace(',', "_"));
    let (has_onnx, is_named) = (arguments.model.is_some(), wanted.has_names());
    let run = Run {
        device: &device,
        network,
        model,
        memory: Memory::of(model),
        report: &report,
        counted,
        all,
        of_all,
        is_named,
        labels: &labels,
        assumed_classes,
        has_onnx,
    };
    let mut output = io::stdout().lock();
    if arguments.csv {
        output.write_all(run.csv(arguments.machine).as_bytes())?;
    } else if arguments.json {
        writeln!(output, "{}", run.json())?;
    } else {
        let seconds = started.elapsed().as_secs_f64();
        writeln!(output, "{}", run.text(arguments.profile, seconds))?;
    }
    let agreements = report.agreements();
    ensure!(
        report.lost == 0,
        "{} rows were dropped, and {} images lost to that: give the board more time, by --row-period above {}",
        report.dropped,
        report.lost,
        row_period(arguments, model)
    );
    ensure!(
        agreements == count,
        "{} of {count} images give other logits than on this machine",
        count - agreements
    );
    Ok(())
}

/// The `.q8` file that was given, or one of the embedded model.
fn model_file(arguments: &cli::Board, given: &Given) -> anyhow::Result<Vec<u8>> {
    if let Some(path) = &arguments.quantized {
        return model::read(path);
    }
    let wanted = Wanted::of_onnx(&Onnx::embedded()?);
    let training = data::load(given, Part::Train, &wanted)?.content;
    let data::Content::Images(training) = training else {
        return Err(anyhow!("{} holds no images", SingleLine(given.path().display())));
    };
    let calibration = firmware_sim::quantize::calibration_images(&training);
    Ok(quantize(runtime::EMBEDDED_MODEL, &calibration, &training)?)
}

fn emulated(
    arguments: &cli::Board,
    machine: Machine,
    model: Model<'_>,
    images: &[Vec<u8>],
) -> anyhow::Result<(BoardReport, Counted)> {
    let mut builder = BoardBuilder::of_this_build();
    if let Some(sources) = &arguments.sources {
        builder.sources.clone_from(sources);
    }
    let (row_period, wanted) = (row_period(arguments, model), &arguments.counted);
    with_bar(images, |progress| {
        let file = model.bytes();
        if wanted.worst_case || wanted.cycles {
            return Counted::run(wanted, &builder, machine, (file, images), row_period, progress);
        }
        Ok((builder.run(machine, file, images, row_period, progress)?, Counted::default()))
    })
}

fn row_period(arguments: &cli::Board, model: Model<'_>) -> u32 {
    arguments.row_period.unwrap_or_else(|| estimate::row_period(arguments.machine, model))
}

/// Shows how many of the images are done.
fn with_bar<T>(
    images: &[Vec<u8>],
    run: impl FnOnce(&mut dyn FnMut(usize)) -> Result<T, BoardError>,
) -> anyhow::Result<T> {
    let bar = model::progress_bar(images.len(), "images");
    let report = run(&mut |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    report.map_err(with_hint)
}

/// What the images must be: an ONNX file says more of it than the int8 model that was made from it.
fn wanted(arguments: &cli::Board, model: Model<'_>) -> anyhow::Result<Wanted> {
    let onnx = match (&arguments.model, &arguments.quantized) {
        (Some(path), _) => Onnx::read(path, None)?,
        (None, None) => Onnx::embedded()?,
        (None, Some(_)) => return Ok(Wanted::of_model(model)),
    };
    let path = arguments.model.as_deref().unwrap_or(Path::new("embedded model"));
    onnx.ensure_origin(model).with_context(|| SingleLine(path.display()).to_string())?;
    Ok(Wanted::of_onnx(&onnx))
}

/// Adds what a user of this command can do about it.
fn with_hint(error: BoardError) -> anyhow::Error {
    let hint = match &error {
        BoardError::Sources(_) => {
            "run this from a clone, or give --sources DIR/firmware-sim/boards".into()
        }
        BoardError::Target { target } => {
            format!("run firmware-sim/boards/setup, or `rustup target add {target}`")
        }
        BoardError::Compiler => {
            "run firmware-sim/boards/c/setup, or `apt install gcc libc6-dev`".into()
        }
        BoardError::Qemu { package, .. } => {
            format!("run firmware-sim/boards/setup, or `apt install {package}`")
        }
        BoardError::Port { port: Port::Serial { path, .. }, .. } if path.is_file() => {
            "it is a file, no serial port such as /dev/ttyACM0".into()
        }
        BoardError::Port { port: Port::Serial { path, .. }, source } if !path.exists() => {
            format!(
                "{source}: `ls /dev/tty*` shows which ports there are; tcp:HOST:PORT is another machine's"
            )
        }
        BoardError::Port { port: Port::Tcp(address), source } if !address.contains(':') => {
            format!("{source}: give host and port, as in tcp:localhost:5679")
        }
        BoardError::Port { port: Port::Tcp(_), source }
            if source.kind() == io::ErrorKind::ConnectionRefused =>
        {
            format!("{source}: start there what gives the board's line on this port")
        }
        BoardError::Port { port: Port::Serial { .. }, source }
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            format!("{source}: join the group that the port belongs to, often dialout")
        }
        _ => return error.into(),
    };
    anyhow!("{error}: {hint}")
}
