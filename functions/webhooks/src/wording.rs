//! Mail about an outage, from the templates in `templates/`. What is put into HTML is escaped, by the ending of the file's name.

use askama::Template;
use orderflow_events::Time;
use orderflow_notification::Mail;

use crate::domain::{Disabled, Endpoint, Untold};

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
    is_enabled: bool,
}

/// Outage as it is told.
struct Outage<'a> {
    id: &'a str,
    /// The URL without its query, which may be a secret.
    url: &'a str,
    description: &'a str,
    is_gone: bool,
    since: Time,
    /// An operator has enabled it since.
    is_enabled: bool,
    /// An operator has disabled it since.
    is_by_operator: bool,
}

/// Mail to the owner of an endpoint about an outage, which may not be all that has happened to it since.
pub(crate) fn outage(endpoint: &Endpoint, untold: &Untold) -> Result<Mail, askama::Error> {
    let outage = Outage {
        id: &endpoint.id,
        url: endpoint.plain_url(),
        description: endpoint.description.as_ref().map_or("", |text| text.as_str()),
        is_gone: untold.reason == Disabled::Gone,
        since: untold.since,
        is_enabled: endpoint.disabled.is_none(),
        is_by_operator: endpoint.is_disabled_by_operator(),
    };
    let subject = Subject { id: outage.id, is_enabled: outage.is_enabled }.render()?.trim_end().to_owned();
    let text = Plain { outage: &outage }.render()?;
    let html = Html { subject: &subject, outage: &outage }.render()?;
    Ok(Mail { subject, text, html })
}
