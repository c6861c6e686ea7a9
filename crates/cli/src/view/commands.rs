//! What a person can do, as commands that can be pasted.

use std::fmt::Write as _;

use countermand::{View, suggestion_in_words};

use super::WIDTH;
use crate::output::escape;

/// What a person can do, and what each command says.
pub(super) fn commands(view: &View) -> String {
    let suggestions = view.attention.iter().flat_map(|it| &it.suggest);
    let mut text = String::new();
    let mut is_template = false;
    for suggestion in suggestions {
        if text.is_empty() {
            text.push_str("you can\n");
        }
        is_template |= suggestion.ends_with("--note TEXT");
        let _ = writeln!(text, "  {}", suggestion_in_words(suggestion));
        text.push_str(&pasteable(&command_line(suggestion, view.id.as_str())));
    }
    if is_template {
        text.push_str(
            "Put your own words for those in capitals, in quotes where they have blanks:\n\
             an AMOUNT is such as \"43.99 USD\", the TEXT says how you know it.\n",
        );
    }
    text
}

/// A command in lines of 80 columns that a shell takes together as they stand.
fn pasteable(command: &str) -> String {
    let (mut text, mut line) = (String::new(), "   ".to_owned());
    let mut words = command.split(' ').peekable();
    while let Some(word) = words.next() {
        // A flag and its value stay together.
        let mut piece = word.to_owned();
        if word.starts_with("--")
            && let Some(value) = words.next_if(|next| !next.starts_with("--"))
        {
            piece.push(' ');
            piece.push_str(value);
        }
        let width = line.chars().count() + 1 + piece.chars().count();
        if !line.trim().is_empty() && width + 2 > usize::from(WIDTH) {
            text.push_str(&line);
            text.push_str(" \\\n");
            "     ".clone_into(&mut line);
        }
        if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(&piece);
    }
    text.push_str(&line);
    text.push('\n');
    text
}

/// A suggestion as it can be typed: with the program's name, and the id where it says `ID`.
fn command_line(suggestion: &str, id: &str) -> String {
    let words: Vec<&str> = suggestion
        .split(' ')
        .map(|word| if word == "ID" { id } else { word })
        .collect();
    format!("countermand {}", escape(&words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_can_be_pasted() {
        let command = format!(
            "countermand resolve {} --fact refund_paid --refund {} --payment-id P --amount A --note TEXT",
            "c".repeat(36),
            "r".repeat(64)
        );
        let shown = pasteable(&command);
        assert!(shown.lines().count() > 1, "{shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() <= 80),
            "{shown}"
        );
        // What the shell makes of it: a backslash at the end of a line joins it with the next.
        let joined = shown.replace("\\\n", "");
        let words: Vec<&str> = joined.split_whitespace().collect();
        assert_eq!(words.join(" "), command);
    }

    #[test]
    fn suggestions_can_be_typed() {
        assert_eq!(command_line("retry ID", "c-1"), "countermand retry c-1");
        assert_eq!(
            command_line("resolve ID --fact not_sent --note TEXT", "c-1"),
            "countermand resolve c-1 --fact not_sent --note TEXT"
        );
    }
}
