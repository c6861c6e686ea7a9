//! The page about the life cycle, `docs/lifecycle.md`.

use super::{Duty, duties, mermaid, table};
use crate::cancellation::Phase;

/// What each state is, in a paragraph.
const ABOUT: [(&str, &str); 7] = [
    (
        "precheck",
        "The order is read. A cancellation that is there already, whoever asked for it, is adopted: nothing is \
         sent. Otherwise, where we were asked to cancel, every package of every line item must be PENDING and \
         together they must cover what was ordered; Amazon's summary of the packages is not looked at, and an \
         empty list passes nothing. A package that is further on ends it (`not_cancellable`); a CANCELLED one \
         without a visible entry is looked at again for the visibility lag first. An observed cancellation only \
         watches: it goes to `refund` for a refund that is ours to pay, and ends with the outcome \
         `nothing_to_do`, the OMS not told, when its patience is over and nothing is owed. It never goes to \
         `requested`, unless a caller asks for the same order while it is still here.",
    ),
    (
        "requested",
        "`cancelOrder` is attempted with our own alias: intent, look, send, all before one deadline. Without an \
         answer the attempt is in doubt; then the order is polled, and the next attempt may begin only when \"not \
         there\" is to be believed. A refusal settles only with a read that began after the visibility lag. \
         Nothing is sent while the order does not look as the pre-check wants it.",
    ),
    (
        "pending",
        "Amazon has a cancellation, ours or an adopted one, and has not decided. The order is polled for as long \
         as it takes, and read at once after an event. Older than the alarm time, attention is raised and the \
         polling goes on. It never fails by itself.",
    ),
    (
        "success",
        "The order is cancelled. The OMS is told, and refunds are looked for until a read that began after the \
         grace. The first intent to pay one leads to `refund`.",
    ),
    (
        "rejected",
        "The order is not cancelled: Amazon rejected or refused it, it was not cancellable, or it was withdrawn. \
         The OMS is told why. The order is still read while a grace runs or a look is owed: a later success (a \
         shopper's, say) leads to `success`, a refund for a package that could not be delivered to `refund`.",
    ),
    (
        "refund",
        "Refunds are paid at the refund provider, then reported to Buy with Prime, each on its own. Amount and \
         currency are frozen at the first intent. A payout in doubt is looked for before it is sent again; past \
         the horizon of its idempotency key only a listing at the provider, or a person, decides.",
    ),
    (
        "oms_updated",
        "The end. Every refund is final, every message delivered, nothing owed or in doubt. Only notes and late \
         events are still taken in, and change nothing.",
    ),
];

/// The page, as it must stand in `docs/lifecycle.md`.
#[must_use]
pub fn lifecycle_page() -> String {
    let drawing = mermaid(None);
    let edges = table();
    let states: Vec<String> = Phase::NAMES.iter().map(|name| state(name)).collect();
    let states = states.join("\n");
    format!(
        "# The life cycle of a cancellation\n\
         \n\
         This page is generated: edges and agendas are found by running the life cycle over an exemplar of each \
         situation. A test compares it with the code; `UPDATE_DOCS=1 cargo test -p countermand-core` writes it \
         anew.\n\
         \n\
         ![The life cycle: seven states and the arrows between them](lifecycle.svg)\n\
         \n\
         The same with the inputs on each arrow; `countermand diagram --of ID` marks where one cancellation is.\n\
         \n\
         ```mermaid\n{drawing}```\n\
         \n\
         ## States\n\
         \n\
         {states}\n\
         ## Edges\n\
         \n\
         What leads from one state to another. Everything else leaves the state as it is, or is rejected.\n\
         \n\
         {edges}"
    )
}

fn state(name: &str) -> String {
    let about = ABOUT.iter().find(|(state, _)| *state == name);
    let about = about.map_or("", |(_, about)| about);
    let duties = duties();
    let lines: Vec<String> = duties
        .iter()
        .filter(|duty| duty.state == name)
        .map(line)
        .collect();
    let agenda = if lines.is_empty() {
        "Its agenda: finished.\n".to_owned()
    } else {
        let lines = lines.concat();
        format!("| on its agenda | when | for instance |\n| --- | --- | --- |\n{lines}")
    };
    format!("### `{name}`\n\n{about}\n\n{agenda}")
}

fn line(duty: &Duty) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<&str> = duty.exemplars.iter().take(SHOWN).copied().collect();
    let more = match duty.exemplars.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "| {} | {} | {}{more} |\n",
        duty.what,
        duty.when,
        shown.join(", ")
    )
}
