//! Files that commands write: whole under their names, or not there.
//!
//! A regular file is replaced in one step when the new one is complete, so a kill, a full disk or another writer
//! leaves a whole one: the old or a new. On Linux nothing else is left, but for a kill in the last step: it may leave
//! the complete file as `.NAME.xxxxxx` beside. Elsewhere, and on file systems without unnamed files, any kill may.
//!
//! What is no regular file, such as a pipe or `/dev/stdout` into one, is written straight to: it has no content to
//! lose, and would be gone if it were replaced. Opening a pipe waits for its reader, as always. Links are followed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use atomic_write_file::AtomicWriteFile;

use crate::SingleLine;

/// Maximum length of a file name that leaves room for `.` before it and `.xxxxxx` behind, of 255 bytes on all usual systems.
const MAX_NAME_BYTES: usize = 255 - 8;

/// Maximum part of a file that is read to recognise it: many times the largest that we write.
const MAX_RECOGNIZED_BYTES: u64 = 64 << 20;

/// Maximum number of links followed: more than any system follows.
const MAX_LINKS: usize = 40;

/// A file in the making.
#[derive(Debug)]
pub struct Output(Kind);

#[derive(Debug)]
enum Kind {
    Whole(AtomicWriteFile),
    Straight(File),
}

impl Output {
    /// Begins a file; nothing has changed at `path` until [`Self::commit`], if a regular file is there, or none.
    ///
    /// # Errors
    /// The system's, or that `path` is a folder, read-only, or too long a name.
    pub fn open(path: &Path) -> io::Result<Self> {
        let kind = match regular(path)? {
            Some(path) => Kind::Whole(AtomicWriteFile::open(path)?),
            None => Kind::Straight(OpenOptions::new().write(true).open(path)?),
        };
        Ok(Self(kind))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The system's; then what was there is still there.
    pub fn commit(self) -> io::Result<()> {
        match self.0 {
            Kind::Whole(file) => file.commit(),
            Kind::Straight(mut file) => file.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Whole(file) => file.write(bytes),
            Kind::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Whole(file) => file.flush(),
            Kind::Straight(file) => file.flush(),
        }
    }
}

/// Writes a file that is in memory.
///
/// # Errors
/// As [`Output::open`] and [`Output::commit`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Output::open(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Whether `path` can be written, asked before hours of work rather than after; a pipe is not opened for it.
///
/// # Errors
/// As [`Output::open`].
pub fn check(path: &Path) -> io::Result<()> {
    match regular(path)? {
        Some(path) => AtomicWriteFile::open(path)?.discard(),
        None => Ok(()),
    }
}

/// [`check`], and that `path` is none of the files that are `read`, by whatever name.
///
/// # Errors
/// As [`Output::open`], or that it is one of them.
pub fn check_not_input(path: &Path, read: &[&Path]) -> io::Result<()> {
    check(path)?;
    let Ok(written) = fs::canonicalize(path) else { return Ok(()) };
    if read.iter().any(|read| fs::canonicalize(read).is_ok_and(|read| read == written)) {
        let reason = "it is read by the same command, name another file";
        return Err(io::Error::new(ErrorKind::AlreadyExists, reason));
    }
    Ok(())
}

/// Whether what is at `path` may be replaced: nothing, an empty file, a file that `is_ours` recognises, anything if
/// `force` allows it, and what is no regular file, for that is written to and not replaced.
///
/// `is_ours` gets the content up to its first 64 MiB. This only protects the files of others: [`check`] says whether
/// `path` can be written at all. A command adds to the refusal by which option it is forced.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if it may not, or the system's reason why the file cannot be read.
pub fn check_replaceable(
    path: &Path,
    force: bool,
    is_ours: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    if force || !fs::metadata(path).is_ok_and(|there| there.is_file()) {
        return Ok(());
    }
    let mut content = Vec::new();
    File::open(path)?.take(MAX_RECOGNIZED_BYTES).read_to_end(&mut content)?;
    if content.is_empty() || is_ours(&content) {
        return Ok(());
    }
    let reason = "the file exists and was not written by this program, or was changed since: \
                  choose another name, or allow the command to overwrite it";
    Err(io::Error::new(ErrorKind::AlreadyExists, reason))
}

/// [`check`] and [`check_replaceable`] in one sentence of a command, whose `option` is what forces it.
///
/// # Errors
/// Theirs, with the path.
pub fn check_target(
    path: &Path,
    force: bool,
    option: &str,
    is_ours: impl Fn(&[u8]) -> bool,
) -> anyhow::Result<()> {
    let shown = SingleLine(path.display());
    check(path).with_context(|| format!("cannot write {shown}"))?;
    check_replaceable(path, force, is_ours).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow!("cannot write {shown}: {error} with {option}"),
        _ => anyhow!("cannot write {shown}: {error}"),
    })
}

