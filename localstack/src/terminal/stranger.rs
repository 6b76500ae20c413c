//! Text of strangers on the terminal: it is shown, and never obeyed.

use std::fmt::Write;

/// The text in one line, with everything escaped that a terminal takes for a command or that changes the direction of what
/// stands beside it.
pub(crate) fn shown(text: &str) -> String {
    escaped(text, |character, out| out.extend(character.escape_unicode()))
}

/// The same JSON text, in which such characters are written as JSON escapes. They can stand in its strings only.
pub(crate) fn shown_json(json: &str) -> String {
    escaped(json, |character, out| {
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            let _infallible = write!(out, "\\u{unit:04x}");
        }
    })
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_command(character) { escape(character, &mut out) } else { out.push(character) }
    }
    out
}

/// Controls (ECMA-48's `ESC`, the C1 set of 8 bits, line ends), and the marks of direction of UAX #9.
fn is_command(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_is_a_command() {
        for (text, expected) in [
            ("Bücher für Ada \u{1f600}", "Bücher für Ada \u{1f600}"),
            ("\u{1b}]0;pwned\u{7}\u{1b}[2J", "\\u{1b}]0;pwned\\u{7}\\u{1b}[2J"),
            ("one\r\ntwo", "one\\u{d}\\u{a}two"),
            ("\u{9b}1A", "\\u{9b}1A"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn json_is_the_same_json_and_no_command() {
        let json = "{\"a\":\"\u{9b}2J\u{7f}\u{202e}\u{1f600}\"}";
        let shown = shown_json(json);
        assert!(!shown.chars().any(is_command), "{shown:?}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
    }
}
