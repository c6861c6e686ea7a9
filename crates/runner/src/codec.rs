//! Between rows and states.

use std::panic::{AssertUnwindSafe, catch_unwind};

use countermand_core::{UpgradeError, Workflow};
use countermand_store::{Body, Row};

/// A state as read from its row.
#[derive(Debug)]
pub(crate) struct Decoded<S> {
    pub(crate) state: S,
    /// The version it was stored in, where that is an older one.
    pub(crate) upgraded_from: Option<u32>,
}

/// Reads the state of a row.
pub(crate) fn decode<W: Workflow>(workflow: &W, row: &Row) -> Result<Decoded<W::State>, String> {
    if row.kind != W::KIND {
        return Err(format!(
            "it is of kind `{}`, this engine drives `{}`",
            row.kind,
            W::KIND
        ));
    }
    let version = row.body.version;
    if version == W::VERSION {
        let state = serde_json::from_str(&row.body.state)
            .map_err(|error| format!("the stored state does not fit its version: {error}"))?;
        return Ok(Decoded {
            state,
            upgraded_from: None,
        });
    }
    if version > W::VERSION {
        let error = UpgradeError::Newer {
            found: version,
            newest: W::VERSION,
        };
        return Err(error.to_string());
    }
    let state = guarded(|| workflow.upgrade(version, &row.body.state))?;
    Ok(Decoded {
        state: state.map_err(|error| error.to_string())?,
        upgraded_from: Some(version),
    })
}

/// The part of a row that follows from the state.
pub(crate) fn body<W: Workflow>(workflow: &W, state: &W::State) -> Result<Body, String> {
    let projection = workflow.project(state);
    let json = serde_json::to_string(state).map_err(|error| error.to_string())?;
    Ok(Body {
        phase: projection.phase.to_owned(),
        outcome: projection.outcome.map(str::to_owned),
        in_doubt: projection.in_doubt,
        attention: projection.attention,
        open_intent_epoch: projection.open_intent_epoch,
        external_id: projection.external_id,
        fingerprint: projection.fingerprint,
        version: W::VERSION,
        state: json,
    })
}

/// Runs the workflow's code; a panic becomes a message.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic_message(&*panic))
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message
        .unwrap_or("a panic without a message")
        .chars()
        .take(500)
        .collect()
}
