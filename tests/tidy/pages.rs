//! Pages: links that resolve, a changelog with an open section, no trailing whitespace.

use crate::Findings;
use crate::tree::{File, has_extension, joined};

/// Lines that end in blanks, in files that people write.
pub(crate) fn trailing_whitespace(files: &[File]) -> Findings {
    let mut findings = Vec::new();
    let written = |path: &str| {
        has_extension(
            path,
            &["rs", "md", "toml", "sql", "graphql", "html", "css", "js"],
        ) || path == ".ci/run"
    };
    for file in files.iter().filter(|file| written(&file.path)) {
        for (index, line) in file.text.lines().enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                findings.push(format!("{}:{}: ends in a blank", file.path, index + 1));
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            findings.push(format!("{}: end the last line", file.path));
        }
    }
    findings
}

/// The changelog follows Keep a Changelog and has an open section.
pub(crate) fn changelog(text: &str) -> Findings {
    let mut findings = Vec::new();
    if !text.starts_with("# Changelog\n") {
        findings.push("CHANGELOG.md: begin with `# Changelog`".to_owned());
    }
    let first = text.lines().find(|line| line.starts_with("## "));
    if first != Some("## [Unreleased]") {
        findings.push("CHANGELOG.md: the first section is `## [Unreleased]`".to_owned());
    }
    let kinds = [
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    ];
    for heading in text.lines().filter_map(|line| line.strip_prefix("### ")) {
        if !kinds.contains(&heading) {
            findings.push(format!("CHANGELOG.md: `{heading}` is none of {kinds:?}"));
        }
    }
    findings
}

/// Links in Markdown files whose target, or heading, is not there.
pub(crate) fn dead_links(files: &[File], paths: &[String]) -> Findings {
    let mut findings = Vec::new();
    for file in files
        .iter()
        .filter(|file| has_extension(&file.path, &["md"]))
    {
        for (line, target) in links(&file.text) {
            // Rustdoc includes some pages: there, a link may name an item.
            let elsewhere = ["http://", "https://", "mailto:"]
                .iter()
                .any(|start| target.starts_with(start));
            if elsewhere || target.contains("::") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() {
                Some(file.path.clone())
            } else {
                joined(&file.path, path)
            };
            let place = format!("{}:{line}: link to `{target}`", file.path);
            let Some(path) = path else {
                findings.push(format!("{place} leaves the tree"));
                continue;
            };
            let folder = format!("{}/", path.trim_end_matches('/'));
            if !paths
                .iter()
                .any(|known| *known == path || known.starts_with(&folder))
            {
                findings.push(format!("{place}: no such file"));
            } else if !heading.is_empty() {
                let found = files
                    .iter()
                    .find(|other| other.path == path)
                    .is_some_and(|other| anchors(&other.text).any(|anchor| anchor == heading));
                if !found {
                    findings.push(format!("{place}: no such heading"));
                }
            }
        }
    }
    findings
}

/// Code in a page that says `<!-- quoted from PATH -->` and is not what that file says, behind its
/// opening comment.
pub(crate) fn stale_quotes(files: &[File]) -> Findings {
    let mut findings = Vec::new();
    for page in files
        .iter()
        .filter(|file| has_extension(&file.path, &["md"]))
    {
        for (at, _) in page.text.match_indices("<!-- quoted from ") {
            let rest = &page.text[at + "<!-- quoted from ".len()..];
            let Some((path, after)) = rest.split_once(" -->\n") else {
                findings.push(format!("{}: a quotation without end", page.path));
                continue;
            };
            let quoted = after.trim_start().strip_prefix("```").and_then(|block| {
                block
                    .split_once('\n')?
                    .1
                    .split_once("```")
                    .map(|(code, _)| code)
            });
            let original = files.iter().find(|file| file.path == path).map(|file| {
                let comment: usize = file
                    .text
                    .split_inclusive('\n')
                    .take_while(|line| line.starts_with("//!") || line.trim().is_empty())
                    .map(str::len)
                    .sum();
                &file.text[comment..]
            });
            if original.is_none() || quoted != original {
                findings.push(format!(
                    "{}: what it quotes from {path} is not what stands there",
                    page.path
                ));
            }
        }
    }
    findings
}

