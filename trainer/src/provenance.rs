//! Which files this program wrote: each kind bears a mark, by which it may be replaced and another's may not.

use network::onnx::Graph;
use serde_json::Value;

/// What our PNG, SVG and HTML files say of where they are from.
pub(crate) const GENERATOR: &str = concat!("LeNet trainer ", env!("CARGO_PKG_VERSION"));
/// [`GENERATOR`] of any version.
const GENERATORS: &str = "LeNet trainer ";

/// Where PNG files say what wrote them.
pub(crate) const PNG_KEYWORD: &str = "Software";

/// Maximum bytes before the mark in HTML and SVG.
const MAX_HEAD_BYTES: usize = 1024;

/// Whether `bytes` are an ONNX file of ours.
#[must_use]
pub fn is_our_model(bytes: &[u8]) -> bool {
    Graph::parse(bytes).is_ok_and(|graph| graph.producer == env!("CARGO_PKG_NAME"))
}

/// Whether `bytes` are an HTML report of ours.
#[must_use]
pub fn is_our_page(bytes: &[u8]) -> bool {
    has_in_head(bytes, &format!("name=\"generator\" content=\"{GENERATORS}"))
}

/// Whether `bytes` are a plot of ours, PNG or SVG.
#[must_use]
pub fn is_our_plot(bytes: &[u8]) -> bool {
    let is_our_png = || {
        let png = png::Decoder::new(std::io::Cursor::new(bytes)).read_info();
        png.is_ok_and(|png| {
            let texts = &png.info().uncompressed_latin1_text;
            texts
                .iter()
                .any(|text| text.keyword == PNG_KEYWORD && text.text.starts_with(GENERATORS))
        })
    };
    has_in_head(bytes, &format!("<metadata>{GENERATORS}")) || is_our_png()
}

/// Whether `bytes` are a history of ours: JSON, the first line with the figures of an epoch.
#[must_use]
pub fn is_our_history(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Value>(line).is_ok_and(|epoch| {
        ["epoch", "training_loss", "training_accuracy", "seconds"]
            .iter()
            .all(|key| epoch.get(key).is_some())
    })
}

fn has_in_head(bytes: &[u8], mark: &str) -> bool {
    let head = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    head.windows(mark.len()).any(|window| window == mark.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_not_ours() {
        let mut png = Vec::new();
        let encoder = png::Encoder::new(&mut png, 1, 1);
        encoder.write_header().unwrap().write_image_data(&[0]).unwrap();
        let foreign: [&[u8]; 7] = [
            b"",
            b"mine",
            &png,
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>",
            b"<!DOCTYPE html><html><head><meta name=\"generator\" content=\"Hugo\"></head></html>",
            b"{\"epoch\": 1}\n",
            &[0xff; 2000],
        ];
        for bytes in foreign {
            for is_ours in [is_our_model, is_our_page, is_our_plot, is_our_history] {
                assert!(!is_ours(bytes), "{bytes:?}");
            }
        }
        assert!(is_our_model(runtime::EMBEDDED_MODEL));
    }
}
