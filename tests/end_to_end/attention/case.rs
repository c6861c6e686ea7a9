//! One order that needs a person, and the person.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use countermand_simulator::{Handle, PersonsFact, PersonsWord, Scenario};
use countermand_tests::{Daemon, Place};
use serde_json::Value;

use crate::attention::table::{Healed, Remedy, Row};

/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(40);

/// One order that needs a person.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    row: Row,
    code: &'static str,
    pub(crate) order: String,
    /// The cancellation; empty before it was asked for.
    pub(crate) id: String,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {})", self.order, self.row.remedy, self.id)
    }
}

impl Case {
    pub(crate) fn new(row: Row, nth: u32) -> Self {
        let scenario = row.scenario;
        Self {
            row,
            code: scenario.provokes().unwrap_or_default(),
            order: format!("SIM-{scenario}-{nth}"),
            id: String::new(),
        }
    }

    /// The need of this kind in the JSON of a cancellation.
    fn need<'view>(&self, view: &'view Value) -> Option<&'view Value> {
        let needs = view["attention"]["needs"].as_array()?;
        needs.iter().find(|need| need["code"] == self.code)
    }

    /// Waits until a person is asked for about this, and looks at the JSON.
    pub(crate) async fn is_raised(&self, daemon: &Daemon) -> anyhow::Result<()> {
        let raised = |view: &Value| self.need(view).is_some() || view["status"] == "finished";
        let view = daemon.wait_until(&self.id, WITHIN, raised).await?;
        ensure!(view["status"] == "attention", "{view:#}");
        let attention = &view["attention"];
        let why = attention["why"].as_str().context("no reason")?;
        ensure!(attention["since"].is_string(), "{attention:#}");
        let alone = attention["needs"].as_array().is_some_and(|n| n.len() == 1);
        ensure!(
            !alone || why.starts_with(&format!("{}: ", self.code)),
            "{why}"
        );
        let suggest = |of: &Value| -> Vec<String> {
            let lines = of["suggest"].as_array().into_iter().flatten();
            lines
                .filter_map(|l| l.as_str().map(str::to_owned))
                .collect()
        };
        let need = self.need(&view).context("no such need")?;
        let (own, all) = (suggest(need), suggest(attention));
        ensure!(!own.is_empty(), "nothing can be done: {need:#}");
        ensure!(own.iter().all(|line| all.contains(line)), "{attention:#}");
        Ok(())
    }

    /// Reads `show`, and does with one of its commands what the table says.
    pub(crate) async fn help(
        &self,
        place: &Place,
        world: &Handle,
    ) -> anyhow::Result<Option<PersonsWord>> {
        let shown = place.run(&["show", &self.id]).await?.exits(0)?.out;
        self.reads_well(&shown)?;
        let command = commands(&shown)
            .into_iter()
            .find(|line| line.contains(self.row.remedy.command()))
            .with_context(|| format!("no such command in\n{shown}"))?;
        if self.row.healed == Healed::Before {
            self.heal(world)?;
        }
        let (filled, said) = self.fill_in(&command, world);
        let filled: Vec<&str> = filled.iter().map(String::as_str).collect();
        // Looks follow each other so closely here that the word may fall into one: then it is to be
        // said again.
        let mut ran = place.run(&filled).await?;
        for _ in 0..50 {
            if ran.code != 4 || !ran.err.contains("under way: wait for its outcome") {
                break;
            }
            ran = place.run(&filled).await?;
        }
        ran.exits(0)
            .with_context(|| format!("{filled:?}, of\n{shown}"))?;
        if self.row.healed == Healed::After {
            self.heal(world)?;
        }
        Ok(said)
    }

    fn heal(&self, world: &Handle) -> anyhow::Result<()> {
        let healed = world.heal(&self.order);
        ensure!(healed == Some(true), "the world was whole already");
        Ok(())
    }

    /// Is everything there that a person needs to know, and is it as wide as the page?
    fn reads_well(&self, shown: &str) -> anyhow::Result<()> {
        let wide = shown.lines().find(|line| line.chars().count() > 80);
        ensure!(wide.is_none(), "{wide:?} in\n{shown}");
        let text = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for wanted in [
            format!("attention {}, since ", self.code),
            self.row.says.to_owned(),
            "meanwhile ".to_owned(),
            "next ".to_owned(),
            "you can".to_owned(),
        ] {
            ensure!(text.contains(&wanted), "no {wanted:?} in\n{shown}");
        }
        Ok(())
    }

    /// The arguments of a suggested command, and what the person says by it.
    fn fill_in(&self, command: &str, world: &Handle) -> (Vec<String>, Option<PersonsWord>) {
        let words = command.split_whitespace().skip(1);
        let mut filled: Vec<String> = words.map(str::to_owned).collect();
        let after = |filled: &[String], flag: &str| {
            let at = filled.iter().position(|word| word == flag);
            at.and_then(|at| filled.get(at + 1).cloned())
        };
        let refund = after(&filled, "--refund");
        let payment =
            world.ledger().payments.into_iter().find(|payment| {
                refund.as_ref() == Some(&payment.refund_id) && !payment.paid.is_zero()
            });
        let orders = world.ledger().orders.into_iter();
        let due = orders
            .flat_map(|order| order.refunds)
            .find(|known| refund.as_ref() == Some(&known.id))
            .map(|known| known.amount)
            .unwrap_or_default();
        // What was paid beyond what is due is settled with the provider, and not told to Amazon.
        let amount = payment.as_ref().map_or(due, |paid| paid.paid.min(due));
        let payment_id = payment.map_or_else(|| "cheque-1".to_owned(), |paid| paid.payment_id);
        for word in &mut filled {
            match word.as_str() {
                "PAYMENT" => word.clone_from(&payment_id),
                "AMOUNT" => *word = format!("{amount} USD"),
                "TEXT" => "looked it up in the console".clone_into(word),
                _ => {}
            }
        }
        let refund_id = refund.unwrap_or_default();
        let fact = match self.row.remedy {
            // It says nothing about the world that the world does not say itself.
            Remedy::Retry | Remedy::NotSent | Remedy::EventWrong => None,
            Remedy::RefundNotDue if self.row.scenario == Scenario::PhantomRefund => None,
            Remedy::Withdraw => Some(PersonsFact::Withdrawn),
            Remedy::Cancelled => Some(PersonsFact::Cancelled),
            Remedy::OmsTold => Some(PersonsFact::OmsTold),
            Remedy::RefundPaid => Some(PersonsFact::RefundPaid {
                refund_id,
                payment_id,
                amount,
            }),
            Remedy::RefundNotDue => Some(PersonsFact::RefundNotDue { refund_id }),
        };
        (filled, fact.map(|fact| PersonsWord::of(&self.order, fact)))
    }

    /// Waits for the end, and looks at it.
    pub(crate) async fn has_ended(&self, daemon: &Daemon) -> anyhow::Result<()> {
        let ended = |view: &Value| view["status"] == "finished";
        let view = daemon.wait_until(&self.id, WITHIN, ended).await?;
        ensure!(view["outcome"] == self.row.outcome, "{view:#}");
        ensure!(view["attention"].is_null(), "{view:#}");
        Ok(())
    }
}

/// The commands that a page shows, each as a shell would take it: lines that end in a backslash go
/// on in the next one.
fn commands(shown: &str) -> Vec<String> {
    let joined = shown.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("countermand "))
        .map(|line| format!("{line} "))
        .collect()
}
