//! Text that must not stand in the sources, and where it may all the same.

use crate::source::{Source, line_of, occurrences};
use crate::tree::{File, is_for_tests};
use crate::{Findings, exceptions};

/// Which part of a file a rule is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All code, tests included.
    Everything,
    /// Code outside of `#[cfg(test)]`, and of modules that are named `tests`.
    Product,
}

/// One rule.
pub(crate) struct Rule {
    /// Any of these, as whole words, outside of comments and strings.
    pub(crate) texts: &'static [&'static str],
    /// In files whose path begins so.
    pub(crate) below: &'static [&'static str],
    pub(crate) part: Part,
    /// What to do instead.
    pub(crate) instead: &'static str,
    /// Files, or folders, that may; each with its reason.
    pub(crate) except: &'static [(&'static str, &'static str)],
}

/// Every rule of the house that is about a text.
pub(crate) fn all() -> Vec<Rule> {
    use Part::{Everything, Product};
    vec![
        Rule {
            texts: &["todo!", "unimplemented!", "dbg!"],
            below: &[""],
            part: Everything,
            instead: "finish it, or leave it out",
            except: &[],
        },
        Rule {
            texts: &["unsafe"],
            below: &[""],
            part: Everything,
            instead: "there is a safe way",
            except: &[],
        },
        Rule {
            texts: &["#[ignore", "#[cfg(any())]"],
            below: &[""],
            part: Everything,
            instead: "a test that never runs proves nothing",
            except: &[],
        },
        Rule {
            texts: &[
                "danger_accept_invalid_certs",
                "danger_accept_invalid_hostnames",
                "tls_danger_accept_invalid_certs",
                "tls_danger_accept_invalid_hostnames",
            ],
            below: &[""],
            part: Everything,
            instead: "there is no insecure fall-back",
            except: &[],
        },
        Rule {
            texts: &[".begin()", ".try_begin()"],
            below: &["crates/store/"],
            part: Everything,
            instead: "`BEGIN IMMEDIATE`: a deferred transaction fails as soon as another writer was faster",
            except: &[],
        },
        Rule {
            texts: &["select!", "timeout"],
            below: &["crates/store/src/"],
            part: Product,
            instead: "a store operation is never dropped half way; callers may time out (rule R2)",
            except: exceptions::STORE_TIMEOUTS,
        },
        Rule {
            texts: &["AssertSqlSafe"],
            below: &[""],
            part: Everything,
            instead: "SQL is a constant; values are bound",
            except: exceptions::BUILT_SQL,
        },
        Rule {
            texts: &[
                "Instant::now",
                "SystemTime::now",
                "Zoned::now",
                "jiff::Timestamp::now",
            ],
            below: &[
                "crates/core/",
                "crates/store/src/",
                "crates/runner/src/",
                "crates/countermand/src/",
            ],
            part: Product,
            instead: "ask the injected clock",
            except: exceptions::REAL_CLOCKS,
        },
        Rule {
            texts: &["sleep(", "sleep_until(", "interval("],
            below: &[
                "crates/core/",
                "crates/store/src/",
                "crates/runner/src/",
                "crates/countermand/src/",
            ],
            part: Product,
            instead: "wait on the injected clock",
            except: exceptions::REAL_SLEEPS,
        },
        Rule {
            texts: &["thread_rng", "rand::rng", "rand::random", "SysRng", "OsRng"],
            below: &[
                "crates/core/",
                "crates/store/src/",
                "crates/runner/src/",
                "crates/countermand/src/",
            ],
            part: Product,
            instead: "draw from the injected source",
            except: exceptions::REAL_RANDOMNESS,
        },
        Rule {
            texts: &["println!", "eprintln!", "print!", "eprint!"],
            below: &[
                "crates/core/src/",
                "crates/store/src/",
                "crates/runner/src/",
                "crates/buy-with-prime/src/",
                "crates/countermand/src/",
                "crates/server/src/",
                "crates/simulator/src/",
            ],
            part: Product,
            instead: "a library speaks through `tracing`",
            except: &[],
        },
        Rule {
            texts: &[
                "async",
                "await",
                "std::env",
                "std::fs",
                "std::net",
                "std::process",
                "std::thread",
                "HashMap",
                "HashSet",
                "f32",
                "f64",
                "rand",
            ],
            below: &["crates/core/src/"],
            part: Product,
            instead: "core is pure: no I/O, no randomness, no order that changes, no float",
            except: &[],
        },
    ]
}

/// Where a rule is broken.
pub(crate) fn broken(files: &[File], rules: &[Rule]) -> Findings {
    hits(files, rules)
        .filter(|(file, rule, ..)| allowed_by(rule, &file.path).is_none())
        .map(|(file, rule, text, line)| format!("{}:{line}: `{text}`: {}", file.path, rule.instead))
        .collect()
}

/// Exceptions that nothing makes use of (any more).
pub(crate) fn idle_exceptions(files: &[File], rules: &[Rule]) -> Findings {
    let mut idle: Findings = Vec::new();
    for rule in rules {
        let one = std::slice::from_ref(rule);
        for exception in rule.except {
            if !hits(files, one)
                .any(|(file, rule, ..)| allowed_by(rule, &file.path) == Some(exception))
            {
                idle.push(format!(
                    "{}: has no {:?}; remove the exception",
                    exception.0, rule.texts
                ));
            }
        }
    }
    idle
}

fn allowed_by<'a>(rule: &'a Rule, path: &str) -> Option<&'a (&'static str, &'static str)> {
    rule.except
        .iter()
        .find(|(place, _)| path == *place || (place.ends_with('/') && path.starts_with(place)))
}

