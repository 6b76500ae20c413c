//! The steps of `cargo local`, one line each.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::terminal::style::{elapsed, faint, good};

/// Tells someone how far a long piece of work is, or nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// A line for each step on standard error, with a spinner on a terminal.
    #[default]
    Shown,
    /// Nothing but what has to be known: the compiler's messages.
    Silent,
}

/// One step under way. It shows nothing once it is dropped; an error speaks for itself.
#[derive(Debug)]
pub(crate) struct Step {
    name: &'static str,
    started: Instant,
    spinner: ProgressBar,
    shown: bool,
}

impl Progress {
    /// Starts a step.
    pub(crate) fn step(self, name: &'static str) -> Step {
        let step = self.quiet_step(name);
        if self == Self::Shown {
            // Hidden by indicatif itself where standard error is no terminal.
            step.spinner.enable_steady_tick(Duration::from_millis(100));
        }
        step
    }

    /// Starts a step that shows nothing before its end, because a program of its own writes to the terminal.
    pub(crate) fn quiet_step(self, name: &'static str) -> Step {
        let spinner = ProgressBar::new_spinner().with_prefix(name);
        // A template that does not parse would leave the plain spinner.
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix:<9} {wide_msg}") {
            spinner.set_style(style);
        }
        Step { name, started: Instant::now(), spinner, shown: self == Self::Shown }
    }
}

impl Step {
    /// Says what the step is at.
    pub(crate) fn at(&self, what: impl Into<String>) {
        if self.shown {
            self.spinner.set_message(what.into());
        }
    }

    /// Ends the step with its result.
    pub(crate) fn done(self, result: &str) {
        self.spinner.finish_and_clear();
        if self.shown {
            let time = elapsed(self.started.elapsed());
            anstream::eprintln!("  {} {:<9} {result:<60} {}", good("✓"), self.name, faint(format!("{time:>8}")));
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}
