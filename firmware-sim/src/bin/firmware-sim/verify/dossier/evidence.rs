//! What one chapter of a dossier shows, or why it shows nothing.

use maud::Markup;
use serde_json::Value;

/// One kind of evidence.
pub(super) struct Chapter {
    /// What JSON calls it.
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) evidence: Evidence,
}

pub(super) enum Evidence {
    Shown(Finding),
    /// What is not there says why.
    NotRun {
        reason: String,
    },
}

/// What was found.
pub(super) struct Finding {
    /// What it was to meet, if anything.
    pub(super) demands: Vec<Demand>,
    pub(super) html: Markup,
    pub(super) json: Value,
    /// What it does not show.
    pub(super) limits: Vec<String>,
    /// Files beside the page, by name, such as logs.
    pub(super) files: Vec<(String, String)>,
}

/// Something that was demanded.
pub(super) struct Demand {
    /// In words, with what was found.
    pub(super) what: String,
    pub(super) is_met: bool,
}

impl Evidence {
    pub(super) fn not_run(reason: impl Into<String>) -> Self {
        Self::NotRun { reason: reason.into() }
    }

    pub(super) const fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Shown(finding) => Some(finding),
            Self::NotRun { .. } => None,
        }
    }
}

impl From<Finding> for Evidence {
    fn from(finding: Finding) -> Self {
        Self::Shown(finding)
    }
}

impl Finding {
    pub(super) const fn new(html: Markup, json: Value) -> Self {
        Self { demands: vec![], html, json, limits: vec![], files: vec![] }
    }

    /// The same, if this is met.
    pub(super) fn demand(mut self, what: impl Into<String>, is_met: bool) -> Self {
        self.demands.push(Demand { what: what.into(), is_met });
        self
    }

    /// The same, which does not show this.
    pub(super) fn limit(mut self, limit: impl Into<String>) -> Self {
        self.limits.push(limit.into());
        self
    }

    /// The same with a file.
    pub(super) fn file(mut self, name: &str, text: String) -> Self {
        self.files.push((name.to_owned(), text));
        self
    }
}
