//! The house's rules as a test: floors, files, words, secrets. What a rule finds is a complaint that says where, what, and
//! what to do instead. `samples` shows every rule a file that breaks it, so that none can pass by looking away.

mod floors;
mod rules;
mod samples;
mod source;
mod tree;

use source::Source;

/// Fails with every complaint at once.
fn none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn each(rule: impl Fn(&Source) -> Vec<String>) {
    let sources = tree::rust();
    assert!(sources.len() > 80, "the sources were not found");
    none(sources.iter().flat_map(rule));
}

#[test]
fn a_floor_names_only_lower_floors_and_siblings_never_meet() {
    each(floors::named);
}

#[test]
fn the_floors_below_the_edges_do_not_wait_and_the_lowest_touch_nothing_outside() {
    each(floors::pure);
}

#[test]
fn every_file_opens_with_why_it_exists() {
    each(rules::opening);
}

#[test]
fn long_files_are_on_the_list_with_their_reason() {
    each(rules::length);
    none(rules::stale_exceptions(&tree::rust()));
}

#[test]
fn unsafe_stands_in_the_shim_alone() {
    each(rules::safe);
    let manifest = tree::text("Cargo.toml");
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    let packages =
        members.split(',').map(|member| member.trim().trim_matches('"')).filter(|name| !name.is_empty());
    none(
        packages
            .chain(["."])
            .flat_map(|path| rules::forbids_unsafe(path, &tree::text(&format!("{path}/Cargo.toml")))),
    );
}

#[test]
fn every_allow_has_its_reason() {
    each(rules::reasons);
    none(rules::manifest_reasons(&tree::text("Cargo.toml")));
}

#[test]
fn routes_stand_on_their_page_and_headers_are_read_in_one_place() {
    each(rules::edges);
}

#[test]
fn secrets_cannot_speak() {
    each(rules::silence);
    none(rules::unknown_secrets(&tree::rust()));
}

#[test]
fn no_api_keys_text_is_compared() {
    each(rules::compared);
}

#[test]
fn the_product_denies_what_only_tests_may_do() {
    none(rules::product_lints(&tree::text("src/lib.rs")));
}

#[test]
fn nothing_speaks_of_unfinished_work_or_of_somebodys_machine() {
    none(tree::all_text().iter().flat_map(|(path, text)| rules::words(path, text)));
}

#[test]
fn no_file_is_dead() {
    none(rules::dead(&tree::rust()));
}

#[test]
fn every_top_level_directory_is_explained() {
    let explained = tree::text("README.md") + &tree::text("ARCHITECTURE.md");
    none(rules::unexplained(&tree::top_level_directories(), &explained));
}
