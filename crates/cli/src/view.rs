//! Cancellations for people: texts and tables of 80 columns.

mod commands;

use std::time::Duration;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use countermand::{NeedView, Status, Timestamp, View};

use crate::output::escape;

/// The width of everything that is printed for people.
const WIDTH: u16 = 80;
/// Between two columns.
const GAP: u16 = 2;

/// The present, by this machine's clock: only for "in 5m" and "2h ago".
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A table without lines, as wide as the page.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_width(WIDTH)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table
}

/// A column whose content is there to be copied: it is never broken.
pub(crate) fn unbroken(table: &mut Table, column: usize, content: u16) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(content + GAP)));
    }
}

/// Printed form of a table: columns close together, no blanks at the ends of lines.
pub(crate) fn print(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// How a status is called.
pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Waiting => "waiting",
        Status::Attention => "attention",
        Status::Finished => "finished",
    }
}

/// A span of time in at most two units.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A span of time in one unit.
fn age(duration: Duration) -> String {
    let text = span(duration);
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// "in 5m", "2h ago".
fn relative(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", span(at.since(now)))
    } else {
        format!("{} ago", span(now.since(at)))
    }
}

/// The listing.
pub(crate) fn list(views: &[View], now: Timestamp) -> String {
    let mut table = table(&["ID", "ORDER", "STATE", "STATUS", "AGE"]);
    for view in views {
        table.add_row([
            view.id.to_string(),
            view.order_id.to_string(),
            escape(&view.state),
            outcome_or_status(view),
            age(now.since(view.created_at)),
        ]);
    }
    // One row is one line, whatever its width: to be searched, cut and copied.
    table.set_content_arrangement(ContentArrangement::Disabled);
    print(table)
}

fn outcome_or_status(view: &View) -> String {
    match (&view.outcome, view.status) {
        (Some(outcome), Status::Finished) => escape(outcome),
        (_, status) => status_name(status).to_owned(),
    }
}

/// What a state means.
fn meaning(view: &View) -> &'static str {
    match view.state.as_str() {
        "precheck" => "the order is read before anything is sent",
        "requested" if view.in_doubt => {
            "Amazon was asked, and it is not known whether that arrived"
        }
        "requested" => "Amazon is being asked to cancel the order",
        "pending" => "Amazon has the request and decides",
        "success" => "the order is cancelled; its refunds are looked for",
        "refund" => "its refunds are being paid and reported",
        "rejected" => "the order was not cancelled",
        "oms_updated" => "everything is done and told",
        _ => "a state that this version does not know",
    }
}

/// What happens next, and when.
fn next(view: &View, now: Timestamp) -> String {
    match (view.status, view.next_at) {
        (Status::Finished, _) => "nothing".to_owned(),
        (Status::Running, _) => "at once".to_owned(),
        (Status::Attention, None) => "nothing before a person acts".to_owned(),
        (Status::Attention, Some(at)) => format!("{}; a person is needed", look(at, now)),
        (Status::Waiting, Some(at)) => look(at, now),
        (Status::Waiting, None) => "waits".to_owned(),
    }
}

/// When the next look is.
fn look(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("the next look is {} ({at})", relative(at, now))
    } else {
        "the next look is due now".to_owned()
    }
}

