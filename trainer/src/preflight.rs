//! Whether a run can write what it is to write, checked before it begins: hours of training must not end in a refusal.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use safe_io::{SingleLine, output};
use trainer::export::{check_rereadable, check_writable};
use trainer::{checkpoint, plots, provenance};

use crate::cli::Cli;

/// Whether everything that was asked for can be written, each to a file of its own.
pub(crate) fn check(cli: &Cli) -> anyhow::Result<()> {
    // first, for it makes the folder that the others may name
    cli.plots.as_deref().map_or(Ok(()), plots::prepare)?;
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
            let path = SingleLine(path.display());
            bail!("{path} is to be {other} and {option}: name two files");
        }
    }
    for path in cli.export.iter().chain(&checkpoint) {
        check_rereadable(path)?;
    }
    check_replaceable(cli, checkpoint.as_deref())
}

/// What recognises a file as one of ours.
type IsOurs = fn(&[u8]) -> bool;

/// Refuses to replace files that this program did not write.
fn check_replaceable(cli: &Cli, checkpoint: Option<&Path>) -> anyhow::Result<()> {
    let checkpoint = checkpoint.filter(|_| !cli.resume); // which is to be resumed is checked when it is read
    let files: [(Option<&Path>, IsOurs); 4] = [
        (cli.export.as_deref(), provenance::is_our_model),
        (checkpoint, checkpoint::is_ours),
        (cli.json.as_deref(), provenance::is_our_history),
        (cli.report.as_deref(), provenance::is_our_page),
    ];
    for (path, is_ours) in files {
        path.map_or(Ok(()), |path| output::check_target(path, cli.force, "--force", is_ours))?;
    }
    let mut plots = cli.plots.iter().flat_map(|folder| plots::paths(folder));
    plots.try_for_each(|path| {
        output::check_target(&path, cli.force, "--force", provenance::is_our_plot)
    })
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
