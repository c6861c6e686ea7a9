//! Connections that a handler can cut, and doors that can be shut: what a remote would answer never
//! reaches the wire.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Connections that wait to be accepted, at most.
const BACKLOG: u32 = 1024;

/// Between two tries to take a door's address again.
const TAKE_AGAIN: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct Switch {
    cut: CancellationToken,
    /// With a reset instead of an orderly end.
    reset: AtomicBool,
    /// Somebody waits for an answer that never comes.
    hangs: AtomicBool,
    called: AtomicBool,
}

/// The handler's end: cuts the connection it belongs to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cuttable(Arc<Switch>);

impl Cuttable {
    /// From now on nothing is read or written any more: the connection closes.
    pub(crate) fn cut(&self) {
        self.0.cut.cancel();
    }

    /// The same, with a reset.
    pub(crate) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
        self.cut();
    }

    /// The answer of this connection's present call never comes.
    pub(crate) fn hang(&self) {
        self.0.hangs.store(true, Ordering::Release);
    }

    /// Cuts it if it would wait for ever.
    pub(crate) fn cut_if_hanging(&self) {
        if self.0.hangs.load(Ordering::Acquire) {
            self.cut();
        }
    }

    /// True once.
    pub(crate) fn is_first_call(&self) -> bool {
        !self.0.called.swap(true, Ordering::AcqRel)
    }

    /// Does anybody else hold it? The connection does, as long as it lives.
    pub(crate) fn is_alive(&self) -> bool {
        !self.0.cut.is_cancelled() && Arc::strong_count(&self.0) > 1
    }
}

impl Connected<IncomingStream<'_, Door>> for Cuttable {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().switch.clone()
    }
}

/// A listener of such connections. The door of a remote is shut while the remote is down: the
/// address stays ours, and nobody listens there.
pub(crate) struct Door {
    listener: Option<TcpListener>,
    address: SocketAddr,
    power: Option<watch::Receiver<Option<Instant>>>,
}

impl Door {
    /// A door that shuts when `power` says so; one without is always open.
    pub(crate) fn new(
        listener: TcpListener,
        power: Option<watch::Receiver<Option<Instant>>>,
    ) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            listener: Some(listener),
            power,
        })
    }

    /// Until when it must be shut, if it must.
    fn shut_until(&self) -> Option<Instant> {
        self.power
            .as_ref()
            .and_then(|power| *power.borrow())
            .filter(|until| Instant::now() < *until)
    }

    /// Shut until the remote is up again.
    async fn wait_shut(&mut self) {
        self.listener = None;
        // Connections are refused by a socket that is bound and does not listen.
        let socket = loop {
            if let Ok(socket) = bound(self.address) {
                break socket;
            }
            sleep(TAKE_AGAIN).await;
        };
        while let Some(until) = self.shut_until() {
            sleep_until(until).await;
        }
        self.listener = socket.listen(BACKLOG).ok();
    }

    /// Returns when the door must be shut.
    async fn told_to_shut(power: &mut Option<watch::Receiver<Option<Instant>>>) {
        if let Some(power) = power
            && power.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Listener for Door {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if self.shut_until().is_some() {
                self.wait_shut().await;
            }
            let Some(listener) = &mut self.listener else {
                self.wait_shut().await;
                continue;
            };
            let (stream, address) = tokio::select! {
                biased;
                () = Self::told_to_shut(&mut self.power) => continue,
                accepted = Listener::accept(listener) => accepted,
            };
            // Answers are small and somebody waits for each; a failure only makes it slower.
            let _ = stream.set_nodelay(true);
            return (CuttableStream::new(stream), address);
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// Such a connection.
pub(crate) struct CuttableStream {
    stream: TcpStream,
    switch: Cuttable,
    /// Wakes whoever reads or writes when it is cut.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl CuttableStream {
    fn new(stream: TcpStream) -> Self {
        let switch = Cuttable::default();
        let cut = Box::pin(switch.0.cut.clone().cancelled_owned());
        Self {
            stream,
            switch,
            cut,
        }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let is_cut = self.switch.0.cut.is_cancelled() || self.cut.as_mut().poll(context).is_ready();
        if !is_cut {
            return Ok(());
        }
        if self.switch.0.reset.load(Ordering::Acquire) {
            // Where it fails the connection ends in an orderly way, which is a fault as well.
            let _ = self.stream.set_zero_linger();
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Err(cut) = self.check(context) {
            return Poll::Ready(Err(cut));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Err(cut) = self.check(context) {
            return Poll::Ready(Err(cut));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An orderly end first would spoil the reset.
        if self.switch.0.reset.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Err(cut) = self.check(context) {
            return Poll::Ready(Err(cut));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
