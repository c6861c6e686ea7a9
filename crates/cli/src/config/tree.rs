//! A configuration as a tree of values that know where they were set: the file first, the
//! environment laid over it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problem, quote};

/// What every variable of ours begins with.
const PREFIX: &str = "COUNTERMAND_";

/// A value and where it was set.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// A value, not yet understood.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Table),
    /// From the environment: its kind is what its key wants.
    Env(String),
    /// A kind that no key wants: a date, or a number that does not fit.
    Other(String),
}

pub(super) type Table = BTreeMap<String, Node>;

impl Raw {
    /// For messages: the value itself where it is short and simple, else its kind.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text(text) | Self::Env(text) => quote(text),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Boolean(yes) => yes.to_string(),
            Self::Array(_) => "an array".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Other(text) => text.clone(),
        }
    }

    /// For messages about secrets: the kind alone.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Env(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
            Self::Other(_) => "another kind of value",
        }
    }
}

/// Turns a byte offset into a line and a column.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(newlines).collect(),
        }
    }

    fn at(&self, offset: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("");
        Origin::File {
            line,
            column: before.chars().count() + 1,
        }
    }
}

/// Parses the file; every syntax error at once.
pub(super) fn parse(file: &PathBuf, text: &str) -> Result<Table, Vec<Problem>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(convert_table(&lines, table.into_inner()));
    }
    Err(errors
        .iter()
        .map(|error| {
            let origin = lines.at(error.span().map_or(0, |span| span.start));
            let message = format!("not valid TOML: {}", error.message().replace('\n', "; "));
            Problem::new(Some(file), &origin, None, message)
        })
        .collect())
}

fn convert_table(lines: &Lines<'_>, table: DeTable<'_>) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            // A key's own place is where a reader looks; of a value it is often a line below.
            let origin = lines.at(key.span().start);
            let name = key.into_inner().into_owned();
            (name, convert(lines, value, Some(origin)))
        })
        .collect()
}

fn convert(lines: &Lines<'_>, value: Spanned<DeValue<'_>>, origin: Option<Origin>) -> Node {
    let origin = origin.unwrap_or_else(|| lines.at(value.span().start));
    let raw = match value.into_inner() {
        DeValue::String(text) => Raw::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Raw::Other(number.to_string()), Raw::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Raw::Other(number.to_string()), Raw::Float),
        DeValue::Boolean(yes) => Raw::Boolean(yes),
        DeValue::Datetime(when) => Raw::Other(format!("the date {when}")),
        DeValue::Array(items) => Raw::Array(
            items
                .into_iter()
                .map(|item| convert(lines, item, None))
                .collect(),
        ),
        DeValue::Table(table) => Raw::Table(convert_table(lines, table)),
    };
    Node { raw, origin }
}

/// Reads a variable's text as TOML, for keys that want a list or a table.
pub(super) fn parse_env_value(text: &str, origin: &Origin) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    let mut node = convert(&Lines::new(""), value, Some(origin.clone()));
    replace_origin(&mut node, origin);
    Some(node)
}

fn replace_origin(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.raw {
        Raw::Array(items) => items
            .iter_mut()
            .for_each(|item| replace_origin(item, origin)),
        Raw::Table(table) => table
            .values_mut()
            .for_each(|item| replace_origin(item, origin)),
        _ => {}
    }
}

/// Lays the environment over the tree. Names without `__` are none of our business.
pub(super) fn overlay(table: &mut Table, env: &[(OsString, OsString)]) -> Vec<Problem> {
    let mut variables: Vec<(Vec<Step>, String, &OsString)> = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in env {
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if !rest.contains("__") {
            continue;
        }
        if rest.chars().any(|c| c.is_ascii_lowercase()) {
            let origin = Origin::Env(name.clone().into_owned());
            let message = "is no key of ours: names of variables are in upper case";
            problems.push(Problem::new(None, &origin, None, message));
            continue;
        }
        let steps = rest.split("__").map(Step::new).collect();
        variables.push((steps, name.clone().into_owned(), value));
    }
    variables.sort();
    for (steps, name, value) in variables {
        let origin = Origin::Env(name);
        let mut complain = |message: &str| {
            problems.push(Problem::new(None, &origin, None, message));
        };
        match value.to_str() {
            None => complain("is not valid UTF-8"),
            Some("") => complain("is empty; unset it to use the file's value or the default"),
            Some(text) => {
                let node = Node {
                    raw: Raw::Env(text.to_owned()),
                    origin: origin.clone(),
                };
                if let Err(message) = insert(table, &steps, node) {
                    complain(&message);
                }
            }
        }
    }
    problems
}

/// One part of a variable's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

impl Step {
    fn new(text: &str) -> Self {
        match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) => Self::Key(text.to_ascii_lowercase()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Index(index) => index.to_string(),
            Self::Key(key) => key.clone(),
        }
    }
}

fn insert(table: &mut Table, steps: &[Step], node: Node) -> Result<(), String> {
    let Some((first, rest)) = steps.split_first() else {
        return Err("names no key".to_owned());
    };
    let name = first.name();
    if rest.is_empty() {
        // The variable wins over the file, whichever of the two forms of a secret either uses.
        let twin = name
            .strip_suffix("_file")
            .map_or_else(|| format!("{name}_file"), str::to_owned);
        if matches!(
            table.get(&twin),
            Some(Node {
                origin: Origin::File { .. },
                ..
            })
        ) {
            table.remove(&twin);
        }
        table.insert(name, node);
        return Ok(());
    }
    let origin = node.origin.clone();
    let child = table.entry(name.clone()).or_insert_with(|| Node {
        raw: match rest.first() {
            Some(Step::Index(_)) => Raw::Array(Vec::new()),
            _ => Raw::Table(Table::new()),
        },
        origin: origin.clone(),
    });
    match (&mut child.raw, rest.split_first()) {
        (Raw::Table(inner), _) => insert(inner, rest, node),
        (Raw::Array(items), Some((Step::Index(index), rest))) => {
            if *index == items.len() {
                items.push(Node {
                    raw: Raw::Table(Table::new()),
                    origin,
                });
            }
            match items.get_mut(*index).map(|item| &mut item.raw) {
                Some(Raw::Table(inner)) => insert(inner, rest, node),
                _ => Err(format!("`{name}` has no entry {index}")),
            }
        }
        (Raw::Array(items), _) => match items.as_mut_slice() {
            [
                Node {
                    raw: Raw::Table(inner),
                    ..
                },
            ] => insert(inner, rest, node),
            _ => Err(format!(
                "`{name}` has {} entries: say which, as in {PREFIX}{}__0__…",
                items.len(),
                name.to_ascii_uppercase()
            )),
        },
        _ => Err(format!("`{name}` is no table")),
    }
}
