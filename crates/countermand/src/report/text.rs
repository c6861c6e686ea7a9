//! A report as text of 80 columns, and dates as people write them.

use std::fmt::Write as _;

use countermand_core::Timestamp;

use super::{CaseReport, Line, Section};

/// The width of the page.
const WIDTH: usize = 80;
/// Where dated lines have their text: after "  09:13:22  ".
const HANG: &str = "            ";
const INDENT: &str = "  ";
/// What is to be made of the words in capitals in a command.
const BLANKS: &str = "Put your own words for those in capitals, in quotes where they have blanks: an \
                      AMOUNT is such as \"43.99 USD\", the TEXT says how you know it.";

impl CaseReport {
    /// The report for people, in lines of 80 columns, with `\n` at their ends. Texts from elsewhere
    /// pass through `escape`, which makes them safe for wherever they are shown; only what holds no
    /// blank and is longer than a line by itself is broken within.
    #[must_use]
    pub fn to_text(&self, escape: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        wrap(&mut text, "", "", &escape(&self.headline.text));
        text.push('\n');
        for line in [
            format!(
                "Order {} at {}",
                escape(self.order_id.as_str()),
                escape(self.target_id.as_str())
            ),
            format!("Cancellation {}", escape(self.cancellation_id.as_str())),
            format!("As of {}; all times are UTC.", moment(self.at)),
        ] {
            wrap(&mut text, "", INDENT, &line);
        }
        for section in &self.sections {
            lay_out(&mut text, section, &escape);
        }
        text
    }
}

fn lay_out(text: &mut String, section: &Section, escape: &impl Fn(&str) -> String) {
    push(text, format_args!("\n{}\n", section.title));
    let mut day = String::new();
    let mut has_blanks = false;
    for line in &section.lines {
        let Line {
            at,
            text: words,
            command,
            ..
        } = line;
        match at {
            Some(at) => {
                let date = date(*at);
                if date != day {
                    push(text, format_args!("{INDENT}{date}\n"));
                    day = date;
                }
                let first = format!("{INDENT}{}  ", time(*at));
                wrap(text, &first, HANG, &escape(words));
            }
            None => wrap(text, INDENT, INDENT, &escape(words)),
        }
        if let Some(command) = command {
            has_blanks |= command.ends_with(" TEXT");
            pasteable(text, &format!("countermand {}", escape(command)));
        }
    }
    if has_blanks {
        wrap(text, INDENT, INDENT, BLANKS);
    }
}

/// Words in lines: the first begins with `first`, the others with `hang`.
fn wrap(text: &mut String, first: &str, hang: &str, words: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    let mut width = line.chars().count();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let mut rest = word;
        loop {
            let length = rest.chars().count();
            let gap = usize::from(!is_empty);
            if width + gap + length <= WIDTH {
                if !is_empty {
                    line.push(' ');
                }
                line.push_str(rest);
                width += gap + length;
                is_empty = false;
                break;
            }
            if is_empty {
                // Longer than a whole line.
                let room = WIDTH.saturating_sub(width).max(1);
                let end = rest
                    .char_indices()
                    .nth(room)
                    .map_or(rest.len(), |(end, _)| end);
                line.push_str(rest.get(..end).unwrap_or_default());
                rest = rest.get(end..).unwrap_or_default();
            }
            push(text, format_args!("{}\n", line.trim_end()));
            hang.clone_into(&mut line);
            width = line.chars().count();
            is_empty = true;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !is_empty {
        push(text, format_args!("{}\n", line.trim_end()));
    }
}

/// A command in lines that a shell takes together as they stand.
fn pasteable(text: &mut String, command: &str) {
    let mut line = "    ".to_owned();
    let mut is_empty = true;
    let mut words = command.split(' ').peekable();
    while let Some(word) = words.next() {
        // A flag and its value stay together.
        let mut word = word.to_owned();
        if word.starts_with("--")
            && let Some(value) = words.next_if(|next| !next.starts_with("--"))
        {
            word.push(' ');
            word.push_str(value);
        }
        let width = line.chars().count() + 1 + word.chars().count();
        if !is_empty && width + 2 > WIDTH {
            push(text, format_args!("{line} \\\n"));
            // The longest id of a refund fits into a line together with its flag.
            "     ".clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(&word);
        is_empty = false;
    }
    push(text, format_args!("{line}\n"));
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(line);
}

/// "24 November 2026".
pub(super) fn date(at: Timestamp) -> String {
    civil(at, "%-d %B %Y")
}

/// "05:44:17".
fn time(at: Timestamp) -> String {
    civil(at, "%H:%M:%S")
}

/// "24 November 2026 at 05:44:17".
pub(super) fn moment(at: Timestamp) -> String {
    civil(at, "%-d %B %Y at %H:%M:%S")
}

fn civil(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(
        |_| at.to_string(),
        |at| {
            at.to_zoned(jiff::tz::TimeZone::UTC)
                .strftime(format)
                .to_string()
        },
    )
}

/// How far off a time is: "in 5 minutes", "now", "2 hours ago".
pub(super) fn distance(at: Timestamp, now: Timestamp) -> String {
    let span = |duration: std::time::Duration| {
        let seconds = duration.as_secs();
        let (count, unit) = match seconds {
            0..60 => (seconds, "second"),
            60..3_600 => (seconds / 60, "minute"),
            3_600..172_800 => (seconds / 3_600, "hour"),
            _ => (seconds / 86_400, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {unit}{plural}")
    };
    if at.since(now).as_secs() > 0 {
        format!("in {}", span(at.since(now)))
    } else if now.since(at).as_secs() > 0 {
        format!("{} ago", span(now.since(at)))
    } else {
        "now".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        let mut text = String::new();
        let words = format!("a {} b {}", "x".repeat(70), "y".repeat(200));
        wrap(&mut text, "  09:13:22  ", HANG, &words);
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        let joined: String = text.split_whitespace().skip(1).collect();
        assert_eq!(joined, words.replace(' ', ""));
    }

    #[test]
    fn a_flag_and_its_value_stay_on_one_line() {
        let command = format!(
            "countermand resolve {} --fact refund_not_due --refund {} --note TEXT",
            "c".repeat(36),
            "r".repeat(64)
        );
        let mut text = String::new();
        pasteable(&mut text, &command);
        assert!(text.contains("--fact refund_not_due"), "{text}");
        assert!(text.contains("--note TEXT"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        let joined = text.replace("\\\n", "");
        let words: Vec<&str> = joined.split_whitespace().collect();
        assert_eq!(words.join(" "), command);
    }

    #[test]
    fn times_are_written_for_people() {
        let at: Timestamp = "2026-11-04T05:44:17.123Z".parse().unwrap();
        assert_eq!(moment(at), "4 November 2026 at 05:44:17");
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            assert!(!moment(extreme).is_empty());
            assert!(!distance(extreme, at).is_empty());
        }
        let later = |seconds| at.plus(std::time::Duration::from_secs(seconds));
        assert_eq!(distance(later(1), at), "in 1 second");
        assert_eq!(distance(later(7_260), at), "in 2 hours");
        assert_eq!(distance(at, later(200_000)), "2 days ago");
        assert_eq!(distance(at, at), "now");
    }
}
