//! Counted answers as lines for people.

use std::fmt;

use dataset::Interval;
use runtime::Verdict;
use runtime::preprocess::Preprocess;
use runtime::reliability::Score;
use safe_io::SingleLine;

use super::tally::Tally;

/// Maximum number of errors that are listed.
const MAX_ERRORS: usize = 20;

/// Maximum number of classes without pictures that are named.
const MAX_MISSING: usize = 10;

impl fmt::Display for Tally<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#}", self.summary)?;
        let all = self.reliability.all();
        if all.of > 0 {
            let Interval { low, high } = Interval::wilson(all.right as u64, all.of as u64);
            writeln!(
                f,
                "\naccuracy  {:6.2} %  ({} of {}; with 95 % confidence {:.2} to {:.2} %)",
                all.percent(),
                all.right,
                all.of,
                low * 100.0,
                high * 100.0
            )?;
            if let Some((score, without)) = self.others() {
                let (Score { right, of }, without) = (score, SingleLine(without));
                let percent = score.percent();
                writeln!(f, "others    {percent:6.2} %  ({right} of {of} without `{without}`)")?;
            }
            self.missing_classes(f)?;
            self.of_sources(f)?;
            let confusion = self.confusion.table(self.classes());
            write!(f, "\n{confusion}\n\n{}", self.reliability.table(self.preprocess()))?;
        }
        self.of_no_class(f)?;
        if all.right < all.of {
            writeln!(f, "\nerrors    label → answer, the surest first")?;
            for answer in self.errors().take(MAX_ERRORS) {
                let name = SingleLine(&self.picture(answer).name);
                writeln!(f, "  {name}  {}", self.caption(answer))?;
            }
            let more = (all.of - all.right).saturating_sub(MAX_ERRORS);
            if more > 0 {
                writeln!(f, "  and {more} more, which --json lists")?;
            }
        }
        if self.unread > 0 {
            let s = if self.unread == 1 { "" } else { "s" };
            writeln!(f, "\nunread    {} file{s}", self.unread)?;
        }
        Ok(())
    }
}

impl Tally<'_> {
    fn missing_classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let names = SingleLine(missing[..missing.len().min(MAX_MISSING)].join(", "));
        let more = if missing.len() > MAX_MISSING { ", …" } else { "" };
        writeln!(f, "missing   no picture of the model's {names}{more}")
    }

    fn of_sources(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources();
        if sources.len() < 2 {
            return Ok(());
        }
        let mean = self.mean_over_sources();
        writeln!(f, "sources   {mean:6.2} %  mean over {}", sources.len())?;
        let shown = sources.into_iter().map(|(name, score)| (SingleLine(name).to_string(), score));
        let shown: Vec<(String, Score)> = shown.collect();
        let longest = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, score) in shown {
            let Score { right, of } = score;
            writeln!(f, "  {name:longest$}  {:6.2} %  ({right} of {of})", score.percent())?;
        }
        Ok(())
    }

    /// What was said of pictures of no class.
    fn of_no_class(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [sure, unsure, none] = self.non_digits();
        let count = sure + unsure + none;
        if count == 0 {
            return Ok(());
        }
        let name = match self.preprocess() {
            Preprocess::Digit => "non-digits",
            _ => "of no class",
        };
        let verdict = self.verdict(Verdict::NoDigit);
        let s = if count == 1 { "" } else { "s" };
        writeln!(
            f,
            "\n{name}  {count} picture{s}: {none} called {verdict}, {unsure} unsure, {sure} sure"
        )
    }
}
