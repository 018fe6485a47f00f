//! When, by what and how a report was made.
//!
//! The same inputs give the same report, so there is no date in it unless `SOURCE_DATE_EPOCH` gives one
//! (<https://reproducible-builds.org/specs/source-date-epoch/>); and of paths only the last parts, since a folder of somebody's
//! home is nobody else's business.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Context;
use firmware_sim::sha256;
use safe_io::SingleLine;
use safe_io::origin::{commit, format_date, quoted};

/// Options of which the value says where a report goes, and options without a value: they change nothing in it.
const OUTPUTS: [&str; 2] = ["--dossier", "--report"];
const SWITCHES: [&str; 2] = ["--force", "--json"];

/// What made a report.
#[derive(Debug)]
pub(super) struct Origin {
    /// As `SOURCE_DATE_EPOCH` says.
    pub(super) date: Option<String>,
    /// The same in the form of ISO 8601.
    pub(super) timestamp: Option<String>,
    /// The commit of the sources, if they are there.
    pub(super) commit: Option<String>,
    /// SHA-256 of this program.
    pub(super) program: Option<String>,
    /// The command, without folders.
    pub(super) command: String,
}

/// Of the year 9999: dates of more digits are none to those who read them.
const LAST_SECOND: u64 = 253_402_300_799;

impl Origin {
    /// Of this run.
    ///
    /// # Errors
    /// If `SOURCE_DATE_EPOCH` is no number of seconds.
    pub(super) fn find() -> anyhow::Result<Self> {
        let date = match env::var_os("SOURCE_DATE_EPOCH") {
            Some(text) => {
                let text = text.to_string_lossy();
                let seconds = text.parse().ok().filter(|seconds| *seconds <= LAST_SECOND);
                Some(format_date(seconds.with_context(|| {
                    format!(
                        "SOURCE_DATE_EPOCH is {}: give seconds since 1970, or unset it",
                        SingleLine(&text)
                    )
                })?))
            }
            None => None,
        };
        let program = env::current_exe().and_then(fs::read).context("cannot read this program");
        let arguments = env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned());
        // `2026-11-26 13:44 UTC`
        let timestamp = date.as_ref().and_then(|date| {
            let (day, rest) = date.split_once(' ')?;
            Some(format!("{day}T{}:00Z", rest.strip_suffix(" UTC")?))
        });
        Ok(Self {
            date,
            timestamp,
            commit: commit(Path::new(env!("CARGO_MANIFEST_DIR"))),
            program: program.ok().map(|bytes| sha256(&bytes)),
            command: command(arguments),
        })
    }

    /// All of it by name.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let unknown = || "not known: the sources are not where they were built".to_owned();
        vec![
            ("command", self.command.clone()),
            (
                "date",
                self.date.clone().unwrap_or_else(|| "none: SOURCE_DATE_EPOCH was not set".into()),
            ),
            ("version", crate::provenance::GENERATOR.to_owned()),
            ("sources, as they are now", self.commit.clone().unwrap_or_else(unknown)),
            ("program, SHA-256", self.program.clone().unwrap_or_else(|| "not known".into())),
        ]
    }
}

/// The command, with the last part of each path, and without what changes nothing in a report.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["firmware-sim".to_owned()];
    let mut is_output = false;
    for argument in arguments {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (Some(option), value),
            _ => (None, argument.as_str()),
        };
        let begins_output = OUTPUTS.contains(&option.unwrap_or(value));
        if !is_output && !begins_output && !SWITCHES.contains(&value) {
            let value = quoted(&last_part(Path::new(value)));
            words.push(option.map_or_else(|| value.clone(), |option| format!("{option}={value}")));
        }
        is_output = begins_output && option.is_none() && !is_output;
    }
    words.join(" ")
}

/// What a path is called within its folder.
pub(super) fn last_part(path: &Path) -> String {
    let whole = || fs::canonicalize(path).ok();
    let name = path.file_name().map(PathBuf::from);
    let name = name.or_else(|| whole()?.file_name().map(PathBuf::from));
    let name = name.unwrap_or_else(|| "/".into());
    SingleLine(name.display()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_no_folder_and_not_where_its_report_goes() {
        let arguments = [
            "verify",
            "--model",
            "/home/me/models/my model.onnx",
            "--data=/home/me/mnist",
            "--dossier",
            "/home/me/dossier",
            "--report=page.html",
            "--json",
            "--min-agreement",
            "0.9",
        ];
        assert_eq!(
            command(arguments.into_iter().map(str::to_owned)),
            "firmware-sim verify --model 'my model.onnx' --data=mnist --min-agreement 0.9"
        );
    }
}
