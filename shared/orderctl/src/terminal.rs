//! The terminal: output, questions, and an editor.

use std::io::{IsTerminal, Write, stderr, stdin};

use dialoguer::{Confirm, Editor};

use crate::error::Error;
use crate::text::shown_json;

/// Terminal, or the pipes of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// True where the output is for programs.
    pub(crate) json: bool,
    /// True where changes are agreed to beforehand.
    pub(crate) yes: bool,
}

impl Terminal {
    /// Writes a document of the API as it is, to a program; else what is said about it.
    pub(crate) fn answer(self, document: &str, text: impl FnOnce() -> String) -> Result<(), Error> {
        if self.json { print_json(document) } else { print(&text()) }
    }

    /// Asks before something is changed.
    ///
    /// # Errors
    ///
    /// Nobody can be asked, or they do not want it.
    pub(crate) fn confirm(self, question: &str) -> Result<(), Error> {
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() || !stderr().is_terminal() {
            return Err(Error::Usage(format!("{question} Nobody can be asked here: say --yes")));
        }
        let answer = Confirm::new().with_prompt(question).default(false).wait_for_newline(true).interact();
        if answer.map_err(not_asked)? { Ok(()) } else { Err(Error::Declined) }
    }
}

/// Writes a result to standard output.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut stdout = anstream::stdout().lock();
    Ok(writeln!(stdout, "{}", text.trim_end())?)
}

/// Writes a document to standard output, for programs.
pub(crate) fn print_json(document: &str) -> Result<(), Error> {
    // No colours are taken out of it, as they are of a text.
    Ok(writeln!(std::io::stdout().lock(), "{}", shown_json(document.trim_end()))?)
}

/// Writes what only people want to know, to standard error.
pub(crate) fn note(text: &str) {
    let _nobody_reads_it = writeln!(anstream::stderr(), "{}", text.trim_end());
}

/// Text as it was saved in the user's editor, `$VISUAL` or `$EDITOR`, which ends when they are done.
pub(crate) fn edited(text: &str) -> Result<String, Error> {
    let mut editor = Editor::new();
    editor.extension(".json").require_save(false);
    let edited = editor.edit(&format!("{text}\n")).map_err(not_asked)?;
    Ok(edited.unwrap_or_else(|| text.to_owned()))
}

fn not_asked(error: dialoguer::Error) -> Error {
    let dialoguer::Error::IO(source) = error;
    Error::System { what: "no word of the user", source }
}

/// Columns of the terminal that the output goes to; none of a pipe.
pub(crate) fn columns() -> Option<u16> {
    let terminal = console::Term::stdout();
    if terminal.is_term() { terminal.size_checked().map(|(_, columns)| columns) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_a_change_needs_a_yes() {
        assert!(Terminal { json: false, yes: true }.confirm("Drop it?").is_ok());
    }
}
