//! `observe`: looks at orders whose events may have been lost. Buy with Prime has no query that lists
//! orders, so somebody must say which. It never cancels: what it begins is an observed cancellation.
//! It does so also where `policy.observe` keeps events from beginning any: a person asks.

use std::path::Path;

use countermand::{Draft, ObserveOutcome, OrderId, TargetId, View};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::batch::{FILE_MAX, at, records, wrong_lines};
use super::cancel::check;
use super::configuration;
use super::event::read;
use super::operate::user_name;
use crate::args::{Global, Observe};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output::{Output, escape};
use crate::signals::{Interrupt, NOT_ASKED, NOT_KNOWN};
use crate::store::{self, Access, Mode};

/// An order to look at.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    order_id: String,
    #[serde(default)]
    target_id: Option<String>,
    /// In the file.
    #[serde(skip)]
    line: Option<usize>,
}

/// What became of one order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    order_id: &'a str,
    target_id: &'a str,
    result: &'static str,
    cancellation_id: &'a str,
    origin: &'a str,
    state: &'a str,
}

pub(super) async fn run(
    arguments: &Observe,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let orders = match &arguments.file {
        Some(file) => from_file(file, arguments.target.as_deref(), &config)?,
        None => from_arguments(arguments, &config)?,
    };
    let actor = arguments.actor.actor.clone().unwrap_or_else(user_name);
    let mut interrupt = Interrupt::install()?;
    let access = store::access(&config, Mode::StoreOnly);
    let access = interrupt.unless(NOT_ASKED, access).await?;
    let mut result = Ok(());
    for order in &orders {
        let asked = interrupt.unless(NOT_KNOWN, ask(&access, order, &actor));
        result = match asked.await {
            Ok((view, created)) => print(order, &view, created, out),
            Err(failure) => Err(match order.line {
                Some(line) => at(line, failure),
                None => Failure {
                    message: format!("order {}: {}", order.order_id, failure.message),
                    ..failure
                },
            }),
        };
        if result.is_err() {
            break;
        }
    }
    if let Access::Here(local) = access {
        local.close().await;
    }
    result.map(|()| Exit::Done)
}

/// Begins it. True when it was not there before.
async fn ask(access: &Access, order: &Wanted, actor: &str) -> Result<(View, bool), Failure> {
    let local = match access {
        Access::Daemon(api) => {
            let mut body = json!({ "orderId": order.order_id, "actor": actor });
            if let (Some(target), Some(body)) = (&order.target_id, body.as_object_mut()) {
                body.insert("targetId".to_owned(), json!(target));
            }
            return api.observe(&body).await;
        }
        Access::Here(local) => local,
    };
    let unsound = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error.to_string());
    let order_id: OrderId = order.order_id.parse().map_err(|error| unsound(&error))?;
    let target_id: Option<TargetId> = order
        .target_id
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error| unsound(&error))?;
    let observed = local
        .handle
        .observe(target_id.as_ref(), &order_id, Some(actor))
        .await;
    match observed.map_err(|error| store::failure(&error))? {
        ObserveOutcome::Created(view) => Ok((view, true)),
        ObserveOutcome::Existing(view) => Ok((view, false)),
    }
}

fn print(order: &Wanted, view: &View, created: bool, out: &mut Output) -> Result<(), Failure> {
    let result = if created { "created" } else { "existing" };
    if !out.is_json() {
        // An order's id is the only column without a width.
        return out.line(format!(
            "{result:<8}  {:<11}  {}  {}",
            view.state, view.id, view.order_id
        ));
    }
    out.document(&Told {
        line: order.line,
        order_id: view.order_id.as_str(),
        target_id: view.target_id.as_str(),
        result,
        cancellation_id: view.id.as_str(),
        origin: view.origin.as_str(),
        state: &view.state,
    })
}

fn from_arguments(arguments: &Observe, config: &Config) -> Result<Vec<Wanted>, Failure> {
    let orders: Vec<Wanted> = arguments
        .order_ids
        .iter()
        .map(|id| Wanted {
            order_id: id.to_string(),
            target_id: arguments.target.clone(),
            line: None,
        })
        .collect();
    for order in &orders {
        sound(order, config).map_err(|problems| Failure::new(Exit::Usage, problems.join("\n")))?;
    }
    Ok(orders)
}

/// Everything that is wrong with an order's ids.
fn sound(order: &Wanted, config: &Config) -> Result<(), Vec<String>> {
    let draft = Draft {
        order_id: order.order_id.clone(),
        target_id: order.target_id.clone(),
        ..Draft::default()
    };
    check(&draft, config)
}

