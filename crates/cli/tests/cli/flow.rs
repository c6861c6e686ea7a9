//! A daemon, a simulated world, and the commands beside them.

use crate::common::{Place, Ran, golden, mask, run};

#[test]
fn cancellations_through_a_daemon() {
    let mut place = Place::with_world();
    place.serve();

    let stored = place
        .run(&[
            "cancel",
            "SIM-immediate_success-1",
            "--external-id",
            "web-1",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(stored["requestedBy"], "console");
    let id = stored["id"].as_str().unwrap();
    let again = place
        .run(&[
            "cancel",
            "SIM-immediate_success-1",
            "--external-id",
            "web-1",
            "--wait",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(
        (again["id"].as_str(), again["outcome"].as_str()),
        (Some(id), Some("cancelled"))
    );
    let error = place
        .run(&[
            "cancel",
            "SIM-immediate_success-1",
            "--external-id",
            "web-2",
            "--json",
        ])
        .exits(4)
        .error();
    assert_eq!(
        (error["problem"].as_str(), error["cancellationId"].as_str()),
        (Some("already_cancelled"), Some(id))
    );

    let rejected = place
        .run(&["cancel", "SIM-shipped-1", "--wait=20s", "--json"])
        .exits(5)
        .json();
    assert_eq!(
        (
            rejected["outcome"].as_str(),
            rejected["rejection"]["why"].as_str()
        ),
        (Some("rejected"), Some("not_cancellable"))
    );
    let waiting = place
        .run(&["cancel", "SIM-never_decides-1", "--wait=300ms", "--json"])
        .exits(8)
        .json();
    assert_eq!(waiting["outcome"], serde_json::Value::Null);

    let shown = place
        .run(&["show", id, "--json", "--history"])
        .exits(0)
        .json();
    let history = shown["history"].as_array().unwrap();
    assert_eq!(shown["revision"], history.len());
    for (index, entry) in history.iter().enumerate() {
        assert_eq!(entry["seq"], index + 1);
        assert!(
            entry["input"]["type"].is_string() && entry["accepted"] == true,
            "{entry}"
        );
        if index > 0 {
            assert_eq!(entry["from"], history[index - 1]["to"]);
        }
    }
    golden(
        "show-rejected.txt",
        &mask(&place.run(&["show", "SIM-shipped-1"]).exits(0).out),
    );

    // What the daemon refuses.
    place.run(&["retry", "nothing"]).exits(3);
    place.run(&["withdraw", id]).exits(4);
    place
        .run(&["note", id, "all well", "--actor", "ann"])
        .exits(0);
    let waiting_id = waiting["id"].as_str().unwrap();
    place.run(&["withdraw", waiting_id]).exits(4);
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
    let info = place.run(&["db", "info", "--json"]).exits(0).json();
    assert!(info["daemon"]["address"].is_string(), "{info}");

    // A wrong token, and a daemon that is not to be had.
    let wrong = run(place.command(&["note", id, "x", "--json"]).env(
        "COUNTERMAND_HTTP__TOKENS",
        "[{ name = \"x\", role = \"operate\", token = \"wrong\" }]",
    ));
    assert_eq!(wrong.exits(9).error()["kind"], "daemon");
    let none = run(place.command(&["note", id, "x"]).env(
        "COUNTERMAND_HTTP__TOKENS",
        "[{ name = \"x\", role = \"read\", token = \"wrong\" }]",
    ));
    none.exits(9);

    // A second daemon on the store is told who has it.
    let second = place.run(&["serve"]).exits(6);
    let pid = info["daemon"]["pid"].to_string();
    assert!(second.err.contains(&pid), "{}", second.err);

    let daemon = place.daemon();
    assert_eq!(daemon.ends_with("-TERM"), 0);
    assert!(place.log().contains("\"stopped\""), "{}", place.log());
    assert!(
        !place.path().join("countermand.db-wal").exists(),
        "the store was not closed"
    );
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn a_wait_without_a_daemon_drives_it_here() {
    let place = Place::with_world();
    let done = place
        .run(&["cancel", "SIM-immediate_rejected-1", "--wait=30s", "--json"])
        .exits(5)
        .json();
    assert_eq!(done["status"], "finished");
    let late = place
        .run(&["cancel", "SIM-happy-1", "--wait=50ms"])
        .exits(8);
    assert!(late.err.contains("stored"), "{}", late.err);
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn a_port_in_use_is_told_with_exit_code_1() {
    let place = Place::bare();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(place
        .command(&["serve"])
        .env("COUNTERMAND_HTTP__LISTEN", &address))
    .exits(1);
    assert!(ran.err.contains(&address), "{}", ran.err);
    let ran = place.run(&["simulate", "--listen", &address]).exits(1);
    assert!(ran.err.contains(&address), "{}", ran.err);
    place.run(&["simulate", "--listen", "0.0.0.0:0"]).exits(1);
}

#[test]
fn a_killed_daemon_leaves_a_sound_store() {
    let mut place = Place::with_world();
    place.serve();
    place.run(&["cancel", "SIM-never_decides-1"]).exits(0);
    let daemon = place.daemon();
    assert_eq!(daemon.ends_with("-KILL"), -1);
    assert_eq!(place.run(&["verify", "--json"]).exits(0).json()["ok"], true);
    assert_eq!(
        place.run(&["db", "info", "--json"]).exits(0).json()["daemon"],
        serde_json::Value::Null
    );
    place.serve();
    assert_eq!(place.daemon().ends_with("-INT"), 0);
}

/// Who waits learns that the request is safe, and which one it is, though the daemon dies.
#[test]
fn a_daemon_killed_under_a_wait_leaves_the_id() {
    let mut place = Place::with_world();
    place.serve();
    let waiting = place
        .command(&["cancel", "SIM-never_decides-1", "--wait", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let id = loop {
        let listed = place.run(&["list", "--json"]).exits(0).out;
        if let Ok(view) = serde_json::from_str::<serde_json::Value>(&listed)
            && view["state"] == "pending"
        {
            break view["id"].clone();
        }
        assert!(std::time::Instant::now() < deadline, "{listed}");
    };
    assert_eq!(place.daemon().ends_with("-KILL"), -1);
    let ran = Ran::of(&waiting.wait_with_output().unwrap()).exits(9);
    assert_eq!(ran.error()["cancellationId"], id, "{}", ran.err);
    assert!(
        ran.err.contains("is stored") && !ran.err.contains("nothing was changed"),
        "{}",
        ran.err
    );
}

/// A log on a full disk is no reason to stop.
#[cfg(target_os = "linux")]
#[test]
fn a_daemon_whose_log_cannot_be_written_goes_on() {
    let mut place = Place::with_world();
    place.serve_without_log();
    let lock = place.path().join("countermand.db.lock");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !std::fs::read_to_string(&lock).is_ok_and(|lock| lock.contains("127.0.0.1:")) {
        assert!(std::time::Instant::now() < deadline, "no daemon");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    place.run(&["cancel", "SIM-happy-1", "--wait=30s"]).exits(0);
    assert_eq!(place.daemon().ends_with("-TERM"), 0);
}

#[test]
fn an_amount_needs_no_currency_where_it_is_known() {
    let mut place = Place::with_world();
    let config = std::fs::read_to_string(place.path().join("countermand.toml")).unwrap();
    let patient = config.replace("refund_grace = \"1s\"", "refund_grace = \"30s\"");
    place.write("countermand.toml", &patient);
    place.serve();
    let view = place
        .run(&[
            "cancel",
            "SIM-refund_partial_elsewhere-1",
            "--wait=20s",
            "--json",
        ])
        .exits(5)
        .json();
    let id = view["id"].as_str().unwrap();
    // Somebody else has returned a part: what Amazon shows is no amount to pay.
    let refund = &view["refunds"][0];
    assert_eq!(refund["state"], "PARTIAL");
    assert_eq!(refund["amount"], serde_json::Value::Null);
    let part = &refund["totalAtAmazon"];
    assert_eq!(part["currencyCode"], "USD");
    let part: f64 = part["amount"].as_str().unwrap().parse().unwrap();
    let whole = format!("{:.2}", 2.0 * part);
    let paid = |refund: &str, amount: &str| {
        place.run(&[
            "resolve",
            id,
            "--fact",
            "refund_paid",
            "--refund",
            refund,
            "--payment-id",
            "cheque-7",
            "--amount",
            amount,
            "--note",
            "by cheque",
            "--json",
        ])
    };
    let refund = refund["id"].as_str().unwrap();
    let told = paid("r-none", "43.99").exits(2).error();
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("refund r-none") && message.ends_with("--amount \"43.99 USD\""),
        "{message}"
    );
    paid(refund, &format!("{whole} EUR")).exits(4);
    let resolved = paid(refund, &whole).exits(0).json();
    let refund = &resolved["refunds"][0];
    assert_eq!(
        (
            &refund["amount"]["amount"],
            &refund["amount"]["currencyCode"]
        ),
        (&whole.as_str().into(), &"USD".into())
    );
    assert_eq!(refund["paymentId"], "cheque-7");
}
