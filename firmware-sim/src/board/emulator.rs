//! Runs a board image in QEMU and hands on its output, line by line.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{BoardError, Machine};

/// A board prints several lines for an image, of which the slowest takes a second or so.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Most time from a row to the next: a timer of 24 bits counts it, at 25 MHz.
const MAX_ROW_NS: u32 = 640_000_000;

/// Most instructions from a row of the camera to the next, of a nanosecond each.
pub const MAX_ROW_PERIOD: u32 = MAX_ROW_NS;

/// How long an instruction takes of the board's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// `2^shift` ns.
    shift: u32,
}

impl Pace {
    /// As long as the clocks measure well: 64 ns, of which a tick of 40 ns is less.
    pub(super) const USUAL: Self = Self { shift: 6 };

    /// [`Self::USUAL`], or shorter if a timer could not count the instructions from a row to the next otherwise.
    pub(super) fn of(row_period: u32) -> Self {
        let fits = |shift: &u32| u64::from(row_period) << shift <= u64::from(MAX_ROW_NS);
        Self { shift: (0..=Self::USUAL.shift).rev().find(fits).unwrap_or(0) }
    }

    /// Nanoseconds of so many instructions.
    pub(super) fn nanoseconds(self, instructions: u32) -> u64 {
        u64::from(instructions) << self.shift
    }
}

/// Starts the board image; the file `test_images` is loaded into the board's memory before.
///
/// With `-icount` an instruction takes the same part of the board's time, whatever the host does, and sleep takes none of
/// the host's: a run repeats exactly.
///
/// `plugin` is one of QEMU's, with its arguments; its files are named from the folder of `test_images` on.
pub(super) fn run(
    machine: Machine,
    image: &Path,
    test_images: Option<&Path>,
    pace: Pace,
    plugin: Option<&str>,
) -> Result<Lines, BoardError> {
    let [emulator, package] = machine.emulator();
    let mut qemu = Command::new(emulator);
    qemu.args(["-machine", machine.board()])
        // no firmware but the image, where QEMU would bring one
        .args(["-bios", "none"])
        .args(["-display", "none", "-serial", "none", "-monitor", "none"])
        .arg("-icount")
        .arg(format!("shift={},sleep=off", pace.shift))
        .args(["-chardev", "stdio,id=host,signal=off"])
        .args(["-semihosting-config", "enable=on,target=native,chardev=host"])
        .arg("-kernel")
        .arg(std::path::absolute(image)?);
    if let Some(test_images) = test_images {
        // QEMU splits its values at commas, so the file's folder, of any name, is where QEMU runs
        let (Some(folder), Some(name)) = (test_images.parent(), test_images.file_name()) else {
            return Err(BoardError::Io(ErrorKind::InvalidInput.into()));
        };
        qemu.current_dir(folder);
        let name = name.display();
        let device = format!("loader,file={name},addr={:#x},force-raw=on", machine.images_at());
        qemu.args(["-device", &device]);
    }
    if let Some(plugin) = plugin {
        qemu.args(["-plugin", plugin]);
    }
    let mut child =
        qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(
            |error| match error.kind() {
                ErrorKind::NotFound => BoardError::Qemu { emulator, package },
                _ => BoardError::Io(error),
            },
        )?;
    let output = child.stdout.take().expect("it is piped");
    let (sender, printed) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(Lines { child, printed, ended: false })
}

/// Lines that a running board prints; dropping it stops the board.
#[derive(Debug)]
pub(super) struct Lines {
    child: Child,
    printed: Receiver<String>,
    ended: bool,
}

impl Iterator for Lines {
    type Item = Result<String, BoardError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.printed.recv_timeout(TIMEOUT) {
            Ok(line) => return Some(Ok(line)),
            Err(RecvTimeoutError::Timeout) => {
                self.ended = true;
                return Some(Err(BoardError::Timeout(TIMEOUT)));
            }
            Err(RecvTimeoutError::Disconnected) => self.ended = true,
        }
        match self.child.wait() {
            Ok(status) if status.success() => None,
            Ok(status) => {
                let stderr = self.child.stderr.take().map(std::io::read_to_string);
                let message = stderr.and_then(Result::ok).unwrap_or_default();
                let why = match message.trim() {
                    "" => format!("{status}; a stack that overflows its region ends so, for one"),
                    message => message.to_string(),
                };
                Some(Err(BoardError::Emulator(why)))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // it has ended, or nobody reads any more
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_take_less_time_where_a_timer_could_not_count_a_row() {
        for (row_period, shift) in
            [(1_000, 6), (10_000_000, 6), (10_000_001, 5), (80_000_000, 3), (MAX_ROW_PERIOD, 0)]
        {
            let pace = Pace::of(row_period);
            assert_eq!(pace, Pace { shift });
            let ticks = pace.nanoseconds(row_period) * 25_000_000 / 1_000_000_000;
            assert!(ticks < 1 << 24, "{ticks}");
        }
    }
}
