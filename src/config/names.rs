//! Names of settings that nobody reads, and that are nearly the name of one that is missing.

use super::SETTINGS;
use super::problem::Wrong;
use super::reader::{REFUSED, Reader};

/// The settings that name a connection.
pub const CONNECTIONS: [&str; 4] = [super::SOURCE, super::CHECKPOINTS, super::HOST_STORAGE, super::HUB];

/// How many letters may differ in a slip of the pen.
const SLIP: usize = 2;

/// Shortest name in which letters may differ: others are too short, and other programs have such names.
const LONG_ENOUGH: usize = 12;

/// Reports every one of `names` that nobody reads and that differs little from the name of a setting that is
/// not set: in case and separators (`FLOWLOG_STORAGE_blobServiceUri`), or in a letter or two.
pub(super) fn report_slips(reader: &mut Reader<'_>, names: impl IntoIterator<Item = String>) {
    let known = known();
    let missing: Vec<(String, String)> =
        known.iter().filter(|name| !reader.is_set(name)).map(|name| (name.clone(), letters(name))).collect();
    for name in names.into_iter().filter(|name| !known.contains(name)) {
        let slip = letters(&name);
        let alike = missing.iter().find(|(_, letters)| *letters == slip).or_else(|| {
            missing.iter().find(|(_, letters)| letters.len() >= LONG_ENOUGH && are_close(letters, &slip))
        });
        if let Some((meant, _)) = alike {
            reader.report(&name, Wrong::NoSuchSetting { meant: meant.clone() });
        }
    }
}

/// The full name of every setting that is read, or looked up to be refused.
fn known() -> Vec<String> {
    let parts = |part: &str| CONNECTIONS.map(|name| format!("{name}{part}"));
    let refused = REFUSED.iter().flat_map(|part| parts(&format!("__{part}")));
    SETTINGS
        .iter()
        .flat_map(|setting| match setting.name.strip_prefix("<NAME>") {
            Some(part) => parts(part).to_vec(),
            None => vec![setting.name.to_owned()],
        })
        .chain(refused)
        .collect()
}

/// A name's letters and digits, in upper case.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// Whether at most [`SLIP`] letters have to be changed, added or left out to make `b` of `a` (the edit distance
/// of Levenshtein).
fn are_close(a: &str, b: &str) -> bool {
    if a.len().abs_diff(b.len()) > SLIP {
        return false;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let changed = before + usize::from(from != to);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()] <= SLIP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_close_that_differ_by_two_letters() {
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
    fn no_two_settings_have_the_same_letters() {
        let known = known();
        for (place, a) in known.iter().enumerate() {
            for b in &known[..place] {
                assert_ne!(letters(a), letters(b));
            }
        }
    }
}
