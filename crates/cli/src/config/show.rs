//! The effective configuration, secrets hidden.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::Config;
use super::notes::Shown;
use super::problem::Origin;
use crate::output::escape;

/// As TOML that says where each value comes from.
pub(crate) fn as_toml(config: &Config) -> String {
    let mut text = String::new();
    let mut section = None;
    for shown in ordered(config) {
        if section != Some(&shown.section) {
            let header = header(&shown.section);
            let gap = if section.is_some() { "\n" } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{gap}{header}");
            section = Some(&shown.section);
        }
        let line = format!("{} = {}", shown.key, toml_value(&shown.value));
        let place = match &shown.origin {
            Origin::File { line, .. } => format!("line {line}"),
            Origin::Env(name) => name.clone(),
            Origin::Default => "default".to_owned(),
        };
        let _ = writeln!(text, "{line:<50} # {place}");
    }
    text
}

/// Sections in order, each in one piece.
fn ordered(config: &Config) -> Vec<&Shown> {
    let mut sections: Vec<&str> = Vec::new();
    for shown in &config.shown {
        if !sections.contains(&shown.section.as_str()) {
            sections.push(&shown.section);
        }
    }
    sections
        .into_iter()
        .flat_map(|section| {
            config
                .shown
                .iter()
                .filter(move |shown| shown.section == section)
        })
        .collect()
}

/// `a.0` is an entry of an array of tables.
fn header(section: &str) -> String {
    match section.rsplit_once('.') {
        Some((array, index)) if index.parse::<usize>().is_ok() => format!("[[{array}]]"),
        _ => format!("[{section}]"),
    }
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let items: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key} = {}", toml_value(value)))
                .collect();
            format!("{{ {} }}", items.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => {
            // TOML's basic strings escape as JSON does; what terminals act upon goes as well.
            escape(&toml::Value::from(text.as_str()).to_string())
        }
        other => other.to_string(),
    }
}

/// As one JSON document: sections, keys, values.
pub(crate) fn as_json(config: &Config) -> Value {
    let mut root = Map::new();
    for shown in &config.shown {
        let mut steps: Vec<&str> = shown.section.split('.').collect();
        steps.push(&shown.key);
        insert(&mut root, &steps, shown.value.clone());
    }
    // Entries of arrays were gathered under their numbers.
    Value::Object(
        root.into_iter()
            .map(|(key, value)| (key, arrays(value)))
            .collect(),
    )
}

fn insert(map: &mut Map<String, Value>, steps: &[&str], value: Value) {
    match steps {
        [] => {}
        [last] => {
            map.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let child = map
                .entry((*first).to_owned())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = child {
                insert(inner, rest, value);
            }
        }
    }
}

fn arrays(value: Value) -> Value {
    match value {
        Value::Object(map)
            if !map.is_empty() && map.keys().all(|key| key.parse::<usize>().is_ok()) =>
        {
            Value::Array(map.into_iter().map(|(_, value)| arrays(value)).collect())
        }
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| (key, arrays(value)))
                .collect(),
        ),
        other => other,
    }
}
