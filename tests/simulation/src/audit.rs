//! Invariants of the contract that hold at every moment, checked at every step, by what is really there.
//!
//! Only what a step has touched is looked at, so that a run of a million steps is no slower for it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use onewrite::memory::MemoryLog;
use onewrite::{Cause, CounterUpdate, Row};
use orderflow_events::{
    Event, HoldFlagged, Money, OrderCreated, OrderId, Payload, PaymentId, PaymentMethod, ShipmentId, Sku, StockLine,
    Time,
};
use orderflow_inventory::{AVAILABLE, RESERVED, Stock};
use simulator::{Append, Violation};

use crate::names::{INVENTORY, ORDERS};

/// Most payments by one method that the provider may have to decline within an hour: the limit, and what is under way at once.
const MOST_DECLINES: usize = 20;

/// Most more of them where calls fail: of a decline whose record has not got through nobody knows, until its message comes again.
const MOST_UNRECORDED: usize = 40;

/// Most mails that one recipient may get in a day.
pub const MOST_MAILS: u32 = 20;

/// Most short messages that one recipient may get in a day.
pub const MOST_TEXTS: u32 = 5;

/// Most by which a clock may be wrong, and time that a message takes from its count to its sending, with much to spare.
const MIDNIGHT_MS: i64 = 600_000;

const DAY_MS: i64 = 86_400_000;

/// Messages to somebody in a day, and whether one of them was sent near midnight.
type OfADay = (BTreeSet<Message>, bool);

/// Auditor of the shop.
#[derive(Default)]
pub struct Audit {
    recipients: RefCell<HashMap<(String, i64), OfADay>>,
    declines: RefCell<HashMap<PaymentMethod, HashSet<PaymentId>>>,
    /// Calls may fail.
    is_unsafe: Cell<bool>,
    orders: RefCell<HashSet<OrderId>>,
    by_payment: RefCell<HashMap<PaymentId, OrderId>>,
    by_shipment: RefCell<HashMap<ShipmentId, OrderId>>,
    holdings: RefCell<HashMap<OrderId, Holding>>,
    shelves: RefCell<HashMap<Sku, Shelf>>,
    free: RefCell<HashSet<OrderId>>,
    prices: RefCell<HashMap<Sku, Vec<Money>>>,
    totals: RefCell<HashMap<OrderId, Money>>,
    charges: RefCell<HashMap<OrderId, usize>>,
    reserved: RefCell<HashSet<OrderId>>,
    /// Orders that are cleared.
    cleared: RefCell<HashSet<OrderId>>,
    /// Orders whose money may go back: they are cancelled, or their goods are back.
    undone: RefCell<HashSet<OrderId>>,
    messages: RefCell<BTreeMap<Message, u32>>,
    sent: Cell<u64>,
    sent_by_channel: RefCell<HashMap<&'static str, u64>>,
    promises: RefCell<Vec<(OrderId, Promise)>>,
    /// Time before which no order was placed that may be unpaid.
    due_before: Cell<Option<Time>>,
    /// Customers of whom somebody has asked that they be erased.
    erased: RefCell<HashSet<String>>,
}

/// Producer at the intake that may state prices. No other may.
pub const PRICING_PRODUCER: &str = "https://shop.example/web";

/// Promise of the API to a customer, who may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The order is placed.
    Placed,
    /// The order is cancelled.
    Cancelled,
    /// The order is shipped, and cannot be cancelled.
    Shipped,
    /// The goods are to be sent back.
    Returning,
    /// The goods are back.
    Returned,
    /// The customer is erased, and so the order ends, and is nobody's.
    Erased,
}

/// Message to a customer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// Order that it is about.
    pub order: OrderId,
    /// Channel: `mail` or `sms`.
    pub channel: &'static str,
    /// Address or number that it was sent to.
    pub recipient: String,
    /// Subject of the mail, or text of the short message.
    pub text: String,
    /// Mail as plain text, but for what each link to the order has of its own: a mail that is repeated has another one. Empty of a
    /// short message.
    pub body: String,
}

impl Message {
    /// Message that names its order.
    ///
    /// # Errors
    ///
    /// It names none that there is.
    fn about(audit: &Audit, channel: &'static str, recipient: &str, text: &str, body: &str) -> Result<Self, Violation> {
        let mut words = text.split([' ', '.', ',']).filter_map(|word| OrderId::new(word).ok());
        let order = words.find(|word| audit.orders.borrow().contains(word));
        let order = order.ok_or_else(|| Violation::new(format!("a message is about no order: {text}")))?;
        let (recipient, text, body) = (recipient.to_owned(), text.to_owned(), without_access(body));
        Ok(Self { order, channel, recipient, text, body })
    }

