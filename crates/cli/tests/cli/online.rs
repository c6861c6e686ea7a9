//! `config check --online`: against the simulator, and against remotes that are not as they should be.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::common::{Place, golden};

/// Passes requests on and lets `edit` change the answers, without changing their length.
fn proxy(
    place: &Place,
    edit: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + Clone + 'static,
) -> String {
    let config = std::fs::read_to_string(place.path().join("countermand.toml")).unwrap();
    let base = config
        .split('"')
        .find(|part| part.ends_with("/graphql"))
        .unwrap()
        .trim_end_matches("/graphql")
        .to_owned();
    let upstream = base.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (upstream, edit) = (upstream.clone(), edit.clone());
            std::thread::spawn(move || pass_on(stream.unwrap(), &upstream, edit));
        }
    });
    place.write(
        "countermand.toml",
        &config.replace(&base, &format!("http://{address}")),
    );
    base
}

fn pass_on(mut stream: TcpStream, upstream: &str, edit: impl Fn(&str, Vec<u8>) -> Vec<u8>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                break;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&chunk[..count]),
        }
    }
    let text = String::from_utf8(request).unwrap();
    let request = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut there = TcpStream::connect(upstream).unwrap();
    there.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = there.read_to_end(&mut answer);
    let _ = stream.write_all(&edit(&text, answer));
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn results(document: &Value) -> Vec<String> {
    document["online"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| {
            let text = |key: &str| check[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("remote"), text("check"), text("result"))
        })
        .collect()
}

/// Addresses differ from run to run.
fn mask(text: &str, place: &Place) -> String {
    let config = std::fs::read_to_string(place.path().join("countermand.toml")).unwrap();
    let base = config
        .split('"')
        .find(|part| part.ends_with("/graphql"))
        .unwrap()
        .trim_end_matches("/graphql")
        .trim_start_matches("http://");
    text.replace(base, "127.0.0.1:PORT")
}

#[test]
fn all_is_well_with_the_simulator() {
    let place = Place::with_world();
    let ran = place.run(&["config", "check", "--online"]).exits(0);
    golden("config-online.txt", &mask(&ran.out, &place));
    assert_eq!(ran.err, "");
    let document = place
        .run(&["config", "check", "--online", "--json"])
        .exits(0)
        .json();
    assert_eq!(document["ok"], true);
    assert_eq!(
        results(&document),
        [
            "buy_with_prime token ok",
            "buy_with_prime read ok",
            "buy_with_prime schema ok",
            "refunds list ok",
            "oms connect ok"
        ]
    );
    // Nothing was created, and nothing was stored.
    assert!(!place.path().join("countermand.db").exists());
}

#[test]
fn remotes_that_are_away_are_no_fault_of_the_configuration() {
    let place = Place::bare();
    let ran = place
        .run(&["config", "check", "--online", "--json"])
        .exits(1);
    assert_eq!(
        results(&ran.json()),
        [
            "buy_with_prime token failed",
            "buy_with_prime read skipped",
            "buy_with_prime schema skipped",
            "refunds list failed",
            "oms connect failed"
        ]
    );
    let ran = place.run(&["config", "check", "--online"]).exits(1);
    golden("config-online-away.txt", &ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn refused_credentials_are_told_and_stay_secret() {
    let place = Place::with_world();
    let config = std::fs::read_to_string(place.path().join("countermand.toml")).unwrap();
    place.write(
        "countermand.toml",
        &config.replace("simulated-secret", "canary-secret"),
    );
    // A server that repeats what it was sent.
    proxy(&place, |request, upstream| {
        if request.contains("canary-secret") {
            answer(401, "{\"error\":\"no canary-secret here\"}")
        } else {
            upstream
        }
    });
    let ran = place
        .run(&["config", "check", "--online", "--json"])
        .exits(7);
    assert_eq!(
        results(&ran.json())[..3],
        [
            "buy_with_prime token wrong",
            "buy_with_prime read skipped",
            "buy_with_prime schema skipped"
        ]
    );
    assert!(!ran.out.contains("canary") && !ran.err.contains("canary"));

    // Good credentials, and a target that is not theirs.
    let place = Place::with_world();
    proxy(&place, |request, upstream| {
        if request.starts_with("POST /graphql") {
            answer(
                200,
                "{\"data\":null,\"errors\":[{\"message\":\"no simulated-secret\",\"extensions\":{\"classification\":{\"type\":\"AccessDeniedError\"}}}]}",
            )
        } else {
            upstream
        }
    });
    let ran = place
        .run(&["config", "check", "--online", "--json"])
        .exits(7);
    assert_eq!(
        results(&ran.json())[..3],
        [
            "buy_with_prime token ok",
            "buy_with_prime read wrong",
            "buy_with_prime schema skipped"
        ]
    );
    assert!(!ran.out.contains("simulated-secret"), "{}", ran.out);
}

#[test]
fn a_token_endpoint_in_trouble_is_no_fault_of_the_credentials() {
    for (status, body) in [(503, ""), (200, "<html>"), (404, "<html>")] {
        let place = Place::with_world();
        proxy(&place, move |request, upstream| {
            if request.starts_with("POST /token") {
                answer(status, body)
            } else {
                upstream
            }
        });
        let ran = place
            .run(&["config", "check", "--online", "--json"])
            .exits(1);
        let document = ran.json();
        assert_eq!(
            results(&document)[..2],
            ["buy_with_prime token failed", "buy_with_prime read skipped"]
        );
        let detail = document["online"][0]["detail"].as_str().unwrap();
        assert!(detail.ends_with("; check token_endpoint"), "{detail}");
    }
}

#[test]
fn a_schema_that_lacks_what_we_need_is_told() {
    let place = Place::with_world();
    proxy(&place, |request, upstream| {
        let text = String::from_utf8(upstream).unwrap();
        if request.contains("__schema") {
            text.replace("\"name\":\"cancellations\"", "\"name\":\"cancellationz\"")
                .replace("\"name\":\"OUT_OF_STOCK\"", "\"name\":\"OUT_OF_STUFF\"")
        } else {
            text
        }
        .into_bytes()
    });
    let ran = place.run(&["config", "check", "--online"]).exits(7);
    golden("config-online-schema.txt", &mask(&ran.out, &place));
    let document = place
        .run(&["config", "check", "--online", "--json"])
        .exits(7)
        .json();
    assert_eq!(document["ok"], false);
    let differences = document["online"][2]["differences"].as_array().unwrap();
    assert_eq!(
        differences[1]["at"], "LineItem.cancellations",
        "{differences:?}"
    );
}

#[test]
fn a_schema_that_is_not_told_is_a_warning() {
    let place = Place::with_world();
    proxy(&place, |request, upstream| {
        if request.contains("__schema") {
            answer(
                200,
                "{\"errors\":[{\"message\":\"introspection \\u001b[31m is disabled\"}]}",
            )
        } else {
            upstream
        }
    });
    let ran = place.run(&["config", "check", "--online"]).exits(0);
    assert!(
        ran.out.contains("warning   schema") && !ran.out.contains('\u{1b}'),
        "{}",
        ran.out
    );
}
