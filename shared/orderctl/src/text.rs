//! Text on a terminal: that of strangers is shown, and never obeyed; ours has colours.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const FAINT: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// Text of a stranger in one line: whatever a terminal could take for a command, or that changes the direction of what
/// stands beside it, is escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(['"', '\'', '\\']) {
        // What the library would escape for being in a literal.
        let plain = piece.trim_end_matches(['"', '\'', '\\']);
        shown.extend(plain.escape_debug());
        shown.push_str(&piece[plain.len()..]);
    }
    shown
}

/// The same JSON, in which no control character stands as it is: in its strings they can be written as escapes.
pub(crate) fn shown_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() && !character.is_ascii_whitespace() {
            // All control characters are in the first plane of Unicode, for which four digits are enough.
            let _infallible = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

pub(crate) fn bad(text: &str) -> String {
    styled(BAD, text)
}

pub(crate) fn good(text: &str) -> String {
    styled(GOOD, text)
}

pub(crate) fn faint(text: &str) -> String {
    styled(FAINT, text)
}

pub(crate) fn strong(text: &str) -> String {
    styled(STRONG, text)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_json_and_no_command() {
        let json = "{\n\"a\": \"\u{9b}2J\u{7f}\u{1f600}\"}";
        let shown = shown_json(json);
        assert_eq!(shown, "{\n\"a\": \"\\u009b2J\\u007f\u{1f600}\"}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
    }

    #[test]
    fn nothing_of_a_stranger_is_a_command() {
        for (text, expected) in [
            ("B\u{fc}cher f\u{fc}r \"Ada\" \u{1f600} \\ it's", "B\u{fc}cher f\u{fc}r \"Ada\" \u{1f600} \\ it's"),
            ("\u{1b}]0;pwned\u{7}\u{1b}[2J", "\\u{1b}]0;pwned\\u{7}\\u{1b}[2J"),
            ("one\r\ntwo", "one\\r\\ntwo"),
            ("\u{9b}1A", "\\u{9b}1A"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
