//! A real board, on a serial line: [`firmware::link`] is the other end, and says what goes over the line.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use firmware::Model;
use firmware::format::{Layout, checksum};
use firmware::link::{Counter, Frame, Info, MAX_DATA, REPORT_HEAD, Reply, Request};

use super::port::{Line, Port};
use super::{BoardError, BoardReport, ImageResult};
use crate::int8::{Int8Network, outputs};

/// How long and how often a board is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// What an answer may take at first. Each time that none comes it may take twice as long, up to [`Self::max_timeout`].
    pub first_timeout: Duration,
    /// What an answer may take at most: of a slow core, the layers after a few rows.
    pub max_timeout: Duration,
    /// How often a request is sent before the board counts as silent.
    pub requests: u32,
    /// How often an image is shown, or a lost port opened, one time after another, before the line counts as lost.
    pub showings: u32,
}

impl Default for Retries {
    /// Less than 20 seconds of silence, and ten showings.
    fn default() -> Self {
        Self {
            first_timeout: Duration::from_millis(500),
            max_timeout: Duration::from_secs(2),
            requests: 10,
            showings: 10,
        }
    }
}

/// What a board says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardInfo {
    /// Chip and core.
    pub core: String,
    /// The core's clock; 0 if it is not known.
    pub clock_hz: u32,
    /// What counts cycles.
    pub counter: Counter,
    /// For which cores its model is laid out.
    pub layout: Layout,
    /// Bytes of RAM that have a fixed place; 0 if that is not known.
    pub statics: usize,
    /// Bytes of the whole stack; 0 if that is not known.
    pub stack: usize,
    /// Bytes of flash; 0 if that is not known.
    pub flash: usize,
    /// What its model was made from, and the CRC-32 of its file.
    model: ([u8; 32], u32),
}

impl BoardInfo {
    fn of(info: Info<'_>) -> Self {
        let chip = info.chip;
        Self {
            core: chip.core.into(),
            clock_hz: chip.clock_hz,
            counter: chip.counter,
            layout: info.layout,
            statics: chip.statics as usize,
            stack: chip.stack as usize,
            flash: chip.flash as usize,
            model: (info.identity, info.crc),
        }
    }
}

/// A board that answers.
#[derive(Debug)]
pub struct SerialBoard {
    client: Client,
    info: BoardInfo,
    /// Images that were shown again, since the board lost them or the port was gone.
    shown_again: usize,
}