/// Reads every order; when one line is wrong, nothing is asked for. An order may stand there several
/// times: it may have lost several events.
fn from_file(file: &Path, target: Option<&str>, config: &Config) -> Result<Vec<Wanted>, Failure> {
    let text = String::from_utf8(read(file, FILE_MAX)?)
        .map_err(|_| Failure::new(Exit::Usage, "the file is not valid UTF-8"))?;
    let (mut orders, mut problems) = parse(&text);
    for order in &mut orders {
        if order.target_id.is_none() {
            order.target_id = target.map(str::to_owned);
        }
        if let Err(wrong) = sound(order, config) {
            let line = order.line.unwrap_or_default();
            problems.extend(wrong.into_iter().map(|wrong| (line, wrong)));
        }
    }
    if problems.is_empty() {
        return Ok(orders);
    }
    problems.sort();
    let problems: Vec<String> = problems
        .into_iter()
        .map(|(line, problem)| format!("line {line}: {}", escape(&problem)))
        .collect();
    Err(wrong_lines(&problems))
}

type Parsed = (Vec<Wanted>, Vec<(usize, String)>);

/// JSON lines where the text begins like one, CSV where the first line names the columns, else one
/// id a line.
fn parse(text: &str) -> Parsed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.trim_start();
    if first.starts_with('{') {
        json_lines(text)
    } else if first.lines().next().is_some_and(is_header) {
        csv(text)
    } else {
        plain(text)
    }
}

fn is_header(line: &str) -> bool {
    line.split(',')
        .any(|name| name.trim().trim_matches('"') == "orderId")
}

fn json_lines(text: &str) -> Parsed {
    let (mut orders, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Wanted>(line) {
            Ok(order) => orders.push(Wanted {
                line: Some(index + 1),
                ..order
            }),
            Err(error) => problems.push((index + 1, format!("not an order: {error}"))),
        }
    }
    (orders, problems)
}

fn csv(text: &str) -> Parsed {
    const COLUMNS: [&str; 2] = ["orderId", "targetId"];
    let mut problems = Vec::new();
    let mut records = records(text, &mut problems).into_iter();
    let (number, header) = records.next().unwrap_or_default();
    let header: Vec<&str> = header.iter().map(|name| name.trim()).collect();
    for (index, name) in header.iter().enumerate() {
        if !COLUMNS.contains(name) {
            let columns = COLUMNS.join(" and ");
            problems.push((
                number,
                format!("`{name}` is no column; there are {columns}"),
            ));
        } else if header.iter().take(index).any(|earlier| earlier == name) {
            problems.push((number, format!("the column `{name}` is there twice")));
        }
    }
    let mut orders = Vec::new();
    for (number, record) in records {
        let (has, wants) = (record.len(), header.len());
        if has != wants {
            problems.push((number, format!("has {has} fields, the header has {wants}")));
            continue;
        }
        let mut order = Wanted {
            line: Some(number),
            ..Wanted::default()
        };
        for (name, value) in header.iter().zip(record) {
            match *name {
                "orderId" => order.order_id = value,
                "targetId" => order.target_id = Some(value).filter(|value| !value.is_empty()),
                _ => {}
            }
        }
        orders.push(order);
    }
    (orders, problems)
}

fn plain(text: &str) -> Parsed {
    let orders = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| Wanted {
            order_id: line.trim().to_owned(),
            target_id: None,
            line: Some(index + 1),
        });
    (orders.collect(), Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<(usize, String, Option<String>)> {
        let (orders, problems) = parse(text);
        assert_eq!(problems, []);
        orders
            .into_iter()
            .map(|order| (order.line.unwrap(), order.order_id, order.target_id))
            .collect()
    }

    #[test]
    fn three_forms() {
        let own = |line, order: &str, target: Option<&str>| {
            (line, order.to_owned(), target.map(str::to_owned))
        };
        assert_eq!(
            ids("\u{feff}322-A\r\n\r\n  322-B \n"),
            [own(1, "322-A", None), own(3, "322-B", None)]
        );
        assert_eq!(
            ids("targetId,orderId\nbp-1,322-A\n,\"322-B\"\n"),
            [own(2, "322-A", Some("bp-1")), own(3, "322-B", None)]
        );
        assert_eq!(
            ids("\n{\"orderId\":\"322-A\"}\n{\"orderId\":\"322-B\",\"targetId\":\"bp-1\"}"),
            [own(2, "322-A", None), own(3, "322-B", Some("bp-1"))]
        );
    }

    #[test]
    fn wrong_lines_are_told() {
        for (text, count) in [
            ("{\"orderId\":\"322-A\"}\n{\"order\":1}\nno", 2),
            ("orderId,reason\n322-A,x\n322-B\n", 2),
            ("orderId,orderId\n322-A,322-B\n", 1),
        ] {
            assert_eq!(parse(text).1.len(), count, "{text}");
        }
    }
}