/// One cancellation in full.
pub(crate) fn show(view: &View, now: Timestamp) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.push(("order", format!("{} at {}", view.order_id, view.target_id)));
    rows.push(("origin", view.origin.to_string()));
    if let Some(external) = &view.external_id {
        rows.push(("external id", escape(external)));
    }
    if let Some(who) = &view.requested_by {
        rows.push(("requested by", escape(who)));
    }
    if let Some(reason) = view.reason {
        rows.push(("reason", reason.as_str().to_owned()));
    }
    if let Some(comments) = &view.additional_comments {
        rows.push(("comments", escape(comments)));
    }
    rows.push((
        "state",
        format!("{}: {}", escape(&view.state), meaning(view)),
    ));
    rows.push(("status", status_name(view.status).to_owned()));
    if let Some(outcome) = &view.outcome {
        rows.push(("outcome", escape(outcome)));
    }
    if let Some(rejection) = &view.rejection {
        let detail = rejection.detail.as_deref().unwrap_or("no particulars");
        rows.push((
            "why",
            format!("{}: {}", escape(&rejection.why), escape(detail)),
        ));
    }
    for refund in &view.refunds {
        let amount = refund
            .amount
            .as_ref()
            .map_or_else(|| "no amount".to_owned(), ToString::to_string);
        let total = refund
            .total_at_amazon
            .as_ref()
            .map_or_else(String::new, |total| format!(" (its total there: {total})"));
        let payment = refund.payment_id.as_ref().map_or_else(
            || ", no payment known".to_owned(),
            |id| format!(", paid as {}", escape(id.as_str())),
        );
        let reported = refund.reported.as_ref().map_or_else(
            || ", not reported by us".to_owned(),
            |state| format!(", reported {} by us", escape(state)),
        );
        // A long id has a line of its own, to be copied.
        rows.push((
            "refund",
            format!(
                "{}\n{amount}, {} at Amazon{total}{payment}{reported}",
                escape(refund.id.as_str()),
                escape(&refund.state)
            ),
        ));
    }
    if let Some(error) = &view.last_error {
        rows.push((
            "last error",
            format!(
                "{}{}, {}: {}",
                short_ids(&escape(&error.effect), view),
                // What was read well but showed nothing is no failure of the call.
                match view.attempt {
                    0 => String::new(),
                    count => format!(", failure {count} in a row"),
                },
                relative(error.at, now),
                short_ids(&escape(&error.message), view)
            ),
        ));
    }
    let needs = needs(view);
    for need in &needs {
        rows.push((
            "attention",
            format!(
                "{}, since {} ({}):\n{}",
                escape(&need.code),
                need.since,
                relative(need.since, now),
                short_ids(&escape(&need.detail), view)
            ),
        ));
        if !need.meanwhile.is_empty() {
            rows.push(("meanwhile", escape(&need.meanwhile)));
        }
    }
    rows.push(("next", next(view, now)));
    rows.push((
        "began",
        format!("{} ({})", view.created_at, relative(view.created_at, now)),
    ));
    rows.push((
        "changed",
        format!("{} (revision {})", view.updated_at, view.revision),
    ));
    if let Some(at) = view.finished_at {
        rows.push((
            "finished",
            format!("{at} ({} after it began)", span(at.since(view.created_at))),
        ));
    }

    let mut table = table(&[]);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    let mut text = format!("cancellation {}\n{}", view.id, print(table));
    text.push_str(&commands::commands(view));
    text
}

/// Everything that a person is needed for.
fn needs(view: &View) -> Vec<NeedView> {
    let Some(attention) = &view.attention else {
        return Vec::new();
    };
    if !attention.needs.is_empty() {
        return attention.needs.clone();
    }
    // An older daemon tells of the oldest alone.
    let (code, detail) = attention
        .why
        .split_once(": ")
        .unwrap_or((&attention.why, "no particulars"));
    vec![NeedView {
        code: code.to_owned(),
        since: attention.since,
        detail: detail.to_owned(),
        meanwhile: String::new(),
        suggest: attention.suggest.clone(),
    }]
}

