//! `cancel --file`: many requests at once. The file is read and checked as a whole: when one line is
//! wrong, nothing is asked for. Then the requests go out one after the other, and each is told.

use std::collections::BTreeMap;
use std::path::Path;

use countermand::{CancelOutcome, Draft};
use serde::Serialize;

use super::cancel::{as_json, check};
use super::event::read;
use super::operate::user_name;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape, tell};
use crate::signals::{Interrupt, NOT_ASKED, NOT_KNOWN};
use crate::store::{self, Access, Mode};

/// About 100,000 requests.
pub(super) const FILE_MAX: u64 = 32 * 1024 * 1024;

/// A request and the line it began on.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    draft: Draft,
}

/// What became of one line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    line: usize,
    order_id: String,
    result: &'static str,
    cancellation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn run(
    file: &Path,
    target: Option<&str>,
    config: &Config,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let bytes = read(file, FILE_MAX)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::Usage, "the file is not valid UTF-8"))?;
    let lines = parse(&text, target, config).map_err(|problems| wrong_lines(&problems))?;
    let mut interrupt = Interrupt::install()?;
    let access = store::access(config, Mode::StoreOnly);
    let access = interrupt.unless(NOT_ASKED, access).await?;
    let mut refused = 0_usize;
    let mut result = Ok(());
    for line in &lines {
        match interrupt.unless(NOT_KNOWN, ask(&access, line)).await {
            Ok(told) => {
                refused += usize::from(told.result == "refused");
                result = print(&told, out);
            }
            Err(failure) => result = Err(at(line.number, failure)),
        }
        if result.is_err() {
            break;
        }
    }
    if let Access::Here(local) = access {
        local.close().await;
    }
    result?;
    if refused == 0 {
        return Ok(Exit::Done);
    }
    tell(format!("{refused} of {} were refused", lines.len()));
    Ok(Exit::Refused)
}

/// Every wrong line, as far as a person reads.
pub(super) fn wrong_lines(problems: &[String]) -> Failure {
    const SHOWN: usize = 50;
    let mut message = match problems.len() {
        1 => "one line is wrong; nothing was asked for".to_owned(),
        count => format!("{count} lines are wrong; nothing was asked for"),
    };
    for problem in problems.iter().take(SHOWN) {
        message.push('\n');
        message.push_str(problem);
    }
    if problems.len() > SHOWN {
        message.push_str("\n…");
    }
    Failure::new(Exit::Usage, message)
}

/// The failure, with the line on which it came.
pub(super) fn at(number: usize, failure: Failure) -> Failure {
    Failure {
        message: format!("line {number}: {}", failure.message),
        ..failure
    }
}

async fn ask(access: &Access, line: &Line) -> Result<Told, Failure> {
    let told = |result, id: &countermand::InstanceId, error| Told {
        line: line.number,
        order_id: line.draft.order_id.clone(),
        result,
        cancellation_id: Some(id.to_string()),
        error,
    };
    match access {
        Access::Daemon(api) => match api.cancel(&as_json(&line.draft)).await {
            Ok((view, true)) => Ok(told("created", &view.id, None)),
            Ok((view, false)) => Ok(told("existing", &view.id, None)),
            Err(failure) if failure.exit == Exit::Refused => {
                let with = failure
                    .details
                    .as_ref()
                    .and_then(|details| details.get("cancellationId"));
                let with = with.and_then(serde_json::Value::as_str).map(str::to_owned);
                Ok(Told {
                    line: line.number,
                    order_id: line.draft.order_id.clone(),
                    result: "refused",
                    cancellation_id: with,
                    error: Some(failure.message),
                })
            }
            Err(failure) => Err(failure),
        },
        Access::Here(local) => {
            let outcome = local.handle.cancel(&line.draft, Some(&user_name())).await;
            Ok(match outcome.map_err(|error| store::failure(&error))? {
                CancelOutcome::Created(view) => told("created", &view.id, None),
                CancelOutcome::Existing(view) => told("existing", &view.id, None),
                CancelOutcome::Conflict(conflict) => {
                    told("refused", &conflict.with, Some(conflict.message))
                }
            })
        }
    }
}

fn print(told: &Told, out: &mut Output) -> Result<(), Failure> {
    if out.is_json() {
        return out.document(told);
    }
    let id = told.cancellation_id.as_deref().unwrap_or("-");
    let error = told
        .error
        .as_deref()
        .map_or_else(String::new, |error| format!("  {}", escape(error)));
    out.line(format!(
        "line {}  {}  {}  {id}{error}",
        told.line, told.order_id, told.result
    ))
}

