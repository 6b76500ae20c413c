//! Page of an order: what has happened, what it waits for, what comes then, and what the customer may do about it.

mod texts;

use askama::Template;
use form_urlencoded::parse;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use onewrite::http::Problem;
use orderflow_events::{EventType, Line, Person, Time, amount};

use self::texts::{ENGLISH, Stage, Texts};
use crate::domain::{Known, Progress, Return, Seen, Shipment, Status};
use crate::page::{Depth, Layout, Moment, Socket, answer};

/// Seconds between two looks at an order that moves by itself.
const PACE_SECONDS: u32 = 2;

/// The same of one that waits for a person, or has come to its end, of which something may still become.
const PACE_AT_REST_SECONDS: u32 = 60;

/// Time without a step after which a customer is told that it takes long, in milliseconds.
const SLOW_MS: i64 = 120_000;

/// Field of the form that names what is to be done.
const DO: &str = "do";

/// Value of it for a cancellation.
const CANCEL: &str = "cancel";

/// True of a form that asks for the cancellation of the order.
pub(crate) fn asks_to_cancel(body: &Body) -> bool {
    parse(body.as_ref()).any(|(name, value)| name == DO && value == CANCEL)
}

/// View of an order that a visitor may have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight<'a> {
    /// All of it, with who has placed it, if anybody knows that still.
    Whole(Option<&'a Person>),
    /// Progress and total alone: the link has expired.
    Redacted,
}

/// View of an order on the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// The order.
    pub(crate) known: &'a Known,
    /// As much of it as is shown.
    pub(crate) sight: Sight<'a>,
    /// The `access` of the page's address, for the links on it.
    pub(crate) access: Option<&'a str>,
    /// True if the customer can withdraw from it.
    pub(crate) is_withdrawable: bool,
    /// True of an order that was to be cancelled, and was on its way already.
    pub(crate) was_late: bool,
    /// The present.
    pub(crate) now: Time,
}

/// Step of an order that is to come.
struct Coming {
    when: &'static str,
    what: &'static str,
}

/// Step of an order that has happened.
struct Past<'a> {
    what: &'static str,
    at: Moment,
    shipment: Option<&'a Shipment>,
}

impl<'a> View<'a> {
    fn stage(&self, texts: &'static Texts) -> &'static Stage {
        match (self.known.status, &self.known.goods_return) {
            (Status::Open(Progress::Created), _) => &texts.created,
            (Status::Open(Progress::Reserved), _) if self.known.created.total.is_zero() => &texts.reserved_free,
            (Status::Open(Progress::Reserved), _) => &texts.reserved,
            (Status::Open(Progress::Paid), _) => &texts.paid,
            (Status::Shipped, None) => &texts.shipped,
            (Status::Shipped, Some(Return { received_at: None, .. })) => &texts.awaited_back,
            (Status::Shipped, Some(_)) if self.awaits_money() => &texts.back_unpaid,
            (Status::Shipped, Some(_)) => &texts.back,
            (Status::Cancelled(reason), _) => texts.cancelled(reason),
        }
    }

    /// Colour of the headline.
    fn tone(&self) -> &'static str {
        match (self.known.status, &self.known.goods_return) {
            (Status::Open(_), _) | (Status::Shipped, Some(Return { received_at: None, .. })) => "open",
            (Status::Shipped, _) => "done",
            (Status::Cancelled(_), _) => "cancelled",
        }
    }

    /// True where money was taken, has to be given back, and was not yet.
    fn awaits_money(&self) -> bool {
        let is_due = match self.known.status {
            Status::Open(_) => false,
            Status::Cancelled(_) => true,
            Status::Shipped => self.known.goods_return.as_ref().is_some_and(|back| back.received_at.is_some()),
        };
        is_due && self.known.payment.as_ref().is_some_and(|paid| !paid.refunded && !paid.amount.is_zero())
    }

    fn has_money_back(&self) -> bool {
        self.known.payment.as_ref().is_some_and(|paid| paid.refunded && !paid.amount.is_zero())
    }

