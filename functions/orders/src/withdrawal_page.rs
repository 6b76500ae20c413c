//! Page by which a customer withdraws from an order: two steps, no reason asked, and no script.

mod texts;

use askama::Template;
use data_encoding::BASE64;
use form_urlencoded::parse;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use onewrite::Failure;
use onewrite::http::Problem;
use orderflow_events::{CancellationReason, Person, format_utc};
use sha2::{Digest, Sha256};

use self::texts::{ENGLISH, Refusal, Texts};
use crate::domain::withdrawal::{Outcome, Withdrawn};
use crate::domain::{Known, Seen, Status};

const STYLE: &str = include_str!("../templates/withdrawal.css");

/// Field of the forms that names the step.
const STEP: &str = "step";

/// Headers of the page. Its address may have a secret in it, which no other origin is told; without any referrer, browsers
/// would say `Origin: null` of its forms, as of a stranger's.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

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
    style: &'static str,
    title: &'static str,
    content: Content<'a>,
}

enum Content<'a> {
    Order(&'a View<'a>),
    Refusal(&'static Refusal),
}

/// The page of an order.
///
/// # Errors
///
/// It cannot be rendered.
pub(crate) fn page(view: &View<'_>) -> Result<Response<Body>, Problem> {
    rendered(StatusCode::OK, view.title(&ENGLISH), Content::Order(view)).map_err(Problem::from)
}

/// The page that says why there is nothing to withdraw from, with the status and the headers of the problem.
pub(crate) fn refused(problem: Problem) -> Response<Body> {
    let mut response = Response::<Body>::from(problem);
    let texts = ENGLISH.refusal(response.status());
    let Ok(page) = rendered(response.status(), texts.title, Content::Refusal(texts)) else { return response };
    let (parts, body) = page.into_parts();
    response.headers_mut().extend(parts.headers);
    response.map(|_| body)
}

fn rendered(status: StatusCode, title: &'static str, content: Content<'_>) -> Result<Response<Body>, Failure> {
    let page = Page { texts: &ENGLISH, style: STYLE, title, content };
    let text = page.render().map_err(|error| Failure::permanent(format!("the page cannot be written: {error}")))?;
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    response.headers_mut().extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let policy = HeaderValue::try_from(policy());
    let policy = policy.map_err(|error| Failure::permanent(format!("the policy is no header: {error}")))?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// Rights of the page: its own style, by its digest, and forms to its own API; no script, and nobody's frame.
fn policy() -> String {
    let digest = BASE64.encode(&Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
