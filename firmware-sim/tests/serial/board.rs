//! A board in a thread, behind a TCP port: the very code that a firmware runs, with all that may befall it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use firmware::link::{Buffers, Chip, Counter, Device, Frame, REPORT_HEAD, Reply};
use firmware::{Dimensions, Model};
use firmware_sim::board::{Port, Retries};
use fixtures::benchmarks::Random;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Of so many bytes, one is lost, changed, doubled, or followed by others, either way.
    Noise(usize),
    /// After so many bytes the board begins anew.
    Resets(usize),
    /// After so many bytes the port is gone too, as with USB.
    Unplugged(usize),
    /// The same, and it does not come back.
    Gone(usize),
    /// After so many bytes it says nothing more.
    Hangs(usize),
    /// All comes back as it was sent: the two wires touch.
    Echo,
    /// It speaks another version.
    OtherProtocol,
    /// One of its logits is another.
    WrongLogit,
    /// It mixes images up.
    WrongImage,
}

/// Starts one that runs `file`.
pub(crate) fn start(file: &[u8], fault: Fault) -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let file = Aligned::new(file);
    thread::spawn(move || {
        let mut random = Random(7);
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nodelay(true).unwrap();
            // an end is an end, however it comes
            let _ = serve(file.bytes(), stream, fault, &mut random);
            if let Fault::Gone(_) = fault {
                break;
            }
        }
    });
    Port::Tcp(address)
}

/// Retries for boards that answer within milliseconds.
pub(crate) fn quick() -> Retries {
    Retries {
        first_timeout: Duration::from_millis(30),
        max_timeout: Duration::from_millis(300),
        requests: 12,
        showings: 20,
    }
}

/// Retries for boards that are not expected to answer.
pub(crate) fn few() -> Retries {
    Retries { requests: 4, showings: 4, ..quick() }
}

/// Bytes that begin at a multiple of four.
struct Aligned {
    words: Vec<u32>,
    len: usize,
}

impl Aligned {
    fn new(file: &[u8]) -> Self {
        let words = file.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_ne_bytes(word)
        });
        Self { words: words.collect(), len: file.len() }
    }

    fn bytes(&self) -> &[u8] {
        &zerocopy::IntoBytes::as_bytes(&self.words[..])[..self.len]
    }
}

fn serve(
    file: &[u8],
    mut stream: TcpStream,
    fault: Fault,
    random: &mut Random,
) -> std::io::Result<()> {
    let sizes = Dimensions::of(file);
    let model = Model::parse(file).unwrap();
    let chip = Chip {
        clock_hz: 1_000_000,
        counter: Counter::Timer,
        statics: 3000,
        stack: 1024,
        ..Chip::named("a thread")
    };
    let mut bytes = [0; 64];
    loop {
        let (mut scratch, mut row) = (vec![0; sizes.scratch_words], vec![0; sizes.row_len]);
        let mut cycles = vec![0; sizes.layers + 1];
        let buffers = Buffers { scratch: &mut scratch, row: &mut row, cycles: &mut cycles };
        let mut device = Device::new(model, chip, buffers).unwrap();
        let (mut clock, mut seen) = (0_u32, 0);
        let mut count = || {
            clock = clock.wrapping_add(1);
            clock
        };
        'running: loop {
            let len = stream.read(&mut bytes)?;
            if len == 0 {
                return Ok(());
            }
            for byte in harmed(random, &bytes[..len], fault) {
                seen += 1;
                match fault {
                    // whatever of this has been sent is lost with it
                    Fault::Resets(after) if seen > after => break 'running,
                    Fault::Unplugged(after) | Fault::Gone(after) if seen > after => return Ok(()),
                    Fault::Hangs(after) if seen > after => {}
                    Fault::Echo => stream.write_all(&[byte])?,
                    _ => {
                        let answer = device.on_byte(byte, &mut count).to_vec();
                        let answer = changed(&answer, fault, sizes);
                        stream.write_all(&harmed(random, &answer, fault))?;
                    }
                }
            }
        }
    }
}

/// An answer as a board with this fault gives it.
fn changed(answer: &[u8], fault: Fault, sizes: Dimensions) -> Vec<u8> {
    let mut frame = Frame::new();
    let message = answer.iter().find_map(|&byte| frame.push(byte).map(<[u8]>::to_vec));
    let reply = message.as_deref().and_then(Reply::parse);
    match (fault, reply) {
        (Fault::OtherProtocol, Some(Reply::Info(_))) => {
            Reply::OtherProtocol(9).emit(&mut Frame::new()).to_vec()
        }
        (Fault::WrongLogit | Fault::WrongImage, Some(Reply::Report { image, first: 0, words })) => {
            let mut words = words.to_vec();
            let word = if fault == Fault::WrongImage { 0 } else { REPORT_HEAD + sizes.layers + 1 };
            words[word][0] ^= 1;
            Reply::Report { image, first: 0, words: &words }.emit(&mut Frame::new()).to_vec()
        }
        _ => answer.to_vec(),
    }
}

/// Bytes as they come out of a line.
fn harmed(random: &mut Random, bytes: &[u8], fault: Fault) -> Vec<u8> {
    let Fault::Noise(rate) = fault else { return bytes.to_vec() };
    let mut harmed = vec![];
    for &byte in bytes {
        match random.below(4 * rate) {
            0 => {}
            1 => harmed.push(byte ^ 1 << random.below(8)),
            2 => harmed.extend([byte; 2]),
            3 => harmed.extend((0..=random.below(40)).map(|_| random.below(256) as u8)),
            _ => harmed.push(byte),
        }
    }
    harmed
}
