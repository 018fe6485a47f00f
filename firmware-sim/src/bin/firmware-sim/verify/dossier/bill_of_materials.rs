//! What is linked into the firmware: a bill of materials in the form of `CycloneDX` 1.5.
//!
//! `cargo tree` says what is linked for the boards' targets, and `Cargo.lock` by which hashes. Crates that only the board images
//! of this project have are in it with the scope `excluded`, which `CycloneDX` has for what a product does not ship.
//! Source: <https://cyclonedx.org/docs/1.5/json/>.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, anyhow, ensure};
use firmware_sim::board::{BoardBuilder, Machine};
use maud::html;
use serde_json::{Value, json};

use super::Subject;
use super::evidence::{Evidence, Finding};
use crate::provenance::{GENERATOR, SEAL, sealed};

/// The library that a firmware links.
const LIBRARY: &str = "firmware";

/// A crate that is linked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    license: String,
}

impl Crate {
    /// Such as `zerocopy v0.8.63|MIT`, or `firmware v0.1.0 (a folder)|MIT`.
    fn parse(line: &str) -> Option<Self> {
        let (package, license) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let license = license.trim_end_matches(" (*)").replace('/', " OR ");
        Some(Self { name: name.into(), version: version.into(), license })
    }

    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// What is linked, with what each takes in turn.
#[derive(Debug, Default)]
struct Linked(BTreeMap<Crate, BTreeSet<Crate>>);

impl Linked {
    /// Adds what `cargo tree` printed: each line with its depth before it.
    fn read(&mut self, tree: &str) -> Option<()> {
        let mut above: Vec<Crate> = vec![];
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (depth, rest) = line.split_at(digits);
            let linked = Crate::parse(rest)?;
            above.truncate(depth.parse().ok()?);
            if let Some(taker) = above.last() {
                self.0.entry(taker.clone()).or_default().insert(linked.clone());
            }
            self.0.entry(linked.clone()).or_default();
            above.push(linked);
        }
        Some(())
    }

    /// Of a package in the boards' sources, for all targets.
    fn find(sources: &Path, package: &str) -> anyhow::Result<Self> {
        let mut linked = Self::default();
        let targets: BTreeSet<&str> = Machine::ALL.into_iter().map(Machine::target).collect();
        for target in targets {
            let output = Command::new("cargo")
                .current_dir(sources)
                .args(["tree", "--locked", "--package", package, "--target", target])
                .args([
                    "--edges",
                    "normal,no-proc-macro",
                    "--prefix",
                    "depth",
                    "--format",
                    "{p}|{l}",
                ])
                .output()
                .context("cargo is not here")?;
            ensure!(output.status.success(), "cargo tree cannot resolve the boards' packages");
            let tree = String::from_utf8(output.stdout)?;
            linked.read(&tree).ok_or_else(|| anyhow!("cargo tree prints another form"))?;
        }
        Ok(linked)
    }
}

/// SHA-256 of each package of a `Cargo.lock` that has one, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        Some(line?.trim_end_matches('"').to_owned())
    };
    let of_package = |package: &str| {
        Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?))
    };
    lock.split("[[package]]").filter_map(of_package).collect()
}

