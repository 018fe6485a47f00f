//! A `.q8` model as Rust source, for firmware that is built without a file beside it.

use std::fmt::Write;

use firmware::Model;

use crate::quantize::NEVER_AGREES;
use crate::sha256;

/// How a module begins.
const FIRST_LINE: &str = "//! An int8 network in ";
/// What is before the hash of all that comes after the line that it is in.
const BEFORE_HASH: &str = "//! All below has the SHA-256 ";

/// Bytes per line.
const LINE: usize = 32;

/// A module with the model's bytes, aligned, as a `static`; its sizes and types, as a program needs them; and a function
/// that checks the bytes and uses them in place.
///
/// It needs the crate `firmware`, of the version that made it, and nothing else.
#[must_use]
pub fn emit(model: Model<'_>) -> String {
    let length = model.bytes().len();
    let body = body(model);
    format!(
        "{FIRST_LINE}{length} bytes of flash. Made by `firmware-sim quantize --emit rust`; not to be edited.\n\
         {BEFORE_HASH}{}\n{body}",
        sha256(body.as_bytes())
    )
}

/// Whether `bytes` are a module that [`emit`] gave, in which nothing was changed since.
#[must_use]
pub fn is_emitted(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let rest = text.starts_with(FIRST_LINE).then(|| text.split_once('\n')).flatten();
    let rest = rest.and_then(|(_, rest)| rest.strip_prefix(BEFORE_HASH)?.split_once('\n'));
    rest.is_some_and(|(stated, body)| stated == sha256(body.as_bytes()))
}

fn body(model: Model<'_>) -> String {
    let (file, header) = (model.bytes(), model.header());
    let length = file.len();
    let mut literal = String::with_capacity(4 * length + length / LINE * 8);
    for line in file.chunks(LINE) {
        literal.push_str("\\\n    ");
        for byte in line {
            let _ = write!(literal, "\\x{byte:02x}"); // writing to a String cannot fail
        }
    }
    let agreement = match header.agreement_margin.get() {
        NEVER_AGREES => "no answer says that it agrees with float".into(),
        margin => format!("answers agree with float from a margin of {margin} on"),
    };
    let onnx = base16ct::lower::encode_string(&header.identity);
    format!(
        "//!\n\
         //! From the ONNX file with SHA-256\n\
         //! `{onnx}`,\n\
         //! calibrated on {calibration} images; {agreement}.\n\
         #![allow(dead_code)] // a program takes of it what it needs\n\
         \n\
         use firmware::{{Dimensions, FormatError, camera}};\n\
         \n\
         /// Aligned, so that its words are read by single loads.\n\
         #[repr(C, align(4))]\n\
         struct Aligned([u8; {length}]);\n\
         \n\
         static FILE: Aligned = Aligned(*b\"{literal}\");\n\
         \n\
         /// What the model takes, gives and needs, known when this is compiled.\n\
         pub const SIZES: Dimensions = Dimensions::of(&FILE.0);\n\
         \n\
         /// Words of memory that an inference needs, such as `[u32; SCRATCH_WORDS]`.\n\
         pub const SCRATCH_WORDS: usize = SIZES.scratch_words;\n\
         \n\
         /// With the routines that this one model needs: others take no flash.\n\
         pub type Model = firmware::Model<'static, {{ SIZES.routines }}>;\n\
         \n\
         /// Rows on their way from a camera's interrupt to the main loop.\n\
         pub type Camera = camera::Camera<{{ SIZES.row_len }}, {{ SIZES.height }}>;\n\
         \n\
         const _: () = assert!(\n    \
             SIZES.routines & !firmware::format::OF_THIS_CORE == 0,\n    \
             \"made for other cores: quantize with --for, and the name of this one\"\n\
         );\n\
         \n\
         /// The model, in place. `quantize` checked it, so this looks only whether flash holds what was written: call it once,\n\
         /// at the start.\n\
         ///\n\
         /// # Errors\n\
         /// If flash does not hold that, or the crate is of another version.\n\
         pub fn model() -> Result<Model, FormatError> {{\n    \
             Model::parse_embedded(&FILE.0)\n\
         }}\n",
        calibration = header.calibration_images.get(),
    )
}

#[cfg(test)]
mod tests {
    use runtime::{EMBEDDED_MODEL, Image, PIXELS};

    use super::*;
    use crate::quantize::quantize;

    #[test]
    fn a_module_that_was_changed_is_no_longer_what_was_written() {
        let q8 = quantize(EMBEDDED_MODEL, &[Image::mnist([0; PIXELS])], &[]).unwrap();
        let source = emit(Model::parse(&q8).unwrap());
        assert!(is_emitted(source.as_bytes()));
        for changed in [
            format!("{source}\nfn mine() {{}}\n"),
            source.replacen("pub const SIZES", "const SIZES", 1),
            source.replacen(BEFORE_HASH, "//! ", 1),
            source.lines().next().unwrap().to_owned(),
            String::new(),
        ] {
            assert!(!is_emitted(changed.as_bytes()));
        }
    }
}
