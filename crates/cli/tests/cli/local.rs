//! Commands without a daemon: the store is opened here.

use crate::common::{Place, Ran, golden, mask};

#[test]
fn a_cancellation_is_stored_and_nothing_else_happens() {
    let place = Place::bare();
    let stored = place
        .run(&[
            "cancel",
            "322-A",
            "--external-id",
            "web-1",
            "--reason",
            "OUT_OF_STOCK",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(
        (stored["state"].as_str(), stored["revision"].as_i64()),
        (Some("precheck"), Some(1))
    );
    assert_eq!(stored["reason"], "OUT_OF_STOCK");
    let id = stored["id"].as_str().unwrap();

    // The same again is the same one; anything else stands in conflict with it.
    let again = place
        .run(&[
            "cancel",
            "322-A",
            "--external-id",
            "web-1",
            "--reason",
            "OUT_OF_STOCK",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(again["id"], stored["id"]);
    let error = place
        .run(&["cancel", "322-A", "--external-id", "web-1", "--json"])
        .exits(4)
        .error();
    assert_eq!(
        (error["problem"].as_str(), error["cancellationId"].as_str()),
        (Some("external_id_reused"), Some(id))
    );
    let error = place.run(&["cancel", "322-A", "--json"]).exits(4).error();
    assert_eq!(error["problem"], "cancellation_live");

    // Nothing was taken up: it is still as it was.
    let shown = place
        .run(&["show", "322-A", "--json", "--history"])
        .exits(0)
        .json();
    assert_eq!(
        (shown["id"].as_str(), shown["revision"].as_i64()),
        (Some(id), Some(1))
    );
    assert_eq!(shown["history"][0]["input"]["type"], "requested");
    golden(
        "show-stored.txt",
        &mask(&place.run(&["show", id, "--history"]).exits(0).out).replace(&whoami(), "SOMEBODY"),
    );

    let noted = place
        .run(&["note", id, "the shopper rang", "--actor", "ann", "--json"])
        .exits(0)
        .json();
    assert_eq!(noted["revision"], 2);
    place
        .run(&[
            "withdraw",
            id,
            "--note",
            "changed her mind",
            "--actor",
            "ann",
        ])
        .exits(0);
    place.run(&["withdraw", id]).exits(4);
    let shown = place
        .run(&["show", id, "--json", "--history"])
        .exits(0)
        .json();
    assert_eq!(shown["rejection"]["why"], "withdrawn");
    let actors: Vec<_> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["actor"].clone())
        .collect();
    assert_eq!(&actors[1..3], ["ann", "ann"]);
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
}

/// Scripts run many at once: whoever does not get the store waits for it.
#[test]
fn commands_without_a_daemon_take_turns() {
    let place = Place::bare();
    place.run(&["db", "migrate"]).exits(0);
    let orders: Vec<String> = (0..16).map(|number| format!("322-{number}")).collect();
    let children: Vec<_> = orders
        .iter()
        .map(|order| {
            place
                .command(&["cancel", order])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        Ran::of(&child.wait_with_output().unwrap()).exits(0);
    }
    assert_eq!(
        place.run(&["list", "--json"]).exits(0).out.lines().count(),
        16
    );
}

/// `verify` in a pipe that nobody reads to the end must not say that all is well.
#[test]
fn a_verdict_holds_though_nobody_reads_it() {
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    let report = place.run(&["verify", "--json"]).exits(0);
    assert_eq!(report.json()["ok"], true);
    let run_closed = |arguments: &[&str]| {
        let mut child = place
            .command(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        Ran::of(&child.wait_with_output().unwrap())
    };
    run_closed(&["verify"]).exits(0);
    run_closed(&["cancel", "322-B", "--wait=100ms"]).exits(8);
}

fn whoami() -> String {
    let output = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn lists_are_one_document_a_line() {
    let place = Place::bare();
    for order in ["322-A", "322-B", "322-C"] {
        place.run(&["cancel", order]).exits(0);
    }
    let orders = |arguments: &[&str]| -> Vec<String> {
        let mut all = vec!["list", "--json"];
        all.extend(arguments);
        place
            .run(&all)
            .exits(0)
            .out
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["orderId"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(orders(&[]), ["322-C", "322-B", "322-A"]);
    assert_eq!(orders(&["--limit", "1"]), ["322-C"]);
    assert_eq!(orders(&["--all"]).len(), 3);
    assert_eq!(orders(&["--order", "322-B"]), ["322-B"]);
    assert_eq!(orders(&["--state", "precheck"]).len(), 3);
    assert_eq!(orders(&["--state", "pending"]), Vec::<String>::new());
    assert_eq!(orders(&["--status", "running"]).len(), 3);
    assert_eq!(orders(&["--older-than", "1h"]), Vec::<String>::new());
    golden(
        "list.txt",
        &mask_ages(&mask(&place.run(&["list"]).exits(0).out)),
    );
    let stats = place.run(&["stats", "--json"]).exits(0).json();
    assert_eq!(stats["counts"][0]["count"], 3);
}

/// The last column is an age.
fn mask_ages(text: &str) -> String {
    text.lines()
        .map(|line| match line.rsplit_once("  ") {
            Some((rest, age)) if age != "AGE" => format!("{rest}  SPAN\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn many_at_once() {
    let place = Place::bare();
    let file = place.write("many.csv", "\u{feff}orderId,externalId,reason,additionalComments\r\n322-A,a,OUT_OF_STOCK,\"none, \"\"left\"\"\"\r\n322-B,b,,\r\n");
    let file = file.to_str().unwrap();
    let results = |ran: &str| -> Vec<String> {
        ran.lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["result"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(
        results(
            &place
                .run(&["--json", "cancel", "--file", file])
                .exits(0)
                .out
        ),
        ["created", "created"]
    );
    assert_eq!(
        results(
            &place
                .run(&["--json", "cancel", "--file", file])
                .exits(0)
                .out
        ),
        ["existing", "existing"]
    );
    let shown = place.run(&["show", "322-A", "--json"]).exits(0).json();
    assert_eq!(shown["additionalComments"], "none, \"left\"");

    // One wrong line, and nothing happens.
    let lines = place.write(
        "many.jsonl",
        "{\"orderId\":\"322-C\"}\n{\"orderId\":\"322 D\"}\n{\"orderId\":\"322-C\"}\nno\n",
    );
    let ran = place
        .run(&["cancel", "--file", lines.to_str().unwrap()])
        .exits(2);
    for part in ["line 2", "line 3", "line 4"] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    place.run(&["show", "322-C"]).exits(3);
    // A refused one is told, and the others happen.
    let lines = place.write(
        "more.jsonl",
        "{\"orderId\":\"322-A\"}\n{\"orderId\":\"322-C\"}\n",
    );
    assert_eq!(
        results(
            &place
                .run(&["--json", "cancel", "--file", lines.to_str().unwrap()])
                .exits(4)
                .out
        ),
        ["refused", "created"]
    );
    for (name, text) in [("empty", ""), ("blank", "\n\n"), ("binary", "\u{0}\u{1}")] {
        let file = place.write(name, text);
        place
            .run(&["cancel", "--file", file.to_str().unwrap()])
            .exits(2);
    }
    place.run(&["cancel", "--file", "missing"]).exits(2);
}

#[test]
fn a_store_that_cannot_be_used_is_exit_code_6() {
    let place = Place::bare();
    for command in [
        &["list"][..],
        &["show", "322-A"],
        &["stats"],
        &["verify"],
        &["db", "info"],
        &["retry", "nothing"],
        &["event", "countermand.toml"],
    ] {
        place.run(command).exits(6);
    }
    assert!(
        !place.path().join("countermand.db").exists(),
        "reading must not create a store"
    );
    place.write(
        "countermand.db",
        "this is no database, whatever its name says",
    );
    for command in [
        &["list"][..],
        &["verify"],
        &["cancel", "322-A"],
        &["serve"],
        &["db", "migrate"],
    ] {
        place.run(command).exits(6);
    }
    let text = std::fs::read_to_string(place.path().join("countermand.db")).unwrap();
    assert_eq!(text, "this is no database, whatever its name says");
}

#[test]
fn unknown_things_are_exit_code_3() {
    let place = Place::bare();
    place.run(&["db", "migrate"]).exits(0);
    place.run(&["db", "migrate"]).exits(0);
    for command in [
        &["show", "nothing"][..],
        &["retry", "nothing"],
        &["withdraw", "nothing"],
        &["note", "nothing", "x"],
        &["diagram", "--of", "nothing"],
    ] {
        place.run(command).exits(3);
    }
    let info = place.run(&["db", "info", "--json"]).exits(0).json();
    assert_eq!(
        (info["schema"].as_i64(), info["cancellations"].as_i64()),
        (Some(1), Some(0))
    );
}

#[test]
fn events_are_kept_without_a_daemon() {
    let place = Place::bare();
    place.run(&["db", "migrate"]).exits(0);
    let event = r#"{
        "idempotencyKey": "key-1", "eventDescriptor": "REFUND_REQUESTED", "apiVersion": "2024-11-01",
        "resources": ["businessProduct/bp-51a1e000-0000-4000-8000-000000000001/order/322-A/refund/3a7d51f09c2be846"],
        "eventId": "e8a35b10-c47f-1d92-66e0-0f9b2d7c8a43", "subscriptionId": "1f8e4c92",
        "eventTime": "2025-02-20T09:21:41Z", "data": {}
    }"#;
    let file = place.write("event.json", event);
    let told = place
        .run(&["event", file.to_str().unwrap(), "--json"])
        .exits(0)
        .json();
    assert_eq!(told["facts"][0]["disposition"], "applied", "{told}");
    let again = place
        .run(&["event", file.to_str().unwrap(), "--json"])
        .exits(0)
        .json();
    assert_eq!(again["facts"][0]["disposition"], "duplicate");
    let id = told["facts"][0]["cancellationId"].as_str().unwrap();
    assert_eq!(
        place.run(&["show", id, "--json"]).exits(0).json()["origin"],
        "observed"
    );
    for (name, text) in [("empty", ""), ("no-json", "{"), ("no-event", "{\"a\":1}")] {
        let file = place.write(name, text);
        place.run(&["event", file.to_str().unwrap()]).exits(2);
    }
    place.run(&["event", "missing.json"]).exits(2);
}

#[test]
fn the_life_cycle_can_be_drawn() {
    let place = Place::bare();
    let mermaid = place.run(&["diagram"]).exits(0).out;
    assert!(
        mermaid.starts_with("stateDiagram-v2") && mermaid.contains("oms_updated"),
        "{mermaid}"
    );
    let dot = place.run(&["diagram", "--format", "dot"]).exits(0).out;
    assert!(
        dot.starts_with("digraph") && dot.contains("oms_updated"),
        "{dot}"
    );
    place.run(&["cancel", "322-A"]).exits(0);
    let marked = place.run(&["diagram", "--of", "322-A"]).exits(0).out;
    assert_ne!(marked, mermaid);
    assert!(marked.contains("precheck"));
}
