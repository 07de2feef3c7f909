//! The `Key=value;Key=value` text that Azure calls a connection string, for storage and Event Hubs alike.

/// Why a text is no connection string. Neither values nor unknown keys are shown: a key pasted alone,
/// cut at its `=`, would look like one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A part without `=`.
    #[error("its part {number} has no =")]
    NoEquals {
        /// Counted from 1.
        number: usize,
    },
    /// A part that must be there.
    #[error("it has no {key}")]
    Without {
        /// The part's key, or the choice of keys.
        key: &'static str,
    },
    /// A part given more than once.
    #[error("it has {key} twice")]
    Repeated {
        /// The part's key.
        key: &'static str,
    },
    /// A part that is neither true nor false.
    #[error("its {key} is neither true nor false")]
    NotABool {
        /// The part's key.
        key: &'static str,
    },
    /// Two parts of which only one can hold.
    #[error("it has both {one} and {other}")]
    Both {
        /// A key.
        one: &'static str,
        /// Another key.
        other: &'static str,
    },
}

/// The parts of a connection string. No `Debug`: its values are secrets.
pub(super) struct Parts<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parts<'a> {
    /// Splits `text`. A value may hold `=`; empty parts (a semicolon at the end) are skipped.
    pub(super) fn split(text: &'a str) -> Result<Self, Malformed> {
        text.split(';')
            .enumerate()
            .filter(|(_, part)| !part.trim().is_empty())
            .map(|(index, part)| {
                let (key, value) = part.split_once('=').ok_or(Malformed::NoEquals { number: index + 1 })?;
                Ok((key.trim(), value.trim()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of `key`, compared without regard to case as Microsoft's own readers do;
    /// an empty value counts as none.
    pub(super) fn get(&self, key: &'static str) -> Result<Option<&'a str>, Malformed> {
        let mut values = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let value = values.next().map(|(_, value)| *value).filter(|value| !value.is_empty());
        if values.next().is_some() { Err(Malformed::Repeated { key }) } else { Ok(value) }
    }

    /// The value of `key`, which must be there.
    pub(super) fn require(&self, key: &'static str) -> Result<&'a str, Malformed> {
        self.get(key)?.ok_or(Malformed::Without { key })
    }

    /// Whether `key` is there and says `true`.
    pub(super) fn says_true(&self, key: &'static str) -> Result<bool, Malformed> {
        match self.get(key)?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Malformed::NotABool { key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_case_values_keep_their_equal_signs_and_empty_parts_are_skipped() {
        let parts = Parts::split(" accountname = dev ;;AccountKey=ab+/==;").unwrap();
        assert_eq!(parts.get("AccountName"), Ok(Some("dev")));
        assert_eq!(parts.get("ACCOUNTKEY"), Ok(Some("ab+/==")));
        assert_eq!(parts.get("Endpoint"), Ok(None));
        assert_eq!(parts.require("Endpoint"), Err(Malformed::Without { key: "Endpoint" }));
    }

    #[test]
    fn what_is_malformed_is_refused_without_showing_it() {
        let parts = Parts::split("AccountKey=one;accountkey=two").unwrap();
        assert_eq!(parts.get("AccountKey"), Err(Malformed::Repeated { key: "AccountKey" }));
        let parts = Parts::split("UseDevelopmentEmulator=1").unwrap();
        let key = "UseDevelopmentEmulator";
        assert_eq!(parts.says_true(key), Err(Malformed::NotABool { key }));
        let error = Parts::split("AccountName=a;c2VjcmV0").err().unwrap();
        assert_eq!(error, Malformed::NoEquals { number: 2 });
        assert!(!error.to_string().contains("c2VjcmV0"));
    }
}
