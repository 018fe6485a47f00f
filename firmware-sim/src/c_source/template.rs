//! Parts of C sources: real C files, with `#if EMIT_NAME`, `#else` and `#endif` around what only some models need.

use std::collections::BTreeMap;

/// What a model needs of the templates: names of conditions, such as `SIGNED` of `#if EMIT_SIGNED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needs(BTreeMap<&'static str, bool>);

/// What is subtracted from a byte that stands for a number of either sign.
const ZEROS: [&str; 4] =
    [" - window->zero", " - input->zero", " - add->one->zero", " - add->other->zero"];

/// What lies behind a condition, which may lie within another.
struct Condition {
    /// Whether the lines here are kept.
    is_kept: bool,
    /// Whether those around it are.
    is_reached: bool,
}

impl Needs {
    /// All conditions that templates have, and whether they hold.
    pub(super) fn of(conditions: &[(&'static str, bool)]) -> Self {
        Self(conditions.iter().copied().collect())
    }

    /// Whether a condition holds.
    pub(super) fn has(&self, name: &str) -> bool {
        *self.0.get(name).expect("templates have no other conditions")
    }

    /// The template without what this model does not need, and without its conditions.
    ///
    /// Where no byte stands for another 0 than 0, none is subtracted.
    pub(super) fn resolve(&self, template: &str) -> String {
        let mut resolved = String::with_capacity(template.len());
        let mut conditions: Vec<Condition> = vec![];
        for line in template.lines() {
            let is_reached = conditions.last().is_none_or(|inner| inner.is_kept);
            if let Some(name) = line.strip_prefix("#if EMIT_") {
                conditions.push(Condition { is_kept: is_reached && self.has(name), is_reached });
            } else if line == "#else" {
                let inner = conditions.last_mut().expect("it is behind a condition");
                inner.is_kept = inner.is_reached && !inner.is_kept;
            } else if line == "#endif" {
                conditions.pop();
            } else if is_reached {
                resolved.push_str(line);
                resolved.push('\n');
            }
        }
        if !self.has("SIGNED") {
            for zero in ZEROS {
                resolved = without(&resolved, zero);
            }
        }
        resolved
    }
}

/// The text without `difference`, and without the brackets that it is the end of.
fn without(text: &str, difference: &str) -> String {
    let mut parts = text.split(difference);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match (part.strip_prefix(')'), kept.rfind('(')) {
            (Some(rest), Some(bracket)) => {
                kept.remove(bracket);
                kept.push_str(rest);
            }
            _ => kept.push_str(part),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_conditions_is_kept_if_all_around_it_hold() {
        let template =
            "a\n#if EMIT_X\nb\n#if EMIT_SIGNED\nc\n#else\nd\n#endif\n#else\ne\n#endif\nf\n";
        for (x, signed, kept) in [
            (true, true, "abcf"),
            (true, false, "abdf"),
            (false, true, "aef"),
            (false, false, "aef"),
        ] {
            let needs = Needs::of(&[("X", x), ("SIGNED", signed)]);
            assert_eq!(needs.resolve(template).replace('\n', ""), kept);
        }
    }

    #[test]
    fn where_nothing_is_signed_no_zero_is_subtracted_and_no_brackets_are_left() {
        let template =
            "value = *byte++ - window->zero;\nsum += weights[0] * (bytes[0] - input->zero);\n";
        let unsigned = Needs::of(&[("SIGNED", false)]).resolve(template);
        assert_eq!(unsigned, "value = *byte++;\nsum += weights[0] * bytes[0];\n");
        assert_eq!(Needs::of(&[("SIGNED", true)]).resolve(template), template);
    }
}
