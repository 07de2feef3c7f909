//! Every text that an operator can read, in one snapshot, so that a change is reviewed as text.
//!
//! Examples of texts that are put together at run time, then the texts in the sources. The test fails on any
//! change. To accept it, run `INSTA_UPDATE=always cargo test --lib operator_texts` and commit the snapshot.

mod examples;
mod scan;

use std::fs;
use std::path::Path;

/// Folders whose texts are for developers.
const NOT_FOR_OPERATORS: [&str; 4] =
    ["src/app/operator_texts", "src/config/tests", "src/message/batch/tests", "src/fuzzing"];

#[test]
fn operator_texts() {
    let sections = [
        ("The summary of a sweep", examples::sweeps()),
        ("The result of an event", examples::results()),
        ("Why an event failed", examples::failures()),
        ("Errors, log lines with their fields, and parts of them, by file", sources()),
    ];
    let sections = sections.map(|(title, lines)| format!("# {title}\n\n{}\n", lines.join("\n")));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("operator_texts", sections.join("\n"));
    });
}

fn sources() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines = Vec::new();
    for file in scan::rust_files(&root.join("src")) {
        let path = file.strip_prefix(root).unwrap();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_test = name.ends_with("tests") || name == "oracle" || name == "arbitrary";
        if is_test || NOT_FOR_OPERATORS.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let texts = scan::texts(&fs::read_to_string(&file).unwrap());
        if !texts.is_empty() {
            lines.push(format!("{}:", path.display()));
            lines.extend(texts.into_iter().map(|text| format!("  {text}")));
        }
    }
    lines
}
