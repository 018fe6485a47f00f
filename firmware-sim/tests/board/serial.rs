//! Boards on a serial line: QEMU's UARTs, joined by a socket and by a pseudo-terminal.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use dataset::idx::Part;
use firmware::format::Layout;
use firmware::link::Counter;
use firmware_sim::board::{BoardBuilder, Machine, Port, Retries, SerialBoard, laid_out};
use fixtures::mnist_500;

use crate::profile::lenet;

/// A board of QEMU, which stops when it is dropped.
struct Emulated(Child);

impl Drop for Emulated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds the program `serial` for a board; with another stack than it has by itself, or not.
fn build(machine: Machine, board: &str, stack: Option<u32>, model: &Path) -> PathBuf {
    let builder = BoardBuilder::of_this_build();
    let target = &builder.target;
    let output = Command::new("cargo")
        .current_dir(&builder.sources)
        .args(["build", "--release", "--locked", "--bin", "serial", "--target", machine.target()])
        .arg("--target-dir")
        .arg(target)
        .env("BOARD", board)
        .env("MODEL_Q8", model)
        .env_remove("RUSTFLAGS")
        .envs(stack.map(|bytes| ("STACK", bytes.to_string())))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join(machine.target()).join("release/serial")
}

/// Starts a board with its UART at `line`, a QEMU device, and a monitor, if there is one, at a port.
fn start(board: &str, image: &Path, line: &str, monitor: Option<u16>) -> Emulated {
    let emulator = if board == "virt" { "qemu-system-riscv32" } else { "qemu-system-arm" };
    let mut qemu = Command::new(emulator);
    qemu.args(["-machine", board, "-bios", "none", "-display", "none", "-serial", line])
        .args(["-icount", "shift=2,sleep=off", "-monitor"])
        .arg(
            monitor
                .map_or("none".into(), |port| format!("tcp:127.0.0.1:{port},server=on,wait=off")),
        )
        .arg("-kernel")
        .arg(image)
        .stdout(Stdio::piped());
    Emulated(qemu.spawn().unwrap())
}

/// A port that is free.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn socket(port: u16) -> String {
    format!("tcp:127.0.0.1:{port},server=on,wait=off")
}

/// Tries until the other side is there.
fn until<T, E: std::fmt::Debug>(mut attempt: impl FnMut() -> Result<T, E>) -> T {
    for _ in 0..100 {
        if let Ok(found) = attempt() {
            return found;
        }
        thread::sleep(Duration::from_millis(100));
    }
    attempt().unwrap()
}

fn connect(port: u16) -> SerialBoard {
    until(|| SerialBoard::connect(Port::Tcp(format!("127.0.0.1:{port}")), Retries::default()))
}

fn images(count: usize) -> Vec<Vec<u8>> {
    mnist_500(Part::Test).images[..count].iter().map(|image| image.pixels().to_vec()).collect()
}

#[test]
#[ignore = "needs QEMU: tests/run"]
fn boards_on_a_serial_line_give_every_logit_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.q8");
    for (machine, board, stack, core) in [
        (Machine::M4, "netduinoplus2", None, "STM32F405, Cortex-M4"),
        (Machine::M4, "mps2-an386", Some(1500), "MPS2, Cortex-M"),
        (Machine::Rv32imac, "virt", Some(1500), "QEMU's virt, RV32IMAC"),
    ] {
        let file = laid_out(&lenet(), machine.layout()).unwrap().into_owned();
        fs::write(&path, &file).unwrap();
        let image = build(machine, board, stack, &path);
        let port = free();
        let _emulated = start(board, &image, &socket(port), None);
        let mut connected = connect(port);
        let report = connected.run(&file, &images(5), |_| ()).unwrap();
        assert_eq!((report.agreements(), report.images.len()), (5, 5), "{board}");
        let info = connected.info();
        assert_eq!((&*info.core, info.layout), (core, machine.layout()));
        assert!(report.flash > file.len() && report.flash < file.len() + (48 << 10), "{report:?}");
        assert!(report.stack > 400 && report.stack < 1500, "{board}: {} of stack", report.stack);
        assert!(report.statics > 2900 && report.statics < 3400, "{board}: {}", report.statics);
        assert!((0..5).all(|layer| report.of_layer(layer).0 > 0.0), "{board}: {report:?}");
    }
}

/// A chip's memories: a megabyte of flash, and the model in it; and a serial port of this machine.
#[test]
#[ignore = "needs QEMU: tests/run"]
fn a_chip_on_a_terminal_and_one_that_is_reset_agree_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.q8");
    let file = laid_out(&lenet(), Layout::Words).unwrap().into_owned();
    fs::write(&path, &file).unwrap();
    let image = build(Machine::M4, "netduinoplus2", None, &path);

    let mut emulated = start("netduinoplus2", &image, "pty", None);
    // char device redirected to /dev/pts/7 (label serial0)
    let mut line = String::new();
    BufReader::new(emulated.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let terminal = line.split(' ').find(|word| word.starts_with("/dev/")).unwrap();
    let port = Port::named(terminal.as_ref(), 115_200);
    let mut board = SerialBoard::connect(port, Retries::default()).unwrap();
    let info = board.info();
    assert_eq!((info.clock_hz, info.counter), (16_000_000, Counter::SysTick));
    let report = board.run(&file, &images(3), |_| ()).unwrap();
    assert_eq!((report.agreements(), report.images.len()), (3, 3));

    let [port, monitor] = [free(), free()];
    let _emulated = start("netduinoplus2", &image, &socket(port), Some(monitor));
    let mut monitor = until(|| TcpStream::connect(("127.0.0.1", monitor)));
    let mut board = connect(port);
    // some of these come while an image is shown
    let resets = thread::spawn(move || {
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(300));
            monitor.write_all(b"system_reset\n").unwrap();
        }
    });
    let report = board.run(&file, &images(20), |_| ()).unwrap();
    resets.join().unwrap();
    assert_eq!((report.agreements(), report.images.len()), (20, 20));
}