    /// Sentence about the money of an order that was given up.
    fn about_money(&self, texts: &'static Texts) -> Option<&'static str> {
        match self.known.status {
            Status::Open(_) => None,
            Status::Cancelled(_) if self.awaits_money() => Some(texts.money_to_come),
            Status::Cancelled(_) | Status::Shipped => self.has_money_back().then_some(texts.money_is_back),
        }
    }

    /// True of an order that should have moved by now.
    fn is_slow(&self) -> bool {
        let moves = matches!(self.known.status, Status::Open(_)) || self.awaits_money();
        let last = self.known.timeline.iter().map(|seen| seen.time.as_millis()).max();
        moves && last.is_some_and(|last| self.now.as_millis() - last > SLOW_MS)
    }

    /// Seconds after which it may look otherwise.
    fn pace_seconds(&self) -> u32 {
        match self.known.status {
            Status::Open(_) => PACE_SECONDS,
            Status::Cancelled(_) | Status::Shipped if self.awaits_money() => PACE_SECONDS,
            Status::Cancelled(_) | Status::Shipped => PACE_AT_REST_SECONDS,
        }
    }

    fn past(&self, texts: &Texts) -> Vec<Past<'a>> {
        let step = |seen: &Seen| {
            let event_type = EventType::named(&seen.event_type)?;
            let shipment = self.known.shipment.as_ref().filter(|_| event_type == EventType::ShipmentCreated);
            let shipment = shipment.filter(|_| !self.is_redacted());
            Some(Past { what: (texts.event)(event_type)?, at: Moment(seen.time), shipment })
        };
        self.known.by_time().into_iter().filter_map(step).collect()
    }

    /// Steps to come: the first of them is what it waits for now.
    fn coming(&self, texts: &Texts) -> Vec<Coming> {
        let charge = if self.known.created.total.is_zero() { None } else { Some(texts.charge) };
        let steps = match (self.known.status, &self.known.goods_return) {
            (Status::Open(Progress::Created), _) => vec![Some(texts.set_aside), charge, Some(texts.ship)],
            (Status::Open(Progress::Reserved), _) => vec![charge, Some(texts.ship)],
            (Status::Open(Progress::Paid), _) => vec![Some(texts.ship)],
            (Status::Shipped, Some(Return { received_at: None, .. })) => {
                vec![Some(texts.send_back), charge.and(Some(texts.refund))]
            }
            (Status::Cancelled(_) | Status::Shipped, _) => vec![self.awaits_money().then_some(texts.refund)],
        };
        let whens = std::iter::once(texts.now).chain(std::iter::repeat(texts.next));
        steps.into_iter().flatten().zip(whens).map(|(what, when)| Coming { when, what }).collect()
    }

    fn is_redacted(&self) -> bool {
        matches!(self.sight, Sight::Redacted)
    }

    fn is_cancellable(&self) -> bool {
        matches!(self.known.status, Status::Open(_)) && !self.is_redacted()
    }

    fn lines(&self) -> &'a [Line] {
        if self.is_redacted() { &[] } else { &self.known.created.details.lines }
    }

    fn total(&self) -> String {
        amount(self.known.created.total)
    }

    /// Address of a page of this order from this one, with what it says of who may act for it.
    fn address(&self, page: &str) -> String {
        let address = format!("{}{page}", self.known.created.order_id);
        self.access.map_or(address.clone(), |access| format!("{address}?access={access}"))
    }
}

#[derive(Template)]
#[template(path = "order.html")]
struct Page<'a> {
    texts: &'static Texts,
    layout: Layout<'a>,
    view: &'a View<'a>,
    stage: &'static Stage,
}

/// The page of an order.
///
/// # Errors
///
/// It cannot be rendered.
pub(crate) fn page(request: &Request, view: &View<'_>, socket: Option<&Socket>) -> Result<Response<Body>, Problem> {
    let stage = view.stage(&ENGLISH);
    let mut layout = Layout::new(stage.title, "order", Depth::Order, socket);
    layout.pace_seconds = Some(view.pace_seconds());
    let status = if view.was_late { StatusCode::CONFLICT } else { StatusCode::OK };
    Ok(answer(request, status, &Page { texts: &ENGLISH, layout, view, stage }, socket)?)
}
