//! What goes to stdout: data, and nothing else. A closed pipe is no error; a full disk is.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Stdout, Write};

use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Characters that a terminal acts upon instead of showing them, and those that turn text around.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Makes text from elsewhere safe to print: nothing in it moves the cursor or the eye.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            '\r' => safe.push_str("\\r"),
            c if is_active(c) => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// JSON in one line, with everything escaped that a terminal would act upon (JSON itself only asks
/// for the control characters of ASCII).
pub(crate) fn json_line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    if !text.chars().any(is_active) {
        return Ok(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_active(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Ok(safe)
}

/// The program's data.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    json: bool,
    unread: Exit,
}

impl Output {
    /// To stdout, as JSON or for people.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout()),
            json,
            unread: Exit::Done,
        }
    }

    /// The exit code should nobody read on: a verdict holds whoever reads its reasons.
    pub(crate) fn verdict(&mut self, exit: Exit) {
        self.unread = exit;
    }

    /// Is JSON asked for?
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line of text that is safe already.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        writeln!(self.out, "{}", text.as_ref()).map_err(|error| failed(&error, self.unread))
    }

    /// Text with its own line ends.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.out
            .write_all(text.as_bytes())
            .map_err(|error| failed(&error, self.unread))
    }

    /// One JSON document in one line.
    pub(crate) fn document(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let line =
            json_line(value).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        self.line(line)
    }

    /// Writes out what is buffered. To be called before the program ends: only then is it known
    /// that the data went somewhere.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out
            .flush()
            .map_err(|error| failed(&error, self.unread))
    }
}

/// Nobody reads on: that ends the program quietly, whatever it was about to print.
fn failed(error: &io::Error, unread: Exit) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(unread as i32);
    }
    Failure::new(
        Exit::Failed,
        format!("cannot write to standard output: {error}"),
    )
}

/// A line to stderr. That nobody reads it is no reason to fail.
pub(crate) fn tell(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_active_gets_out() {
        let nasty = "a\u{1b}[31mb\u{9b}c\u{7f}\u{202e}d\ne\0";
        assert_eq!(
            escape(nasty),
            "a\\u{1b}[31mb\\u{9b}c\\u{7f}\\u{202e}d\\ne\\u{0}"
        );
        let line = json_line(&nasty).unwrap();
        assert!(line.chars().all(|c| !is_active(c)), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), nasty);
        assert_eq!(escape("Grüße, 日本"), "Grüße, 日本");
    }
}
