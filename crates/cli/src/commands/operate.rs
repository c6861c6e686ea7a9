//! The operator's inputs: `retry`, `withdraw`, `resolve`, `note`.

use countermand::{Fact, InstanceId, View};
use serde_json::{Map, Value, json};

use super::{configuration, show};
use crate::args::{Actor, FactName, Global, Note, Resolve, Retry, Withdraw};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::store::{self, Access, Mode};

/// What an operator does.
enum Order {
    Retry,
    Withdraw { note: Option<String> },
    Resolve { fact: Fact, note: String },
    Note { text: String },
}

pub(super) async fn retry(
    arguments: &Retry,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    run(&arguments.id, Order::Retry, &arguments.actor, global, out).await
}

pub(super) async fn withdraw(
    arguments: &Withdraw,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let order = Order::Withdraw {
        note: arguments.note.clone(),
    };
    run(&arguments.id, order, &arguments.actor, global, out).await
}

pub(super) async fn resolve(
    arguments: &Resolve,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let order = Order::Resolve {
        fact: fact(arguments)?,
        note: arguments.note.clone(),
    };
    run(&arguments.id, order, &arguments.actor, global, out).await
}

pub(super) async fn note(
    arguments: &Note,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let order = Order::Note {
        text: arguments.text.clone(),
    };
    run(&arguments.id, order, &arguments.actor, global, out).await
}

/// The fact with its particulars; clap has seen to it that they are there.
fn fact(arguments: &Resolve) -> Result<Fact, Failure> {
    let missing =
        |flag: &str| Failure::new(Exit::Usage, format!("{flag} is required with this fact"));
    let of_refund = matches!(
        arguments.fact,
        FactName::RefundPaid | FactName::RefundNotDue
    );
    let of_payment = arguments.fact == FactName::RefundPaid;
    for (flag, given, belongs) in [
        ("--refund", arguments.refund.is_some(), of_refund),
        ("--payment-id", arguments.payment_id.is_some(), of_payment),
        ("--amount", arguments.amount.is_some(), of_payment),
    ] {
        if given && !belongs {
            return Err(Failure::new(
                Exit::Usage,
                format!("{flag} does not go with this fact; did you mean another one?"),
            ));
        }
    }
    let refund = || arguments.refund.clone().ok_or_else(|| missing("--refund"));
    Ok(match arguments.fact {
        FactName::Cancelled => Fact::Cancelled,
        FactName::Rejected => Fact::Rejected,
        FactName::NotSent => Fact::NotSent,
        FactName::OmsTold => Fact::OmsTold,
        FactName::RefundNotDue => Fact::RefundNotDue {
            refund_id: refund()?,
        },
        FactName::RefundPaid => Fact::RefundPaid {
            refund_id: refund()?,
            payment_id: arguments
                .payment_id
                .clone()
                .ok_or_else(|| missing("--payment-id"))?,
            amount: arguments.amount.ok_or_else(|| missing("--amount"))?,
        },
    })
}

async fn run(
    id: &InstanceId,
    order: Order,
    actor: &Actor,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let actor = actor.actor.clone().unwrap_or_else(user_name);
    let view = match store::access(&config, Mode::Existing).await? {
        Access::Daemon(api) => {
            let (action, body) = request(&order, &actor)?;
            api.operate(id.as_str(), action, &body).await?
        }
        Access::Here(local) => {
            let done = here(&local.handle, id, order, &actor).await;
            local.close().await;
            done.map_err(|error| store::failure(&error))?
        }
    };
    show::print(&view, out)?;
    Ok(Exit::Done)
}

async fn here(
    handle: &countermand::Handle,
    id: &InstanceId,
    order: Order,
    actor: &str,
) -> Result<View, countermand::Error> {
    match order {
        Order::Retry => handle.retry(id, actor).await,
        Order::Withdraw { note } => handle.withdraw(id, actor, note.as_deref()).await,
        Order::Resolve { fact, note } => handle.resolve(id, actor, fact, &note).await,
        Order::Note { text } => handle.note(id, actor, &text).await,
    }
}

/// The route's last part and the body.
fn request(order: &Order, actor: &str) -> Result<(&'static str, Value), Failure> {
    Ok(match order {
        Order::Retry => ("retry", json!({ "actor": actor })),
        Order::Withdraw { note: None } => ("withdraw", json!({ "actor": actor })),
        Order::Withdraw { note } => ("withdraw", json!({ "actor": actor, "note": note })),
        Order::Note { text } => ("notes", json!({ "actor": actor, "text": text })),
        Order::Resolve { fact, note } => {
            let fact = serde_json::to_value(fact)
                .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
            let mut body = match fact {
                Value::Object(body) => body,
                _ => Map::new(),
            };
            body.insert("actor".to_owned(), Value::from(actor));
            body.insert("note".to_owned(), Value::from(note.as_str()));
            ("resolve", Value::Object(body))
        }
    })
}

/// Whoever runs this command, as the system knows them.
pub(super) fn user_name() -> String {
    let by_system = nix::unistd::User::from_uid(nix::unistd::getuid())
        .ok()
        .flatten();
    by_system
        .map(|user| user.name)
        .filter(|name| !name.is_empty() && name.chars().count() <= 64)
        .unwrap_or_else(|| format!("uid {}", nix::unistd::getuid()))
}
