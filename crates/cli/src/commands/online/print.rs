//! The checklist, 80 columns wide.

use countermand::buy_with_prime::Severity;

use super::{Check, Verdict};
use crate::exit::Failure;
use crate::output::{Output, escape};

const WIDTH: usize = 80;
/// Before the words of a check.
const INDENT: usize = 20;

/// Prints every check, grouped by remote.
pub(in crate::commands) fn print(checks: &[Check], out: &mut Output) -> Result<(), Failure> {
    let mut heading = String::new();
    for check in checks {
        let this = format!("{} {}", check.remote, escape(&check.of));
        if this != heading {
            out.line(&this)?;
            heading = this;
        }
        let head = format!("  {:<8}  {:<8}", name(check.result), check.name);
        wrapped(&head, INDENT, &escape(&check.detail), out)?;
        for difference in &check.differences {
            let head = match difference.severity {
                Severity::Error => "                    error    ",
                Severity::Warning => "                    warning  ",
            };
            let text = escape(&format!("{}: {}", difference.at, difference.message));
            wrapped(head, INDENT + 9, &text, out)?;
        }
    }
    Ok(())
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Skipped => "skipped",
        Verdict::Failed => "failed",
        Verdict::Wrong => "WRONG",
    }
}

/// Words behind a head, with as many lines as they need.
fn wrapped(head: &str, indent: usize, text: &str, out: &mut Output) -> Result<(), Failure> {
    let mut line = format!("{head:<indent$}");
    let mut is_begun = false;
    for word in text.split(' ') {
        let length = line.chars().count() + usize::from(is_begun) + word.chars().count();
        if is_begun && length > WIDTH {
            out.line(&line)?;
            line = " ".repeat(indent);
            is_begun = false;
        }
        if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    out.line(line)
}