/// Reads every request; every wrong line is told.
fn parse(text: &str, target: Option<&str>, config: &Config) -> Result<Vec<Line>, Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut lines, mut problems) = if text.trim_start().starts_with('{') {
        json_lines(text)
    } else {
        csv(text)
    };
    let mut seen = BTreeMap::new();
    for line in &mut lines {
        if line.draft.target_id.is_none() {
            line.draft.target_id = target.map(str::to_owned);
        }
        if let Err(wrong) = check(&line.draft, config) {
            problems.extend(wrong.iter().map(|wrong| (line.number, wrong.clone())));
        }
        let key = (line.draft.target_id.clone(), line.draft.order_id.clone());
        if let Some(earlier) = seen.insert(key, line.number) {
            problems.push((
                line.number,
                format!("orderId: the same order is on line {earlier}"),
            ));
        }
    }
    if problems.is_empty() {
        return Ok(lines);
    }
    problems.sort();
    Err(problems
        .into_iter()
        .map(|(number, problem)| format!("line {number}: {}", escape(&problem)))
        .collect())
}

type Parsed = (Vec<Line>, Vec<(usize, String)>);

fn json_lines(text: &str) -> Parsed {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(draft) => lines.push(Line {
                number: index + 1,
                draft,
            }),
            Err(error) => problems.push((index + 1, format!("not a request: {error}"))),
        }
    }
    (lines, problems)
}

const COLUMNS: [&str; 5] = [
    "orderId",
    "targetId",
    "externalId",
    "reason",
    "additionalComments",
];

fn csv(text: &str) -> Parsed {
    let mut problems = Vec::new();
    let mut records = records(text, &mut problems).into_iter();
    let Some((number, header)) = records.next() else {
        return (Vec::new(), vec![(1, "there is no header".to_owned())]);
    };
    let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    for (index, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name.as_str()) {
            problems.push((
                number,
                format!("`{name}` is no column; there are {}", COLUMNS.join(", ")),
            ));
        } else if header.iter().take(index).any(|earlier| earlier == name) {
            problems.push((number, format!("the column `{name}` is there twice")));
        }
    }
    if !header.iter().any(|name| name == "orderId") {
        problems.push((number, "the column `orderId` is missing".to_owned()));
    }
    if !problems.is_empty() {
        return (Vec::new(), problems);
    }
    let mut lines = Vec::new();
    for (number, record) in records {
        if record.len() != header.len() {
            problems.push((
                number,
                format!(
                    "has {} fields, the header has {}",
                    record.len(),
                    header.len()
                ),
            ));
            continue;
        }
        let mut draft = Draft::default();
        for (name, value) in header.iter().zip(record) {
            let given = Some(value).filter(|value| !value.is_empty());
            match name.as_str() {
                "orderId" => draft.order_id = given.unwrap_or_default(),
                "targetId" => draft.target_id = given,
                "externalId" => draft.external_id = given,
                "reason" => draft.reason = given,
                _ => draft.additional_comments = given,
            }
        }
        lines.push(Line { number, draft });
    }
    (lines, problems)
}

/// The records of a CSV text (RFC 4180), each with the line it begins on; blank lines are skipped.
pub(super) fn records(
    text: &str,
    problems: &mut Vec<(usize, String)>,
) -> Vec<(usize, Vec<String>)> {
    let mut all = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let (mut line, mut begun_at) = (1, 1);
    let (mut quoted, mut was_quoted) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '\n' if quoted => {
                line += 1;
                field.push('\n');
            }
            ',' if !quoted => {
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' => {
                line += 1;
                if !record.is_empty() || !field.is_empty() || was_quoted {
                    record.push(std::mem::take(&mut field));
                    all.push((begun_at, std::mem::take(&mut record)));
                }
                (begun_at, was_quoted) = (line, false);
            }
            '"' => {
                problems.push((
                    line,
                    "a quote stands inside a field that is not quoted".to_owned(),
                ));
                field.push(c);
            }
            c => field.push(c),
        }
    }
    if quoted {
        problems.push((begun_at, "a quoted field has no end".to_owned()));
    }
    if !record.is_empty() || !field.is_empty() || was_quoted {
        record.push(field);
        all.push((begun_at, record));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(usize, Vec<String>)> {
        let mut problems = Vec::new();
        let records = records(text, &mut problems);
        assert_eq!(problems, []);
        records
    }

    #[test]
    fn csv_as_rfc_4180_has_it() {
        let own = |fields: &[&str]| {
            fields
                .iter()
                .map(|field| (*field).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            split("a,b\r\n\r\n\"x \"\"y\"\"\",\"1\n2\"\nlast,"),
            [
                (1, own(&["a", "b"])),
                (3, own(&["x \"y\"", "1\n2"])),
                (5, own(&["last", ""]))
            ]
        );
        assert_eq!(split(""), []);
        let mut problems = Vec::new();
        records("a\nb\"c\n\"open", &mut problems);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn columns_and_lines_are_checked() {
        let (lines, problems) = csv("orderId,reason\n322-A,OUT_OF_STOCK\n322-B\n");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].draft.reason.as_deref(), Some("OUT_OF_STOCK"));
        assert_eq!(problems, [(3, "has 1 fields, the header has 2".to_owned())]);
        assert!(csv("order,orderId,orderId\n").1.len() == 2);
        let (lines, problems) = json_lines("{\"orderId\":\"322-A\"}\n\n{\"order\":1}\nnonsense\n");
        assert_eq!((lines.len(), problems.len()), (1, 2), "{problems:?}");
        assert_eq!(problems[0].0, 3);
    }
}
