//! A connection, with TLS where the address wants it, over which nothing is sent.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use countermand::buy_with_prime::refused_address;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt;
use url::Url;

/// Connects; says how, or why not.
pub(super) async fn connect(url: &Url, limit: Duration) -> Result<String, String> {
    let url = url.clone();
    let connecting = tokio::task::spawn_blocking(move || blocking(&url, limit));
    // A name that does not resolve can take longer than the connection may.
    match tokio::time::timeout(limit.saturating_mul(2), connecting).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => Err(format!("the check did not end: {error}")),
        Err(_) => Err("no connection in time; check url and connect_timeout".to_owned()),
    }
}

fn blocking(url: &Url, limit: Duration) -> Result<String, String> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    let name = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let addresses = (name.as_str(), port)
        .to_socket_addrs()
        .map_err(|error| format!("the name `{name}` does not resolve: {error}; check url"))?;
    let mut last = format!("the name `{name}` has no address; check url");
    for address in addresses {
        if let Some(why) = refused_address(address.ip()) {
            last = format!("the name `{name}` resolves to {why}, which is always refused");
            continue;
        }
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) if url.scheme() == "https" => {
                return shake_hands(stream, &name, limit)
                    .map_err(|error| format!("TLS with {address} failed: {error}"));
            }
            Ok(_) => return Ok(format!("connected to {address}")),
            Err(error) => last = format!("cannot connect to {address}: {error}; check url"),
        }
    }
    Err(last)
}

fn shake_hands(mut stream: TcpStream, name: &str, limit: Duration) -> Result<String, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    stream
        .set_read_timeout(Some(limit))
        .and_then(|()| stream.set_write_timeout(Some(limit)))
        .map_err(|error| words(&error))?;
    let config = rustls::ClientConfig::with_platform_verifier().map_err(|error| words(&error))?;
    let name = ServerName::try_from(name.to_owned()).map_err(|error| words(&error))?;
    let mut session =
        ClientConnection::new(Arc::new(config), name).map_err(|error| words(&error))?;
    while session.is_handshaking() {
        session
            .complete_io(&mut stream)
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    "no answer in time".to_owned()
                }
                _ => words(&error),
            })?;
    }
    // The last flight of ours, which says that we are content, and the one that says goodbye.
    session.send_close_notify();
    let _ = session.complete_io(&mut stream);
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    Ok(format!("connected, {version}, certificate accepted"))
}
