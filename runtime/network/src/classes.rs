//! Names of classes in a model's metadata: any text, as a JSON array of strings.
//!
//! ```
//! use network::classes;
//!
//! let names = ["chat, noir", "北", "\"quoted\""].map(String::from);
//! assert_eq!(classes::parse(&classes::emit(&names)), names);
//! // older files
//! assert_eq!(classes::parse("0, 1,nan"), ["0", "1", "nan"]);
//! ```

/// The metadata's key.
pub const KEY: &str = "classes";

/// The metadata's key of the class that is the answer "none of these", by its number from 0.
pub const REJECTED_KEY: &str = "classes.rejected";

/// The names that `text` lists: a JSON array of strings, or else names separated by commas.
#[must_use]
pub fn parse(text: &str) -> Vec<String> {
    json(text).unwrap_or_else(|| text.split(',').map(|name| name.trim().to_owned()).collect())
}

/// A JSON array of these names.
#[must_use]
pub fn emit(names: &[impl AsRef<str>]) -> String {
    let quoted = |name: &str| {
        let escaped = name.chars().map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", c as u32),
            c => c.to_string(),
        });
        format!("\"{}\"", escaped.collect::<String>())
    };
    let names: Vec<String> = names.iter().map(|name| quoted(name.as_ref())).collect();
    format!("[{}]", names.join(", "))
}

/// An array of strings; `None` if `text` is anything else.
fn json(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('[')?.trim_start();
    let mut names = vec![];
    if let Some(rest) = rest.strip_prefix(']') {
        return rest.is_empty().then_some(names);
    }
    loop {
        let (name, after) = string(rest)?;
        names.push(name);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return after.is_empty().then_some(names);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

/// The string at the start of `text`, and what follows it. Source: RFC 8259, section 7.
fn string(text: &str) -> Option<(String, &str)> {
    let mut units = vec![];
    let mut chars = text.strip_prefix('"')?.chars();
    loop {
        let c = match chars.next()? {
            '"' => return Some((String::from_utf16(&units).ok()?, chars.as_str())),
            '\\' => match chars.next()? {
                c @ ('"' | '\\' | '/') => c,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits = chars.as_str().get(..4)?;
                    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
                    // two of them may be the halves of one character
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    chars = chars.as_str()[4..].chars();
                    continue;
                }
                _ => return None,
            },
            c if (c as u32) < 0x20 => return None,
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_any_text() {
        let names = ["", " ", "a,b", "[", "\u{1f600}\u{7f}\n", "\\\"", "0"].map(String::from);
        assert_eq!(parse(&emit(&names)), names);
        assert_eq!(
            parse(r#" ["\u00e9", "\ud83d\ude00" , "a\/b\n" ] "#),
            ["é", "\u{1f600}", "a/b\n"]
        );
    }

    #[test]
    fn what_is_no_array_of_strings_is_a_list_with_commas() {
        assert_eq!(parse("a, b ,c"), ["a", "b", "c"]);
        assert_eq!(parse("[1, 2]"), ["[1", "2]"]);
        assert_eq!(parse(r#"["a", "b""#), [r#"["a""#, r#""b""#]);
        assert_eq!(parse(r#"["\ud83d"]"#), [r#"["\ud83d"]"#], "half a character");
    }
}
