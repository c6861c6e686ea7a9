//! The operator's inputs: `retry`, `withdraw`, `resolve`, `note`.

use countermand::{Fact, InstanceId, Money, View};
use serde_json::{Map, Value, json};

use super::{configuration, show};
use crate::args::{Actor, Amount, FactName, Global, Note, Resolve, Retry, Withdraw};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::signals::Interrupt;
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
    flags_belong(arguments)?;
    let paid = match &arguments.amount {
        None => None,
        Some(Amount::Whole(amount)) => Some(*amount),
        Some(Amount::Bare(number)) => Some(in_its_currency(number, arguments, global).await?),
    };
    let order = Order::Resolve {
        fact: fact(arguments, paid)?,
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

/// A bare number as money, in the refund's currency, which only the cancellation knows.
async fn in_its_currency(
    number: &str,
    arguments: &Resolve,
    global: &Global,
) -> Result<Money, Failure> {
    let config = configuration(global)?;
    let reader = store::reader(&config).await?;
    let found = reader.find(arguments.id.as_str()).await;
    let view = found.map_err(|error| store::failure(&error))?;
    let named = arguments.refund.as_ref();
    let refund = view.refunds.iter().find(|it| Some(&it.id) == named);
    let known = refund.and_then(|refund| refund.amount.or(refund.total_at_amazon));
    let Some(known) = known else {
        let shown = named.map_or_else(String::new, |id| format!(" of refund {id}"));
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "the currency{shown} is not known here: give it with the amount, such as --amount \"{number} USD\""
            ),
        ));
    };
    Money::parse(number, known.currency().as_str())
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// Particulars that do not go with the fact are a mistake.
fn flags_belong(arguments: &Resolve) -> Result<(), Failure> {
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
    Ok(())
}

/// The fact with its particulars; clap has seen to it that they are there.
fn fact(arguments: &Resolve, paid: Option<Money>) -> Result<Fact, Failure> {
    let missing =
        |flag: &str| Failure::new(Exit::Usage, format!("{flag} is required with this fact"));
    let refund = || arguments.refund.clone().ok_or_else(|| missing("--refund"));
    Ok(match arguments.fact {
        FactName::Cancelled => Fact::Cancelled,
        FactName::Rejected => Fact::Rejected,
        FactName::NotSent => Fact::NotSent,
        FactName::OmsTold => Fact::OmsTold,
        FactName::EventWrong => Fact::EventWrong,
        FactName::RefundNotDue => Fact::RefundNotDue {
            refund_id: refund()?,
        },
        FactName::RefundPaid => Fact::RefundPaid {
            refund_id: refund()?,
            payment_id: arguments
                .payment_id
                .clone()
                .ok_or_else(|| missing("--payment-id"))?,
            amount: paid.ok_or_else(|| missing("--amount"))?,
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
    let mut interrupt = Interrupt::install()?;
    let not_known = format!("whether it took effect is not known; `countermand show {id}` tells");
    let access = store::access(&config, Mode::Existing);
    let view = match interrupt.unless("nothing was changed", access).await? {
        Access::Daemon(api) => {
            let (action, body) = request(&order, &actor)?;
            let acting = api.operate(id.as_str(), action, &body);
            let done = interrupt.unless(&not_known, acting).await;
            done.map_err(|failure| by_order(failure, id))?
        }
        Access::Here(local) => {
            let acting = async {
                let done = here(&local.handle, id, order, &actor).await;
                done.map_err(|error| store::failure(&error))
            };
            let done = interrupt.unless(&not_known, acting).await;
            local.close().await;
            done.map_err(|failure| by_order(failure, id))?
        }
    };
    show::print(&view, out)?;
    Ok(Exit::Done)
}

/// An order may have had several cancellations, so what changes one wants its own id.
fn by_order(failure: Failure, id: &InstanceId) -> Failure {
    if failure.exit != Exit::Missing {
        return failure;
    }
    let message = format!(
        "{}; if that is an order's id, `countermand show {id}` prints the cancellation's",
        failure.message
    );
    Failure { message, ..failure }
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
