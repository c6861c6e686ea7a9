//! A request body that asks for permission as it starts. For every mutation over HTTP, at Buy with
//! Prime and elsewhere.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// May a mutation still be sent? Asked once per request, as its body is about to start. It must
/// answer at once: it is called on the task that drives the connection.
pub type SendFence = Arc<dyn Fn() -> bool + Send + Sync>;

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const FENCED: u8 = 2;
const CLOSED: u8 = 3;

/// How far a body got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not a byte of it was handed out, and none ever will be.
    NeverStarted,
    /// The fence did not hold; not a byte was handed out, and none ever will be.
    Fenced,
    /// It was handed out; how much of it left is not known.
    Started,
}

/// Watches one [`FencedBody`]. The body may live on in the connection's task after we have given
/// the request up, so "it has not started" is only certain once the gate is closed.
#[derive(Debug, Clone)]
pub struct Gate(Arc<AtomicU8>);

impl Gate {
    /// Keeps the body from starting, if it has not, and tells how far it got.
    #[must_use]
    pub fn close(&self) -> Progress {
        match self
            .0
            .compare_exchange(WAITING, CLOSED, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) | Err(CLOSED) => Progress::NeverStarted,
            Err(FENCED) => Progress::Fenced,
            Err(_) => Progress::Started,
        }
    }
}

/// The body was not allowed to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request may no longer be sent")]
pub struct MayNotStart;

/// A body of known length, handed out in one piece, and only if the fence holds at that moment. It
/// cannot be cloned, so no layer below can send it twice.
pub struct FencedBody {
    bytes: Option<Bytes>,
    fence: SendFence,
    gate: Gate,
}

impl FencedBody {
    /// A body, and the gate that watches it.
    #[must_use]
    pub fn new(bytes: Bytes, fence: SendFence) -> (Self, Gate) {
        let gate = Gate(Arc::new(AtomicU8::new(WAITING)));
        let body = Self {
            bytes: Some(bytes),
            fence,
            gate: gate.clone(),
        };
        (body, gate)
    }

    fn start(&self) -> Result<(), MayNotStart> {
        let (to, answer) = if (self.fence)() {
            (STARTED, Ok(()))
        } else {
            (FENCED, Err(MayNotStart))
        };
        self.gate
            .0
            .compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Acquire)
            .map_err(|_| MayNotStart)
            .and(answer)
    }
}

impl http_body::Body for FencedBody {
    type Data = Bytes;
    type Error = MayNotStart;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MayNotStart>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(self.start().map(|()| Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body::Body;

    use super::*;

    fn poll(body: &mut FencedBody) -> Option<Result<Bytes, MayNotStart>> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.map(|f| f.map(|f| f.into_data().unwrap())),
            Poll::Pending => panic!("this body is never pending"),
        }
    }

    fn body(holds: bool) -> (FencedBody, Gate) {
        FencedBody::new(Bytes::from_static(b"abc"), Arc::new(move || holds))
    }

    #[test]
    fn starts_once_while_the_fence_holds() {
        let (mut body, gate) = body(true);
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(poll(&mut body), Some(Ok(Bytes::from_static(b"abc"))));
        assert!(body.is_end_stream());
        assert_eq!(poll(&mut body), None);
        assert_eq!(gate.close(), Progress::Started);
    }

    #[test]
    fn does_not_start_when_the_fence_does_not_hold() {
        let (mut body, gate) = body(false);
        assert_eq!(poll(&mut body), Some(Err(MayNotStart)));
        assert_eq!(gate.close(), Progress::Fenced);
    }

    #[test]
    fn does_not_start_behind_a_closed_gate() {
        let (mut body, gate) = body(true);
        assert_eq!(gate.close(), Progress::NeverStarted);
        assert_eq!(poll(&mut body), Some(Err(MayNotStart)));
        assert_eq!(gate.close(), Progress::NeverStarted);
    }
}
