//! Untrusted text, such as names of files and of classes, within one line of output.

use std::fmt::{self, Display, Write};

/// Shows text so that it can neither end its line nor steer the terminal.
///
/// Control characters, and those that turn the reading direction, are shown as Rust writes them in a string: `\n`,
/// `\u{1b}`. All else stays as it is, backslashes too: the result is for eyes, not for reading back.
#[derive(Debug, Clone, Copy)]
pub struct SingleLine<T>(pub T);

impl<T: Display> Display for SingleLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter {
            _ if steers(letter) => write!(self.0, "{}", letter.escape_default()),
            _ => self.0.write_char(letter),
        })
    }
}

/// Line ends, other controls, and the bidirectional formatting characters of Unicode (UAX #9, section 2).
fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_escaped_and_all_else_stays() {
        for (text, shown) in [
            ("sieben.png", "sieben.png"),
            ("a b\\n'\"é e\u{301} 七 👩‍👩‍👧", "a b\\n'\"é e\u{301} 七 👩‍👩‍👧"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31m\u{7f}\u{9b}2J", "\\u{1b}[31m\\u{7f}\\u{9b}2J"),
            ("gnp\u{202e}.\u{2028}\u{2066}", "gnp\\u{202e}.\\u{2028}\\u{2066}"),
        ] {
            assert_eq!(SingleLine(text).to_string(), shown);
            assert_eq!(SingleLine(SingleLine(text)).to_string(), shown);
        }
    }
}