/// Each place where a text of a rule stands in a file that the rule is about.
fn hits<'a>(
    files: &'a [File],
    rules: &'a [Rule],
) -> impl Iterator<Item = (&'a File, &'a Rule, &'static str, usize)> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(move |file| {
            let everything = Source::parse(&file.text).code();
            let product = if is_for_tests(&file.path) {
                String::new()
            } else {
                Source::parse(&file.text).without_tests().code()
            };
            rules
                .iter()
                .filter(|rule| rule.below.iter().any(|start| file.path.starts_with(start)))
                .flat_map(|rule| rule.texts.iter().map(move |text| (rule, *text)))
                .flat_map(|(rule, text)| {
                    let code = match rule.part {
                        Part::Everything => &everything,
                        Part::Product => &product,
                    };
                    occurrences(code, text)
                        .into_iter()
                        .filter(|at| !text.ends_with('(') || is_free_call(code, *at))
                        .map(|at| (file, rule, text, line_of(code, at)))
                        .collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        })
}

/// Is this the call of a free function, not of a method, and not a definition?
fn is_free_call(code: &str, at: usize) -> bool {
    let before = code[..at].trim_end();
    !before.ends_with('.') && !before.ends_with("fn")
}

/// `#[allow]` and `#[expect]` without a reason.
pub(crate) fn silenced_without_reason(files: &[File]) -> Findings {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = Source::parse(&file.text).code();
        for (opening, verb) in [("[allow(", "allow"), ("[expect(", "expect")] {
            for (at, _) in code.match_indices(opening) {
                let attribute = code[at..].split(']').next().unwrap_or_default();
                let has_reason = !occurrences(attribute, "reason =").is_empty();
                if !has_reason {
                    findings.push(format!(
                        "{}:{}: `#[{verb}]`: give a `reason = \"...\"`",
                        file.path,
                        line_of(&code, at)
                    ));
                }
            }
        }
    }
    findings
}

/// `select!` whose branches are polled in an order that changes from run to run.
pub(crate) fn unbiased_select(files: &[File]) -> Findings {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = Source::parse(&file.text).code();
        for at in occurrences(&code, "select!") {
            let body = code[at..]
                .trim_start_matches("select!")
                .trim_start()
                .trim_start_matches(['{', '(']);
            if !body.trim_start().starts_with("biased;") {
                findings.push(format!(
                    "{}:{}: `select!` is `biased`",
                    file.path,
                    line_of(&code, at)
                ));
            }
        }
    }
    findings
}

#[test]
fn finds_each_forbidden_text() {
    for rule in all() {
        for text in rule.texts {
            let path = format!("{}planted.rs", rule.below[0]);
            let planted = File::new(&path, &format!("fn f() {{ {text}(x); }}"));
            let found = broken(&[planted], &all());
            assert!(!found.is_empty(), "{text} was not found in {path}");
        }
    }
}

#[test]
fn passes_comments_strings_and_other_words() {
    let text = "// todo! .begin() unsafe\nconst A: &str = \"dbg! AssertSqlSafe\";\nfn unsafe_code() { busy_timeout(); }";
    assert_eq!(
        broken(&[File::new("crates/store/src/a.rs", text)], &all()),
        Findings::new()
    );
}

#[test]
fn lets_tests_read_the_clock_and_product_code_not() {
    let text = "#[cfg(test)]\nmod tests { fn a() { Instant::now(); } }\n";
    let path = "crates/runner/src/a.rs";
    let tests = "crates/runner/src/a/tests.rs";
    let bare = "fn a() { Instant::now(); }";
    assert_eq!(broken(&[File::new(path, text)], &all()), Findings::new());
    assert_eq!(broken(&[File::new(tests, bare)], &all()), Findings::new());
    assert_eq!(broken(&[File::new(path, bare)], &all()).len(), 1);
}

#[test]
fn tells_a_sleep_from_an_injected_one() {
    let path = "crates/runner/src/a.rs";
    let found = |text: &str| broken(&[File::new(path, text)], &all()).len();
    assert_eq!(
        found("use tokio::time::{sleep, timeout};\nsleep(wait).await;"),
        1
    );
    assert_eq!(found("tokio::time::sleep(wait)"), 1);
    assert_eq!(found("world.sleep(wait); fn sleep(&self) {}"), 0);
}

#[test]
fn keeps_and_expires_exceptions() {
    let rule = || Rule {
        texts: &["sleep"],
        below: &[""],
        part: Part::Everything,
        instead: "wait",
        except: &[("a.rs", "the world"), ("gone/", "was needed once")],
    };
    let files = [File::new("a.rs", "sleep()"), File::new("b.rs", "\nsleep()")];
    assert_eq!(broken(&files, &[rule()]), ["b.rs:2: `sleep`: wait"]);
    assert!(idle_exceptions(&files, &[rule()])[0].starts_with("gone/"));
    assert_eq!(idle_exceptions(&files, &[rule()]).len(), 1);
}

#[test]
fn finds_silenced_lints() {
    let text = "#![allow(dead_code)]\n#[expect(dead_code)]\n#[expect(\n    dead_code,\n    reason = \"r\"\n)]\n#[cfg_attr(test, allow(dead_code))]\n";
    let found = silenced_without_reason(&[File::new("a.rs", text)]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn finds_an_unbiased_select() {
    let text =
        "tokio::select! {\n    biased;\n    a = b => {}\n}\ntokio::select! {\n    a = b => {}\n}\n";
    assert_eq!(
        unbiased_select(&[File::new("a.rs", text)]),
        ["a.rs:5: `select!` is `biased`"]
    );
}
