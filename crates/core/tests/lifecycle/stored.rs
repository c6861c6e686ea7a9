//! Stored forms: every state and every input that was ever stored is read for ever.
//!
//! The files below `tests/stored` are only ever added to. A new exemplar gets its file by running
//! this test with `UPDATE_DOCS=1`, which never touches a file that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use countermand_core::cancellation::exemplars;
use countermand_core::cancellation::input::Input;
use countermand_core::cancellation::{Cancellation, Dismissed, Prior, Request, State};
use countermand_core::{Opening, Workflow};
use serde::{Deserialize, Serialize};

/// A state as it was stored, with its version.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    version: u32,
    form: T,
}

fn folder(version: u32) -> PathBuf {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stored");
    PathBuf::from(tests).join(format!("v{version}"))
}

fn files(version: u32, kind: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder(version)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let of_kind = paths.filter_map(|path| {
        let name = path
            .file_name()?
            .to_str()?
            .strip_prefix(kind)?
            .strip_suffix(".json")?
            .to_owned();
        Some((name, std::fs::read_to_string(&path).unwrap()))
    });
    of_kind.collect()
}

/// Compares what must be there with what is; adds what is missing when asked to.
fn all_are_there(kind: &str, wanted: BTreeMap<String, serde_json::Value>) {
    let version = Cancellation::VERSION;
    let there: BTreeSet<String> = files(version, kind).into_keys().collect();
    let missing: Vec<_> = wanted
        .into_iter()
        .filter(|(name, _)| !there.contains(name))
        .collect();
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever adds an exemplar"
    )]
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        for (name, form) in missing {
            let text = serde_json::to_string_pretty(&Stored { version, form }).unwrap() + "\n";
            std::fs::write(folder(version).join(format!("{kind}{name}.json")), text).unwrap();
        }
        return;
    }
    let missing: Vec<_> = missing.into_iter().map(|(name, _)| name).collect();
    assert!(
        missing.is_empty(),
        "no file yet for {missing:?}: run this test with UPDATE_DOCS=1"
    );
}

#[test]
fn every_exemplar_has_its_file() {
    let states = exemplars::all().into_iter().map(|exemplar| {
        let form = serde_json::to_value(&exemplar.script.state).unwrap();
        (exemplar.name.to_owned(), form)
    });
    all_are_there("state.", states.collect());
}

/// The name of an input's file: its type, and what sets its stored form apart.
fn name_of(form: &serde_json::Value) -> String {
    let parts = [
        "type",
        "effect",
        "action",
        "fact",
        "why",
        "timer",
        "eventType",
    ];
    let parts = parts.iter().filter_map(|part| form.get(part)?.as_str());
    parts.collect::<Vec<_>>().join(".")
}

#[test]
fn every_input_has_its_file() {
    let mut inputs = BTreeMap::new();
    for exemplar in exemplars::all() {
        let offered = exemplar.offers().into_iter().map(|offer| offer.input);
        let recorded = exemplar
            .script
            .entries
            .iter()
            .map(|(input, _)| input.clone());
        for input in recorded.chain(offered) {
            let form = serde_json::to_value(&input).unwrap();
            inputs.entry(name_of(&form)).or_insert(form);
        }
    }
    let types: BTreeSet<&str> = inputs
        .values()
        .filter_map(|form| form["type"].as_str())
        .collect();
    assert_eq!(types.len(), 16, "{types:?}");
    all_are_there("input.", inputs);
}

#[test]
fn every_opening_has_its_file() {
    let openings = [
        ("requested", exemplars::Script::requested()),
        ("observed", exemplars::Script::observed(Prior::default())),
        ("observed_by_hand", exemplars::Script::observed_by_hand()),
        ("observed_again", {
            let prior = Prior {
                refunds: vec![exemplars::orders::id("R0")],
                packages: vec![exemplars::orders::id("P0")],
                succeeded: true,
                whole: true,
                dismissed: Vec::new(),
            };
            exemplars::Script::observed(prior)
        }),
        ("observed_after_a_wrong_event", {
            let dismissed = Dismissed {
                event_type: None,
                names: exemplars::refund_event().names,
                not_due: true,
            };
            let prior = Prior {
                dismissed: vec![dismissed],
                ..Prior::default()
            };
            exemplars::Script::observed(prior)
        }),
    ];
    let forms = openings.into_iter().map(|(name, script)| {
        let form = serde_json::to_value(&script.opening).unwrap();
        (name.to_owned(), form)
    });
    all_are_there("opening.", forms.collect());
}

#[test]
fn every_stored_form_is_read_and_written_as_it_was() {
    for version in 1..=Cancellation::VERSION {
        let mut count = 0;
        for (name, text) in files(version, "state.") {
            let stored: Stored<serde_json::Value> = serde_json::from_str(&text).unwrap();
            let state = Cancellation::default().upgrade(stored.version, &stored.form.to_string());
            let state =
                state.unwrap_or_else(|error| panic!("state {name} of version {version}: {error}"));
            let phase = name.split('.').next().unwrap();
            assert_eq!(state.phase.name(), phase, "{name}");
            count += 1;
            if version == Cancellation::VERSION {
                assert_eq!(serde_json::to_value(&state).unwrap(), stored.form, "{name}");
            }
        }
        for (name, text) in files(version, "input.") {
            let stored: Stored<serde_json::Value> = serde_json::from_str(&text).unwrap();
            let input: Input = serde_json::from_value(stored.form.clone())
                .unwrap_or_else(|error| panic!("input {name} of version {version}: {error}"));
            if version == Cancellation::VERSION {
                assert_eq!(serde_json::to_value(&input).unwrap(), stored.form, "{name}");
            }
            count += 1;
        }
        for (name, text) in files(version, "opening.") {
            let stored: Stored<serde_json::Value> = serde_json::from_str(&text).unwrap();
            let opening: Result<Opening<Request, Prior>, _> = serde_json::from_value(stored.form);
            assert!(
                opening.is_ok(),
                "opening {name} of version {version}: {opening:?}"
            );
            count += 1;
        }
        assert!(count > 100, "{count} files of version {version}");
    }
}

#[test]
fn a_newer_form_is_told_from_a_damaged_one() {
    use countermand_core::UpgradeError;
    let workflow = Cancellation::default();
    let text = serde_json::to_string(&exemplars::Script::requested().state).unwrap();
    assert!(workflow.upgrade(1, &text).is_ok());
    assert!(matches!(
        workflow.upgrade(2, &text),
        Err(UpgradeError::Newer {
            found: 2,
            newest: 1
        })
    ));
    let unknown_state = text.replace("precheck", "postcheck");
    for damaged in [
        "",
        "{}",
        "null",
        &text[..text.len() / 2],
        unknown_state.as_str(),
    ] {
        assert!(
            matches!(
                workflow.upgrade(1, damaged),
                Err(UpgradeError::Unreadable { version: 1, .. })
            ),
            "{damaged}"
        );
    }
    // A member that is not known (yet) is passed over.
    let more = text.replacen('{', r#"{"added":1,"#, 1);
    assert!(serde_json::from_str::<State>(&more).is_ok());
}
