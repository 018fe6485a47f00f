//! A summary as lines for people.

use std::fmt;

use dataset::folder::{Reason, Refused, Subset};
use safe_io::SingleLine;

use super::{ClassSummary, EqualPictures, Summary};

/// Maximum number of classes that are listed.
const MAX_CLASSES: usize = 40;

/// Maximum number of refused files, and of equal pictures of a kind.
const MAX_LINES: usize = 10;

impl fmt::Display for Summary {
    /// Lines without an end of the last one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = SingleLine(self.root.display());
        let (pictures, classes) = (self.pictures(), self.classes.len());
        let es = if classes == 1 { "" } else { "es" };
        writeln!(f, "{root}: {} in {classes} class{es}", count(pictures, "picture"))?;
        if !f.alternate() || self.subsets().len() > 1 {
            writeln!(f)?;
            self.classes(f)?;
            writeln!(f)?;
        }
        if let Some(smallest) = self.smallest_class() {
            let name = SingleLine(&smallest.name);
            writeln!(f, "smallest  `{name}`, {}", count(smallest.pictures(), "picture"))?;
        }
        if let Some(survey) = &self.survey {
            writeln!(f, "rows      {}", survey.rows)?;
            writeln!(f, "columns   {}", survey.columns)?;
            writeln!(f, "colour    {} of {}", survey.colored, count(survey.pictures, "picture"))?;
        }
        self.equal(f)?;
        self.split(f)?;
        self.refused(f)
    }
}

impl Summary {
    /// The subsets that have pictures.
    fn subsets(&self) -> Vec<Subset> {
        let is_used = |it: &Subset| self.classes.iter().any(|class| class.counts[*it as usize] > 0);
        Subset::ALL.into_iter().filter(is_used).collect()
    }

    fn classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // one subset alone is all pictures
        let shown = if self.subsets().len() > 1 { self.subsets() } else { vec![] };
        let names = self.classes.iter().take(MAX_CLASSES);
        let names: Vec<String> = names.map(|class| SingleLine(&class.name).to_string()).collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        write!(f, "{:longest$}  pictures", "class")?;
        for subset in &shown {
            write!(f, "  {:>5}", subset.name())?;
        }
        writeln!(f)?;
        for (class, name) in self.classes.iter().zip(&names) {
            write!(f, "{name:longest$}  {:>8}", class.pictures())?;
            for subset in &shown {
                let width = subset.name().len().max(5);
                write!(f, "  {:>width$}", class.counts[*subset as usize])?;
            }
            writeln!(f)?;
        }
        match self.classes.get(MAX_CLASSES..) {
            None | Some([]) => Ok(()),
            Some(more) => {
                let pictures = more.iter().map(ClassSummary::pictures).sum();
                writeln!(f, "and {} more, with {}", more.len(), count(pictures, "picture"))
            }
        }
    }

    /// How many pictures are equal, and those across classes and subsets.
    fn equal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        type IsOfKind = fn(&EqualPictures) -> bool;

        let more: usize = self.equal.iter().map(|equal| equal.names.len() - 1).sum();
        if more == 0 {
            return writeln!(f, "equal     no two pictures");
        }
        let is = if more == 1 { "is the same as another" } else { "are the same as others" };
        writeln!(f, "equal     {} {is}, pixel by pixel", count(more, "picture"))?;
        let across_classes: IsOfKind = |equal| equal.across_classes;
        let across_subsets: IsOfKind = |equal| equal.across_subsets;
        for (is_of_kind, name) in [
            (across_classes, "across classes, so that a label is wrong"),
            (across_subsets, "across training, validation and test"),
        ] {
            let all: Vec<&EqualPictures> = self.equal.iter().filter(|it| is_of_kind(it)).collect();
            if all.is_empty() {
                continue;
            }
            writeln!(f, "          {} {name}:", count(all.len(), "group"))?;
            for equal in all.iter().take(MAX_LINES) {
                let names: Vec<String> =
                    equal.names.iter().take(4).map(|name| SingleLine(name).to_string()).collect();
                let more = if equal.names.len() > names.len() { " = …" } else { "" };
                writeln!(f, "            {}{more}", names.join(" = "))?;
            }
            and_more(f, "            ", all.len())?;
        }
        Ok(())
    }

    /// What was divided by seed and how; which classes a subset lacks.
    fn split(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(division) = self.division {
            let parts = [(Subset::Validation, division.validation), (Subset::Test, division.test)];
            let parts = parts.into_iter().filter(|(_, share)| *share > 0.0);
            let part = |(subset, share): (Subset, f64)| {
                let pictures: usize =
                    self.classes.iter().map(|it| it.counts[subset as usize]).sum();
                format!("{} ({pictures}, {:.0} % of each class)", subset.name(), share * 100.0)
            };
            let parts: Vec<String> = parts.map(part).collect();
            writeln!(
                f,
                "split     {} by seed {}: equal pictures stay together, nearly equal ones may not",
                parts.join(" and "),
                division.seed
            )?;
        }
        let subsets = self.subsets();
        for &subset in &subsets {
            let missing = self.missing(subset);
            if !missing.is_empty() {
                let names = missing[..missing.len().min(MAX_LINES)].join(", ");
                let more = if missing.len() > MAX_LINES { ", …" } else { "" };
                let subject = if subsets.len() > 1 {
                    format!("{} has no picture of", subset.name())
                } else {
                    "no picture can be read of".to_owned()
                };
                writeln!(f, "missing   {subject} {}{more}", SingleLine(names))?;
            }
        }
        Ok(())
    }

    fn refused(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.refused.is_empty() {
            return write!(f, "refused   nothing");
        }
        write!(f, "refused   {}", count(self.refused.len(), "file"))?;
        let mut refused: Vec<&Refused> = self.refused.iter().collect();
        refused.sort_by_key(|refused| rank(&refused.reason));
        for refused in refused.into_iter().take(MAX_LINES) {
            write!(f, "\n            {refused}")?;
        }
        match self.refused.len().saturating_sub(MAX_LINES) {
            0 => Ok(()),
            more => write!(f, "\n            and {more} more"),
        }
    }
}

/// What was meant to be a picture comes first, what surely was not last.
fn rank(reason: &Reason) -> u8 {
    match reason {
        Reason::Content(_) | Reason::Unreadable(_) | Reason::BrokenLink => 0,
        Reason::Hidden => 2,
        _ => 1,
    }
}

/// Says how many lines were left out.
fn and_more(f: &mut fmt::Formatter<'_>, margin: &str, lines: usize) -> fmt::Result {
    match lines.saturating_sub(MAX_LINES) {
        0 => Ok(()),
        more => writeln!(f, "{margin}and {more} more"),
    }
}

/// `1 picture`, `2 pictures`.
fn count(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}
