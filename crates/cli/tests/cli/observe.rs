//! `observe`, with a daemon and without one.

use serde_json::Value;

use crate::common::{Place, run};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn results(text: &str) -> Vec<String> {
    lines(text)
        .iter()
        .map(|told| told["result"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn orders_are_looked_at_without_a_daemon() {
    let place = Place::bare();
    let told = place
        .run(&["observe", "322-A", "322-B", "--actor", "ann", "--json"])
        .exits(0);
    assert_eq!(results(&told.out), ["created", "created"]);
    let first = &lines(&told.out)[0];
    assert_eq!(
        (&first["orderId"], &first["origin"], &first["state"]),
        (&"322-A".into(), &"observed".into(), &"precheck".into())
    );
    let id = first["cancellationId"].as_str().unwrap();
    let shown = place
        .run(&["show", id, "--history", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&shown["history"][0]["actor"], &shown["requestedBy"]),
        (&"ann".into(), &"ann".into())
    );
    assert_eq!(shown["history"][0]["input"]["type"], "observed");

    // Again: nothing new, and the live one is named.
    let again = place.run(&["observe", "322-A"]).exits(0);
    assert_eq!(again.out, format!("existing  precheck     {id}  322-A\n"));
    assert_eq!(again.err, "");
    let shown = place.run(&["show", id, "--json"]).exits(0).json();
    assert_eq!(shown["revision"], 1);
    // Nothing was sent, so there is nothing to withdraw.
    place.run(&["withdraw", id]).exits(4);
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn many_are_read_from_a_file() {
    let place = Place::bare();
    let target = "bp-51a1e000-0000-4000-8000-000000000001";
    for (name, text, count) in [
        (
            "ids.txt",
            "\u{feff}322-A\r\n\r\n322-B\r\n322-A\r\n".to_owned(),
            3,
        ),
        (
            "ids.csv",
            format!("orderId,targetId\n322-C,{target}\n\"322-D\",\n"),
            2,
        ),
        ("ids.jsonl", "{\"orderId\":\"322-E\"}\n".to_owned(), 1),
    ] {
        let file = place.write(name, &text);
        let told = place
            .run(&["observe", "--file", file.to_str().unwrap(), "--json"])
            .exits(0);
        assert_eq!(results(&told.out).len(), count, "{name}: {}", told.out);
        assert!(lines(&told.out)[0]["line"].is_u64());
    }
    let listed = place.run(&["list", "--json"]).exits(0).out;
    assert_eq!(listed.lines().count(), 5);

    let file = place.write("wrong", "322-F\n322 G\n\u{1b}[31m\n");
    let ran = place
        .run(&["observe", "--file", file.to_str().unwrap()])
        .exits(2);
    assert!(
        ran.err.contains("line 2") && ran.err.contains("line 3") && !ran.err.contains('\u{1b}'),
        "{}",
        ran.err
    );
    place.run(&["show", "322-F"]).exits(3);
    for (name, text) in [("empty", ""), ("binary", "\u{0}")] {
        let file = place.write(name, text);
        place
            .run(&["observe", "--file", file.to_str().unwrap()])
            .exits(2);
    }
    place.run(&["observe", "--file", "missing"]).exits(2);
    place.run(&["observe"]).exits(2);
    place.run(&["observe", "322-A", "--file", "x"]).exits(2);
    place
        .run(&["observe", "322-A", "--target", "bp-9"])
        .exits(2);
}

#[test]
fn a_daemon_looks_and_never_cancels() {
    let mut place = Place::with_world();
    // Asked for by a person, also where events begin nothing.
    let config = std::fs::read_to_string(place.path().join("countermand.toml")).unwrap();
    place.write(
        "countermand.toml",
        &config
            .replace("#observe = true", "observe = false")
            .replace("#patience = \"30m\"", "patience = \"300ms\""),
    );
    place.serve();
    let told = place
        .run(&["observe", "SIM-immediate_success-1", "--json"])
        .exits(0);
    assert_eq!(results(&told.out), ["created"]);
    let id = lines(&told.out)[0]["cancellationId"]
        .as_str()
        .unwrap()
        .to_owned();
    // Nothing was cancelled, so there is nothing to do once the patience is over.
    let ended = loop {
        let shown = place
            .run(&["show", &id, "--json", "--history"])
            .exits(0)
            .json();
        if shown["finishedAt"].is_string() {
            break shown;
        }
    };
    assert_eq!(ended["outcome"], "nothing_to_do");
    assert!(!ended.to_string().contains("cancel_order"), "{ended}");
    // It is over: another look may be taken.
    let again = place
        .run(&["observe", "SIM-immediate_success-1", "--json"])
        .exits(0);
    assert_eq!(results(&again.out), ["created"]);
    assert_ne!(lines(&again.out)[0]["cancellationId"], *id);
    let refused = run(place
        .command(&["observe", "322-A"])
        .env("COUNTERMAND_HTTP__TOKENS", "[]"));
    refused.exits(9);
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
}