/// Line and target of each link, outside of code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        for (at, _) in content.match_indices("](") {
            let in_code = content[..at].matches('`').count() % 2 == 1;
            let target = content[at + 2..].split(')').next();
            if let (false, Some(target)) = (in_code, target) {
                found.push((line, target.split(' ').next().unwrap_or(target)));
            }
        }
        let definition = content
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition {
            found.push((line, target.trim()));
        }
    }
    found
}

/// Lines outside of fenced code, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

/// The anchors that a page's headings get.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|(_, line)| {
        let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
        Some(
            heading
                .to_lowercase()
                .chars()
                .filter(|character| {
                    character.is_alphanumeric() || matches!(character, ' ' | '-' | '_')
                })
                .map(|character| if character == ' ' { '-' } else { character })
                .collect(),
        )
    })
}

#[test]
fn finds_trailing_whitespace() {
    let files = [
        File::new("a.rs", "fine\n"),
        File::new("b.md", "blank \nfine\n"),
        File::new("c.toml", "tab\t\n"),
        File::new("d.rs", "no end"),
        File::new("e.snap", "as printed \n"),
    ];
    assert_eq!(trailing_whitespace(&files).len(), 3);
}

#[test]
fn finds_a_changelog_without_an_open_section() {
    let good = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- It.\n\n## [0.1.0] - 2026-12-01\n";
    assert_eq!(changelog(good), Findings::new());
    assert_eq!(changelog(&good.replace("## [Unreleased]\n", "")).len(), 1);
    assert_eq!(changelog(&good.replace("Added", "New")).len(), 1);
    assert_eq!(changelog(&good.replace("# Changelog\n", "")).len(), 1);
}

#[test]
fn finds_dead_links() {
    let paths = ["README.md", "docs/a.md", "crates/core/src/lib.rs"].map(str::to_owned);
    let page = |text: &str| {
        [
            File::new("docs/a.md", text),
            File::new("README.md", "## In short: `x`\n"),
        ]
    };
    for dead in [
        "[a](b.md)",
        "[a](../../b.md)",
        "[a](../README.md#long)",
        "[a](#nowhere)",
        "[a]: gone.md",
        "text [a](a.md) and [b](../docs/c.md \"title\")",
    ] {
        assert_eq!(dead_links(&page(dead), &paths).len(), 1, "{dead}");
    }
    for fine in [
        "[a](a.md)",
        "[a](../README.md#in-short-x)",
        "[a](../crates/core)",
        "[a](https://example.com/x)",
        "`[a](b.md)`",
        "```\n[a](b.md)\n```",
        "[a](crate::B)",
        "# Here\n[a](#here)",
        "[a]: a.md",
    ] {
        assert_eq!(dead_links(&page(fine), &paths), Findings::new(), "{fine}");
    }
}

#[test]
fn finds_stale_quotations() {
    let source = File::new("a.rs", "//! Doc.\n\nfn main() {}\n");
    let page = |text: &str| File::new("README.md", text);
    let fine = page("<!-- quoted from a.rs -->\n```rust\nfn main() {}\n```\n");
    let stale = page("<!-- quoted from a.rs -->\n```rust\nfn old() {}\n```\n");
    let gone = page("<!-- quoted from b.rs -->\n```rust\nfn main() {}\n```\n");
    assert_eq!(stale_quotes(&[fine, source]), Findings::new());
    let source = || File::new("a.rs", "//! Doc.\n\nfn main() {}\n");
    assert_eq!(stale_quotes(&[stale, source()]).len(), 1);
    assert_eq!(stale_quotes(&[gone, source()]).len(), 1);
}
