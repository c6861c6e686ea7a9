//! Over real sockets.

use std::time::Duration;

use countermand_server::{Options, ServeError, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::{engine, tokens};

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn without_tokens_only_loopback() {
    let handle = engine().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let stop = CancellationToken::new();
    let refused = serve(listener, handle.clone(), Options::default(), stop.clone()).await;
    assert!(
        matches!(refused, Err(ServeError::Open { .. })),
        "{refused:?}"
    );
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    stop.cancel();
    serve(listener, handle, tokens(), stop).await.unwrap();
}

#[tokio::test]
async fn requests_are_answered_until_the_end_and_no_longer() {
    let handle = engine().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, handle, Options::default(), stop.clone()));

    let body = r#"{"orderId":"322-A"}"#;
    let request = format!(
        "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");

    // A request that claims two lengths is none.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let smuggled = "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\
                    Content-Length: 6\r\n\r\nabcdef";
    stream.write_all(smuggled.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");

    // A body that is too long closes the connection at once.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let huge = "POST /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 1000000000000\r\n\r\n{";
    stream.write_all(huge.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // An idle connection does not hold up the end.
    let idle = TcpStream::connect(address).await.unwrap();
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), server).await;
    ended.unwrap().unwrap().unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

/// A page of elsewhere whose name was made to resolve to this machine says its own name.
#[tokio::test]
async fn without_tokens_only_requests_to_this_machine() {
    let handle = engine().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, handle, Options::default(), stop.clone()));
    for (head, status) in [
        ("GET /v1/cancellations HTTP/1.1\r\nHost: localhost", 200),
        (
            "GET /v1/cancellations HTTP/1.1\r\nHost: LOCALHOST:8080",
            200,
        ),
        ("GET /v1/cancellations HTTP/1.1\r\nHost: 127.0.0.1:1", 200),
        ("GET /v1/cancellations HTTP/1.1\r\nHost: [::1]:8080", 200),
        ("GET /v1/cancellations HTTP/1.1", 200),
        ("GET /v1/cancellations HTTP/1.1\r\nHost: evil.example", 400),
        (
            "GET /v1/cancellations HTTP/1.1\r\nHost: localhost.evil.example:8080",
            400,
        ),
        ("GET /v1/cancellations HTTP/1.1\r\nHost: 10.0.0.1", 400),
        (
            "GET /v1/cancellations HTTP/1.1\r\nHost: localhost\r\nHost: evil.example",
            400,
        ),
        (
            "GET http://evil.example/v1/cancellations HTTP/1.1\r\nHost: localhost",
            400,
        ),
        ("GET /v1/cancellations HTTP/1.1\r\nHost: ", 400),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{head}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head}: {answer}"
        );
    }
    stop.cancel();
    server.await.unwrap().unwrap();
}
