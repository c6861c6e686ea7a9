//! `report`, `watch` and `diagram`: one cancellation told, followed and drawn.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::common::{Background, Place, Ran, golden, mask};

/// Days and times of day, by which one run differs from the next.
fn timeless(text: &str) -> String {
    const MONTHS: &str =
        "January February March April May June July August September October November December";
    let mut out = String::new();
    for line in mask(text).lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for index in 0..words.len() {
            let bare = words[index].trim_end_matches(['.', ',', ':', ';', ')']);
            let rest = words[index][bare.len()..].to_owned();
            let is_time = bare.len() == 8 && bare.matches(':').count() == 2;
            let is_day = bare.len() == 10 && bare.matches('-').count() == 2;
            if is_time {
                words[index] = format!("HH:MM:SS{rest}");
            } else if is_day {
                words[index] = format!("YYYY-MM-DD{rest}");
            } else if index > 0 && !bare.is_empty() && MONTHS.split(' ').any(|month| month == bare)
            {
                "MONTH".clone_into(&mut words[index]);
                "DD".clone_into(&mut words[index - 1]);
                if let Some(year) = words.get_mut(index + 1) {
                    "YYYY".clone_into(year);
                }
            }
        }
        out.push_str(&words.join(" "));
        out.push('\n');
    }
    out
}

fn withdrawn(place: &Place) -> String {
    let asked = ["cancel", "322-A", "--reason", "OUT_OF_STOCK", "--json"];
    let id = place.run(&asked).exits(0).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    place
        .run(&["note", &id, "the shopper rang\u{1b}[31m", "--actor", "ann"])
        .exits(0);
    place
        .run(&[
            "withdraw",
            &id,
            "--note",
            "changed her mind",
            "--actor",
            "ann",
        ])
        .exits(0);
    id
}

#[test]
fn a_report_is_for_people() {
    let place = Place::bare();
    let id = withdrawn(&place);
    let told = place.run(&["report", "322-A"]).exits(0).out;
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
    let who = place.run(&["show", &id, "--json"]).exits(0).json()["requestedBy"].clone();
    golden(
        "report-withdrawn.txt",
        &timeless(&told).replace(who.as_str().unwrap(), "SOMEBODY"),
    );

    let report = place.run(&["report", &id, "--json"]).exits(0).json();
    assert_eq!(report["cancellationId"], id.as_str());
    assert_eq!(report["headline"]["facts"]["state"], "rejected");
    let codes: Vec<_> = report["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|section| section["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["request", "course", "refunds", "doubts", "oms", "next"]
    );
    place.run(&["report", "nothing"]).exits(3);
}

#[test]
fn reports_and_drawings_fill_no_disk_unnoticed() {
    let place = Place::bare();
    let id = withdrawn(&place);
    let commands = [
        &["report", &*id][..],
        &["diagram", "--format", "svg", "--of", &id],
    ];
    for arguments in commands {
        let mut child = place
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(&child.wait_with_output().unwrap()).exits(0);
        assert_eq!(ran.err, "");
        if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
            let ran = Ran::of(&place.command(arguments).stdout(full).output().unwrap()).exits(1);
            assert!(
                ran.err.contains("cannot write to standard output"),
                "{}",
                ran.err
            );
        }
    }
}

