//! `cancel`: asks for a cancellation, durably, and waits for its end where that is wanted.

use std::time::Duration;

use countermand::{CancelOutcome, Draft, Status, Terms, Until, View};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::operate::user_name;
use super::{batch, configuration, show};
use crate::args::{Cancel, Global, Wait};
use crate::config::Config;
use crate::daemon::Api;
use crate::exit::{Exit, Failure};
use crate::output::{Output, tell};
use crate::signals::{Interrupt, NOT_ASKED, NOT_KNOWN};
use crate::store::{self, Access, Local, Mode};

/// Between two looks at a cancellation that the daemon works on.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_MAX: Duration = Duration::from_secs(1);

pub(super) async fn run(
    arguments: &Cancel,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    if let Some(file) = &arguments.file {
        if arguments.wait.is_some() {
            return Err(Failure::new(
                Exit::Usage,
                "--wait and --file do not go together; follow many with `countermand list`",
            ));
        }
        return batch::run(file, arguments.target.as_deref(), &config, out).await;
    }
    let draft = Draft {
        order_id: arguments
            .order_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        target_id: arguments.target.clone(),
        external_id: arguments.external_id.clone(),
        reason: arguments.reason.map(|reason| reason.as_str().to_owned()),
        additional_comments: arguments.comments.clone(),
    };
    check(&draft, &config).map_err(|problems| Failure::new(Exit::Usage, problems.join("\n")))?;
    if arguments.wait.is_some() && !out.is_json() {
        // Driving it here has something to tell when a remote fails.
        crate::logging::install_quiet();
    }
    let mode = if arguments.wait.is_some() {
        Mode::Drive
    } else {
        Mode::StoreOnly
    };
    let mut interrupt = Interrupt::install()?;
    let access = store::access(&config, mode);
    match interrupt.unless(NOT_ASKED, access).await? {
        Access::Daemon(api) => {
            let body = as_json(&draft);
            let asked = interrupt.unless(NOT_KNOWN, api.cancel(&body));
            let (view, created) = asked.await?;
            announce(&view, created, out);
            match arguments.wait {
                None => finish(&view, None, out),
                Some(limit) => {
                    let view = follow(&api, view, limit, &mut interrupt).await?;
                    finish(&view, Some(()), out)
                }
            }
        }
        Access::Here(local) => {
            let result = here(&local, &draft, arguments.wait, out, &mut interrupt).await;
            local.close().await;
            let view = result?;
            finish(&view, arguments.wait.map(|_| ()), out)
        }
    }
}

/// Everything that is wrong with a draft.
pub(super) fn check(draft: &Draft, config: &Config) -> Result<(), Vec<String>> {
    let known: Vec<_> = config
        .targets
        .iter()
        .map(|target| target.id.as_str())
        .collect();
    let default = match known.as_slice() {
        [only] => only.parse().ok(),
        _ => None,
    };
    if let Err(problems) = draft.validate(default.as_ref(), None, Terms::default()) {
        return Err(problems.iter().map(ToString::to_string).collect());
    }
    match &draft.target_id {
        Some(target) if !known.contains(&target.as_str()) => Err(vec![format!(
            "targetId: {target} is not configured; configured are {}",
            known.join(", ")
        )]),
        _ => Ok(()),
    }
}

/// The body of the API's request.
pub(super) fn as_json(draft: &Draft) -> Value {
    let mut body = Map::new();
    body.insert("orderId".to_owned(), json!(draft.order_id));
    for (key, value) in [
        ("targetId", &draft.target_id),
        ("externalId", &draft.external_id),
        ("reason", &draft.reason),
        ("additionalComments", &draft.additional_comments),
    ] {
        if let Some(value) = value {
            body.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(body)
}

fn announce(view: &View, created: bool, out: &Output) {
    if !out.is_json() {
        let what = if created {
            "stored"
        } else {
            "was asked for before"
        };
        tell(format!("cancellation {} {what}", view.id));
    }
}

/// Prints it and says how it ended, where the end was waited for.
fn finish(view: &View, waited: Option<()>, out: &mut Output) -> Result<Exit, Failure> {
    let exit = match waited {
        None => Exit::Done,
        Some(()) => ending(view),
    };
    out.verdict(exit);
    show::print(view, out)?;
    Ok(exit)
}

/// What the end of a wait means.
fn ending(view: &View) -> Exit {
    match (view.status, view.outcome.as_deref()) {
        (Status::Finished, Some("cancelled")) => Exit::Done,
        (Status::Finished | Status::Attention, _) => Exit::NotCancelled,
        (Status::Running | Status::Waiting, _) => Exit::UnderWay,
    }
}

/// Waits for the end of a cancellation that the daemon drives.
async fn follow(
    api: &Api,
    mut view: View,
    limit: Wait,
    interrupt: &mut Interrupt,
) -> Result<View, Failure> {
    let deadline = limit.0.and_then(|limit| Instant::now().checked_add(limit));
    let mut pause = LOOK_FIRST;
    loop {
        if matches!(view.status, Status::Finished | Status::Attention) {
            return Ok(view);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(view);
        }
        tokio::select! {
            biased;
            () = interrupt.came() => return Ok(view),
            () = sleep(left.map_or(pause, |left| left.min(pause))) => {}
        }
        view = tokio::select! {
            biased;
            // A daemon that hangs must not keep the person waiting.
            () = interrupt.came() => return Ok(view),
            read = api.get(view.id.as_str()) => read.map_err(|failure| stored(&view, failure))?,
        };
        pause = pause.saturating_mul(2).min(LOOK_MAX);
    }
}

/// The way to the daemon was lost while its end was awaited: the request is stored all the same.
fn stored(view: &View, failure: Failure) -> Failure {
    // What a request that changes nothing did not change is of no interest here.
    let why = failure
        .message
        .split_once("; ")
        .map_or(failure.message.as_str(), |(why, _)| why);
    let message = format!(
        "cancellation {} is stored (last seen in `{}`), and its end was not awaited: {why}; `countermand show {}` tells",
        view.id, view.state, view.id
    );
    Failure {
        message,
        ..failure.with(json!({ "cancellationId": view.id }))
    }
}

/// Asks here, and drives it where its end is waited for.
async fn here(
    local: &Local,
    draft: &Draft,
    wait: Option<Wait>,
    out: &Output,
    interrupt: &mut Interrupt,
) -> Result<View, Failure> {
    let user = user_name();
    let asked = async {
        let outcome = local.handle.cancel(draft, Some(&user)).await;
        outcome.map_err(|error| store::failure(&error))
    };
    let view = match interrupt.unless(NOT_KNOWN, asked).await? {
        CancelOutcome::Created(view) => {
            announce(&view, true, out);
            view
        }
        CancelOutcome::Existing(view) => {
            announce(&view, false, out);
            view
        }
        CancelOutcome::Conflict(conflict) => return Err(store::conflict(&conflict)),
    };
    let Some(limit) = wait else {
        return Ok(view);
    };
    let end = local.handle.wait(&view.id, Until::Settled);
    let ended = tokio::select! {
        biased;
        () = interrupt.came() => None,
        ended = timeout(limit.0.unwrap_or(Duration::MAX), end) => ended.ok(),
    };
    match ended {
        Some(ended) => ended.map_err(|error| store::failure(&error)),
        None => local
            .handle
            .get(&view.id)
            .await
            .map_err(|error| store::failure(&error)),
    }
}
