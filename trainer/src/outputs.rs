//! What a run is to write, looked at before it begins: hours of training must not end in a refusal.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use runtime::OneLine;
use trainer::export::{check_rereadable, check_writable};

use crate::cli::Cli;
use crate::illustrate;

/// Whether everything that was asked for can be written, each to a file of its own.
pub(crate) fn check(cli: &Cli) -> anyhow::Result<()> {
    // first, for it makes the folder that the others may name
    illustrate::prepare(cli)?;
    let checkpoint = cli.checkpoint();
    let named = [
        ("--export", cli.export.as_deref()),
        ("--checkpoint", checkpoint.as_deref()),
        ("--json", cli.json.as_deref()),
        ("--report", cli.report.as_deref()),
    ];
    let named: Vec<(&str, &Path)> =
        named.into_iter().filter_map(|(option, path)| Some((option, path?))).collect();
    for (index, (option, path)) in named.iter().enumerate() {
        check_writable(path)?;
        let same = named[..index].iter().find(|(_, other)| place(other) == place(path));
        if let Some((other, _)) = same {
            let path = OneLine(path.display());
            bail!("{path} is to be {other} and {option}: name two files");
        }
    }
    for path in cli.export.iter().chain(&checkpoint) {
        check_rereadable(path)?;
    }
    Ok(())
}

/// A path that is equal for two names of one file, also of one that is not there yet.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let beside = || {
        let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
        folder.map_or_else(
            |_| path.to_owned(),
            |folder| folder.join(path.file_name().unwrap_or_default()),
        )
    };
    fs::canonicalize(path).unwrap_or_else(|_| beside())
}