impl SerialBoard {
    /// Opens the port, and asks the board what it is.
    ///
    /// # Errors
    /// [`BoardError::Port`], [`BoardError::Silent`], or [`BoardError::Protocol`].
    pub fn connect(port: Port, retries: Retries) -> Result<Self, BoardError> {
        let line = match port.open() {
            Ok(line) => line,
            Err(source) => return Err(BoardError::Port { port, source }),
        };
        // so that no board takes an image for one that another program showed it
        let image = RandomState::new().build_hasher().finish() as u32;
        let mut client = Client { port, retries, line, frame: Frame::new(), image, sent_again: 0 };
        let info = match client.greet() {
            Err(Fault::Broken(_)) => client.reopened_and_greeted(),
            greeted => greeted,
        };
        let info = info.map_err(|fault| client.error(fault))?;
        Ok(Self { client, info, shown_again: 0 })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn info(&self) -> &BoardInfo {
        &self.info
    }

    /// Requests that were sent again, since no answer came or it was damaged.
    #[must_use]
    pub const fn sent_again(&self) -> usize {
        self.client.sent_again
    }

    /// Images that were shown again, since the board was reset or the port gone meanwhile.
    #[must_use]
    pub const fn shown_again(&self) -> usize {
        self.shown_again
    }

    /// Looks whether it runs this model: the very file.
    ///
    /// # Errors
    /// [`BoardError::OtherModel`].
    pub fn check(&self, model: Model<'_>) -> Result<(), BoardError> {
        let given = model_of(model);
        if given == self.info.model {
            return Ok(());
        }
        Err(BoardError::OtherModel {
            is_same_onnx: given.0 == self.info.model.0,
            found: self.info.model.1,
            given: given.1,
        })
    }

    /// Shows it these images, `[row][column][channel]`, and compares its answers with this machine's. `file` is the model
    /// that it runs; `progress` is told how many images are done.
    ///
    /// # Errors
    /// Another model, or a line or a board that fails again and again. A board that answers otherwise than this machine is
    /// no error: see [`BoardReport::agreements`].
    ///
    /// # Panics
    /// Never: images of another size are an error.
    pub fn run(
        &mut self,
        file: &[u8],
        images: &[Vec<u8>],
        mut progress: impl FnMut(usize),
    ) -> Result<BoardReport, BoardError> {
        let model = Model::parse(file)?;
        self.check(model)?;
        let size = model.header().input.size();
        if let Some(image) = images.iter().find(|image| image.len() != size) {
            return Err(BoardError::Image { found: image.len(), expected: size });
        }
        let layers: Vec<String> = Int8Network::of(model).names().map(str::to_owned).collect();
        let words = REPORT_HEAD + layers.len() + 1 + model.outputs();
        let mut scratch = vec![0; model.scratch_words()];
        let (mut results, mut stack) = (Vec::new(), 0);
        for (number, image) in images.iter().enumerate() {
            let report = self.read(number, image, words, model)?;
            let (head, counts) = report.split_at(REPORT_HEAD);
            let (cycles, logits) = counts.split_at(layers.len() + 1);
            let logits: Vec<i32> = logits.iter().map(|word| word.cast_signed()).collect();
            let of_host =
                outputs(model, image, &mut scratch).expect("images and memory are the model's");
            stack = stack.max(head[1] as usize);
            results.push(ImageResult {
                number,
                agrees: logits == of_host,
                logits,
                counts: cycles.iter().copied().map(f64::from).collect(),
            });
            progress(number + 1);
        }
        let BoardInfo { flash, statics, .. } = self.info;
        Ok(BoardReport { layers, images: results, lost: 0, dropped: 0, flash, statics, stack })
    }

    /// The words of the report on image `number`, which is shown until they come.
    fn read(
        &mut self,
        number: usize,
        image: &[u8],
        words: usize,
        model: Model<'_>,
    ) -> Result<Vec<u32>, BoardError> {
        for _ in 0..self.client.retries.showings {
            let fault = match self.client.show(image, words) {
                Ok(report) => return Ok(report),
                Err(fault) => fault,
            };
            self.shown_again += 1;
            // it may be another board by now, or another program
            let info = match fault {
                Fault::Lost => self.client.greet(),
                Fault::Broken(_) => self.client.reopened_and_greeted(),
                fault => Err(fault),
            };
            match info {
                Ok(info) => self.info = info,
                // once more
                Err(Fault::Broken(_)) => continue,
                Err(fault) => return Err(self.client.error(fault)),
            }
            self.check(model)?;
        }
        Err(BoardError::Unreliable { image: number, showings: self.client.retries.showings })
    }
}

/// What ties a board's model to a file.
fn model_of(model: Model<'_>) -> ([u8; 32], u32) {
    let crc = model.bytes().last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    (model.header().identity, crc)
}

/// Why a request was not answered.
#[derive(Debug)]
enum Fault {
    /// The board does not have the image, or has another.
    Lost,
    /// No answer came, however often it was asked.
    Silent,
    /// The board speaks another version.
    Protocol(u8),
    /// The port is gone, for a moment perhaps.
    Broken(io::Error),
    /// The port is gone, and was not there again for long.
    Gone(io::Error),
}

/// This end of the line.
#[derive(Debug)]
struct Client {
    port: Port,
    retries: Retries,
    line: Box<dyn Line>,
    /// What comes in.
    frame: Frame,
    /// The number of the last showing.
    image: u32,
    sent_again: usize,
}

impl Client {
    fn error(&self, fault: Fault) -> BoardError {
        let port = self.port.clone();
        match fault {
            Fault::Protocol(version) => BoardError::Protocol(version),
            Fault::Broken(source) | Fault::Gone(source) => BoardError::Port { port, source },
            Fault::Silent | Fault::Lost => BoardError::Silent(port),
        }
    }

