//! Packs the page: one file of HTML that holds its style, its script, the library and the models.
//!
//! `cargo run -p web --example page -- page.html web.wasm [model.baked] [model.q8]`
//!
//! Bytes are compressed, and written fifteen bits a character in UTF-16: a page must be text, and this makes 1.07 bytes of
//! one, where base64 makes 1.33. The mark in front says that it is UTF-16, and counts more to a browser than what a server says. Of
//! a float model, the first bytes of all numbers stand first, then the second, and so on: alike beside alike, they compress
//! better.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, iter};

use flate2::Compression;
use flate2::bufread::GzEncoder;

/// Bits of a character.
const BITS: u32 = 15;

/// The character of 15 zeros. From here on come 2^15 characters of a single unit of UTF-16, of which none ends an element.
const FIRST: u32 = 0x100;

/// In front of a text, says that it is UTF-16, and in which order the bytes of its units are.
const BYTE_ORDER_MARK: char = '\u{feff}';

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [page, library, models @ ..] = &arguments[..] else {
        eprintln!("usage: page PAGE.html LIBRARY.wasm [MODEL.baked] [MODEL.q8]");
        return ExitCode::from(2);
    };
    match pack(library, models).and_then(|text| write(page.as_ref(), &text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack(library: &str, models: &[String]) -> Result<String, String> {
    let mut data = embed("library", library)?;
    for model in models {
        let extension = Path::new(model).extension().unwrap_or_default();
        let id = if extension == "q8" { "int8-model" } else { "float-model" };
        data += &embed(id, model)?;
    }
    Ok(include_str!("../page/page.html")
        .replace("{style}", include_str!("../page/page.css"))
        .replace("{script}", include_str!("../page/page.js"))
        .replace("{data}", &data))
}

/// A file as an element of the page.
fn embed(id: &str, path: &str) -> Result<String, String> {
    let file = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let planes = if id == "float-model" { size_of::<f32>() } else { 1 };
    let sorted: Vec<u8> =
        (0..planes).flat_map(|plane| file.iter().skip(plane).step_by(planes)).copied().collect();
    let mut packed = vec![];
    GzEncoder::new(&sorted[..], Compression::best())
        .read_to_end(&mut packed)
        .map_err(|error| format!("{path}: {error}"))?;
    let mut element = format!(
        "<script type=\"text/plain\" id=\"{id}\" data-bytes=\"{}\" data-planes=\"{planes}\">",
        packed.len()
    );
    let (mut bits, mut held) = (0_u32, 0);
    for byte in packed {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        if held >= BITS {
            held -= BITS;
            element.extend(char::from_u32(FIRST + (bits >> held)));
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        element.extend(char::from_u32(FIRST + (bits << (BITS - held))));
    }
    writeln!(element, "</script>").map_err(|error| error.to_string())?;
    Ok(element)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let marked: String = iter::once(BYTE_ORDER_MARK).chain(text.chars()).collect();
    let bytes: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
