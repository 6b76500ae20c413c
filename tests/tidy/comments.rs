//! First words of documentation: a search shows them alone.

use std::str::FromStr as _;

use proc_macro2::{TokenStream, TokenTree};

use crate::repository::Repository;
use crate::{assert_none, assert_one};

/// Words that a doc comment does not open with. They name nothing that anybody searches for.
const OPENERS: [&str; 9] = ["How", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"];

/// Doc comments that open with such a word.
fn badly_opened(repository: &Repository) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in repository.ending(".rs") {
        let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        for line in first_lines(tokens) {
            if line.split(|c: char| !c.is_alphabetic()).next().is_some_and(|word| OPENERS.contains(&word)) {
                faults.push(format!("{path}: {line}"));
            }
        }
    }
    faults
}

/// First line of each doc comment.
fn first_lines(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut lines = Vec::new();
    let mut is_inside = false;
    let mut rest = tokens.as_slice();
    while let [first, after @ ..] = rest {
        if let Some((line, after)) = doc_line(rest) {
            lines.extend((!is_inside).then_some(line));
            (is_inside, rest) = (true, after);
            continue;
        }
        if let TokenTree::Group(group) = first {
            lines.extend(first_lines(group.stream()));
        }
        (is_inside, rest) = (false, after);
    }
    lines
}

/// Line of a doc comment that tokens begin with, and the tokens after it. To a lexer it is an attribute `#[doc = "…"]`.
fn doc_line(tokens: &[TokenTree]) -> Option<(String, &[TokenTree])> {
    let rest = after(tokens, '#')?;
    let [TokenTree::Group(group), rest @ ..] = after(rest, '!').unwrap_or(rest) else { return None };
    let attribute: Vec<TokenTree> = group.stream().into_iter().collect();
    let [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Literal(text)] = attribute.as_slice() else {
        return None;
    };
    (*name == "doc").then(|| (text.to_string().trim_matches('"').trim().to_owned(), rest))
}

fn after(tokens: &[TokenTree], sign: char) -> Option<&[TokenTree]> {
    match tokens {
        [TokenTree::Punct(punct), rest @ ..] if punct.as_char() == sign => Some(rest),
        _ => None,
    }
}

#[test]
fn doc_comments_open_with_a_word_of_the_field() {
    assert_none(&badly_opened(Repository::this()));
}

#[test]
fn a_bad_opener_is_found_wherever_it_stands() {
    let opened = |text| badly_opened(&Repository::of(&[("a.rs", text)]));
    assert_none(&opened(
        "//! Whatever.\n\n/// Result of it.\n/// What came before.\n// What is no documentation.\nfn a() {}",
    ));
    assert_one(&opened("//! What it is."), "What it is.");
    assert_one(&opened("mod a {\n    /// Whether it is.\n    pub b: C,\n}"), "Whether it is.");
    assert_one(&opened("events! {\n    /// How it is.\n    A = 1,\n}"), "How it is.");
    assert_one(&opened("/// One.\nfn a() {}\n/// Who is it?\nfn b() {}"), "Who is it?");
}
