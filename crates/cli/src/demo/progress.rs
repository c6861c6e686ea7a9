//! Progress on stderr: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::tell;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far it got.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    began: Instant,
    told: Instant,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        let total = total as u64;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos}/{len} {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            total,
            began: now,
            told: now,
        }
    }

    /// Something worth a line of its own.
    pub(super) fn say(&self, text: &str) {
        let line = format!("{:>6.1}s  {text}", self.began.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(&line)),
            None => tell(line),
        }
    }

    /// So many are finished.
    pub(super) fn at(&mut self, finished: u64, accepted: usize) {
        if let Some(bar) = &self.bar {
            bar.set_position(finished);
            bar.set_message(format!("finished, {accepted} accepted"));
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            self.say(&format!(
                "{finished} of {} finished, {accepted} accepted",
                self.total
            ));
        }
    }

    /// Since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
