//! `list`: cancellations, newest first.

use countermand::ListFilter;

use super::configuration;
use crate::args::{Global, List};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::{store, view};

/// How many are read at once.
const PAGE: usize = 500;

pub(super) async fn run(
    arguments: &List,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    let reader = store::reader(&config).await?;
    let filter = ListFilter {
        state: arguments.state.clone(),
        status: arguments.status,
        order_id: arguments.order.clone(),
        older_than: arguments.older_than,
    };
    let mut wanted = if arguments.all {
        usize::MAX
    } else {
        arguments.limit as usize
    };
    let mut cursor = None;
    let mut empty = true;
    while wanted > 0 {
        let page = reader
            .list(&filter, cursor.as_deref(), wanted.min(PAGE))
            .await
            .map_err(|error| store::failure(&error))?;
        wanted = wanted.saturating_sub(page.items.len());
        if out.is_json() {
            for item in &page.items {
                out.document(item)?;
            }
        } else if !page.items.is_empty() {
            // Long listings come in tables of their own, so that nothing is held in memory.
            out.text(&view::list(&page.items, view::now()))?;
        }
        empty &= page.items.is_empty();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if empty && !out.is_json() {
        crate::output::tell("no cancellations");
    }
    Ok(Exit::Done)
}
