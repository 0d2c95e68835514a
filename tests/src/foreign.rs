//! Programs of others: found, or the test says that it was skipped.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// A program on the `PATH`, or in the project's own Python environment.
pub fn find(name: &str) -> Option<PathBuf> {
    let own = root().join(".cache/python/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = std::iter::once(own).chain(env::split_paths(&path));
    folders.find_map(|folder| {
        let file = folder.join(name);
        file.is_file().then_some(file)
    })
}

/// The same; says that the test is skipped when it is missing.
pub fn need(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skip(&format!("no {name}"));
    }
    found
}

/// A program of ours that is built apart, beside the test's own; says how it is built when it is
/// missing, and that the test is skipped.
pub fn need_built(name: &str, how: &str) -> Option<PathBuf> {
    let own = env::current_exe().unwrap();
    // TARGET/PROFILE/deps/TEST
    let found = own.ancestors().nth(2).map(|folder| folder.join(name));
    let found = found.filter(|file| file.is_file());
    if found.is_none() {
        skip(&format!("no {name}; {how} builds it"));
    }
    found
}

/// A Python that has `module`; says that the test is skipped when there is none.
pub async fn need_python(module: &str) -> Option<PathBuf> {
    let own = root().join(".cache/python/bin/python3");
    for python in [own, PathBuf::from("python3")] {
        let mut import = Command::new(&python);
        import.args(["-c", &format!("import {module}")]);
        if import
            .output()
            .await
            .is_ok_and(|output| output.status.success())
        {
            return Some(python);
        }
    }
    skip(&format!("no python3 with {module}"));
    None
}

/// Says that a test did not run, and why; past the test runner, which keeps to itself what a test
/// that does not fail has printed.
pub fn skip(why: &str) {
    tell("skipped", why);
}

/// Says what a test has seen and does not judge, likewise.
pub fn report(seen: &str) {
    tell("seen", seen);
}

fn tell(kind: &str, what: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let line = format!("{kind}: {test}: {what}\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Runs a program to its end, within bounds; its output is part of the failure.
pub async fn run(command: &mut Command, seconds: u64) -> String {
    let output = output(command, seconds).await;
    assert!(output.status.success(), "{command:?}\n{}", text(&output));
    text(&output)
}

/// Runs a program to its end, within bounds.
pub async fn output(command: &mut Command, seconds: u64) -> Output {
    command.kill_on_drop(true);
    let running = timeout(Duration::from_secs(seconds), command.output()).await;
    let output = running.unwrap_or_else(|_elapsed| panic!("{command:?}: not done in {seconds} s"));
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What it wrote, on both channels.
pub fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// The root of the repository.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
