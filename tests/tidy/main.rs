//! The house rules that matter, as tests. Reads files only; takes a fraction of a second.
//!
//! Each check is a function over given texts that answers with its findings, and each has a test
//! that shows it a planted violation. What is allowed all the same stands in [`exceptions`], each
//! with its reason.

mod citations;
mod exceptions;
mod lock;
mod manifests;
mod migrations;
mod pages;
mod rules;
mod rust_files;
mod source;
mod tree;
mod usage;

use tree::Tree;

/// One line per violation: where, what, and what to do instead.
type Findings = Vec<String>;

fn nothing_found(findings: &Findings) {
    assert!(
        findings.is_empty(),
        "{} found:\n  {}",
        findings.len(),
        findings.join("\n  ")
    );
}

#[test]
fn every_top_level_entry_is_expected() {
    let tree = Tree::read().unwrap();
    nothing_found(&tree::unexpected(&tree.paths));
}

#[test]
fn rust_files_open_with_their_purpose() {
    nothing_found(&rust_files::without_purpose(&Tree::read().unwrap().files));
}

#[test]
fn rust_files_are_short() {
    let files = Tree::read().unwrap().files;
    nothing_found(&rust_files::too_long(&files, exceptions::LONG_FILES));
}

#[test]
fn rust_files_belong_to_a_target() {
    nothing_found(&rust_files::orphans(&Tree::read().unwrap().files));
}

#[test]
fn forbidden_text_is_absent() {
    let files = Tree::read().unwrap().files;
    nothing_found(&rules::broken(&files, &rules::all()));
}

#[test]
fn exceptions_are_still_needed() {
    let files = Tree::read().unwrap().files;
    nothing_found(&rules::idle_exceptions(&files, &rules::all()));
    nothing_found(&rust_files::idle_exceptions(&files, exceptions::LONG_FILES));
}

#[test]
fn lints_are_silenced_with_a_reason() {
    nothing_found(&rules::silenced_without_reason(
        &Tree::read().unwrap().files,
    ));
}

#[test]
fn select_is_biased() {
    nothing_found(&rules::unbiased_select(&Tree::read().unwrap().files));
}

#[test]
fn arrows_between_our_crates_point_one_way() {
    nothing_found(&manifests::wrong_arrows(
        &Tree::read().unwrap().members().unwrap(),
    ));
}

#[test]
fn core_reaches_neither_runtime_nor_network_nor_database() {
    let tree = Tree::dependencies_of("countermand-core").unwrap();
    nothing_found(&lock::reached(&tree, lock::NOT_IN_CORE));
}

#[test]
fn one_version_of_what_must_be_one() {
    let lock = Tree::read().unwrap().lock().unwrap();
    nothing_found(&lock::doubled(&lock, lock::ONE_VERSION));
    nothing_found(&lock::present(&lock, lock::ABSENT));
}

#[test]
fn members_follow_the_workspace() {
    nothing_found(&manifests::own_ways(
        &Tree::read().unwrap().members().unwrap(),
    ));
}

#[test]
fn declared_dependencies_are_used() {
    let tree = Tree::read().unwrap();
    let members = tree.members().unwrap();
    nothing_found(&usage::unused(
        &members,
        &tree.files,
        exceptions::UNUSED_DEPENDENCIES,
    ));
}

#[test]
fn the_workspace_table_is_used() {
    let tree = Tree::read().unwrap();
    nothing_found(&usage::unused_in_workspace(
        &tree.root_manifest().unwrap(),
        &tree.members().unwrap(),
    ));
}

#[test]
fn dependencies_are_justified() {
    let tree = Tree::read().unwrap();
    let page = tree.text("docs/supply-chain.md").unwrap();
    nothing_found(&usage::unjustified(&tree.root_manifest().unwrap(), page));
}

#[test]
fn lines_have_no_trailing_whitespace() {
    nothing_found(&pages::trailing_whitespace(&Tree::read().unwrap().files));
}

#[test]
fn links_between_pages_resolve() {
    let tree = Tree::read().unwrap();
    nothing_found(&pages::dead_links(&tree.files, &tree.paths));
}

#[test]
fn pages_quote_what_is_there() {
    nothing_found(&pages::stale_quotes(&Tree::read().unwrap().files));
}

#[test]
fn comments_cite_what_is_there() {
    let tree = Tree::read().unwrap();
    let pages = citations::Cited::of(&tree).unwrap();
    nothing_found(&citations::dangling(&tree.files, &pages));
}

#[test]
fn changelog_has_an_unreleased_section() {
    let tree = Tree::read().unwrap();
    nothing_found(&pages::changelog(tree.text("CHANGELOG.md").unwrap()));
}

#[test]
fn released_migrations_are_never_edited() {
    let tree = Tree::read().unwrap();
    let changelog = tree.text("CHANGELOG.md").unwrap();
    nothing_found(&migrations::edited(
        &tree.files,
        exceptions::RELEASED_MIGRATIONS,
    ));
    nothing_found(&migrations::misnamed(&tree.files));
    nothing_found(&migrations::unlisted(
        changelog,
        exceptions::RELEASED_MIGRATIONS,
    ));
}
