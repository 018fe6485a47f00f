//! Opens what a board is joined by.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use safe_io::SingleLine;
use serial2::SerialPort;

/// What a connection may take, and sending a request.
const CONNECT: Duration = Duration::from_secs(5);
/// After so long, a read gives up that got nothing.
const POLL: Duration = Duration::from_millis(100);

/// Where a board is.
///
/// ```
/// use firmware_sim::board::Port;
///
/// assert_eq!(Port::named("tcp:localhost:5555".as_ref(), 115_200), Port::Tcp("localhost:5555".into()));
/// assert_eq!(Port::named("/dev/ttyACM0".as_ref(), 9_600).to_string(), "/dev/ttyACM0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// A serial port of this machine.
    Serial {
        /// Its device.
        path: PathBuf,
        /// Bits a second, of which there are ten a byte.
        baud: u32,
    },
    /// Another machine's, or an emulator's: host and port.
    Tcp(String),
}

impl Port {
    /// `tcp:HOST:PORT`, or the path of a serial port.
    #[must_use]
    pub fn named(name: &Path, baud: u32) -> Self {
        match name.to_str().and_then(|name| name.strip_prefix("tcp:")) {
            Some(address) => Self::Tcp(address.into()),
            None => Self::Serial { path: name.into(), baud },
        }
    }

    pub(super) fn open(&self) -> io::Result<Box<dyn Line>> {
        match self {
            Self::Serial { path, baud } => of_serial(path, *baud),
            Self::Tcp(address) => {
                let mut error = io::ErrorKind::NotFound.into();
                for address in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, CONNECT) {
                        Ok(stream) => return of_tcp(stream),
                        Err(reason) => error = reason,
                    }
                }
                Err(error)
            }
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial { path, .. } => SingleLine(path.display()).fmt(f),
            Self::Tcp(address) => write!(f, "tcp:{}", SingleLine(address)),
        }
    }
}

/// Bytes there and back. A read that gets nothing for a moment is [`io::ErrorKind::TimedOut`] or
/// [`io::ErrorKind::WouldBlock`], and no bytes are the end.
pub(super) trait Line: Read + Write + fmt::Debug {}

impl Line for TcpStream {}

fn of_tcp(stream: TcpStream) -> io::Result<Box<dyn Line>> {
    // each frame is waited for
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(POLL))?;
    stream.set_write_timeout(Some(CONNECT))?;
    Ok(Box::new(stream))
}

impl Line for SerialPort {}

fn of_serial(path: &Path, baud: u32) -> io::Result<Box<dyn Line>> {
    // raw: eight bits, no parity, one stop bit, no flow control
    let mut port = SerialPort::open(path, baud)?;
    port.set_read_timeout(POLL)?;
    port.set_write_timeout(CONNECT)?;
    // what came before this program
    port.discard_buffers()?;
    Ok(Box::new(port))
}
