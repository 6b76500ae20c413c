//! Reasons without what differs from one failure to the next, so that failures of one kind are one group.

/// Sign that stands for a number or an id.
const ANY: &str = "…";

/// Prefixes of the shop's ids, which need not have a digit in them.
const PREFIXES: [&str; 6] = ["ord_", "pay_", "rfd_", "shp_", "let_", "red_"];

/// A reason with a sign in the place of each number and each id.
#[must_use]
pub fn general(reason: &str) -> String {
    let mut general = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        general.push_str(if is_word(first) && is_particular(piece) { ANY } else { piece });
        rest = after;
    }
    general
}

fn is_particular(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit()) || PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_taken_out() {
        for (reason, expected) in [
            ("the subject was begun by another OrderCreated", "the subject was begun by another OrderCreated"),
            ("row 12 is not understood", "row … is not understood"),
            ("order ord_abc: 3 of 10 failed", "order …: … of … failed"),
            ("019aa9d0-7c00-7b1e-9f00-5a0000000017 is late", "… is late"),
            ("is not JSON: expected value at line 1 column 2", "is not JSON: expected value at line … column …"),
            ("", ""),
            ("ärger, 5", "ärger, …"),
        ] {
            assert_eq!(general(reason), expected);
            assert_eq!(general(expected), expected, "a group's own reason is in the group");
        }
    }
}
