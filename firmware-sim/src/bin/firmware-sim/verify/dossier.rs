//! `verify --dossier DIR`: a folder for a reviewer, who asks what is shown of a model, by what, and what is not.
//!
//! | file | what |
//! |---|---|
//! | `dossier.html` | all of it, to read; the verdict against what was demanded is its first line |
//! | `dossier.json` | the same for programs, and the SHA-256 of the other files |
//! | `proofs.txt` | the log of the proofs |
//! | `sbom.cdx.json` | the bill of materials, in the form of `CycloneDX` 1.5 |
//!
//! A kind of evidence is a [`Chapter`]. What could not be shown, or was not asked for, says so with its reason, in its place
//! and in the last chapter: nothing is left out silently. What was shown says by [`Finding::limit`] what that does not show.
//!
//! Equal inputs give equal bytes: there is no date but that of `SOURCE_DATE_EPOCH`, no duration, and no folder of anybody.

mod answers;
mod bill_of_materials;
mod boards;
mod description;
mod evidence;
mod folder;
mod inputs;
mod not_shown;
mod page;
mod proofs;
mod replication;
mod requirements;
mod robustness;
mod soft_errors;
mod worst_cases;

use anyhow::ensure;
use clap::ValueEnum;
use safe_io::SingleLine;
use serde_json::{Map, Value, json};

use super::Report;
use super::origin::last_part;
use crate::cli::{self, Kind};
use crate::data::Data;
use crate::model::Onnx;
use crate::provenance::{GENERATOR, SEAL, sealed, sealed_page};
use evidence::{Chapter, Demand, Evidence};
pub(super) use folder::check;

/// What a dossier is about.
pub(super) struct Subject<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) onnx: &'a Onnx,
    pub(super) q8: &'a [u8],
    pub(super) test: &'a Data,
    pub(super) arguments: &'a cli::Verify,
}

impl Subject<'_> {
    /// What a chapter says of evidence that was not wanted.
    fn left_out(&self, kind: Kind) -> Option<Evidence> {
        let name = kind.to_possible_value()?;
        let reason = || Evidence::not_run(format!("`--without {}` was given", name.get_name()));
        self.arguments.without.contains(&kind).then(reason)
    }
}

/// All chapters, but the one that says what was not shown.
struct Dossier<'a> {
    subject: &'a Subject<'a>,
    chapters: Vec<Chapter>,
}

/// Writes the folder, and gives the verdict, and what is demanded and not met.
///
/// # Errors
/// If the folder is another's or cannot be written.
pub(super) fn write(
    subject: &Subject,
    path: &std::path::Path,
) -> anyhow::Result<(String, Vec<String>)> {
    let dossier = Dossier::of(subject)?;
    let mut files: Vec<(String, String)> = dossier.files().cloned().collect();
    files.insert(0, ("dossier.html".into(), sealed_page(&page::html(&dossier))));
    let json = dossier.json(&files);
    files.push(("dossier.json".into(), json));
    folder::write(path, &files, subject.arguments.force)?;
    let unmet = dossier.unmet().map(|demand| demand.what.clone()).collect();
    Ok((dossier.verdict().1, unmet))
}

/// Fails with what is demanded of a dossier and not met.
pub(super) fn ensure_met(unmet: &[String], path: &std::path::Path) -> anyhow::Result<()> {
    let shown = SingleLine(path.display());
    ensure!(
        unmet.is_empty(),
        "{shown}: the dossier's verdict is that this is not met: {}",
        unmet.join("; ")
    );
    Ok(())
}

impl<'a> Dossier<'a> {
    fn of(subject: &'a Subject<'a>) -> anyhow::Result<Self> {
        let boards = boards::Boards::run(subject)?;
        let chapter = |key, title, evidence| Chapter { key, title, evidence };
        let chapters = vec![
            chapter("model", "The model, and every rounding in it", description::evidence(subject)),
            chapter(
                "replication",
                "Criterion of replication",
                replication::evidence(subject, &boards),
            ),
            chapter("inputs", "Tools, files and their versions", inputs::evidence(subject)),
            chapter("provenance", "Provenance and splits of the data", inputs::provenance(subject)),
            chapter("answers", "Answers on the test images", answers::evidence(subject)?),
            chapter(
                "boards",
                "Boards: equality, flash, RAM, instructions",
                boards.evidence(subject),
            ),
            chapter("worst_cases", "Worst cases", worst_cases::evidence(subject, &boards)),
            chapter("proofs", "Proofs", proofs::evidence(subject)),
            chapter("soft_errors", "Soft errors", soft_errors::evidence(subject)?),
            chapter("robustness", "Robustness", robustness::evidence(subject)?),
            chapter("bill_of_materials", "Bill of materials", bill_of_materials::evidence(subject)),
            chapter("requirements", "Requirements and their tests", requirements::evidence()?),
        ];
        Ok(Self { subject, chapters })
    }

