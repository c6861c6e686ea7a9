//! Reads typed values out of the tree. What is wrong is noted and reading goes on; what nobody
//! asked for is an error at the end; what was read is remembered for `config show`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::near::nearest;
use super::notes::{Notes, join};
use super::problem::Origin;
use super::secrets;
use super::tree::{Node, Raw, Table, parse_env_value};

/// Longer than anybody waits, short enough never to overflow.
const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// A table being read. Keys are taken out; whatever is left when it closes is unknown.
#[derive(Debug)]
pub(super) struct Section {
    path: String,
    table: Table,
    origin: Origin,
    known: Vec<String>,
}

impl Section {
    pub(super) fn root(table: Table) -> Self {
        Self {
            path: String::new(),
            table,
            origin: Origin::Default,
            known: Vec::new(),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The full name of a key.
    pub(super) fn full(&self, key: &str) -> String {
        join(&self.path, key)
    }

    fn take(&mut self, key: &str) -> Option<Node> {
        self.known.push(key.to_owned());
        self.table.remove(key)
    }

    /// Is the key there?
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A table inside this one; empty when it is not there.
    pub(super) fn section(&mut self, notes: &mut Notes, key: &str) -> Self {
        let path = self.full(key);
        let (table, origin) = match self.take(key) {
            None => (Table::new(), Origin::Default),
            Some(Node {
                raw: Raw::Table(table),
                origin,
            }) => (table, origin),
            Some(node) => {
                let message = format!("must be a table; it is {}", node.raw.describe());
                notes.problem_at(&node.origin, &path, message);
                (Table::new(), node.origin)
            }
        };
        Self {
            path,
            table,
            origin,
            known: Vec::new(),
        }
    }

    /// One table or an array of tables.
    pub(super) fn sections(&mut self, notes: &mut Notes, key: &str) -> Vec<Self> {
        let path = self.full(key);
        let Some(mut node) = self.take(key) else {
            return Vec::new();
        };
        if let Raw::Env(text) = &node.raw
            && let Some(parsed) = parse_env_value(text, &node.origin)
        {
            node = parsed;
        }
        let items = match node.raw {
            Raw::Array(items) => items,
            raw @ Raw::Table(_) => vec![Node {
                raw,
                origin: node.origin,
            }],
            other => {
                let message = format!(
                    "must be a table or an array of tables; it is {}",
                    other.describe()
                );
                notes.problem_at(&node.origin, &path, message);
                return Vec::new();
            }
        };
        let single = items.len() == 1 && key == "buy_with_prime";
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = if single {
                path.clone()
            } else {
                format!("{path}.{index}")
            };
            match item.raw {
                Raw::Table(table) => sections.push(Self {
                    path,
                    table,
                    origin: item.origin,
                    known: Vec::new(),
                }),
                other => {
                    let message = format!("must be a table; it is {}", other.describe());
                    notes.problem_at(&item.origin, &path, message);
                }
            }
        }
        sections
    }

    /// Whatever is left is unknown.
    pub(super) fn close(self, notes: &mut Notes) {
        for (key, node) in &self.table {
            let near = nearest(key, &self.known);
            let message = match near {
                Some(known) => format!("is no key of this program; did you mean `{known}`?"),
                None if self.path.is_empty() => {
                    format!(
                        "is no section of this program; there are {}",
                        self.known.join(", ")
                    )
                }
                None => format!(
                    "is no key of this program; [{}] has {}",
                    self.path,
                    self.known.join(", ")
                ),
            };
            notes.problem_at(deepest(node), &self.full(key), message);
        }
    }

    fn wrong(notes: &mut Notes, key: &str, node: &Node, wants: &str) {
        let message = format!("must be {wants}; it is {}", node.raw.describe());
        notes.problem_at(&node.origin, key, message);
    }

    /// A key that must be there, of which nothing was found.
    pub(super) fn missing(&self, notes: &mut Notes, key: &str, wants: &str) {
        let full = self.full(key);
        notes.problem_at(
            &self.origin,
            &full,
            format!("is missing; it must be {wants}"),
        );
    }

    /// Reads a key with `understand`, which answers the value and how it is shown.
    fn read<T>(
        &mut self,
        notes: &mut Notes,
        key: &str,
        wants: &str,
        default: Option<(T, Value)>,
        understand: impl FnOnce(&Raw) -> Option<(T, Value)>,
    ) -> Option<T> {
        let Some(node) = self.take(key) else {
            let (value, shown) = default?;
            notes.show(&self.path, key, shown, Origin::Default);
            return Some(value);
        };
        if let Some((value, shown)) = understand(&node.raw) {
            notes.show(&self.path, key, shown, node.origin);
            Some(value)
        } else {
            Self::wrong(notes, &self.full(key), &node, wants);
            default.map(|(value, _)| value)
        }
    }

    /// A text; `None` when it is not there or wrong.
    pub(super) fn text(
        &mut self,
        notes: &mut Notes,
        key: &str,
        default: Option<&str>,
    ) -> Option<String> {
        let default = default.map(|text| (text.to_owned(), Value::from(text)));
        self.read(notes, key, "a string", default, |raw| match raw {
            Raw::Text(text) | Raw::Env(text) => Some((text.clone(), Value::from(text.as_str()))),
            _ => None,
        })
    }

    /// A text that must be there and not be blank.
    pub(super) fn required(&mut self, notes: &mut Notes, key: &str, wants: &str) -> Option<String> {
        let there = self.has(key);
        let text = self.text(notes, key, None);
        match text {
            Some(text) if text.trim().is_empty() => {
                notes.problem(&self.full(key), format!("is empty; it must be {wants}"));
                None
            }
            None if !there => {
                self.missing(notes, key, wants);
                None
            }
            text => text,
        }
    }

    pub(super) fn boolean(&mut self, notes: &mut Notes, key: &str, default: bool) -> bool {
        let wants = "true or false";
        let shown = Some((default, Value::from(default)));
        self.read(notes, key, wants, shown, |raw| {
            let yes = match raw {
                Raw::Boolean(yes) => *yes,
                Raw::Env(text) => text.parse().ok()?,
                _ => return None,
            };
            Some((yes, Value::from(yes)))
        })
        .unwrap_or(default)
    }

    /// A whole number between `min` and `max`.
    pub(super) fn integer(
        &mut self,
        notes: &mut Notes,
        key: &str,
        default: u32,
        min: u32,
        max: u32,
    ) -> u32 {
        let wants = if max == u32::MAX {
            format!("a whole number, at least {min}")
        } else {
            format!("a whole number from {min} to {max}")
        };
        let shown = Some((default, Value::from(default)));
        self.read(notes, key, &wants, shown, |raw| {
            let number = match raw {
                Raw::Integer(number) => u32::try_from(*number).ok()?,
                Raw::Env(text) => text.parse().ok()?,
                _ => return None,
            };
            (min..=max)
                .contains(&number)
                .then(|| (number, Value::from(number)))
        })
        .unwrap_or(default)
    }

    /// A rate per second.
    pub(super) fn rate(&mut self, notes: &mut Notes, key: &str, default: f64) -> f64 {
        let wants =
            "a number above 0 and at most 100000 (per second; fractions such as 0.5 are legal)";
        let shown = Some((default, number_value(default)));
        self.read(notes, key, wants, shown, |raw| {
            let number = match raw {
                Raw::Integer(number) => f64::from(i32::try_from(*number).ok()?),
                Raw::Float(number) => *number,
                Raw::Env(text) => text.parse().ok()?,
                _ => return None,
            };
            // Below one call in ten days the arithmetic of waiting makes no sense any more.
            (number.is_finite() && (0.000_001..=100_000.0).contains(&number))
                .then(|| (number, number_value(number)))
        })
        .unwrap_or(default)
    }

    /// A span of time above zero.
    pub(super) fn duration(&mut self, notes: &mut Notes, key: &str, default: Duration) -> Duration {
        let wants = "a duration above zero with a unit, such as \"250ms\", \"30s\" or \"2h 30m\" (at most ten years)";
        let shown = Some((default, duration_value(default)));
        self.read(notes, key, wants, shown, |raw| {
            let (Raw::Text(text) | Raw::Env(text)) = raw else {
                return None;
            };
            let span = humantime::parse_duration(text.trim()).ok()?;
            (span >= Duration::from_millis(1) && span <= DURATION_MAX)
                .then(|| (span, duration_value(span)))
        })
        .unwrap_or(default)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, notes: &mut Notes, key: &str, default: &[&str]) -> Vec<String> {
        let default: Vec<String> = default.iter().map(|text| (*text).to_owned()).collect();
        let shown = Some((default.clone(), Value::from(default.clone())));
        self.read(
            notes,
            key,
            "an array of strings, such as [\"A\", \"B\"]",
            shown,
            |raw| {
                let raw = of_env(raw)?;
                let Raw::Array(items) = &*raw else {
                    return None;
                };
                let texts = items
                    .iter()
                    .map(|item| match &item.raw {
                        Raw::Text(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect::<Option<Vec<_>>>()?;
                let shown = Value::from(texts.clone());
                Some((texts, shown))
            },
        )
        .unwrap_or(default)
    }

    /// A table of texts whose keys are free.
    pub(super) fn text_map(&mut self, notes: &mut Notes, key: &str) -> BTreeMap<String, String> {
        let shown = Some((BTreeMap::new(), Value::Object(serde_json::Map::new())));
        self.read(
            notes,
            key,
            "a table of strings, such as { USD = \"5000\" }",
            shown,
            |raw| {
                let raw = of_env(raw)?;
                let Raw::Table(table) = &*raw else {
                    return None;
                };
                let texts = table
                    .iter()
                    .map(|(key, item)| match &item.raw {
                        Raw::Text(text) => Some((key.clone(), text.clone())),
                        // Names of variables lost their case on the way here.
                        Raw::Env(text) => Some((key.to_ascii_uppercase(), text.clone())),
                        Raw::Integer(number) => Some((key.clone(), number.to_string())),
                        _ => None,
                    })
                    .collect::<Option<BTreeMap<_, _>>>()?;
                let shown = Value::Object(
                    texts
                        .iter()
                        .map(|(k, v)| (k.clone(), Value::from(v.as_str())))
                        .collect(),
                );
                Some((texts, shown))
            },
        )
        .unwrap_or_default()
    }

    /// A secret, given as `key` or, in a file of its own, as `key_file`.
    pub(super) fn secret(
        &mut self,
        notes: &mut Notes,
        key: &str,
        base: &std::path::Path,
    ) -> Option<SecretString> {
        let file_key = format!("{key}_file");
        let inline = self.take(key);
        let file = self.take(&file_key);
        let full = self.full(key);
        let node = match (inline, file) {
            (None, None) => {
                let message =
                    format!("is missing; give it here, or its file's path as `{file_key}`");
                notes.problem_at(&self.origin, &full, message);
                return None;
            }
            (Some(node), Some(_)) => {
                let message = format!("is given twice, here and as `{file_key}`; keep one");
                notes.problem_at(&node.origin, &full, message);
                return None;
            }
            (None, Some(node)) => return self.secret_file(notes, &file_key, &node, base),
            (Some(node), None) => node,
        };
        let (Raw::Text(text) | Raw::Env(text)) = &node.raw else {
            let message = format!("must be a string; it is {}", node.raw.kind());
            notes.problem_at(&node.origin, &full, message);
            return None;
        };
        if text.trim().is_empty() {
            notes.problem_at(&node.origin, &full, "is empty");
            return None;
        }
        notes.secret_in_file |= matches!(node.origin, Origin::File { .. });
        let secret = SecretString::from(text.as_str());
        notes.show(&self.path, key, Value::from("(hidden)"), node.origin);
        Some(secret)
    }

    fn secret_file(
        &mut self,
        notes: &mut Notes,
        key: &str,
        node: &Node,
        base: &std::path::Path,
    ) -> Option<SecretString> {
        let full = self.full(key);
        let (Raw::Text(text) | Raw::Env(text)) = &node.raw else {
            Self::wrong(notes, &full, node, "the path of a file");
            return None;
        };
        let path = base.join(text);
        notes.show(
            &self.path,
            key,
            Value::from(text.as_str()),
            node.origin.clone(),
        );
        match secrets::read(&path) {
            Ok(secret) if secret.expose_secret().trim().is_empty() => {
                notes.problem(
                    &full,
                    format!(
                        "the file {} is empty; it must hold the secret",
                        path.display()
                    ),
                );
                None
            }
            Ok(secret) => {
                // Problems with the secret itself are told where its file is named.
                notes.place(full.trim_end_matches("_file"), node.origin.clone());
                notes.secret_files.push((path, full, node.origin.clone()));
                Some(secret)
            }
            Err(message) => {
                notes.problem(&full, message);
                None
            }
        }
    }
}

/// Where an unknown table was first filled: for a variable, the variable itself.
fn deepest(node: &Node) -> &Origin {
    match &node.raw {
        Raw::Table(table) => match (&node.origin, table.values().next()) {
            (Origin::Env(_), Some(child)) => deepest(child),
            _ => &node.origin,
        },
        _ => &node.origin,
    }
}

pub(super) fn duration_value(span: Duration) -> Value {
    Value::from(humantime::format_duration(span).to_string())
}

/// What a variable of the environment stands for, where a list or a table is wanted: its text is
/// TOML. What comes from the file stands for itself.
fn of_env(raw: &Raw) -> Option<Cow<'_, Raw>> {
    match raw {
        Raw::Env(text) => Some(Cow::Owned(parse_env_value(text, &Origin::Default)?.raw)),
        raw => Some(Cow::Borrowed(raw)),
    }
}

/// A number without a fraction is shown without one.
fn number_value(number: f64) -> Value {
    let text = number.to_string();
    text.parse::<i64>()
        .map_or_else(|_| Value::from(number), Value::from)
}
