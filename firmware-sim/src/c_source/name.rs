//! What a model is called in the source: the prefix of all that other files of a program see, so that one can hold several.

use std::fmt;
use std::str::FromStr;

/// Maximum length of a name.
const MAX_LEN: usize = 32;

/// Words of C and C++, of their headers and of compilers, and structs of the source, that a name must not be.
const RESERVED: [&str; 151] = [
    "add",
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "assert",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "complex",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "conv",
    "ctype",
    "decltype",
    "default",
    "delete",
    "dense",
    "depthwise",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "far",
    "fenv",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "int16_t",
    "int32_t",
    "int64_t",
    "int8_t",
    "interrupt",
    "intptr_t",
    "inttypes",
    "iso646",
    "limits",
    "linux",
    "locale",
    "long",
    "main",
    "math",
    "memcpy",
    "memset",
    "mutable",
    "namespace",
    "near",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "pool",
    "private",
    "protected",
    "ptrdiff_t",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "scaling",
    "setjmp",
    "short",
    "signal",
    "signed",
    "size_t",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "stdalign",
    "stdarg",
    "stdatomic",
    "stdbool",
    "stddef",
    "stdint",
    "stdio",
    "stdlib",
    "stdnoreturn",
    "string",
    "struct",
    "switch",
    "target",
    "template",
    "tgmath",
    "this",
    "thread_local",
    "threads",
    "throw",
    "time",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "uchar",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "uint8_t",
    "uintptr_t",
    "union",
    "unix",
    "unsigned",
    "using",
    "value",
    "virtual",
    "void",
    "volatile",
    "wchar",
    "wchar_t",
    "wctype",
    "while",
    "window",
    "xor",
    "xor_eq",
];

/// The name of a model in C: lower-case letters, digits and underscores, after a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Default for Name {
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

/// What the templates call it.
const DEFAULT: &str = "model";

impl FromStr for Name {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let is_letter = |byte: &u8| byte.is_ascii_lowercase();
        if !name.bytes().all(is_word) || !name.as_bytes().first().is_some_and(is_letter) {
            return Err("take lower-case letters, digits and underscores, after a letter".into());
        }
        if name.len() > MAX_LEN {
            return Err(format!("take {MAX_LEN} letters at most"));
        }
        if RESERVED.contains(&name) {
            return Err("that is a word of C or of the source: take another".into());
        }
        // `a_row` has the macro A_ROW_BYTES, and so has `a`; `a_answer` is a struct of `a`
        if ["_", "_row", "_answer", "_verdict"].iter().any(|end| name.ends_with(end)) {
            return Err("take another end".into());
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Name {
    /// The text of a template with this name: `struct model`, `model.h`, and whatever begins with `model_` or `MODEL_`.
    pub(super) fn apply(&self, text: &str) -> String {
        if self.0 == DEFAULT {
            return text.into();
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut renamed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.bytes().position(is_word) {
            let (between, word) = rest.split_at(start);
            let end = word.bytes().position(|byte| !is_word(byte)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            renamed.push_str(between);
            let is_struct = renamed.ends_with("struct ");
            let is_file = [".h", ".c"].iter().any(|end| {
                after
                    .strip_prefix(end)
                    .is_some_and(|after| !after.bytes().next().is_some_and(is_word))
            });
            match (word.strip_prefix("model_"), word.strip_prefix("MODEL_")) {
                (Some(rest), _) => renamed.extend([&self.0, "_", rest]),
                (_, Some(rest)) => renamed.extend([&self.0.to_ascii_uppercase(), "_", rest]),
                _ if word == DEFAULT && (is_struct || is_file) => renamed.push_str(&self.0),
                _ => renamed.push_str(word),
            }
            rest = after;
        }
        renamed.push_str(rest);
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_put_where_other_files_see_it_and_nowhere_else() {
        let template = "#include \"model.h\"\nint model_step(struct model *model); /* model.c, MODEL_ID: a model. */";
        let renamed =
            "#include \"eye.h\"\nint eye_step(struct eye *model); /* eye.c, EYE_ID: a model. */";
        assert_eq!("eye".parse::<Name>().unwrap().apply(template), renamed);
        assert_eq!(Name::default().apply(template), template);
    }

    #[test]
    fn names_that_are_no_good_are_refused() {
        for name in
            ["", "Eye", "1", "_a", "a-b", "ä", "struct", "value", "a_row", "a_", &"a".repeat(33)]
        {
            assert!(name.parse::<Name>().is_err(), "{name}");
        }
        for name in ["a", "model", "left_eye2", &"a".repeat(32)] {
            assert_eq!(name.parse::<Name>().unwrap().to_string(), name);
        }
    }
}
