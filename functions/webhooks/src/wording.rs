//! Mail about an outage, from the templates in `templates/`. What is put into HTML is escaped, by the ending of the file's name.

use askama::Template;
use orderflow_events::Time;
use orderflow_notification::Mail;

use crate::domain::{Disabled, Endpoint};

#[derive(Template)]
#[template(path = "outage.txt")]
struct Plain<'a> {
    outage: &'a Outage<'a>,
}

#[derive(Template)]
#[template(path = "outage.html")]
struct Html<'a> {
    subject: &'a str,
    outage: &'a Outage<'a>,
}

/// Subject: ids alone, no words of anybody.
#[derive(Template)]
#[template(path = "subject.txt")]
struct Subject<'a> {
    id: &'a str,
}

/// Outage as it is told.
struct Outage<'a> {
    id: &'a str,
    /// The URL without its query, which may be a secret.
    url: &'a str,
    description: &'a str,
    is_gone: bool,
    since: Option<Time>,
}

/// Mail to the owner of an endpoint that was disabled.
pub(crate) fn outage(endpoint: &Endpoint) -> Result<Mail, askama::Error> {
    let outage = Outage {
        id: &endpoint.id,
        url: endpoint.url.split(['?', '#']).next().unwrap_or_default(),
        description: endpoint.description.as_ref().map_or("", |text| text.as_str()),
        is_gone: endpoint.disabled.is_some_and(|(reason, _)| reason == Disabled::Gone),
        since: endpoint.disabled.map(|(_, since)| since),
    };
    let subject = Subject { id: outage.id }.render()?.trim_end().to_owned();
    let text = Plain { outage: &outage }.render()?;
    let html = Html { subject: &subject, outage: &outage }.render()?;
    Ok(Mail { subject, text, html })
}
