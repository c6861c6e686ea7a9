//! `watch`: follows changes, by reading the store; a daemon beside it is not needed and not
//! disturbed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use countermand::{Error, HistoryEntry, InstanceId, OrderId, Reader, Status, Timestamp, View};
use serde_json::json;
use tokio::time::sleep;

use super::configuration;
use crate::args::{Global, Watch};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape, tell};
use crate::{history, store, view};

/// Between two looks at a store in which nothing happens.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Between two tries to read a store that cannot be read.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// What is read at once; the bound of the memory it takes.
const PAGE: usize = 200;

pub(super) async fn run(
    arguments: &Watch,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let way = Way::open(&config).await?;
    let mut watch = Watching {
        config: &config,
        way,
        lines: Lines { out, day: None },
    };
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let following = async {
        match &arguments.id {
            Some(id) => watch.one(id).await,
            None => watch.all().await,
        }
    };
    tokio::select! {
        biased;
        () = interrupted => Ok(match &arguments.id {
            // 0 would say that it is finished.
            Some(_) => Exit::UnderWay,
            None => Exit::Done,
        }),
        exit = following => exit,
    }
}

/// An open store, and which file it is.
struct Way {
    reader: Reader,
    file: Option<FileId>,
}

/// What tells one file from another that has taken its place.
type FileId = (u64, u64);

fn file_id(path: &Path) -> Option<FileId> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        path.exists().then_some((0, 0))
    }
}

impl Way {
    async fn open(config: &Config) -> Result<Self, Failure> {
        // Asked before: should the file be replaced in between, it is opened once more.
        let file = file_id(&config.store.path);
        let reader = store::reader(config).await?;
        Ok(Self { reader, file })
    }
}

struct Watching<'a> {
    config: &'a Config,
    way: Way,
    lines: Lines<'a>,
}

impl Watching<'_> {
    /// Follows everything; never ends by itself.
    async fn all(&mut self) -> Result<Exit, Failure> {
        loop {
            match self.snapshot().await {
                Ok((place, known)) => self.follow(place, known).await?,
                Err(Trouble::Store(why)) => {
                    self.come_back(&why).await?;
                }
                Err(Trouble::Output(failure)) => return Err(failure),
            }
        }
    }

    /// What is there. Answers the place from which to follow, and what of that is shown already: the
    /// cancellations that changed meanwhile, with the entry up to which they were shown.
    async fn snapshot(&mut self) -> Result<(u64, Known), Trouble> {
        let reader = self.way.reader.clone();
        let place = reader.place().await?;
        let mut known = Known::default();
        let mut changed = BTreeSet::new();
        let mut looked = place;
        let mut cursor = None;
        let mut live = 0_usize;
        loop {
            let page = reader.live(cursor.as_deref(), PAGE).await?;
            loop {
                let stretch = reader.happened(looked, PAGE).await?;
                changed.extend(stretch.items.into_iter().map(|item| item.cancellation_id));
                if stretch.next == looked {
                    break;
                }
                looked = stretch.next;
            }
            for view in &page.items {
                if changed.contains(&view.id) {
                    known.shown.insert(view.id.clone(), view.revision);
                }
                self.lines.present(view)?;
            }
            self.lines.out.flush()?;
            live += page.items.len();
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        known.until = looked;
        self.lines.following(live)?;
        Ok((place, known))
    }

    /// Follows from a place on, until the store is another one.
    async fn follow(&mut self, mut place: u64, mut known: Known) -> Result<(), Failure> {
        loop {
            match self.stretch(&mut place, &known).await {
                Ok(true) => {}
                Ok(false) => sleep(LOOK_AGAIN).await,
                Err(Trouble::Output(failure)) => return Err(failure),
                Err(Trouble::Store(why)) => {
                    let before = self.way.file;
                    self.come_back(&why).await?;
                    let end = self.way.reader.place().await.unwrap_or(0);
                    if self.way.file != before || end < place {
                        tell("this is another store than before: starting over");
                        self.lines.day = None;
                        return Ok(());
                    }
                }
            }
            if place >= known.until {
                known.shown.clear();
            }
        }
    }

    /// Shows what happened since. Answers whether there was anything.
    async fn stretch(&mut self, place: &mut u64, known: &Known) -> Result<bool, Trouble> {
        self.check_file()?;
        let stretch = self.way.reader.happened(*place, PAGE).await?;
        let is_new = stretch.next != *place;
        for item in &stretch.items {
            let id = &item.cancellation_id;
            if known
                .shown
                .get(id)
                .is_some_and(|shown| item.entry.seq <= *shown)
            {
                continue;
            }
            if self.lines.out.is_json() {
                self.lines.out.document(&json!({
                    "type": "change",
                    "cancellationId": id,
                    "targetId": item.target_id,
                    "orderId": item.order_id,
                    "status": item.status,
                    "outcome": item.outcome,
                    "entry": item.entry,
                }))?;
            } else {
                self.lines.change(
                    id,
                    &item.order_id,
                    &item.entry,
                    item.status,
                    item.outcome.as_deref(),
                )?;
            }
        }
        self.lines.out.flush()?;
        *place = stretch.next;
        Ok(is_new)
    }

    /// Follows one until it is finished.
    async fn one(&mut self, asked: &str) -> Result<Exit, Failure> {
        let view = self
            .way
            .reader
            .find(asked)
            .await
            .map_err(|error| store::failure(&error))?;
        let id = view.id.clone();
        self.lines.present(&view)?;
        self.lines.out.flush()?;
        let mut shown = view.revision;
        let mut finished = view.status == Status::Finished;
        while !finished {
            match self.entries(&id, &mut shown).await {
                Ok(Some(is_finished)) => finished = is_finished,
                Ok(None) => sleep(LOOK_AGAIN).await,
                Err(Trouble::Output(failure)) => return Err(failure),
                Err(Trouble::Store(why)) => self.come_back(&why).await?,
            }
        }
        Ok(Exit::Done)
    }

    /// Shows one's new entries. Answers whether it is finished; nothing, where nothing happened.
    async fn entries(&mut self, id: &InstanceId, shown: &mut u64) -> Result<Option<bool>, Trouble> {
        self.check_file()?;
        let reader = self.way.reader.clone();
        let entries = reader.history_after(id, *shown, PAGE).await?;
        // Read after the entries, so at least as new.
        let view = match reader.get(id).await {
            Err(error @ Error::NotFound { .. }) => {
                return Err(Trouble::Output(store::failure(&error)));
            }
            view => view?,
        };
        if view.revision < *shown {
            tell("it is behind what was seen of it: the store was brought back from a backup");
            *shown = view.revision;
            self.lines.present(&view)?;
            self.lines.out.flush()?;
            return Ok(Some(view.status == Status::Finished));
        }
        for entry in &entries {
            let is_newest = entry.seq == view.revision;
            let status = is_newest.then_some(view.status);
            let outcome = view.outcome.as_deref().filter(|_| is_newest);
            if self.lines.out.is_json() {
                self.lines.out.document(&json!({
                    "type": "change",
                    "cancellationId": view.id,
                    "targetId": view.target_id,
                    "orderId": view.order_id,
                    "status": status,
                    "outcome": outcome,
                    "entry": entry,
                }))?;
            } else {
                self.lines
                    .change(&view.id, &view.order_id, entry, status, outcome)?;
            }
            *shown = entry.seq;
        }
        self.lines.out.flush()?;
        let is_finished = view.status == Status::Finished && *shown >= view.revision;
        Ok((is_finished || !entries.is_empty()).then_some(is_finished))
    }

    /// A file that took the place of the one that is open would never be noticed otherwise.
    fn check_file(&self) -> Result<(), Trouble> {
        let now = file_id(&self.config.store.path);
        if now == self.way.file {
            return Ok(());
        }
        Err(Trouble::Store(match now {
            None => "it is not there any more".to_owned(),
            Some(_) => "another file has taken its place".to_owned(),
        }))
    }

    /// Waits until the store can be read again.
    async fn come_back(&mut self, why: &str) -> Result<(), Failure> {
        let path = self.config.store.path.display();
        tell(format!(
            "the store {path} cannot be followed: {}; trying again",
            escape(why)
        ));
        self.lines.out.flush()?;
        loop {
            if let Ok(way) = Way::open(self.config).await
                && way.reader.ping().await.is_ok()
            {
                self.way = way;
                tell("the store is back");
                return Ok(());
            }
            sleep(TRY_AGAIN).await;
        }
    }
}