    /// Tells that it is the first: we have your order.
    #[must_use]
    pub fn is_thanks(&self) -> bool {
        self.text.starts_with("Thank you for your order")
    }

    /// Tells that it is about goods that are on their way.
    #[must_use]
    pub fn is_shipped(&self) -> bool {
        self.text.contains("is on its way")
    }

    /// Tells that it is about an order that was given up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.text.contains("is cancelled")
    }

    /// Tells that it is about goods that are to be sent back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.text.starts_with("We have received your withdrawal")
    }
}

/// A text without the values of the parameter `access`.
fn without_access(text: &str) -> String {
    let line = |line: &str| match line.split_once("access=") {
        Some((before, _)) => format!("{before}access="),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

struct Holding {
    lines: Vec<StockLine>,
    has_left: bool,
}

#[derive(Default)]
struct Shelf {
    on_hand: i64,
    reserved: i64,
}

fn of(order: &OrderId, what: impl Into<String>) -> Violation {
    Violation::of(order.as_str(), what)
}

/// Tells that a row has somebody's street or address in it: every customer here has these.
fn names_somebody(row: &Row) -> bool {
    let names = |text: &str| ["Analytical Road", "@example", "@bücher"].iter().any(|name| text.contains(name));
    row.events.iter().any(|event| names(event)) || row.change.as_ref().is_some_and(|change| names(&change.to_string()))
}

impl Audit {
    /// Notes that a customer is about to be erased.
    pub fn erasing(&self, customer: &str) {
        self.erased.borrow_mut().insert(customer.to_owned());
    }

    /// Tells that a customer may be erased.
    #[must_use]
    pub fn may_be_erased(&self, customer: &str) -> bool {
        self.erased.borrow().contains(customer)
    }

    /// Notes that an order is on its way into the system.
    pub fn met(&self, order: &OrderId) {
        if self.orders.borrow_mut().insert(order.clone()) {
            self.by_payment.borrow_mut().insert(PaymentId::of(order), order.clone());
            self.by_shipment.borrow_mut().insert(ShipmentId::of(order), order.clone());
        }
    }

    /// All orders, in the order of their ids.
    pub fn orders(&self) -> Vec<OrderId> {
        let mut orders: Vec<OrderId> = self.orders.borrow().iter().cloned().collect();
        orders.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        orders
    }

    /// Order of a payment.
    pub fn order_of_payment(&self, payment: &PaymentId) -> Option<OrderId> {
        self.by_payment.borrow().get(payment).cloned()
    }

    /// Order of a shipment.
    pub fn order_of_shipment(&self, shipment: &ShipmentId) -> Option<OrderId> {
        self.by_shipment.borrow().get(shipment).cloned()
    }

    /// Notes that the open orders were swept at `now`, and that whatever is older than `due` must be paid or over.
    pub fn swept(&self, now: Time, due: Duration) {
        self.due_before.set(Some(Time::from_millis(now.as_millis() - i64::try_from(due.as_millis()).unwrap_or(0))));
    }

    /// Tells that an order which was created then, and is not paid, keeps its goods for too long.
    #[must_use]
    pub fn is_overdue(&self, created_at: Time) -> bool {
        self.due_before.get().is_some_and(|due_before| created_at < due_before)
    }

    /// Notes what the API has promised to a customer.
    pub fn promised(&self, order: &OrderId, promise: Promise) {
        self.promises.borrow_mut().push((order.clone(), promise));
    }

    /// Promises to customers.
    pub fn promises(&self) -> Vec<(OrderId, Promise)> {
        self.promises.borrow().clone()
    }

    /// Notes the rows that one write has added.
    ///
    /// # Errors
    ///
    /// They move goods that they may not move, or do not tell of goods that they move.
    pub fn appended(&self, appends: &[Append<'_>]) -> Result<(), Violation> {
        appends.iter().try_for_each(|append| self.noted(append))?;
        let shelves = self.shelves.borrow();
        for append in appends.iter().filter(|append| append.service == INVENTORY) {
            let order = OrderId::new(append.addition.subject.as_str()).ok();
            let mut skus = append.addition.updates.iter().filter_map(|update| Sku::new(&*update.key).ok());
            skus.try_for_each(|sku| check_shelf(order.as_ref(), &sku, shelves.get(&sku), append.table))?;
        }
        Ok(())
    }

    fn noted(&self, append: &Append<'_>) -> Result<(), Violation> {
        let Ok(order) = OrderId::new(append.addition.subject.as_str()) else {
            return Err(Violation::of(append.addition.subject.as_str(), "a row is of no order"));
        };
        if names_somebody(append.addition.row) {
            return Err(of(&order, format!("a row of {} has a person in clear", append.service)));
        }
        for said in append.addition.row.events.iter().filter_map(|text| Event::decode(text).ok()) {
            let known_as = match said.data {
                Payload::OrderCancelled(_) | Payload::GoodsReturned(_) => &self.undone,
                Payload::OrderCleared(_) => &self.cleared,
                _ => continue,
            };
            known_as.borrow_mut().insert(order.clone());
        }
        match append.service {
            ORDERS if append.addition.row.version == 1 => {
                self.met(&order);
                let first = append.addition.row.events.first().and_then(|text| Event::decode(text).ok());
                match first.map(|event| event.data) {
                    Some(Payload::OrderCreated(created)) => self.created(order, &append.addition.row.cause, &created),
                    _ => Err(of(&order, "an order begins with another event than its creation")),
                }
            }
            INVENTORY => self.moved(&order, append.addition.row, append.addition.updates),
            _ => Ok(()),
        }
    }

    /// An order was created: its total is the sum of its lines, and each price is the table's, or was stated by one who may.
    fn created(&self, order: OrderId, cause: &Cause, created: &OrderCreated) -> Result<(), Violation> {
        if created.details.total() != Some(created.total) {
            return Err(of(&order, format!("the total {} is not the sum of the lines", created.total)));
        }
        let is_stated = match cause.event_type.as_str() {
            // Where nobody is signed in, everybody may do everything.
            "PlaceOrder" => cause.by.is_none(),
            _ => cause.source == PRICING_PRODUCER,
        };
        let prices = self.prices.borrow();
        let is_listed = |sku: &Sku, price| prices.get(sku).is_some_and(|prices| prices.contains(price));
        let forged = created.details.lines.iter().find(|line| !is_stated && !is_listed(&line.sku, &line.unit_price));
        if let Some(line) = forged {
            let what = format!("somebody named their own price of {}: {}", line.sku, line.unit_price);
            return Err(of(&order, what));
        }
        self.totals.borrow_mut().insert(order.clone(), created.total);
        if created.total.is_zero() {
            self.free.borrow_mut().insert(order);
        }
        Ok(())
    }

    /// Notes that a SKU has a price from now on.
    pub fn priced(&self, sku: &Sku, price: Money) {
        self.prices.borrow_mut().entry(sku.clone()).or_default().push(price);
    }

    /// The price that a SKU has, if it has one.
    #[must_use]
    pub fn price_of(&self, sku: &str) -> Option<Money> {
        self.prices.borrow().get(&Sku::new(sku).ok()?)?.last().copied()
    }

    /// Notes that the provider was asked for an amount.
    ///
    /// # Errors
    ///
    /// It is not the total of the order.
    pub fn asked_for(&self, payment: &PaymentId, amount: Money) -> Result<(), Violation> {
        let Some(order) = self.order_of_payment(payment) else { return Ok(()) };
        match self.totals.borrow().get(&order) {
            Some(total) if *total == amount => Ok(()),
            total => Err(of(&order, format!("{amount} was asked for an order of {total:?}"))),
        }
    }

    /// Goods have moved: those that a row tells of, and only those.
    fn moved(&self, order: &OrderId, row: &Row, updates: &[CounterUpdate]) -> Result<(), Violation> {
        let mut holdings = self.holdings.borrow_mut();
        let mut shelves = self.shelves.borrow_mut();
        let mut moves = |line: &StockLine, on_hand: i64, reserved: i64| {
            let entry = shelves.entry(line.sku.clone()).or_default();
            entry.on_hand += on_hand * i64::from(line.quantity);
            entry.reserved += reserved * i64::from(line.quantity);
        };
        let said = row.events.first().and_then(|text| Event::decode(text).ok()).map(|event| event.data);
        match (&said, holdings.get_mut(order)) {
            (Some(Payload::InventoryReserved(reserved)), None) => {
                reserved.lines.iter().for_each(|line| moves(line, 0, 1));
                self.reserved.borrow_mut().insert(order.clone());
                holdings.insert(order.clone(), Holding { lines: reserved.lines.clone(), has_left: false });
            }
            (Some(Payload::InventoryReserved(_)), Some(_)) => {
                return Err(of(order, "goods were reserved twice for one order"));
            }
            (Some(Payload::InventoryReleased(_)), Some(holding)) => {
                let has_left = holding.has_left;
                holding.lines.iter().for_each(|line| if has_left { moves(line, 1, 0) } else { moves(line, 0, -1) });
                holdings.remove(order);
            }
            (Some(Payload::InventoryReleased(_)), None) => {
                return Err(of(order, "goods were released that nobody held"));
            }
            (Some(Payload::GoodsReturned(_)), Some(holding)) if holding.has_left => {
                holding.lines.iter().for_each(|line| moves(line, 1, 0));
                holdings.remove(order);
            }
            (Some(Payload::GoodsReturned(_)), _) => {
                return Err(of(order, "goods came back that were not away"));
            }
            (None, Some(holding)) if !updates.is_empty() => {
                if std::mem::replace(&mut holding.has_left, true) {
                    return Err(of(order, "goods left twice for one order"));
                }
                holding.lines.iter().for_each(|line| moves(line, -1, -1));
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes that somebody has counted a shelf: there is on hand what they say.
    ///
    /// # Errors
    ///
    /// The stock says something else.
    pub fn counted(&self, log: &MemoryLog, sku: &Sku, stock: Stock) -> Result<(), Violation> {
        let mut shelves = self.shelves.borrow_mut();
        shelves.entry(sku.clone()).or_default().on_hand = stock.on_hand();
        check_shelf(None, sku, shelves.get(sku), log)
    }

    /// Notes that the provider was asked to charge, and how often it has charged by now.
    ///
    /// # Errors
    ///
    /// It was asked for nothing, or has charged more than once, or for no order.
    pub fn charged(&self, payment: &PaymentId, charges: usize) -> Result<(), Violation> {
        if let Some(order) = self.order_of_payment(payment) {
            self.charges.borrow_mut().insert(order, charges);
        }
        match (charges, self.order_of_payment(payment)) {
            (_, Some(order)) if self.is_free(&order) => Err(of(&order, "money was asked for a free order")),
            (0, _) | (1, Some(_)) => Ok(()),
            (_, None) => Err(Violation::new(format!("a charge {payment} belongs to no order"))),
            (_, Some(order)) => Err(of(&order, format!("an order was charged {charges} times"))),
        }
    }

    /// Expects calls to fail.
    pub fn expect_faults(&self) {
        self.is_unsafe.set(true);
    }

    /// Notes that the provider has declined a payment by that method.
    ///
    /// # Errors
    ///
    /// It was asked for more of them than it should have been. A run takes less than the hour in which they count.
    pub fn declined(&self, payment: &PaymentId, method: &PaymentMethod) -> Result<(), Violation> {
        let mut declines = self.declines.borrow_mut();
        let payments = declines.entry(method.clone()).or_default();
        payments.insert(payment.clone());
        let unrecorded = if self.is_unsafe.get() { MOST_UNRECORDED } else { 0 };
        if payments.len() <= MOST_DECLINES + unrecorded {
            return Ok(());
        }
        let what = format!("the provider was asked for {} payments that it declined, by one method", payments.len());
        Err(Violation::new(what))
    }

    /// Notes that the provider has refunded what it had charged so often.
    ///
    /// # Errors
    ///
    /// It had charged nothing, or the order is neither cancelled nor are its goods back.
    pub fn refunded(&self, payment: &PaymentId, charges: usize) -> Result<(), Violation> {
        let order = self.order_of_payment(payment);
        let may_be = order.as_ref().is_some_and(|order| self.undone.borrow().contains(order));
        let what = match (charges, may_be) {
            (1, true) => return Ok(()),
            (1, false) => "an order was refunded that is neither cancelled nor back",
            _ => "an order was refunded that had not been charged",
        };
        Err(order.map_or_else(|| Violation::new(what), |order| of(&order, what)))
    }

    /// Notes that the carrier was asked to take a shipment, how often it has by now, and how often its order is charged.
    ///
    /// # Errors
    ///
    /// It has taken one more than once, for no order, without a charge, or, where that matters, before it was cleared.
    pub fn booked(
        &self,
        shipment: &ShipmentId,
        bookings: usize,
        charges: usize,
        rule: HoldFlagged,
    ) -> Result<(), Violation> {
        match (bookings, self.order_of_shipment(shipment)) {
            (0, _) => Ok(()),
            (_, None) => Err(Violation::new(format!("a shipment {shipment} belongs to no order"))),
            (1, Some(order)) if charges == 0 && !self.is_free(&order) => {
                Err(of(&order, "a shipment was booked without a charge"))
            }
            (1, Some(order)) if rule == HoldFlagged::Yes && !self.cleared.borrow().contains(&order) => {
                Err(of(&order, "a shipment was booked that nobody has cleared"))
            }
            (1, Some(_)) => Ok(()),
            (_, Some(order)) => Err(of(&order, format!("a shipment was booked {bookings} times"))),
        }
    }

    /// Tells that there is nothing to pay for an order.
    #[must_use]
    pub fn is_free(&self, order: &OrderId) -> bool {
        self.free.borrow().contains(order)
    }

    /// Notes that a customer was sent a message at a time, when so many leases had been given.
    ///
    /// # Errors
    ///
    /// There are more messages on the channel than leases, or it is a success before there are goods, or the recipient has had as
    /// many that day as anybody may.
    pub fn told(
        &self,
        channel: &'static str,
        recipient: &str,
        (text, body): (&str, &str),
        (leases, at): (u64, Time),
    ) -> Result<(), Violation> {
        let message = Message::about(self, channel, recipient, text, body)?;
        self.sent.set(self.sent.get() + 1);
        let mut by_channel = self.sent_by_channel.borrow_mut();
        let sent = by_channel.entry(channel).or_insert(0_u64);
        *sent += 1;
        if *sent > leases {
            return Err(of(&message.order, format!("a message was sent without a lease: {text}")));
        }
        if !message.is_cancelled() && !self.reserved.borrow().contains(&message.order) {
            return Err(of(&message.order, format!("a customer was told of goods that nobody has: {text}")));
        }
        let day = at.as_millis().div_euclid(DAY_MS);
        let mut recipients = self.recipients.borrow_mut();
        let (of_day, is_near_midnight) = recipients.entry((recipient.to_owned(), day)).or_default();
        of_day.insert(message.clone());
        // The clock of who sends it may have another day than ours, for which there are as many more.
        *is_near_midnight |= (at.as_millis() + MIDNIGHT_MS).rem_euclid(DAY_MS) < 2 * MIDNIGHT_MS;
        let most = if channel == "mail" { MOST_MAILS } else { MOST_TEXTS };
        let most = if *is_near_midnight { 2 * most } else { most };
        if of_day.len() > most as usize {
            let texts: Vec<&str> = of_day.iter().map(|message| message.text.as_str()).collect();
            let what = format!("{recipient} has had {} messages in a day: {}", of_day.len(), texts.join(" / "));
            return Err(of(&message.order, what));
        }
        *self.messages.borrow_mut().entry(message).or_default() += 1;
        Ok(())
    }

    /// Number of times that the provider has charged for an order.
    #[must_use]
    pub fn charges_of(&self, order: &OrderId) -> usize {
        self.charges.borrow().get(order).copied().unwrap_or_default()
    }

    /// Messages to customers, each once.
    #[must_use]
    pub fn told_of(&self, order: &OrderId) -> Vec<Message> {
        self.messages.borrow().keys().filter(|message| message.order == *order).cloned().collect()
    }

    /// Number of messages that were sent, and of those among them that had been sent before: after a crash between
    /// sending and recording, or a lost answer.
    pub fn messages(&self) -> (u64, u64) {
        (self.sent.get(), self.sent.get() - self.messages.borrow().len() as u64)
    }
}

fn check_shelf(order: Option<&OrderId>, sku: &Sku, truth: Option<&Shelf>, log: &MemoryLog) -> Result<(), Violation> {
    let (available, reserved) = (log.counter(sku.as_str(), AVAILABLE), log.counter(sku.as_str(), RESERVED));
    let (on_hand, open) = truth.map_or((0, 0), |truth| (truth.on_hand, truth.reserved));
    let what = if available < 0 || reserved < 0 {
        format!("{sku} is oversold: {available} available, {reserved} reserved")
    } else if reserved != open {
        format!("{sku} has {reserved} reserved, and open reservations of {open}")
    } else if available + reserved != on_hand {
        format!("{sku} has {available} available and {reserved} reserved of {on_hand} on hand")
    } else {
        return Ok(());
    };
    Err(order.map_or_else(|| Violation::new(&*what), |order| of(order, &*what)))
}
