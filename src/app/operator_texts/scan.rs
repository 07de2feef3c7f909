//! Finds the texts of errors, log lines and other sentences in source files.

use std::collections::BTreeSet;
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::CharIndices;

/// What precedes the arguments of an error's or a log line's text, and the label of the text in the list.
const MACROS: [(&str, &str); 6] = [
    ("#[error(", "Err"),
    ("tracing::error!(", "ERROR"),
    ("tracing::warn!(", "WARN"),
    ("tracing::info!(", "INFO"),
    ("tracing::debug!(", "DEBUG"),
    ("tracing::trace!(", "TRACE"),
];

/// The label of all other texts.
const OTHER: &str = "…";

/// All Rust files under `folder`, sorted.
pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The texts in `source`, sorted, one line each: label, text, and a log line's fields in brackets. Behind
/// errors and log lines come the other literals of at least three words, such as parts of them.
pub(super) fn texts(source: &str) -> Vec<String> {
    let source = without_tests(source);
    let (mut texts, mut known) = (Vec::new(), BTreeSet::new());
    for (opening, label) in MACROS {
        for (at, _) in source.match_indices(opening) {
            let arguments = &source[at + opening.len()..];
            if arguments.starts_with("transparent)") {
                continue;
            }
            let (fields, text) = message(arguments).unwrap_or(("", "(no literal)".to_owned()));
            let fields = fields.split_whitespace().collect::<Vec<_>>().join(" ");
            known.insert(text.clone());
            texts.push(match fields.trim_end_matches(',') {
                "" => format!("{label:<5} {text}"),
                fields => format!("{label:<5} {text} [{fields}]"),
            });
        }
    }
    texts.sort();
    let others = literals(source).into_iter().filter(|text| is_sentence(text) && !known.contains(text));
    texts.extend(others.collect::<BTreeSet<_>>().into_iter().map(|text| format!("{OTHER:<5} {text}")));
    texts
}

/// `source` up to its inline tests, which stand last.
fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod tests {").map_or(source, |tests| &source[..tests])
}

fn is_sentence(text: &str) -> bool {
    let is_word = |word: &&str| {
        let word = word.trim_matches([',', ':', ';', '.', '(', ')']);
        word.chars().all(|char| char.is_alphabetic() || char == '\'')
    };
    text.split_whitespace().filter(is_word).count() >= 3
}

/// All string literals in `source`, except raw ones and the reasons of lint attributes.
fn literals(source: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let mut chars = source.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let rest = &source[at..];
        if rest.starts_with("//") {
            while chars.next_if(|(_, char)| *char != '\n').is_some() {}
        } else if rest.starts_with("'\"'") || rest.starts_with("b'\"'") {
            while chars.next().is_some_and(|(_, char)| char != '"') {}
        } else if rest.starts_with("r#\"") {
            let end = rest.find("\"#").map_or(source.len(), |length| at + length + 1);
            while chars.next_if(|(next, _)| *next <= end).is_some() {}
        } else if char == '"' {
            let literal = rest_of_literal(&mut chars);
            if !source[..at].ends_with("reason = ") {
                literals.push(literal);
            }
        }
    }
    literals
}

/// The first argument that is a string literal, and what precedes it.
fn message(arguments: &str) -> Option<(&str, String)> {
    let (mut depth, mut argument_begins) = (0_usize, true);
    let mut chars = arguments.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => {
                let literal = rest_of_literal(&mut chars);
                if depth == 0 && argument_begins {
                    return Some((&arguments[..at], literal));
                }
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        argument_begins = depth == 0 && (char == ',' || argument_begins && char.is_whitespace());
    }
    None
}

/// Reads up to the closing quote. Joins continued lines and unescapes quotes and backslashes.
fn rest_of_literal(chars: &mut Peekable<CharIndices<'_>>) -> String {
    let mut text = String::new();
    while let Some((_, char)) = chars.next() {
        match char {
            '"' => break,
            '\\' => match chars.next() {
                Some((_, '\n')) => while chars.next_if(|(_, next)| next.is_whitespace()).is_some() {},
                Some((_, quoted @ ('"' | '\\'))) => text.push(quoted),
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            },
            _ => text.push(char),
        }
    }
    text
}

#[test]
fn literals_are_found_behind_fields_and_on_several_lines() {
    let source = r#"
        #[error("{blob}: a \"quoted\" \
            cause")]
        #[error(transparent)]
        tracing::warn!(%blob, name = "not this", count = list(&["nor", "this"]).len(), "{count} \
             left");
        tracing::info!(
            "started"
        );
        tracing::debug!(field, other);
        // "not in a comment"
        #[expect(lint, reason = "nor a lint's reason")]
        let quote = '"'; let key = "two words"; let text = format!("three words, {quote} at least");
    "#;
    assert_eq!(
        texts(source),
        [
            "DEBUG (no literal)",
            "Err   {blob}: a \"quoted\" cause",
            "INFO  started",
            "WARN  {count} left [%blob, name = \"not this\", count = list(&[\"nor\", \"this\"]).len()]",
            "…     three words, {quote} at least",
        ]
    );
}
