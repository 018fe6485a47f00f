//! The table of requirements and the tests of each: `firmware-sim/requirements.csv`, of which a test checks that all are there.

use anyhow::ensure;
use maud::html;
use serde_json::{Value, json};

use super::evidence::{Evidence, Finding};

const TABLE: &str = include_str!("../../../../../requirements.csv");

/// A line of the table: what is required, and one of its tests.
struct Requirement {
    id: &'static str,
    text: &'static str,
    file: &'static str,
    test: &'static str,
}

fn requirements() -> anyhow::Result<Vec<Requirement>> {
    let parse = |line: &'static str| {
        let fields: Vec<&str> = line.split(';').collect();
        ensure!(
            fields.len() == 4,
            "requirements.csv, within this program: {line:?} has not four fields"
        );
        Ok(Requirement { id: fields[0], text: fields[1], file: fields[2], test: fields[3] })
    };
    TABLE.lines().skip(1).map(parse).collect()
}

pub(super) fn evidence() -> anyhow::Result<Evidence> {
    let requirements = requirements()?;
    let html = html! {
        p {
            "Each requirement with the tests that hold it, by file and name. " code { "tests/run" } " runs all of them; a test checks that each "
            "named one is there."
        }
        table.text {
            tr { th { "number" } th { "requirement" } th { "file" } th { "test" } }
            @for it in &requirements {
                tr { td { (it.id) } td { (it.text) } td { code { (it.file) } } td { code { (it.test) } } }
            }
        }
    };
    let of_requirement = |it: &Requirement| json!({ "id": it.id, "requirement": it.text, "file": it.file, "test": it.test });
    let json: Value = requirements.iter().map(of_requirement).collect();
    Ok(Finding::new(html, json)
        .limit("That these tests passed: this command runs none of them. Run `tests/run` at the commit above, and keep what it prints")
        .limit("That these requirements are complete, or those of your system: they are this project's own")
        .into())
}
