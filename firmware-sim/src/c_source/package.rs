//! Files by which build systems take the source as a library: Arduino, `PlatformIO`, ESP-IDF, Zephyr and `CMake`.
//!
//! Their forms: <https://arduino.github.io/arduino-cli/latest/library-specification/>,
//! <https://docs.platformio.org/en/latest/manifests/library-json/index.html>,
//! <https://docs.espressif.com/projects/idf-component-manager/en/latest/reference/manifest_file.html>,
//! <https://docs.zephyrproject.org/latest/develop/modules.html>.

use super::name::Name;
use super::template::Needs;

/// Paths in the folder, and templates.
const FILES: [(&str, &str); 8] = [
    ("README.md", include_str!("package/README.md")),
    ("library.properties", include_str!("package/library.properties")),
    ("examples/Classify/Classify.ino", include_str!("package/Classify.ino")),
    ("library.json", include_str!("package/library.json")),
    ("idf_component.yml", include_str!("package/idf_component.yml")),
    ("CMakeLists.txt", include_str!("package/CMakeLists.txt")),
    ("zephyr/module.yml", include_str!("package/zephyr_module.yml")),
    ("zephyr/CMakeLists.txt", include_str!("package/zephyr_CMakeLists.txt")),
];

/// Their paths in the folder.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(path, _)| path)
}

/// The templates for the model of this name, with their paths: it takes `input`, such as `28x28x1 pixels`, and needs so many
/// bytes.
pub(super) fn files(
    name: &Name,
    needs: &Needs,
    input: &str,
    bytes: usize,
) -> Vec<(&'static str, String)> {
    let fill = |template: &str| {
        let text = needs.resolve(template);
        let text = text
            .replace("@INPUT@", input)
            .replace("@BYTES@", &bytes.to_string())
            .replace("@EXAMPLE@", &example(needs));
        name.apply(&text).replace("@NAME@", &name.to_string())
    };
    FILES.into_iter().map(|(path, template)| (path, fill(template))).collect()
}

/// How a program calls the model.
pub(super) fn example(needs: &Needs) -> String {
    let rows = "model_start(&model);\n\
        while (model_push_row(&model, camera_row()) > 0) {\n    /* camera_row() is yours */\n}\n";
    let end = if needs.has("CLASSES") {
        "struct model_answer answer = model_answer(model_finish(&model));"
    } else if needs.has("HELD_OUTPUTS") {
        "const int32_t *outputs = model_finish(&model);"
    } else {
        "int32_t outputs[16];\nmodel_outputs(&model, 0, 16, outputs); /* and so on, up to MODEL_OUTPUTS */"
    };
    format!("{rows}{end}")
}
