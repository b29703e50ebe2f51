//! The project's files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// Where text is looked for; what Git ignores lies in none of them.
const FOLDERS: [&str; 9] =
    ["src", "tests", "benches", "fuzz", "policies", "provisioning", "systemd", "docs", ".ci"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One file's text; its path is from the root.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file.
pub(crate) fn rust() -> Vec<Source> {
    let files = files().into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    files.map(|path| Source::new(&name(&path), &fs::read_to_string(path).unwrap())).collect()
}

/// Every text file, by path.
pub(crate) fn all_text() -> Vec<(String, String)> {
    let read = |path: PathBuf| Some((name(&path), fs::read_to_string(&path).ok()?));
    files().into_iter().filter_map(read).collect()
}

/// Folders at the top, save Git's and what it ignores.
pub(crate) fn top_level_directories() -> Vec<String> {
    let ignored = text(".gitignore");
    let is_ignored =
        |name: &str| name == ".git" || ignored.lines().any(|line| line.trim_matches('/') == name);
    let entries = fs::read_dir(root()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| !is_ignored(name)).collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

fn files() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    // A worktree's link to its repository is no file of the project.
    found.retain(|path| !path.ends_with(".git"));
    let mut folders: Vec<PathBuf> = FOLDERS.map(|folder| root().join(folder)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let kind = if path.is_dir() { &mut folders } else { &mut found };
            kind.push(path);
        }
    }
    found.sort();
    found
}