    /// Asks the board what it is.
    fn greet(&mut self) -> Result<BoardInfo, Fault> {
        self.ask(Request::Hello, |reply| match reply {
            Reply::Info(info) => Some(Ok(BoardInfo::of(info))),
            Reply::OtherProtocol(version) => Some(Err(Fault::Protocol(version))),
            _ => None,
        })?
    }

    /// Opens the port again, which a board on USB takes away when it is reset.
    fn reopened_and_greeted(&mut self) -> Result<BoardInfo, Fault> {
        let mut wait = self.retries.first_timeout;
        let mut error = ErrorKind::NotConnected.into();
        for _ in 0..self.retries.showings {
            thread::sleep(wait);
            wait = (2 * wait).min(self.retries.max_timeout);
            match self.port.open() {
                Ok(line) => {
                    (self.line, self.frame) = (line, Frame::new());
                    return self.greet();
                }
                Err(reason) => error = reason,
            }
        }
        Err(Fault::Gone(error))
    }

    /// The words of the report on an image.
    fn show(&mut self, pixels: &[u8], words: usize) -> Result<Vec<u32>, Fault> {
        self.image = self.image.wrapping_add(1);
        let number = self.image;
        for (at, bytes) in (0..).step_by(MAX_DATA).zip(pixels.chunks(MAX_DATA)) {
            let end = at + bytes.len() as u32;
            self.ask(Request::Pixels { image: number, at, bytes }, |reply| match reply {
                Reply::Taken { image, next } if (image, next) == (number, end) => Some(Ok(())),
                Reply::Lost { image } if image == number => Some(Err(Fault::Lost)),
                _ => None,
            })??;
        }
        let mut report: Vec<u32> = Vec::with_capacity(words);
        while report.len() < words {
            let start = report.len() as u32;
            let part =
                self.ask(Request::Read { image: number, first: start }, |reply| match reply {
                    Reply::Report { image, first, words } if (image, first) == (number, start) => {
                        Some(Ok(words
                            .iter()
                            .map(|word| u32::from_le_bytes(*word))
                            .collect::<Vec<_>>()))
                    }
                    Reply::Lost { image } if image == number => Some(Err(Fault::Lost)),
                    _ => None,
                })??;
            if part.is_empty() {
                return Err(Fault::Lost);
            }
            report.extend(part);
        }
        // that it is this image, and all of it
        match report.first() {
            Some(&crc) if crc == checksum(pixels) && report.len() == words => Ok(report),
            _ => Err(Fault::Lost),
        }
    }

    /// What `take` makes of the answer to a request, which is sent until one comes; other answers are passed over.
    fn ask<T>(
        &mut self,
        request: Request<'_>,
        take: impl Fn(Reply<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        let mut sent = Frame::new();
        let sent = request.emit(&mut sent);
        let mut wait = self.retries.first_timeout;
        for turn in 0..self.retries.requests {
            self.sent_again += usize::from(turn > 0);
            self.line.write_all(sent).and_then(|()| self.line.flush()).map_err(Fault::Broken)?;
            if let Some(answer) = self.answer(Instant::now() + wait, &take)? {
                return Ok(answer);
            }
            wait = (2 * wait).min(self.retries.max_timeout);
        }
        Err(Fault::Silent)
    }

    /// What `take` makes of an answer that comes until then.
    fn answer<T>(
        &mut self,
        until: Instant,
        take: impl Fn(Reply<'_>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let mut bytes = [0; 256];
        while Instant::now() < until {
            let count = match self.line.read(&mut bytes) {
                Ok(0) => return Err(Fault::Broken(ErrorKind::UnexpectedEof.into())),
                Ok(count) => count,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                        continue;
                    }
                    _ => return Err(Fault::Broken(error)),
                },
            };
            for &byte in &bytes[..count] {
                let reply = self.frame.push(byte).and_then(Reply::parse);
                if let Some(answer) = reply.and_then(&take) {
                    // what comes behind it was asked for before
                    return Ok(Some(answer));
                }
            }
        }
        Ok(None)
    }
}