/// Long ids of refunds, shortened where the text is there to be read: in full they stand beside
/// `refund` and in the commands.
fn short_ids(text: &str, view: &View) -> String {
    let named = view.attention.iter().flat_map(|attention| {
        let commands = attention.suggest.iter();
        commands.filter_map(|command| {
            let (_, rest) = command.split_once("--refund ")?;
            rest.split(' ').next()
        })
    });
    let ids = view.refunds.iter().map(|refund| refund.id.as_str());
    ids.chain(named)
        .filter(|id| id.len() > 16 && id.is_ascii())
        .fold(text.to_owned(), |text, id| {
            let begin: String = id.chars().take(8).collect();
            text.replace(id, &format!("{begin}..."))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(json: &str) -> View {
        serde_json::from_str(json).unwrap()
    }

    /// Everything that can be there is there, some of it written by somebody who means harm.
    const FULL: &str = r#"{
        "id": "c-1", "targetId": "bp-1", "orderId": "322-A", "externalId": "web-1",
        "origin": "requested", "state": "refund", "status": "attention", "outcome": null,
        "reason": "OTHER", "additionalComments": "red\u001b[31m not blue", "requestedBy": "web shop",
        "inDoubt": true,
        "attention": { "since": "2026-01-01T00:00:00.000Z", "why": "key_expired: a person must look",
            "suggest": ["resolve ID --fact refund_not_due --refund 0123456789abcdef0 --note TEXT", "retry ID"],
            "needs": [
                { "code": "key_expired", "since": "2026-01-01T00:00:00.000Z",
                  "detail": "refund 0123456789abcdef0 is not\u001b[31m known", "meanwhile": "nothing is paid",
                  "suggest": ["resolve ID --fact refund_not_due --refund 0123456789abcdef0 --note TEXT"] },
                { "code": "attempts_exhausted", "since": "2026-01-01T00:00:05.000Z",
                  "detail": "the OMS is deaf", "meanwhile": "everything else goes on", "suggest": ["retry ID"] }
            ] },
        "rejection": { "why": "refused", "detail": "by\u202e Amazon" },
        "refunds": [
            { "id": "R", "state": "PENDING", "amount": { "amount": "43.99", "currencyCode": "USD" },
              "paymentId": null, "reported": null },
            { "id": "S", "state": "SUCCESS", "amount": null, "paymentId": "p-1", "reported": "SUCCESS" }
        ],
        "attempt": 3,
        "lastError": { "effect": "pay_refund", "message": "503\nService Unavailable", "at": "2026-01-01T00:00:00.000Z" },
        "nextAt": "2026-01-01T00:01:30.000Z", "revision": 12,
        "createdAt": "2025-12-31T22:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z", "finishedAt": null
    }"#;

    #[test]
    fn everything_is_shown_and_nothing_acts_on_the_terminal() {
        let now = "2026-01-01T00:00:10.000Z".parse().unwrap();
        let shown = show(&view(FULL), now);
        let expected = "\
cancellation c-1
order         322-A at bp-1
origin        requested
external id   web-1
requested by  web shop
reason        OTHER
comments      red\\u{1b}[31m not blue
state         refund: its refunds are being paid and reported
status        attention
why           refused: by\\u{202e} Amazon
refund        R
              43.99 USD, PENDING at Amazon, no payment known, not reported by
              us
refund        S
              no amount, SUCCESS at Amazon, paid as p-1, reported SUCCESS by
              us
last error    pay_refund, failure 3 in a row, 10s ago: 503\\nService
              Unavailable
attention     key_expired, since 2026-01-01T00:00:00.000Z (10s ago):
              refund 01234567... is not\\u{1b}[31m known
meanwhile     nothing is paid
attention     attempts_exhausted, since 2026-01-01T00:00:05.000Z (5s ago):
              the OMS is deaf
meanwhile     everything else goes on
next          the next look is in 1m 20s (2026-01-01T00:01:30.000Z); a person
              is needed
began         2025-12-31T22:00:00.000Z (2h 0m ago)
changed       2026-01-01T00:00:00.000Z (revision 12)
you can
  If the money is not to be paid back, say so:
   countermand resolve c-1 --fact refund_not_due --refund 0123456789abcdef0 \\
     --note TEXT
  Once the cause is mended, have it tried again:
   countermand retry c-1
Put your own words for those in capitals, in quotes where they have blanks:
an AMOUNT is such as \"43.99 USD\", the TEXT says how you know it.
";
        assert_eq!(shown, expected);
        assert!(shown.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn spans() {
        for (millis, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (61_000, "1m 1s"),
            (7_260_000, "2h 1m"),
            (180_000_000, "2d 2h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_row_of_the_listing_is_one_line() {
        let mut long = view(FULL);
        long.order_id = "322-1234567-1234567-and-much-more".parse().unwrap();
        let listed = list(&[long.clone()], long.created_at);
        assert_eq!(listed.lines().count(), 2, "{listed}");
        assert!(listed.contains(long.order_id.as_str()), "{listed}");
    }

    #[test]
    fn a_read_that_went_well_is_not_called_a_failure() {
        let mut quiet = view(FULL);
        quiet.attempt = 0;
        let shown = show(&quiet, quiet.updated_at);
        assert!(!shown.contains("failure 0"), "{shown}");
    }
}
