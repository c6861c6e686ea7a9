//! Cancellations for people: texts and tables of 80 columns.

use std::time::Duration;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use countermand::{Status, Timestamp, View};

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
        (Status::Attention, Some(at)) => {
            format!(
                "the next look is {} ({at}); a person is needed",
                relative(at, now)
            )
        }
        (Status::Waiting, Some(at)) => format!("the next look is {} ({at})", relative(at, now)),
        (Status::Waiting, None) => "waits".to_owned(),
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
            .map_or_else(String::new, |amount| format!(" of {amount}"));
        let payment = refund.payment_id.as_ref().map_or_else(
            || ", not paid by us".to_owned(),
            |id| format!(", paid as {}", escape(id.as_str())),
        );
        let reported = refund.reported.as_ref().map_or_else(
            || ", not reported".to_owned(),
            |state| format!(", reported {}", escape(state)),
        );
        rows.push((
            "refund",
            format!(
                "{}{amount}: {}{payment}{reported}",
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
                escape(&error.effect),
                // What was read well but showed nothing is no failure of the call.
                match view.attempt {
                    0 => String::new(),
                    count => format!(", failure {count} in a row"),
                },
                relative(error.at, now),
                escape(&error.message)
            ),
        ));
    }
    if let Some(attention) = &view.attention {
        rows.push((
            "attention",
            format!("{}, since {}", escape(&attention.why), attention.since),
        ));
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
    if let Some(attention) = &view.attention
        && !attention.suggest.is_empty()
    {
        text.push_str("you can\n");
        for suggestion in &attention.suggest {
            text.push_str(&pasteable(&command_line(suggestion, view.id.as_str())));
        }
    }
    text
}

/// A command in lines of 80 columns that a shell takes together as they stand.
fn pasteable(command: &str) -> String {
    let (mut text, mut line) = (String::new(), "  ".to_owned());
    let mut words = command.split(' ').peekable();
    while let Some(word) = words.next() {
        // A flag and its value stay together.
        let mut piece = word.to_owned();
        if word.starts_with("--")
            && let Some(value) = words.next_if(|next| !next.starts_with("--"))
        {
            piece.push(' ');
            piece.push_str(value);
        }
        let width = line.chars().count() + 1 + piece.chars().count();
        if !line.trim().is_empty() && width + 2 > usize::from(WIDTH) {
            text.push_str(&line);
            text.push_str(" \\\n");
            "    ".clone_into(&mut line);
        }
        if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(&piece);
    }
    text.push_str(&line);
    text.push('\n');
    text
}

/// A suggestion as it can be typed: with the program's name, and the id where it says `ID`.
fn command_line(suggestion: &str, id: &str) -> String {
    let words: Vec<&str> = suggestion
        .split(' ')
        .map(|word| if word == "ID" { id } else { word })
        .collect();
    format!("countermand {}", escape(&words.join(" ")))
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
            "suggest": ["retry ID", "resolve ID --fact refund_not_due --refund R --note TEXT"] },
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
refund        R of 43.99 USD: PENDING, not paid by us, not reported
refund        S: SUCCESS, paid as p-1, reported SUCCESS
last error    pay_refund, failure 3 in a row, 10s ago: 503\\nService
              Unavailable
attention     key_expired: a person must look, since 2026-01-01T00:00:00.000Z
next          the next look is in 1m 20s (2026-01-01T00:01:30.000Z); a person
              is needed
began         2025-12-31T22:00:00.000Z (2h 0m ago)
changed       2026-01-01T00:00:00.000Z (revision 12)
you can
  countermand retry c-1
  countermand resolve c-1 --fact refund_not_due --refund R --note TEXT
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

    #[test]
    fn suggestions_can_be_pasted() {
        let command = format!(
            "countermand resolve {} --fact refund_paid --refund {} --payment-id P --amount A --note TEXT",
            "c".repeat(36),
            "r".repeat(64)
        );
        let shown = pasteable(&command);
        assert!(shown.lines().count() > 1, "{shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() <= 80),
            "{shown}"
        );
        // What the shell makes of it: a backslash at the end of a line joins it with the next.
        let joined = shown.replace("\\\n", "");
        let words: Vec<&str> = joined.split_whitespace().collect();
        assert_eq!(words.join(" "), command);
    }

    #[test]
    fn suggestions_can_be_typed() {
        assert_eq!(command_line("retry ID", "c-1"), "countermand retry c-1");
        assert_eq!(
            command_line("resolve ID --fact not_sent --note TEXT", "c-1"),
            "countermand resolve c-1 --fact not_sent --note TEXT"
        );
    }
}
