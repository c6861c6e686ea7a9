//! What goes to stdout: data, and nothing else. A closed pipe is no error; a full disk is.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Stdout, Write};

use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Characters that a terminal acts upon instead of showing them, those that turn text around, and
/// those that stay invisible.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
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
    Ok(escape_json(text))
}

/// JSON with everything escaped that a terminal would act upon. Whatever is active stands within a
/// string of it: between its tokens JSON has only blanks and line breaks.
fn escape_json(text: String) -> String {
    if !text.chars().any(is_active) {
        return text;
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
    safe
}

/// Where log lines pass on their way to stderr. The log's own formatter escapes some of what remotes
/// send, and lets line breaks and what turns text around pass.
pub(crate) struct Guarded<W> {
    to: W,
    json: bool,
}

impl<W> Guarded<W> {
    /// For lines of JSON, or for people.
    pub(crate) fn new(to: W, json: bool) -> Self {
        Self { to, json }
    }
}

impl<W: Write> Write for Guarded<W> {
    /// Takes the lines of one event, as the log's formatter hands them over.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (&*text, ""),
        };
        let safe = if self.json {
            escape_json(line.to_owned())
        } else {
            // An escape character is the formatter's own, for colour: it leaves none in what it
            // was given.
            let parts: Vec<String> = line.split('\u{1b}').map(escape).collect();
            parts.join("\u{1b}")
        };
        self.to.write_all(format!("{safe}{end}").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
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

    #[test]
    fn every_mark_that_turns_text_around_is_escaped() {
        // UAX #9: the explicit formatting characters, and the implicit marks.
        let marks = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        assert!(escape(marks).is_ascii(), "{:?}", escape(marks));
        let line = json_line(&marks).unwrap();
        assert!(line.is_ascii(), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), marks);
    }

    #[test]
    fn an_event_of_the_log_is_one_line_and_moves_nothing() {
        let guarded = |json, text: &str| {
            let mut out = Vec::new();
            let mut writer = Guarded::new(&mut out, json);
            writer.write_all(text.as_bytes()).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = guarded(
            false,
            "\u{1b}[33m WARN\u{1b}[0m a\r\nforged \u{202e}b\u{9b}\n",
        );
        assert_eq!(
            text,
            "\u{1b}[33m WARN\u{1b}[0m a\\r\\nforged \\u{202e}b\\u{9b}\n"
        );
        let line = guarded(true, "{\"error\":\"a\u{202e}\u{9b}\"}\n");
        assert_eq!(line, "{\"error\":\"a\\u202e\\u009b\"}\n");
    }
}
