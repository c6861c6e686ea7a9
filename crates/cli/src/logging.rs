//! The log: lines on stderr, for people on a terminal, else as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::output::Guarded;

/// For the daemon: as `[log]` says. A second installation changes nothing.
pub(crate) fn install(log: &Log) {
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    // The filter was checked with the configuration; should it not parse, the default is better
    // than silence.
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Guarded::new(std::io::stderr(), json))
        // Would be told on stderr too, by a macro that panics where that fails: a log on a full
        // disk would end whatever task had something to say.
        .log_internal_errors(false)
        .with_ansi(colour);
    let _ = if json {
        subscriber.json().flatten_event(true).try_init()
    } else {
        subscriber.try_init()
    };
}

/// For commands: only what went wrong.
pub(crate) fn install_quiet() {
    install(&Log {
        format: LogFormat::Pretty,
        filter: "warn".to_owned(),
    });
}