/// What the snapshot shows already of what comes after its beginning.
#[derive(Default)]
struct Known {
    shown: BTreeMap<InstanceId, u64>,
    until: u64,
}

/// Why it does not go on.
enum Trouble {
    /// The store may come back.
    Store(String),
    /// Nobody can read what is written, or there is nothing to follow.
    Output(Failure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(crate::daemon::chain(&error))
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Output(failure)
    }
}

/// The lines that are printed.
struct Lines<'a> {
    out: &'a mut Output,
    /// The day of the last line.
    day: Option<String>,
}

impl Lines<'_> {
    fn present(&mut self, view: &View) -> Result<(), Failure> {
        if self.out.is_json() {
            return self
                .out
                .document(&json!({ "type": "present", "cancellation": view }));
        }
        let status = standing(view.status, view.outcome.as_deref());
        let state = escape(&view.state);
        self.line(
            view.updated_at,
            &format!("{}  {state}  (now)  {status}  {}", view.order_id, view.id),
        )
    }

    fn following(&mut self, live: usize) -> Result<(), Failure> {
        if self.out.is_json() {
            self.out
                .document(&json!({ "type": "following", "live": live }))?;
        } else {
            let what = match live {
                0 => "no live cancellation".to_owned(),
                1 => "1 live cancellation".to_owned(),
                count => format!("{count} live cancellations"),
            };
            tell(format!("{what}; following changes, Ctrl-C ends"));
        }
        self.out.flush()
    }

    /// What can be read at a glance comes first, the long id last.
    fn change(
        &mut self,
        id: &InstanceId,
        order: &OrderId,
        entry: &HistoryEntry,
        status: Option<Status>,
        outcome: Option<&str>,
    ) -> Result<(), Failure> {
        let to = escape(&entry.to);
        let state = match &entry.from {
            Some(from) if *from == entry.to => to,
            Some(from) => format!("{} → {to}", escape(from)),
            None => format!("→ {to}"),
        };
        let what = history::describe(entry);
        let status = status.map_or_else(String::new, |status| {
            format!("  {}", standing(status, outcome))
        });
        self.line(entry.at, &format!("{order}  {state}  {what}{status}  {id}"))
    }

    fn line(&mut self, at: Timestamp, rest: &str) -> Result<(), Failure> {
        let text = at.to_string();
        let (day, time) = text.split_once('T').unwrap_or((&text, ""));
        if self.day.as_deref() != Some(day) {
            self.out.line(format!("{day} (UTC)"))?;
            self.day = Some(day.to_owned());
        }
        let time = time.get(..8).unwrap_or(time);
        self.out.line(format!("{time}  {rest}"))
    }
}

/// "waiting", or how it ended.
fn standing(status: Status, outcome: Option<&str>) -> String {
    match (status, outcome) {
        (Status::Finished, Some(outcome)) => format!("finished: {}", escape(outcome)),
        (status, _) => view::status_name(status).to_owned(),
    }
}
