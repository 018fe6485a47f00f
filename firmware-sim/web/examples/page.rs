//! Packs the page: one file of HTML that holds its style, its script, the library and the models.
//!
//! `cargo run -p web --example page -- page.html web.wasm [model.baked] [model.q8]`
//!
//! Bytes are compressed, and written seven bits a character: a page must be text, and this takes 1.17 characters a byte,
//! where base64 takes 1.33. Of a float model, the first bytes of all numbers stand first, then the second, and so on: alike
//! beside alike, they compress better.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use flate2::Compression;
use flate2::bufread::GzEncoder;

/// Characters that HTML changes or that may end a script, which stand 256 higher.
const UNSAFE: [u8; 3] = [b'\0', b'\r', b'<'];

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
    let mut element = format!("<script type=\"text/plain\" id=\"{id}\" data-planes=\"{planes}\">");
    let (mut bits, mut held) = (0_u32, 0);
    let mut put = |seven: u32| {
        let plain = seven as u8 & 127;
        let shift = if UNSAFE.contains(&plain) { 256 } else { 0 };
        element.extend(char::from_u32(u32::from(plain) + shift));
    };
    for byte in packed {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 7 {
            held -= 7;
            put(bits >> held);
        }
        bits &= 127;
    }
    if held > 0 {
        put(bits << (7 - held));
    }
    writeln!(element, "</script>").map_err(|error| error.to_string())?;
    Ok(element)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let result = fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes()));
    result.map_err(|error| format!("{}: {error}", path.display()))
}
