//! The `Key=value;Key=value` text that Azure calls a connection string, for storage and Event Hubs alike.

/// Why a text is not a connection string. Neither values nor unknown keys are shown: a secret pasted alone and cut at
/// its `=` would look like a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the error texts say it")]
pub enum Malformed {
    /// `number` counts from 1.
    #[error("its part {number} has no `=`")]
    NoEquals { number: usize },
    /// `key` may list several, one of which is required.
    #[error("it has no {key}")]
    Missing { key: &'static str },
    #[error("it has {key} twice")]
    Repeated { key: &'static str },
    #[error("its {key} is neither true nor false")]
    NotABool { key: &'static str },
    #[error("it has both {one} and {other}")]
    Both { one: &'static str, other: &'static str },
}

/// The parts of a connection string. No `Debug`: its values are secrets.
pub(super) struct Parts<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parts<'a> {
    /// Splits `text`. A value may contain `=`; empty parts (a semicolon at the end) are skipped.
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

    /// The value of `key`, whose case is ignored as in Microsoft's SDKs. An empty value counts as `None`.
    pub(super) fn get(&self, key: &'static str) -> Result<Option<&'a str>, Malformed> {
        let mut values = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let value = values.next().map(|(_, value)| *value).filter(|value| !value.is_empty());
        if values.next().is_some() { Err(Malformed::Repeated { key }) } else { Ok(value) }
    }

    /// The value of `key`, or an error without it.
    pub(super) fn require(&self, key: &'static str) -> Result<&'a str, Malformed> {
        self.get(key)?.ok_or(Malformed::Missing { key })
    }

    /// Whether the value of `key` is `true`. Without the key, it is false.
    pub(super) fn is_true(&self, key: &'static str) -> Result<bool, Malformed> {
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
    fn keys_ignore_case_and_values_may_contain_equal_signs() {
        let parts = Parts::split(" accountname = dev ;;AccountKey=ab+/==;").unwrap();
        assert_eq!(parts.get("AccountName"), Ok(Some("dev")));
        assert_eq!(parts.get("ACCOUNTKEY"), Ok(Some("ab+/==")));
        assert_eq!(parts.get("Endpoint"), Ok(None));
        assert_eq!(parts.require("Endpoint"), Err(Malformed::Missing { key: "Endpoint" }));
    }

    #[test]
    fn malformed_strings_are_refused_without_showing_them() {
        let parts = Parts::split("AccountKey=one;accountkey=two").unwrap();
        assert_eq!(parts.get("AccountKey"), Err(Malformed::Repeated { key: "AccountKey" }));
        let parts = Parts::split("UseDevelopmentEmulator=1").unwrap();
        let key = "UseDevelopmentEmulator";
        assert_eq!(parts.is_true(key), Err(Malformed::NotABool { key }));
        let error = Parts::split("AccountName=a;c2VjcmV0").err().unwrap();
        assert_eq!(error, Malformed::NoEquals { number: 2 });
        assert!(!error.to_string().contains("c2VjcmV0"));
    }
}