/// Whether nothing is at `path` but, at most, a regular file: what is written there can be read again.
#[must_use]
pub fn is_regular_or_absent(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |there| there.is_file())
}

/// The file to replace or to make, at the end of all links; none if something else is there.
fn regular(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder, name a file"));
        }
        Ok(there) if !there.is_file() => return Ok(None),
        Ok(there) if there.permissions().readonly() => {
            return Err(io::Error::new(ErrorKind::PermissionDenied, "the file is read-only"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    // such a name would be refused in the last step only
    if path.file_name().is_some_and(|name| name.len() > MAX_NAME_BYTES) {
        let reason = format!("the name is longer than {MAX_NAME_BYTES} bytes");
        return Err(io::Error::new(ErrorKind::InvalidFilename, reason));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_old_one_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old").unwrap();
        let mut file = Output::open(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        check(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_a_file_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        write(&kept, b"old").unwrap();
        let mut permissions = fs::metadata(&kept).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&kept, permissions).unwrap();
        for (path, reason) in [
            (folder.path().to_owned(), "it is a folder"),
            (kept.clone(), "read-only"),
            (folder.path().join("no/such/file"), ""),
            (folder.path().join("kept/file"), ""),
            (folder.path().join("n".repeat(MAX_NAME_BYTES + 1)), "longer than 247 bytes"),
        ] {
            for refusal in [check(&path).unwrap_err(), write(&path, b"new").unwrap_err()] {
                assert!(refusal.to_string().contains(reason), "{refusal}");
            }
        }
        write(&folder.path().join("n".repeat(MAX_NAME_BYTES)), b"long").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(fs::read(&kept).unwrap(), b"old");
    }

    #[test]
    fn what_is_read_is_not_replaced_under_another_name_either() {
        let folder = tempfile::tempdir().unwrap();
        let read = folder.path().join("read");
        write(&read, b"read").unwrap();
        let again = folder.path().join(".").join("read");
        let refusal = check_not_input(&again, &[&folder.path().join("other"), &read]).unwrap_err();
        assert!(refusal.to_string().contains("name another file"), "{refusal}");
        check_not_input(&folder.path().join("new"), &[&read]).unwrap();
    }

    #[test]
    fn only_files_of_ours_are_replaced_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let is_ours = |bytes: &[u8]| bytes.starts_with(b"ours");
        for (name, content) in [("ours", "ours, of yesterday"), ("empty", ""), ("foreign", "mine")]
        {
            fs::write(at(name), content).unwrap();
        }
        for name in ["ours", "empty", "missing", "no/such/folder", "."] {
            check_replaceable(&at(name), false, is_ours).unwrap();
        }
        let refusal = check_replaceable(&at("foreign"), false, is_ours).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::AlreadyExists);
        assert!(refusal.to_string().contains("choose another name"), "{refusal}");
        check_replaceable(&at("foreign"), true, is_ours).unwrap();
        assert_eq!(fs::read(at("foreign")).unwrap(), b"mine");
    }

    #[cfg(unix)]
    #[test]
    fn foreign_files_are_protected_behind_links_and_devices_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        fs::write(folder.path().join("foreign"), "mine").unwrap();
        std::os::unix::fs::symlink("foreign", &link).unwrap();
        assert!(check_replaceable(&link, false, |_| false).is_err());
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for device in [pipe.as_path(), Path::new("/dev/null"), Path::new("/dev/zero")] {
            check_replaceable(device, false, |_| unreachable!("it is not read")).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_also_to_what_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let link = |to: &str, name| std::os::unix::fs::symlink(to, at(name)).unwrap();
        fs::create_dir(at("deep")).unwrap();
        link("deep/first", "link");
        link("second", "deep/first");
        link("round", "round");
        for bytes in [b"one", b"two"] {
            write(&at("link"), bytes).unwrap();
            assert_eq!(fs::read(at("deep/second")).unwrap(), bytes);
            assert!(at("link").is_symlink() && at("deep/first").is_symlink());
        }
        assert!(write(&at("round"), b"").is_err() && at("round").is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_and_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // waits for nobody
        check(&pipe).unwrap();
        assert!(!is_regular_or_absent(&pipe) && is_regular_or_absent(&folder.path().join("new")));
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
