//! The page, as HTML.

use maud::{DOCTYPE, PreEscaped, html};
use safe_io::PAGE_STYLE;

use super::evidence::{Chapter, Evidence};
use super::{Dossier, Report};
use crate::provenance::GENERATOR;
use crate::verify::origin::last_part;
use crate::verify::page::facts;

const NOT_SHOWN: &str = "What was not shown";

pub(super) fn html(dossier: &Dossier) -> String {
    let Report { onnx, q8, origin, .. } = dossier.subject.report;
    let (passes, verdict) = dossier.verdict();
    let class = match passes {
        Some(true) => "passed",
        Some(false) => "failed",
        None => "lacking",
    };
    let demands: Vec<_> = dossier.demands().collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (verdict) ": " (q8.name()) }
                style { (PreEscaped(PAGE_STYLE)) }
            }
            body {
                p.result { strong class=(class) { (verdict) } }
                h1 { "Dossier of " (q8.name()) ", made from " (last_part(onnx.path)) }
                @if demands.is_empty() {
                    p { "Nothing was demanded: the outputs are no classes, no board ran, and there are no proofs." }
                } @else {
                    table.text {
                        tr { th { "demanded, and found" } th { "met" } }
                        @for demand in demands {
                            tr {
                                td { (demand.what) }
                                td { @if demand.is_met { span.passed { "yes" } } @else { strong.failed { "no" } } }
                            }
                        }
                    }
                }
                (facts(&origin.facts()))
                nav {
                    ul {
                        @for Chapter { key, title, evidence } in &dossier.chapters {
                            li {
                                a href={ "#" (key) } { (title) }
                                @if let Evidence::NotRun { .. } = evidence { ": " span.lacking { "not shown" } }
                            }
                        }
                        li { a href="#not_shown" { (NOT_SHOWN) } }
                    }
                }
                @for Chapter { key, title, evidence } in &dossier.chapters {
                    h2 id=(key) { (title) }
                    @match evidence {
                        Evidence::NotRun { reason } => p { strong.lacking { "Not shown: not run" } ": " (reason) "." },
                        Evidence::Shown(finding) => (finding.html),
                    }
                }
                h2 id="not_shown" { (NOT_SHOWN) }
                p { "Whoever relies on this dossier has to show these by other means, or to argue that they need not be shown." }
                @for (about, limits) in dossier.not_shown() {
                    h3 { (about) }
                    ul { @for limit in limits { li { (limit) "." } } }
                }
                footer { "Written by " (GENERATOR) ". The same inputs give the same bytes; dossier.json has the SHA-256 of every file." }
            }
        }
    };
    page.into_string()
}
