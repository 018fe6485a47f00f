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

/// What an instruction takes of the board's time: 2⁶ ns, by `shift=6`.
pub(super) const INSTRUCTION_NS: u64 = 64;

/// Starts the board image; the file `test_images` is loaded into the board's memory before.
///
/// With `-icount` an instruction takes 64 ns of the board's time, whatever the host does, and sleep takes none of the
/// host's: a run repeats exactly.
pub(super) fn run(
    machine: Machine,
    image: &Path,
    test_images: Option<&Path>,
) -> Result<Lines, BoardError> {
    let [emulator, package] = machine.emulator();
    let mut qemu = Command::new(emulator);
    qemu.args(["-machine", machine.board()])
        // no firmware but the image, where QEMU would bring one
        .args(["-bios", "none"])
        .args(["-display", "none", "-serial", "none", "-monitor", "none"])
        .args(["-icount", "shift=6,sleep=off"])
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
