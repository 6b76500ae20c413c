//! Trace of one subject through a run: who did what, when, as a diagram.

use std::cell::RefCell;
use std::fmt::Write;

use envelope::Time;

/// Widest name of a lane, in characters.
const LANE: usize = 4;

/// Trace of one subject, or of none.
#[derive(Debug, Default)]
pub struct Trace {
    subject: Option<String>,
    lines: RefCell<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    at: Time,
    caller: &'static str,
    what: String,
}

impl Trace {
    /// Trace of that subject.
    #[must_use]
    pub fn of(subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..Self::default() }
    }

    /// Trace of whatever happens to no subject in particular.
    #[must_use]
    pub fn of_none() -> Self {
        Self::of("")
    }

    /// True where a trace was asked for.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.subject.is_some()
    }

    /// Adds a line about `subject`, if the trace is of it.
    pub fn tell_of(&self, subject: &str, at: Time, caller: &'static str, what: impl FnOnce() -> String) {
        if self.subject.as_deref() == Some(subject) {
            self.lines.borrow_mut().push(Line { at, caller, what: what() });
        }
    }

    /// Adds a line about what happens to a caller, whichever subjects it is at work on.
    pub fn tell(&self, at: Time, caller: &'static str, what: impl FnOnce() -> String) {
        if self.is_on() {
            self.lines.borrow_mut().push(Line { at, caller, what: what() });
        }
    }

    /// Diagram: a line for each thing that happened, a lane for each caller, in the order in which they appear.
    #[must_use]
    pub fn diagram(&self) -> String {
        let lines = self.lines.borrow();
        let Some(first) = lines.first() else { return String::new() };
        let mut callers: Vec<&str> = Vec::new();
        for line in lines.iter() {
            if !callers.contains(&line.caller) {
                callers.push(line.caller);
            }
        }
        let mut text = format!("{:>14}", "time");
        for lane in &callers {
            let _ = write!(text, " {:^LANE$}", shortened(lane));
        }
        text.push('\n');
        for line in lines.iter() {
            let _ = write!(text, "{:>12.3} s", first.at.until(line.at).as_secs_f64());
            for lane in &callers {
                let _ = write!(text, " {:^LANE$}", if *lane == line.caller { "●" } else { "·" });
            }
            let _ = writeln!(text, "  {}", line.what);
        }
        text
    }
}

/// Name of a lane: the beginning of the caller's, or the initials of its parts and the rest of the last.
fn shortened(caller: &str) -> String {
    let (parts, last) = caller.rsplit_once('-').unwrap_or(("", caller));
    let initials = parts.split('-').filter_map(|part| part.chars().next());
    initials.chain(last.chars()).take(LANE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_tells_of_its_subject_alone() {
        let trace = Trace::of("a");
        for (second, subject, caller) in [(0, "a", "front-desk"), (1, "b", "lending"), (2, "a", "catalogue")] {
            trace.tell_of(subject, Time::from_millis(second * 1_000), caller, || format!("works on {subject}"));
        }
        trace.tell(Time::from_millis(2_500), "front-desk", || "dies".to_owned());
        let expected = [
            "          time fdes cata",
            "       0.000 s  ●    ·    works on a",
            "       2.000 s  ·    ●    works on a",
            "       2.500 s  ●    ·    dies",
        ];
        assert_eq!(trace.diagram().lines().collect::<Vec<_>>(), expected);
        assert_eq!(Trace::default().diagram(), "");
    }
}