pub(super) fn evidence(subject: &Subject) -> Evidence {
    let sources = BoardBuilder::of_this_build().sources;
    let found = || -> anyhow::Result<_> {
        ensure!(
            sources.join("Cargo.toml").is_file(),
            "the boards' sources are not where this program was built"
        );
        let [library, boards] = [LIBRARY, "boards"].map(|package| Linked::find(&sources, package));
        let lock =
            fs::read_to_string(sources.join("Cargo.lock")).context("cannot read Cargo.lock")?;
        Ok((library?, boards?, checksums(&lock)))
    };
    let (library, boards, checksums) = match found() {
        Ok(found) => found,
        Err(error) => return Evidence::not_run(format!("{error:#}")),
    };
    let component = |linked: &Crate| {
        let is_shipped = library.0.contains_key(linked);
        let mut component = json!({
            "type": "library", "bom-ref": linked.purl(), "name": linked.name, "version": linked.version,
            "scope": if is_shipped { "required" } else { "excluded" },
            "licenses": [{ "expression": linked.license }], "purl": linked.purl(),
        });
        if let Some(hash) = checksums.get(&(linked.name.clone(), linked.version.clone())) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
        }
        component
    };
    let mut components: Vec<Value> = boards.0.keys().map(component).collect();
    let report = subject.report;
    let file = |kind: &str, id: &str, source: &crate::verify::Source| {
        json!({
            "type": kind, "bom-ref": id, "name": source.name(), "hashes": [{ "alg": "SHA-256", "content": source.hex() }],
        })
    };
    components.push(file("machine-learning-model", "model", &report.q8));
    components.push(file("machine-learning-model", "float-model", &report.onnx));
    if let Some(version) = super::inputs::version("rustc", "--version") {
        components.push(json!({ "type": "library", "bom-ref": "core", "name": "core", "version": version, "scope": "required" }));
    }
    let refs = |linked: &BTreeSet<Crate>| linked.iter().map(Crate::purl).collect::<Vec<_>>();
    let dependencies = boards
        .0
        .iter()
        .map(|(taker, taken)| json!({ "ref": taker.purl(), "dependsOn": refs(taken) }));
    let shipped: Vec<String> =
        library.0.keys().filter(|it| it.name == LIBRARY).map(Crate::purl).collect();
    let model = String::from("model");
    let of_root: Vec<String> = shipped.into_iter().chain([model]).collect();
    let root = json!({ "ref": "firmware-image", "dependsOn": of_root });
    let made = json!([{ "ref": "model", "dependsOn": ["float-model"] }]);
    let dependencies: Vec<Value> = [root]
        .into_iter()
        .chain(made.as_array().cloned().unwrap_or_default())
        .chain(dependencies)
        .collect();
    let mut metadata = json!({
        "tools": { "components": [{ "type": "application", "name": "firmware-sim", "version": env!("CARGO_PKG_VERSION") }] },
        "component": { "type": "firmware", "bom-ref": "firmware-image", "name": format!("a firmware with {}", report.q8.name()) },
    });
    if let Some(date) = &report.origin.timestamp {
        metadata["timestamp"] = date.clone().into();
    }
    let bill = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": metadata, "components": components, "dependencies": dependencies,
        "properties": [
            { "name": "targets", "value": Machine::ALL.map(Machine::target).join(" ") },
            { "name": GENERATOR, "value": SEAL },
        ],
    });
    let text = sealed(&format!("{bill:#}\n"));
    let html = html! {
        p {
            "What a firmware links of this project is the crate " code { (LIBRARY) } " and what it takes, with the compiler's own " code { "core" } "; the other crates "
            "are of the board images here. " code { "cargo tree" } " says what is linked, for all boards' targets, without what only runs while building; "
            code { "Cargo.lock" } " has the hashes. The same as CycloneDX 1.5: " a href="sbom.cdx.json" { "sbom.cdx.json" } "."
        }
        table.text {
            tr { th { "crate" } th { "version" } th { "licence" } th { "in a product" } th { "SHA-256" } }
            @for linked in boards.0.keys() {
                tr {
                    td { (linked.name) } td { (linked.version) } td { (linked.license) }
                    td { (if library.0.contains_key(linked) { "yes" } else { "no, board image only" }) }
                    td { code { (checksums.get(&(linked.name.clone(), linked.version.clone())).map_or("this repository", String::as_str)) } }
                }
            }
        }
    };
    let list = |linked: &Linked| linked.0.keys().map(Crate::purl).collect::<Value>();
    let json = json!({ "linked_into_a_product": list(&library), "linked_into_board_images": list(&boards), "file": "sbom.cdx.json" });
    Finding::new(html, json)
        .file("sbom.cdx.json", text)
        .limit("Known weaknesses of these crates: `cargo deny check advisories` looks for them, with a database that changes daily")
        .limit("The materials of this program itself, which never ships: they are in the repository's Cargo.lock")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_prints_becomes_crates_and_what_each_takes() {
        let mut linked = Linked::default();
        linked
            .read("0boards v0.1.0 (/home/me/boards)|MIT\n1firmware v0.1.0 (/home/me/f)|MIT\n2zerocopy v0.8.63|BSD-2-Clause/MIT\n1zerocopy v0.8.63|BSD-2-Clause/MIT (*)\n")
            .unwrap();
        let found: Vec<(String, usize)> =
            linked.0.iter().map(|(it, taken)| (it.purl(), taken.len())).collect();
        let expected = [
            ("pkg:cargo/boards@0.1.0", 2),
            ("pkg:cargo/firmware@0.1.0", 1),
            ("pkg:cargo/zerocopy@0.8.63", 0),
        ];
        assert_eq!(found, expected.map(|(purl, taken)| (purl.to_owned(), taken)));
        assert!(linked.0.keys().any(|it| it.license == "BSD-2-Clause OR MIT"));
        assert_eq!(linked.read("no tree"), None);
    }

    #[test]
    fn a_lock_file_has_a_hash_of_what_comes_from_a_registry() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ff\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n";
        let found = checksums(lock);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&("a".to_owned(), "1.0.0".to_owned())], "ff");
    }
}
