//! A `.q8` model as Rust source, for firmware that is built without a file beside it.

use std::fmt::Write;

use firmware::Model;

use crate::quantize::NEVER_AGREES;

/// How a module begins.
pub const FIRST_LINE: &str = "//! An int8 network in ";

/// Bytes per line.
const LINE: usize = 32;

/// A module with the model's bytes, aligned, as a `static`, and a function that checks and uses them in place.
///
/// It needs the crate `firmware`, of the version that made it, and nothing else.
#[must_use]
pub fn emit(model: Model<'_>) -> String {
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
    let identity = base16ct::lower::encode_string(&header.identity);
    format!(
        "{FIRST_LINE}{length} bytes of flash. Made by `firmware-sim quantize --emit rust`; not to be edited.\n\
         //!\n\
         //! From the ONNX file with SHA-256\n\
         //! `{identity}`,\n\
         //! calibrated on {calibration} images; {agreement}.\n\
         \n\
         /// Aligned, so that its words are read by single loads.\n\
         #[repr(C, align(4))]\n\
         struct Aligned([u8; {length}]);\n\
         \n\
         static FILE: Aligned = Aligned(*b\"{literal}\");\n\
         \n\
         /// Words of memory that an inference needs, such as `[u32; SCRATCH_WORDS]`.\n\
         pub const SCRATCH_WORDS: usize = {words};\n\
         \n\
         /// The model, in place; checks it, bit by bit: call it once, at the start.\n\
         ///\n\
         /// # Errors\n\
         /// If flash does not hold what was written, or the crate is of another version.\n\
         pub fn model() -> Result<firmware::Model<'static>, firmware::FormatError> {{\n    \
             firmware::Model::parse(&FILE.0)\n\
         }}\n",
        calibration = header.calibration_images.get(),
        words = model.scratch_words(),
    )
}
