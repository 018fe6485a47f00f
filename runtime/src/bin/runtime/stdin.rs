//! Standard input in place of a file, named `-`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use safe_io::read::ReadError;

/// How messages name it.
pub(crate) const NAME: &str = "standard input";

/// The list of files that holds standard input alone.
pub(crate) static PATHS: LazyLock<[PathBuf; 1]> = LazyLock::new(|| [PathBuf::from("-")]);

/// Whether a path means standard input.
pub(crate) fn is_meant(path: &Path) -> bool {
    path == Path::new("-")
}

/// Whether a file, a pipe or a socket is there: something to read, where a terminal or `/dev/null` has nothing to say.
#[cfg(unix)]
pub(crate) fn is_data() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    stdin.and_then(|stdin| stdin.metadata()).is_ok_and(|there| {
        let kind = there.file_type();
        kind.is_file() || kind.is_fifo() || kind.is_socket()
    })
}

/// Whether it is no terminal.
#[cfg(not(unix))]
pub(crate) fn is_data() -> bool {
    use std::io::IsTerminal;
    !io::stdin().is_terminal()
}

/// All of it, if that is at most `max_bytes`.
pub(crate) fn read_bounded(max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(max_bytes + 1).read_to_end(&mut bytes);
    read.map_err(|source| ReadError::Unreadable { path: NAME.into(), source })?;
    if bytes.len() as u64 > max_bytes {
        return Err(ReadError::TooLarge { path: NAME.into(), max_bytes });
    }
    Ok(bytes)
}
