//! Bodies that come in pieces: too slowly, too few, too many.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::connection::Cuttable;
use crate::http::wire::Gauge;

/// A body in pieces.
pub(crate) struct Pieces {
    left: VecDeque<Bytes>,
    gap: Duration,
    wait: Option<Pin<Box<Sleep>>>,
    then: Then,
    /// The call is open for as long as its answer has not ended.
    _open: Option<Gauge>,
}

/// What follows the last piece.
pub(crate) enum Then {
    /// The end.
    End,
    /// This, over and over.
    Again(Bytes),
    /// The connection is cut.
    Cut(Cuttable),
}

impl Pieces {
    /// The whole of it, evenly over a time.
    pub(crate) fn drip(bytes: &Bytes, over: Duration, drops: u32, open: Option<Gauge>) -> Self {
        let drops = drops.max(2);
        let size = bytes.len().div_ceil(drops as usize).max(1);
        let left: VecDeque<_> = (0..bytes.len())
            .step_by(size)
            .map(|from| bytes.slice(from..bytes.len().min(from + size)))
            .collect();
        Self {
            left,
            gap: over / (drops - 1),
            wait: None,
            then: Then::End,
            _open: open,
        }
    }

    /// One piece, and something after it.
    pub(crate) fn one(first: Bytes, gap: Duration, then: Then, open: Option<Gauge>) -> Self {
        Self {
            left: VecDeque::from([first]),
            gap,
            wait: None,
            then,
            _open: open,
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if let Some(wait) = &mut this.wait {
            ready!(wait.as_mut().poll(context));
            this.wait = None;
        }
        let piece = match (this.left.pop_front(), &this.then) {
            (Some(piece), _) => piece,
            (None, Then::Again(piece)) => piece.clone(),
            (None, Then::End) => return Poll::Ready(None),
            (None, Then::Cut(connection)) => {
                connection.cut();
                return Poll::Pending;
            }
        };
        let is_last = this.left.is_empty() && matches!(this.then, Then::End);
        if !is_last && !this.gap.is_zero() {
            let at = Instant::now().checked_add(this.gap);
            this.wait = at.map(|at| Box::pin(sleep_until(at)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && matches!(self.then, Then::End)
    }

    fn size_hint(&self) -> SizeHint {
        match self.then {
            Then::End => {
                let left: usize = self.left.iter().map(Bytes::len).sum();
                SizeHint::with_exact(left as u64)
            }
            _ => SizeHint::default(),
        }
    }
}
