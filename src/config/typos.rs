//! Detects typos in names: unknown settings whose name is nearly that of a setting that is not set.

use super::error::Reason;
use super::reader::SettingsReader;
use super::settings::{names, unsupported_names};

/// The most edits between a name and its typo.
const MAX_EDITS: usize = 2;

/// The least length of a name for which edits are allowed: shorter names may belong to other programs.
const MIN_LENGTH: usize = 12;

/// Reports every name in `given` that is not a setting but nearly the name of one that is not set: they differ only in
/// case and separators (`FLOWLOG_STORAGE_blobServiceUri`), or by at most [`MAX_EDITS`] edits.
pub(super) fn report_typos(reader: &mut SettingsReader<'_>, given: impl IntoIterator<Item = String>) {
    let known = known();
    let unset: Vec<(&String, String)> =
        known.iter().filter(|name| !reader.is_set(name)).map(|name| (name, normalized(name))).collect();
    for name in given.into_iter().filter(|name| !known.contains(name)) {
        let typo = normalized(&name);
        let similar = unset.iter().find(|(_, letters)| *letters == typo).or_else(|| {
            unset.iter().find(|(_, letters)| letters.len() >= MIN_LENGTH && are_close(letters, &typo))
        });
        if let Some((similar, _)) = similar {
            reader.report(&name, Reason::UnknownName { similar: (*similar).clone() });
        }
    }
}

/// The full name of every setting that is read, or refused.
fn known() -> Vec<String> {
    names().into_iter().chain(unsupported_names()).collect()
}

/// A name's letters and digits in upper case.
fn normalized(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// Whether the Levenshtein distance of `a` and `b` is at most [`MAX_EDITS`].
fn are_close(a: &str, b: &str) -> bool {
    if a.len().abs_diff(b.len()) > MAX_EDITS {
        return false;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()] <= MAX_EDITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_edits_are_close_and_three_are_not() {
        for (a, b) in
            [("ABC", "ABC"), ("ABC", "AXC"), ("ABCD", "AD"), ("AB", "ABCD"), ("", "AB"), ("ABCD", "ABDC")]
        {
            assert!(are_close(a, b) && are_close(b, a), "{a} {b}");
        }
        for (a, b) in [("ABC", "XYZ"), ("ABCD", "A"), ("", "ABC"), ("ABCDEF", "ACEGHI")] {
            assert!(!are_close(a, b) && !are_close(b, a), "{a} {b}");
        }
    }

    #[test]
    fn no_two_settings_differ_only_in_case_or_separators() {
        let known = known();
        for (index, a) in known.iter().enumerate() {
            for b in &known[..index] {
                assert_ne!(normalized(a), normalized(b));
            }
        }
    }
}
