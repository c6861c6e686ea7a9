//! Text from others, made fit to be shown and stored.

/// The most characters of foreign text that go into a message of ours.
const MAX: usize = 256;

/// The text without control characters, cut at a sane length.
pub(crate) fn cap(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| {
            if c.is_control() || turns_text(c) {
                ' '
            } else {
                c
            }
        })
        .take(MAX)
        .collect();
    if text.chars().nth(MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Characters that change the direction in which what follows is read.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An error and its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some wrappers print their cause as their own message.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    cap(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_and_cleans() {
        assert_eq!(cap("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(cap("a\u{202e}b"), "a b");
        assert_eq!(cap(&"é".repeat(300)).chars().count(), MAX + 1);
    }
}
