//! Mail of a digest, from the templates in `templates/`. What is put into HTML is escaped, by the ending of the file's name.

use askama::Template;
use orderflow_events::{OrderId, amount};
use orderflow_notification::Mail;

use crate::domain::{Found, Match, Rule};

#[derive(Template)]
#[template(path = "digest.txt")]
struct Plain<'a> {
    digest: &'a Shown<'a>,
}

#[derive(Template)]
#[template(path = "digest.html")]
struct Html<'a> {
    subject: &'a str,
    digest: &'a Shown<'a>,
}

/// Subject of a digest: types of events are of anybody's making, and so it has none.
#[derive(Template)]
#[template(path = "subject.txt")]
struct Subject {
    count: u64,
    number: u64,
}

/// Digest as it is shown.
struct Shown<'a> {
    count: u64,
    more: u64,
    minutes: u64,
    pattern: String,
    lines: Vec<Line<'a>>,
}

/// Line of a digest.
struct Line<'a> {
    event: &'a Match,
    amount: Option<String>,
    link: Option<String>,
}

impl<'a> Line<'a> {
    fn of(event: &'a Match, console: Option<&str>) -> Self {
        // The order of an event that is none of ours may have any name, and no page.
        let console = console.filter(|_| OrderId::new(event.order.clone()).is_ok());
        let link = console.map(|console| format!("{console}#/orders/{}", event.order));
        Self { event, amount: event.amount.map(amount), link }
    }
}

/// Mail of the digest of that number.
pub(crate) fn digest(rule: &Rule, number: u64, found: &Found, console: Option<&str>) -> Result<Mail, askama::Error> {
    let shown = Shown {
        count: found.count(),
        more: found.more,
        minutes: rule.every.0.as_secs() / 60,
        pattern: rule.matching.document().to_string(),
        lines: found.matches.iter().map(|event| Line::of(event, console)).collect(),
    };
    let subject = Subject { count: shown.count, number }.render()?.trim_end().to_owned();
    let text = Plain { digest: &shown }.render()?;
    let html = Html { subject: &subject, digest: &shown }.render()?;
    Ok(Mail { subject, text, html })
}
