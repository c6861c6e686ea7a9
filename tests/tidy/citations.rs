//! Comments cite pages by number: the page must have it.

use crate::Findings;
use crate::source::{Source, line_of};
use crate::tree::{File, Tree};

/// The pages that comments cite.
pub(crate) struct Cited<'a> {
    /// `reference 3.6`, `X4`, `U9`.
    pub(crate) reference: &'a str,
    /// `rule R3`.
    pub(crate) rules: &'a str,
    /// `rule P4`.
    pub(crate) protocol: &'a str,
    /// `I13`.
    pub(crate) promises: &'a str,
}

impl<'a> Cited<'a> {
    pub(crate) fn of(tree: &'a Tree) -> anyhow::Result<Self> {
        Ok(Self {
            reference: tree.text("docs/buy-with-prime.md")?,
            rules: tree.text("CONTRIBUTING.md")?,
            protocol: tree.text("docs/effect-protocol.md")?,
            promises: tree.text("docs/promises.md")?,
        })
    }
}

/// Citations of something that is nowhere in the tree.
pub(crate) fn dangling(files: &[File], pages: &Cited<'_>) -> Findings {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let comments = Source::parse(&file.text).comments();
        let mut before = "";
        for (at, word) in words(&comments) {
            let problem = match before {
                "reference" if starts_with_digit(word) => {
                    let heading =
                        |level: &str| format!("\n{level} {} ", word.trim_end_matches('.'));
                    let known = pages.reference.contains(&heading("###"))
                        || pages
                            .reference
                            .contains(&format!("\n## {}. ", word.trim_end_matches('.')));
                    (!known).then(|| {
                        format!("`reference {word}` is no chapter of docs/buy-with-prime.md")
                    })
                }
                "design" | "promises" if starts_with_digit(word) => Some(format!(
                    "`{before} {word}` is not in the tree: cite a page under docs/"
                )),
                _ => numbered(word).and_then(|letter| {
                    let row = format!("| {word} |");
                    let (known, page) = match letter {
                        'X' | 'U' => (pages.reference.contains(&row), "docs/buy-with-prime.md"),
                        'R' => (pages.rules.contains(&row), "CONTRIBUTING.md"),
                        'P' => (
                            pages.protocol.contains(&format!("**{word}. ")),
                            "docs/effect-protocol.md",
                        ),
                        'I' => (pages.promises.contains(&row), "docs/promises.md"),
                        'F' => (false, "any page"),
                        _ => (true, ""),
                    };
                    (!known).then(|| format!("`{word}` is not in {page}"))
                }),
            };
            if let Some(problem) = problem {
                findings.push(format!(
                    "{}:{}: {problem}",
                    file.path,
                    line_of(&comments, at)
                ));
            }
            before = word;
        }
    }
    findings
}

/// Words, and where they begin. A dot counts as part of a number.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(|character: char| {
        !(character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '/'))
    })
    .map(|word| word.trim_end_matches('.'))
    .filter(|word| !word.is_empty())
    .map(move |word| (word.as_ptr().addr() - text.as_ptr().addr(), word))
}

fn starts_with_digit(word: &str) -> bool {
    word.starts_with(|character: char| character.is_ascii_digit())
}

/// The letter of a word such as `X4` or `R11`.
fn numbered(word: &str) -> Option<char> {
    let letter = word.chars().next().filter(char::is_ascii_uppercase)?;
    let digits = word.get(1..)?;
    let is_number =
        (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(letter)
}

#[test]
fn finds_dangling_citations() {
    let pages = Cited {
        reference: "# Page\n\n## 6. Odd\n\n### 3.6 Reporting\n\n| X4 | odd |\n| U9 | lag |\n",
        rules: "| R1 | retire |\n",
        protocol: "**P4. Look.** First.\n",
        promises: "| I13 | final |\n",
    };
    let check = |comment: &str| dangling(&[File::new("a.rs", &format!("//! {comment}\n"))], &pages);
    for fine in [
        "As reference 3.6 says (X4, U9).",
        "Rule R1, rule P4, I13.",
        "Seconds: T0 to T1; 3.6 by design.",
        "The refund `R1`, and see reference 6.",
    ] {
        assert_eq!(check(fine), Findings::new(), "{fine}");
    }
    for dead in [
        "(reference 3.7)",
        "design 6.2",
        "promises 1.2",
        "X5",
        "(U10)",
        "rule R2",
        "P7",
        "I2",
        "F1",
    ] {
        assert_eq!(check(dead).len(), 1, "{dead}");
    }
    assert_eq!(
        dangling(&[File::new("a.rs", "let x = \"X5\"; f(X5)")], &pages),
        Findings::new()
    );
}
