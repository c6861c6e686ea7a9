//! `serve`: the daemon.

use std::time::Duration;

use countermand_server::{Options, Token};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::configuration;
use crate::args::{Global, Serve};
use crate::config::{Config, Role};
use crate::daemon::chain;
use crate::exit::{Exit, Failure};
use crate::signals::Signals;
use crate::store::Mode;
use crate::{engine, logging, store};

/// How long answers may take to leave once the engine has stopped.
const ANSWERS_LEAVE: Duration = Duration::from_secs(2);

pub(super) async fn run(arguments: &Serve, global: &Global) -> Result<Exit, Failure> {
    let config = configuration(global)?;
    logging::install(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::install()?;
    // The lock first: of two daemons on one store, the second is told so, and not of its port.
    let store = store::open(&config).await?;
    let listener = TcpListener::bind(config.http.listen)
        .await
        .map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot listen on {}: {error}", config.http.listen),
            )
        })?;
    let address = listener.local_addr().map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("the listener has no address: {error}"),
        )
    })?;
    store
        .announce(&address.to_string())
        .map_err(|error| store::unusable(&error))?;
    let handle = engine::start(&config, store.clone(), Mode::Drive).await?;

    let stop = CancellationToken::new();
    let options = Options {
        tokens: tokens(&config),
    };
    let mut server = tokio::spawn(countermand_server::serve(
        listener,
        handle.clone(),
        options,
        stop.clone(),
    ));
    tracing::info!(
        %address,
        store = %config.store.path.display(),
        pid = std::process::id(),
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );

    let failed = tokio::select! {
        biased;
        name = signals.next() => {
            tracing::info!(signal = name, grace = %humantime::format_duration(config.runner.shutdown_grace), "stopping");
            None
        }
        () = stdin_ends(arguments.while_stdin_is_open) => {
            tracing::info!(grace = %humantime::format_duration(config.runner.shutdown_grace), "standard input ended; stopping");
            None
        }
        // Nothing would be worked on any more, whatever the server answers.
        () = handle.stopped() => Some("the engine stopped by itself; see the log".to_owned()),
        ended = &mut server => Some(match ended {
            Ok(Ok(())) => "the server stopped by itself".to_owned(),
            Ok(Err(error)) => chain(&error),
            Err(error) => chain(&error),
        }),
    };
    // Until the engine has stopped the server goes on: `/readyz` says that it is stopping.
    let orderly = tokio::select! {
        biased;
        orderly = handle.shutdown(config.runner.shutdown_grace) => orderly,
        name = signals.next() => {
            tracing::warn!(signal = name, "stopping at once; the next start takes up what was under way");
            return Ok(Exit::Failed);
        }
    };
    if !orderly {
        tracing::warn!("the grace is over; the next start takes up what was still under way");
    }
    stop.cancel();
    if failed.is_none() && timeout(ANSWERS_LEAVE, server).await.is_err() {
        tracing::warn!("some answers were still under way");
    }
    store.close().await;
    match failed {
        None => {
            tracing::info!("stopped");
            Ok(Exit::Done)
        }
        Some(why) => Err(Failure::new(
            Exit::Failed,
            format!("the API cannot be served: {why}"),
        )),
    }
}

/// Ends when standard input does; never, where that is not watched.
async fn stdin_ends(is_watched: bool) {
    if is_watched {
        let end = tokio::task::spawn_blocking(|| {
            std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())
        });
        // One that cannot be read has ended.
        let _ = end.await;
    } else {
        std::future::pending::<()>().await;
    }
}

fn tokens(config: &Config) -> Vec<Token> {
    config
        .http
        .tokens
        .iter()
        .map(|token| {
            let role = match token.role {
                Role::Read => countermand_server::Role::Read,
                Role::Operate => countermand_server::Role::Operate,
                Role::Ingest => countermand_server::Role::Ingest,
            };
            Token::new(&token.name, role, &token.secret)
        })
        .collect()
}
