//! One item of a written network: its parts, and their spelling.

use std::fmt;
use std::str::FromStr;

/// Largest number in an item.
const MAX_NUMBER: usize = u16::MAX as usize;

/// Windows that a kernel or a pooling sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) window: [usize; 2],
    pub(super) stride: [usize; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Conv {
        /// None of a depthwise one.
        maps: Option<usize>,
        windows: Windows,
        /// Without padding.
        valid: bool,
        batch_norm: bool,
    },
    MaxPool(Windows),
    GlobalAverage,
    Dense {
        outputs: usize,
        batch_norm: bool,
    },
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Conv { maps, windows: Windows { window, stride }, valid, batch_norm } => {
                match maps {
                    Some(maps) => write!(f, "{maps}c")?,
                    None => f.write_str("d")?,
                }
                write_sides(f, window)?;
                // of a kernel of 1×1 both are the same
                f.write_str(if valid && window != [1; 2] { "v" } else { "" })?;
                write_stride(f, stride, [1; 2])?;
                f.write_str(if batch_norm { "b" } else { "" })
            }
            Self::MaxPool(Windows { window, stride }) => {
                f.write_str("p")?;
                write_sides(f, window)?;
                write_stride(f, stride, window)
            }
            Self::GlobalAverage => f.write_str("gap"),
            Self::Dense { outputs, batch_norm } => {
                write!(f, "{outputs}{}", if batch_norm { "b" } else { "" })
            }
        }
    }
}

/// `3`, or `3x5` of unequal sides.
fn write_sides(f: &mut fmt::Formatter<'_>, [rows, columns]: [usize; 2]) -> fmt::Result {
    if rows == columns { write!(f, "{rows}") } else { write!(f, "{rows}x{columns}") }
}

fn write_stride(f: &mut fmt::Formatter<'_>, stride: [usize; 2], usual: [usize; 2]) -> fmt::Result {
    if stride == usual {
        return Ok(());
    }
    f.write_str("s")?;
    write_sides(f, stride)
}

impl FromStr for Item {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty: layers are written with one - between them".into());
        }
        if text == "gap" {
            return Ok(Self::GlobalAverage);
        }
        let mut rest = text;
        if let Some(after) = rest.strip_prefix('p') {
            rest = after;
            let window = sides(&mut rest)?.ok_or("needs the size of its window, such as p2")?;
            let mut options =
                Options { rest, allowed: "a pooling takes sN (stride)", seen: vec![] };
            let mut windows = Windows { window, stride: window };
            while let Some(option) = options.next()? {
                match option {
                    's' => windows.stride = options.sides()?,
                    other => return Err(options.refusal(other)),
                }
            }
            return Ok(Self::MaxPool(windows));
        }
        let maps = number(&mut rest)?;
        if let Some(outputs) = maps
            && !rest.starts_with('c')
        {
            return dense(outputs, rest);
        }
        let letter = if maps.is_some() { 'c' } else { 'd' };
        let Some(after) = rest.strip_prefix(letter) else {
            return Err(
                "is no layer: expected 32c3 (convolution), d3 (depthwise), p2 (max-pooling), gap (global average) or 256 (dense)"
                    .into(),
            );
        };
        rest = after;
        let window = sides(&mut rest)?
            .ok_or_else(|| format!("needs the size of its kernel, such as {letter}3"))?;
        let allowed = "a convolution takes v (no padding), sN (stride) and b (batch normalisation)";
        let mut options = Options { rest, allowed, seen: vec![] };
        let (mut stride, mut valid, mut batch_norm) = ([1; 2], false, false);
        while let Some(option) = options.next()? {
            match option {
                'v' => valid = window != [1; 2],
                'b' => batch_norm = true,
                's' => stride = options.sides()?,
                other => return Err(options.refusal(other)),
            }
        }
        Ok(Self::Conv { maps, windows: Windows { window, stride }, valid, batch_norm })
    }
}

fn dense(outputs: usize, rest: &str) -> Result<Item, String> {
    let allowed = "32c3 is a convolution, and a dense layer takes b (batch normalisation)";
    let mut options = Options { rest, allowed, seen: vec![] };
    let mut batch_norm = false;
    while let Some(option) = options.next()? {
        match option {
            'b' => batch_norm = true,
            other => return Err(options.refusal(other)),
        }
    }
    Ok(Item::Dense { outputs, batch_norm })
}

/// What follows a kernel or a window: letters, some with a number.
struct Options<'a> {
    rest: &'a str,
    allowed: &'static str,
    seen: Vec<char>,
}

impl Options<'_> {
    fn next(&mut self) -> Result<Option<char>, String> {
        let Some(option) = self.rest.chars().next() else { return Ok(None) };
        if self.seen.contains(&option) {
            return Err(format!("has {:?} twice", option.to_string()));
        }
        self.seen.push(option);
        self.rest = &self.rest[option.len_utf8()..];
        Ok(Some(option))
    }

    fn sides(&mut self) -> Result<[usize; 2], String> {
        sides(&mut self.rest)?.ok_or_else(|| "needs a number after s, such as s2".into())
    }

    fn refusal(&self, option: char) -> String {
        format!("has {:?} after it; {}", format!("{option}{}", self.rest), self.allowed)
    }
}

/// `3` or `3x5` at the start of `text`, which is cut off; none if there is no number.
fn sides(text: &mut &str) -> Result<Option<[usize; 2]>, String> {
    let Some(rows) = number(text)? else { return Ok(None) };
    let Some(after) = text.strip_prefix('x') else { return Ok(Some([rows; 2])) };
    *text = after;
    let columns = number(text)?.ok_or("needs a number after x, such as 3x5")?;
    Ok(Some([rows, columns]))
}

/// A number from 1 at the start of `text`, which is cut off; none if there is none.
fn number(text: &mut &str) -> Result<Option<usize>, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    *text = rest;
    if number.is_empty() {
        return Ok(None);
    }
    match number.parse::<usize>() {
        Ok(0) => Err("has a 0, where at least 1 is needed".into()),
        Ok(number) if number <= MAX_NUMBER => Ok(Some(number)),
        _ => Err(format!("is too large: at most {MAX_NUMBER}")),
    }
}
