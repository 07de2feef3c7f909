//! Tests that run in their own process, because they need other environment variables.

use std::process::Command;

/// Runs the ignored test `name` in a process with these variables: a process cannot change its own environment
/// safely.
pub async fn run_alone(name: &'static str, variables: Vec<(&'static str, String)>) {
    let program = std::env::current_exe().unwrap();
    let run = move || {
        // The test runner names tests without the crate.
        let (_, name) = name.split_once("::").unwrap();
        let arguments = ["--exact", name, "--ignored", "--nocapture"];
        Command::new(program).args(arguments).envs(variables).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{error}");
}

#[allow(clippy::disallowed_methods, reason = "set by the test that started this process")]
/// A variable of this process.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}
