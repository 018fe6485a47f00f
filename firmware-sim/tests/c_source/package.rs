//! The files for build systems have the form that these ask for.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use firmware::Model;
use firmware::format::Layout;
use firmware_sim::c_source::{self, Name, Source, is_emitted};

use super::compiler::{is_there, succeeds};
use super::synthetic::{Network, Random};
use super::write;

/// The categories of libraries: <https://arduino.github.io/arduino-cli/latest/library-specification/>.
const CATEGORIES: [&str; 9] = [
    "Display",
    "Communication",
    "Signal Input/Output",
    "Sensors",
    "Device Control",
    "Timing",
    "Data Storage",
    "Data Processing",
    "Other",
];

/// The source of a small network.
fn source() -> Source {
    of_file(&Network::random(&mut Random(5)).file(Layout::Bytes), &[])
}

fn of_file(q8: &[u8], classes: &[String]) -> Source {
    c_source::emit(Model::parse(q8).unwrap(), classes, &Name::default()).unwrap()
}

fn text<'a>(source: &'a Source, path: &str) -> &'a str {
    &source.files.iter().find(|file| file.path == path).unwrap().text
}

/// Lines of `key: value` or `key=value`, without comments; nested ones have their indentation.
fn fields(text: &str, separator: char) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let field = |line: &str| {
        let (key, value) = line.split_once(separator).unwrap_or_else(|| panic!("{line}"));
        (key.to_owned(), value.trim().to_owned())
    };
    lines.map(field).collect()
}

fn is_version(text: &str) -> bool {
    let numbers = text.trim_matches('"').split('.').map(str::parse::<u32>);
    numbers.clone().count() == 3 && numbers.into_iter().all(|number| number.is_ok())
}

#[test]
fn every_file_is_recognised_until_it_is_changed() {
    for file in &source().files {
        assert!(is_emitted(file.text.as_bytes()), "{}", file.path);
        assert!(!is_emitted(format!("{}\n", file.text).as_bytes()), "{}", file.path);
    }
}

#[test]
fn arduinos_library_has_all_that_is_required() {
    let source = source();
    let fields = fields(text(&source, "library.properties"), '=');
    for key in ["name", "version", "author", "maintainer", "sentence", "paragraph", "url"] {
        assert!(!fields[key].is_empty(), "{key}");
    }
    let name = &fields["name"];
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_ .-".contains(letter);
    assert!(
        name.len() <= 63 && name.starts_with(char::is_alphanumeric) && name.chars().all(is_plain)
    );
    assert!(is_version(&fields["version"]));
    assert!(CATEGORIES.contains(&&fields["category"][..]));
    assert_eq!(fields["architectures"], "*");
    assert!(source.files.iter().any(|file| file.path == fields["includes"]));
    // an example is a sketch in a folder of its own name
    assert!(text(&source, "examples/Classify/Classify.ino").contains("void loop()"));
}

/// What the sketch uses of Arduino.
const ARDUINO: &str = "#include <stddef.h>\n#include <stdint.h>\n\
    struct Port { void begin(long); size_t readBytes(uint8_t *, size_t); void print(int); \
    void println(const char *); void println(long); };\nextern Port Serial;\n";

#[test]
fn the_sketch_compiles_as_cpp_for_models_of_all_outputs() {
    if !is_there("g++", "g++") {
        return;
    }
    let some = Network::random(&mut Random(5)).file(Layout::Bytes);
    let many = Network::with_many_outputs(&mut Random(5)).file(Layout::Bytes);
    for file in [some, many] {
        let folder = tempfile::tempdir().unwrap();
        write(&of_file(&file, &[]), folder.path());
        fs::write(folder.path().join("arduino.h"), ARDUINO).unwrap();
        let mut compiler = Command::new("g++");
        compiler.args(["-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I."]);
        compiler.args(["-include", "arduino.h", "-x", "c++", "examples/Classify/Classify.ino"]);
        succeeds(compiler.current_dir(folder.path()));
    }
}

#[test]
fn platformios_manifest_names_what_there_is() {
    let source = source();
    let json: serde_json::Value = serde_json::from_str(text(&source, "library.json")).unwrap();
    assert!(is_version(json["version"].as_str().unwrap()));
    for key in ["name", "description", "frameworks", "platforms"] {
        assert!(json[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    let has = |path: &str| source.files.iter().any(|file| file.path == path);
    assert!(has(json["headers"].as_str().unwrap()));
    let filters = json["build"]["srcFilter"].as_array().unwrap();
    assert_eq!(filters, &["-<*>", "+<model.c>"]);
}

#[test]
fn esp_idf_and_zephyr_find_their_files() {
    let source = source();
    let component = fields(text(&source, "idf_component.yml"), ':');
    assert!(is_version(&component["version"]) && !component["description"].is_empty());
    assert!(
        text(&source, "CMakeLists.txt")
            .contains("idf_component_register(SRCS model.c INCLUDE_DIRS .)")
    );
    let module = fields(text(&source, "zephyr/module.yml"), ':');
    assert!(!module["name"].is_empty() && module["build"].is_empty());
    let folder = &module["  cmake"];
    let list = text(&source, &format!("{folder}/CMakeLists.txt"));
    assert!(list.contains("zephyr_library_sources(${CMAKE_CURRENT_SOURCE_DIR}/../model.c)"));
}

#[test]
fn a_class_s_name_does_not_end_the_comment_that_it_is_in() {
    let q8 = Network::random(&mut Random(5)).file(Layout::Bytes);
    let outputs = Model::parse(&q8).unwrap().outputs();
    let names: Vec<String> =
        (0..outputs).map(|class| format!("{class} */ int mine, model_start;\n")).collect();
    let eye = "eye".parse().unwrap();
    let source = c_source::emit(Model::parse(&q8).unwrap(), &names, &eye).unwrap();
    let header = text(&source, "eye.h");

    // and is not renamed either
    assert!(header.contains("    1  1 * / int mine, model_start;"), "{header}");
    assert!(!header.contains("1 */ int"), "{header}");
}
