//! Text in lines of at most so many letters.

use std::fmt::Write;

use safe_io::SingleLine;

/// Letters in a line; fewer than this no terminal shows.
pub(super) const WIDTH: usize = 80;

/// Rows of a name and a value, which are what a file says. Values go on below where they began.
pub(super) fn rows(rows: &[(String, String)]) -> String {
    let rows: Vec<[String; 2]> = rows
        .iter()
        .map(|(name, value)| [name, value].map(|text| SingleLine(text).to_string()))
        .collect();
    let name_width = rows.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for [name, value] in rows {
        let lines = wrapped(&value, WIDTH.saturating_sub(name_width + 2));
        for (number, line) in lines.into_iter().enumerate() {
            let name = if number == 0 { &name[..] } else { "" };
            let row = format!("{name:name_width$}  {line}");
            let _ = writeln!(text, "{}", row.trim_end()); // writing to a String cannot fail
        }
    }
    text
}

/// The lines of a text that is broken at spaces; a longer word has its own. At least one line.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(word);
            length = letters;
        } else if length + 1 + letters <= width {
            line.push(' ');
            line.push_str(word);
            length += 1 + letters;
        } else {
            lines.push(word.to_owned());
            length = letters;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_nothing_is_lost() {
        assert_eq!(wrapped("Conv 5x5 20→50 + ReLU", 14), ["Conv 5x5 20→50", "+ ReLU"]);
        assert_eq!(wrapped("abcdef gh i", 4), ["abcdef", "gh i"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn values_stand_below_each_other_and_names_are_safe() {
        let value = "word ".repeat(20);
        let found = rows(&[("a\n".into(), value.trim_end().into()), ("long".into(), "b".into())]);
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("a\\n   word") && lines[1].starts_with("      word"));
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
        assert_eq!(lines[2], "long  b");
    }
}
