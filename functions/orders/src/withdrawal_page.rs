//! Page by which a customer withdraws from an order: two steps, no reason asked, and no script needed.

mod texts;

use askama::Template;
use form_urlencoded::parse;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use onewrite::http::Problem;
use orderflow_events::{CancellationReason, Person, format_utc};

use self::texts::{ENGLISH, Texts};
use crate::domain::withdrawal::{Outcome, Withdrawn};
use crate::domain::{Known, Seen, Status};
use crate::page::{Depth, Layout, Socket, answer};

/// Field of the forms that names the step.
const STEP: &str = "step";

/// Step that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The function is offered, with what it is about.
    Offer,
    /// The statement is shown, to be confirmed.
    Review,
    /// The statement is made.
    Confirmed,
}

impl Step {
    /// Step that a form asks for. Of a form that is none of ours it is the first.
    pub(crate) fn of_form(body: &Body) -> Self {
        let step = parse(body.as_ref()).find(|(name, _)| name == STEP);
        match step.as_ref().map(|(_, value)| value.as_ref()) {
            Some("review") => Self::Review,
            Some("confirmed") => Self::Confirmed,
            _ => Self::Offer,
        }
    }
}

/// View of an order on the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    known: &'a Known,
    /// Person who has placed it; none once they are erased.
    person: Option<&'a Person>,
    part: Part<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Offer,
    Review,
    /// The withdrawal is on record.
    Received(Withdrawn<'a>),
    /// The order was given up for another reason.
    Cancelled(&'a Seen),
}

impl<'a> View<'a> {
    pub(crate) fn of(known: &'a Known, person: Option<&'a Person>, step: Step) -> Self {
        let part = match (known.withdrawn(), known.status, step) {
            (Some(withdrawn), Status::Cancelled(reason), _) if reason != CancellationReason::CustomerRequest => {
                Part::Cancelled(withdrawn.seen)
            }
            (Some(withdrawn), _, _) => Part::Received(withdrawn),
            (None, _, Step::Review) => Part::Review,
            (None, _, Step::Offer | Step::Confirmed) => Part::Offer,
        };
        Self { known, person, part }
    }

    /// Outcome of a withdrawal, be it made or not.
    fn outcome(&self) -> Outcome {
        match self.known.status {
            Status::Open(_) | Status::Cancelled(_) => Outcome::Cancelled,
            Status::Shipped => Outcome::Return,
        }
    }

    /// Person who withdraws, where that is shown and known.
    fn who(&self) -> Option<&'a Person> {
        match self.part {
            Part::Offer | Part::Review | Part::Received(_) => self.person,
            Part::Cancelled(_) => None,
        }
    }

    fn placed_at(&self) -> String {
        self.known.timeline.first().map(time_of).unwrap_or_default()
    }

    fn title(&self, texts: &Texts) -> &'static str {
        match self.part {
            Part::Offer => texts.offer_title,
            Part::Review => texts.review_title,
            Part::Received(_) => texts.received_title,
            Part::Cancelled(_) => texts.cancelled_title,
        }
    }

    fn becomes(&self, texts: &Texts) -> &'static str {
        match (self.part, self.outcome()) {
            (Part::Received(_) | Part::Cancelled(_), Outcome::Cancelled) => texts.is_cancelled,
            (Part::Offer | Part::Review, Outcome::Cancelled) => texts.will_be_cancelled,
            (Part::Received(_) | Part::Cancelled(_), Outcome::Return) => texts.is_to_be_returned,
            (Part::Offer | Part::Review, Outcome::Return) => texts.will_be_returned,
        }
    }
}

fn time_of(seen: &Seen) -> String {
    format_utc(seen.time)
}

#[derive(Template)]
#[template(path = "withdrawal.html")]
struct Page<'a> {
    texts: &'static Texts,
    layout: Layout<'a>,
    view: &'a View<'a>,
}

/// The page of an order.
///
/// # Errors
///
/// It cannot be rendered.
pub(crate) fn page(request: &Request, view: &View<'_>, socket: Option<&Socket>) -> Result<Response<Body>, Problem> {
    let layout = Layout::new(view.title(&ENGLISH), "withdrawal", Depth::BelowOrder, socket);
    Ok(answer(request, StatusCode::OK, &Page { texts: &ENGLISH, layout, view }, socket)?)
}
