//! The form of a setting's declaration. From it come the parser, the error texts, the default and the documentation.

use super::error::Reason;
use std::fmt;

/// The declaration of one setting with values of type `T`.
pub(super) struct Setting<T: 'static> {
    /// The name. A part of a connection has only its last segment here, such as `clientId`.
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) allowed: Allowed<T>,
    pub(super) default: Unset,
}

/// Which values a setting may have: how they are read, and what errors and documentation say about them.
pub(super) enum Allowed<T: 'static> {
    /// One of a few words, in any case.
    OneOf(&'static [(&'static str, T)]),
    /// A whole number from `least` to `most`.
    Number { noun: &'static str, least: usize, most: usize, convert: fn(usize) -> Option<T> },
    /// Text that is either valid or not.
    Text { text: &'static str, parse: fn(&str) -> Option<T> },
    /// Text that can be wrong in several ways, each with its own error.
    Checked { text: &'static str, parse: fn(&str) -> Result<T, Reason> },
}

/// What holds when a setting is not set.
pub(super) enum Unset {
    /// This value, parsed as if the operator had written it.
    Value(&'static str),
    /// The same for a number.
    Number(usize),
    /// Something else, in words. Empty when there is nothing to say.
    Described(&'static str),
}

impl<T> Setting<T> {
    /// The full name as a part of `connection`.
    pub(super) fn of(&self, connection: &str) -> String {
        format!("{connection}__{}", self.name)
    }

    pub(super) fn documented(&self) -> Documented {
        self.documented_as(self.name.to_owned())
    }

    pub(super) fn documented_of(&self, connection: &str) -> Documented {
        self.documented_as(self.of(connection))
    }

    fn documented_as(&self, name: String) -> Documented {
        let (allowed, default) = (self.allowed.to_string(), self.default.to_string());
        Documented { name, meaning: self.meaning, allowed, default }
    }
}

impl<T: Clone> Allowed<T> {
    pub(super) fn parse(&self, value: &str) -> Result<T, Reason> {
        let parsed = match self {
            Self::OneOf(words) => {
                let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
                found.map(|(_, meant)| meant.clone())
            }
            Self::Number { least, most, convert, .. } => {
                let number = value.parse().ok().filter(|number| (least..=most).contains(&number));
                number.and_then(convert)
            }
            Self::Text { parse, .. } => parse(value),
            Self::Checked { parse, .. } => return parse(value),
        };
        parsed.ok_or_else(|| Reason::NotAllowed { allowed: self.to_string() })
    }
}

impl<T> fmt::Display for Allowed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(words) => {
                let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                f.write_str(&words.join(" or "))
            }
            Self::Number { noun, least, most: usize::MAX, .. } => write!(f, "{noun}, at least {least}"),
            Self::Number { noun, least, most, .. } => write!(f, "{noun} from {least} to {most}"),
            Self::Text { text, .. } | Self::Checked { text, .. } => f.write_str(text),
        }
    }
}

impl Unset {
    /// The default as text to be parsed, unless there is none.
    pub(super) fn value(&self) -> Option<String> {
        match self {
            Self::Value(text) => Some((*text).to_owned()),
            Self::Number(number) => Some(number.to_string()),
            Self::Described(_) => None,
        }
    }
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => write!(f, "`{text}`"),
            Self::Number(number) => write!(f, "`{number}`"),
            Self::Described(words) => f.write_str(words),
        }
    }
}

/// A setting as documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    /// The full name; `<NAME>` stands for the name of any connection.
    pub name: String,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// Which values it may have.
    pub allowed: String,
    /// What holds when it is not set.
    pub default: String,
}

impl Documented {
    /// The setting's row in the table of `docs/settings.md`.
    #[must_use]
    pub fn row(&self) -> String {
        format!("| `{}` | {} | {} | {} |", self.name, self.meaning, self.allowed, self.default)
    }
}