    fn demands(&self) -> impl Iterator<Item = &Demand> {
        self.chapters.iter().filter_map(|it| it.evidence.finding()).flat_map(|it| &it.demands)
    }

    fn unmet(&self) -> impl Iterator<Item = &Demand> {
        self.demands().filter(|demand| !demand.is_met)
    }

    fn files(&self) -> impl Iterator<Item = &(String, String)> {
        self.chapters.iter().filter_map(|it| it.evidence.finding()).flat_map(|it| &it.files)
    }

    /// Whether all is met that was demanded, if anything was; and in one line.
    fn verdict(&self) -> (Option<bool>, String) {
        let (all, unmet) = (self.demands().count(), self.unmet().count());
        let missing = self.chapters.iter().filter(|it| it.evidence.finding().is_none()).count();
        let text = match (all, unmet) {
            (0, _) => "Nothing was demanded".into(),
            (1, 0) => "Passed: what was demanded is met".into(),
            (_, 0) => format!("Passed: all {all} demands are met"),
            (1, _) => "Failed: what was demanded is not met".into(),
            _ => format!("Failed: {unmet} of {all} demands are not met"),
        };
        let text = match missing {
            0 => text,
            1 => text + "; 1 kind of evidence was not made",
            _ => format!("{text}; {missing} kinds of evidence were not made"),
        };
        ((all > 0).then_some(unmet == 0), text)
    }

    /// What a chapter that shows nothing is about, and why; then what those that show something do not show; then what no
    /// chapter can.
    fn not_shown(&self) -> Vec<(String, Vec<String>)> {
        let of_chapter = |chapter: &Chapter| match &chapter.evidence {
            Evidence::NotRun { reason } => vec![format!("not shown: not run: {reason}")],
            Evidence::Shown(finding) => finding.limits.clone(),
        };
        let chapters = self.chapters.iter().map(|it| (it.title.to_owned(), of_chapter(it)));
        let general = not_shown::GENERAL.iter().map(|&it| it.to_owned()).collect();
        let all = chapters.chain([("In general".to_owned(), general)]);
        all.filter(|(_, limits)| !limits.is_empty()).collect()
    }

    fn json(&self, files: &[(String, String)]) -> String {
        let (passes, verdict) = self.verdict();
        let demands = self.demands().map(|it| json!({ "what": it.what, "is_met": it.is_met }));
        let mut chapters = Map::new();
        for Chapter { key, title, evidence } in &self.chapters {
            let chapter = match evidence {
                Evidence::Shown(finding) => json!({
                    "title": title, "is_shown": true, "found": finding.json, "does_not_show": finding.limits,
                }),
                Evidence::NotRun { reason } => {
                    json!({ "title": title, "is_shown": false, "reason": reason })
                }
            };
            chapters.insert((*key).to_owned(), chapter);
        }
        let hashes: Map<String, Value> = files
            .iter()
            .map(|(name, text)| (name.clone(), firmware_sim::sha256(text.as_bytes()).into()))
            .collect();
        let Report { onnx, q8, origin, .. } = self.subject.report;
        let whole = json!({
            "verdict": verdict,
            "passes": passes,
            "demands": demands.collect::<Value>(),
            "generator": GENERATOR,
            "date": origin.date,
            "commit": origin.commit,
            "program_sha256": origin.program,
            "command": origin.command,
            "float": last_part(onnx.path),
            "int8": last_part(q8.path),
            "chapters": chapters,
            "not_shown": self.not_shown().into_iter().map(|(about, limits)| json!({ "about": about, "limits": limits })).collect::<Value>(),
            "files": hashes,
            "seal": SEAL,
        });
        sealed(&format!("{whole:#}\n"))
    }
}