#[test]
fn a_drawing_marks_where_it_is_and_how_it_came() {
    let place = Place::bare();
    let id = withdrawn(&place);
    let plain = place.run(&["diagram", "--format", "svg"]).exits(0).out;
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle.svg");
    assert_eq!(plain, std::fs::read_to_string(committed).unwrap());
    let marked = place
        .run(&["diagram", "--format", "svg", "--of", &id])
        .exits(0)
        .out;
    assert!(marked.contains("This one went from precheck to rejected. It is in rejected."));
    let json = place
        .run(&["diagram", "--format", "svg", "--of", "322-A", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (json["format"].as_str(), json["state"].as_str()),
        (Some("svg"), Some("rejected"))
    );
    assert_eq!(json["diagram"], marked.as_str());
}

/// A `watch` whose lines can be awaited.
struct Watch {
    child: Background,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Watch {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut all = vec!["watch"];
        all.extend(arguments);
        let mut child: Child = place
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child: Background(child),
            lines,
        }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// What is left when it has ended.
    fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    fn ends(mut self) -> i32 {
        self.child.0.wait().unwrap().code().unwrap_or(-1)
    }
}

#[test]
fn every_change_is_followed_once() {
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    let watch = Watch::start(&place, &["--json"]);
    let present = watch.json();
    assert_eq!(
        (
            present["type"].as_str(),
            present["cancellation"]["orderId"].as_str()
        ),
        (Some("present"), Some("322-A"))
    );
    let following = watch.json();
    assert_eq!(
        (following["type"].as_str(), following["live"].as_i64()),
        (Some("following"), Some(1))
    );

    let mut wanted = Vec::new();
    for order in ["322-B", "322-C"] {
        let asked = place.run(&["cancel", order, "--json"]).exits(0).json();
        let id = asked["id"].as_str().unwrap().to_owned();
        place.run(&["withdraw", &id]).exits(0);
        wanted.push((order, 1, "precheck"));
        wanted.push((order, 2, "rejected"));
    }
    for (order, seq, to) in wanted {
        let change = watch.json();
        assert_eq!(
            (
                change["type"].as_str(),
                change["orderId"].as_str(),
                change["entry"]["seq"].as_i64(),
                change["entry"]["to"].as_str()
            ),
            (Some("change"), Some(order), Some(seq), Some(to)),
            "{change}"
        );
    }
    assert_eq!(watch.child.ends_with("-INT"), 0);
}

/// What a `watch` has told of which order.
struct Seen {
    watch: Watch,
    times: std::collections::BTreeMap<String, u32>,
    present: usize,
}

impl Seen {
    fn by(watch: Watch) -> Self {
        Self {
            watch,
            times: std::collections::BTreeMap::new(),
            present: 0,
        }
    }

    /// Reads until so many orders were seen.
    fn read_until(&mut self, orders: usize) {
        while self.times.len() < orders {
            let line = self.watch.json();
            let order = match line["type"].as_str() {
                Some("present") => {
                    self.present += 1;
                    &line["cancellation"]["orderId"]
                }
                Some("change") if line["entry"]["seq"] == 1 => &line["orderId"],
                _ => continue,
            };
            let order = order.as_str().unwrap().to_owned();
            *self.times.entry(order).or_insert(0) += 1;
        }
    }
}

/// Whoever begins to watch while much happens sees each cancellation once: as it stands, or as it
/// begins.
#[test]
fn nothing_is_missed_or_told_twice_between_snapshot_and_following() {
    const ORDERS: usize = 1_500;
    let mut place = Place::bare();
    place.serve();
    let lines: Vec<String> = (0..ORDERS)
        .map(|n| format!("{{\"orderId\":\"322-{n}\"}}\n"))
        .collect();
    let lines = lines.concat();
    place.write("orders.jsonl", &lines);
    let mut asking = Background(
        place
            .command(&["cancel", "--file", "orders.jsonl", "--json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    // The first from the beginning, the others in the middle of it.
    let mut watches = vec![Seen::by(Watch::start(&place, &["--json"]))];
    for begin in [200, 500, 800] {
        watches[0].read_until(begin);
        watches.push(Seen::by(Watch::start(&place, &["--json"])));
    }
    for mut seen in watches {
        seen.read_until(ORDERS);
        let present = seen.present;
        eprintln!("{present} were there, {} came", ORDERS - present);
        assert_eq!(seen.times.values().find(|times| **times != 1), None);
        assert_eq!(seen.watch.child.ends_with("-INT"), 0);
    }
    assert!(asking.0.wait().unwrap().success());
}

#[test]
fn one_is_followed_to_its_end() {
    let mut place = Place::with_world();
    place.serve();
    let asked = place
        .run(&["cancel", "SIM-immediate_success-1", "--json"])
        .exits(0)
        .json();
    let id = asked["id"].as_str().unwrap();
    let watch = Watch::start(&place, &[id]);
    let lines = watch.rest();
    assert_eq!(watch.ends(), 0);
    let last = lines.last().unwrap();
    assert!(
        last.contains("→ oms_updated") && last.contains("finished: cancelled"),
        "{lines:#?}"
    );
    assert!(lines[0].ends_with("(UTC)"), "{lines:#?}");
    // Whatever the snapshot showed, each later entry was told.
    let shown = place
        .run(&["show", id, "--json", "--history"])
        .exits(0)
        .json();
    let entries = shown["history"].as_array().unwrap().len();
    assert!(lines.len() <= entries + 2, "{lines:#?}");

    // A finished one is told and that is all.
    let text = place
        .run(&["watch", "SIM-immediate_success-1"])
        .exits(0)
        .out;
    assert_eq!(text.lines().count(), 2, "{text}");
    golden("watch-finished.txt", &timeless(&text));
    place.run(&["watch", "nothing"]).exits(3);

    let told = place.run(&["report", id]).exits(0).out;
    assert!(
        told.starts_with("Order SIM-immediate_success-1 was cancelled"),
        "{told}"
    );
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
}

/// The daemon comes and goes; whoever watches sees what it did, once.
#[test]
fn a_restart_is_survived() {
    let mut place = Place::with_world();
    place.serve();
    let watch = Watch::start(&place, &["--json"]);
    assert_eq!(watch.json()["type"], "following");
    for order in ["SIM-immediate_success-1", "SIM-immediate_success-2"] {
        place.run(&["cancel", order, "--wait=20s"]).exits(0);
        let mut next = 1;
        loop {
            let change = watch.json();
            assert_eq!(change["orderId"], order, "{change}");
            assert_eq!(change["entry"]["seq"], next, "{change}");
            next += 1;
            if change["outcome"] == "cancelled" {
                break;
            }
        }
        assert_eq!(place.daemon().ends_with("-TERM"), 0);
        place.serve();
    }
    assert_eq!(watch.child.ends_with("-INT"), 0);
}

#[cfg(unix)]
#[test]
fn a_store_that_goes_away_is_told_and_waited_for() {
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    let log = std::fs::File::create(place.path().join("watch.log")).unwrap();
    let mut child = place
        .command(&["watch", "--json"])
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let child = Background(child);
    let mut next = || -> Value { serde_json::from_str(&out.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["type"], "present");
    assert_eq!(next()["type"], "following");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::rename(
            place.path().join(format!("countermand.db{suffix}")),
            place.path().join(format!("old.db{suffix}")),
        );
    }
    place.run(&["cancel", "322-B"]).exits(0);
    // It may be opened before anything stands in it, or after.
    let (first, second) = (next(), next());
    let (following, told) = if first["type"] == "following" {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(following["type"], "following");
    let order = told
        .get("orderId")
        .unwrap_or(&told["cancellation"]["orderId"]);
    assert_eq!(*order, "322-B", "{told}");
    assert_eq!(child.ends_with("-INT"), 0);
    let said = std::fs::read_to_string(place.path().join("watch.log")).unwrap();
    assert!(
        said.contains("cannot be followed") && said.contains("starting over"),
        "{said}"
    );
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let place = Place::bare();
    place.run(&["cancel", "322-A"]).exits(0);
    let mut child = place
        .command(&["watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(&child.wait_with_output().unwrap()).exits(0);
    assert!(!ran.err.contains("panic"), "{}", ran.err);
}
