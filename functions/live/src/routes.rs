//! Routes of the WebSocket API: what a client says, and what is made of it.
//!
//! All that is said to a client is sent to its connection; the answer to a route is empty. Where the protocol closes a connection
//! with a code of its own, it is closed here without one: API Gateway has no other way.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use onewrite::access::{Access, KeySets, NoKeySets, Session};
use onewrite::envelope::{Pattern, parse};
use onewrite::feed::Cursor;
use onewrite::http::Problem;
use onewrite::link::{LinkKeySource, NoLinkKeys};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Failure, Result};
use orderflow_events::scope::{EVENTS_READ, OPERATIONS, ORDERS_ANY};
use orderflow_events::{OrderId, Time};
use orderflow_orders::{Guests, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use crate::domain::{Refusal, Right, Topic};
use crate::port::{Added, Boards, Feed, MAX_SUBSCRIPTIONS, Sent, Sockets, Watch, Watches};
use crate::protocol::{self, Credentials, FromClient, Plain, SUBPROTOCOL, ToClient};
use crate::push::Push;
use crate::schema::{Wish, errors, refused};

/// Time for which something is kept of a connection, if nobody says that it is closed. One lives for two hours at the most.
const KEPT: Duration = Duration::from_hours(3);

/// Attempts to add a subscription, and the longest pause before the second: a client that begins with many adds them at once, and each is a
/// transaction on its connection.
const ATTEMPTS: u32 = 8;
const PAUSE_MS: u32 = 50;

/// Header by which a client says which protocols it speaks, and is told which one it is.
const PROTOCOL_HEADER: &str = "Sec-WebSocket-Protocol";

/// Event of the WebSocket API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    request_context: Context,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    connection_id: String,
    event_type: EventType,
}

/// Type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// A client connects.
    Connect,
    /// It says something.
    Message,
    /// It is gone.
    Disconnect,
}

/// Answer to an event. It has no body.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    status_code: u16,
    headers: HashMap<&'static str, &'static str>,
}

impl Reply {
    fn of(status_code: u16) -> Self {
        Self { status_code, headers: HashMap::new() }
    }
}

/// Routes of the WebSocket API.
pub struct Routes<L, W, S, C, F, B, K = NoKeySets, G = NoLinkKeys> {
    push: Push<L, W, S, C, F, B>,
    access: Access<K>,
    guests: Option<Guests<G>>,
}

impl<L: Log, W: Clock + Random, S: Watches, C: Sockets, F: Feed, B: Boards, K: KeySets, G: LinkKeySource>
    Routes<L, W, S, C, F, B, K, G>
{
    /// Routes for whom `access` lets in, and for guests, if there are to be any.
    pub fn new(push: Push<L, W, S, C, F, B>, access: Access<K>, guests: Option<Guests<G>>) -> Self {
        Self { push, access, guests }
    }

    /// Opens the connections, and fetches the keys of the tokens. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        self.push.warm().await;
        self.access.warm(self.push.world().now()).await;
    }

    /// Answers an event.
    ///
    /// # Errors
    ///
    /// It did not work out, and the connection could not even be closed.
    pub async fn answer(&self, event: &Event) -> Result<Reply> {
        let connection = event.request_context.connection_id.as_str();
        match event.request_context.event_type {
            EventType::Connect => Ok(connect(&event.headers)),
            EventType::Disconnect => self.push.watches().close(connection).await.map(|()| Reply::of(200)),
            EventType::Message => {
                if let Err(failure) = self.hear(connection, event.body.as_deref().unwrap_or_default()).await {
                    // The client comes back, and says what it has.
                    warn!(reason = failure.reason(), "a message did not work out: its connection is closed");
                    self.push.close(connection).await?;
                }
                Ok(Reply::of(200))
            }
        }
    }

    async fn hear(&self, connection: &str, text: &str) -> Result<()> {
        match protocol::read(text) {
            Some(FromClient::ConnectionInit(credentials)) => self.open(connection, credentials).await,
            Some(FromClient::Ping(payload)) => {
                self.say(connection, &Plain::Pong { payload: payload.as_deref() }).await?;
                self.tell_board(connection).await
            }
            Some(FromClient::Pong) => Ok(()),
            Some(FromClient::Subscribe(id, request)) => self.subscribe(connection, id, request.get()).await,
            Some(FromClient::Complete(id)) => self.push.watches().end(connection, &id).await,
            None => {
                info!("a message of no client of the protocol");
                self.push.close(connection).await
            }
        }
    }

    /// A client says who they are. Whose credentials do not count is let in all the same, as nobody: then each of its
    /// subscriptions is told why, once, and does not come again by itself.
    async fn open(&self, connection: &str, credentials: Credentials) -> Result<()> {
        let now = self.push.world().now();
        let right = self.right(credentials, now).await?;
        if !self.push.watches().open(connection, &right, now.after(KEPT)).await? {
            info!("a client says twice who they are");
            return self.push.close(connection).await;
        }
        self.say(connection, &Plain::ConnectionAck {}).await
    }

    async fn right(&self, credentials: Credentials, now: Time) -> Result<Right> {
        let Credentials { token, access, order } = credentials;
        if let (None, Some(access), Some(order), Some(guests)) = (&token, access, order, &self.guests) {
            let Ok(order) = OrderId::new(order) else { return Ok(Right::Nobody("There is no such order.".to_owned())) };
            return match guests.holder(order.as_str(), &access, now).await {
                Ok(Visitor::Holder { link, .. }) => {
                    Ok(Right::Holder { order, issued_at: link.issued_at, ends_at: link.expires_at })
                }
                Ok(Visitor::Caller(_)) => Ok(Right::Nobody("The link does not count.".to_owned())),
                Err(problem) => nobody(&problem),
            };
        }
        match self.access.session(token.as_deref(), now).await {
            Ok(Session { caller, ends_at }) => Ok(match (caller.subject(), ends_at) {
                (Some(subject), Some(ends_at)) => {
                    let scopes = [ORDERS_ANY, EVENTS_READ, OPERATIONS].into_iter().filter(|scope| caller.has(scope));
                    Right::Caller { subject: subject.clone(), scopes: scopes.map(str::to_owned).collect(), ends_at }
                }
                _ => Right::Anybody,
            }),
            Err(problem) => nobody(&problem),
        }
    }

    /// Tells a client the board if it watches that, and it is another: by the time alone, of which nobody else tells. So the client's
    /// clock is the board's, and where nobody watches there is none. What passes closes nobody: the next ping looks again.
    async fn tell_board(&self, connection: &str) -> Result<()> {
        match self.push.tell_board_to(connection).await {
            Err(failure) if failure.kind().is_retryable() => {
                warn!(reason = failure.reason(), "a ping finds no board");
                Ok(())
            }
            told => told,
        }
    }

    async fn subscribe(&self, connection: &str, id: String, request: &str) -> Result<()> {
        let known = self.push.watches().connection(connection).await?;
        let Some(known) = known.filter(|known| !known.subscriptions.contains_key(&id)) else {
            info!("a subscription before its connection is opened, or twice");
            return self.push.close(connection).await;
        };
        match self.watch(connection, &id, request, known.right).await? {
            Ok(watch) => {
                match self.add(&watch).await? {
                    // What happens from here on is told by whoever hears of it; what has happened before it, now.
                    Added::Done => self.push.tell_past(watch).await,
                    Added::Taken => self.push.close(connection).await,
                    Added::Closed | Added::Ended => Ok(()),
                    Added::ConnectionFull => {
                        let limit = format!("A connection has at most {MAX_SUBSCRIPTIONS} subscriptions.");
                        self.refuse(connection, &id, &limit).await
                    }
                    Added::TopicFull => {
                        let most = watch.topic.most();
                        let limit =
                            format!("There are {most} subscriptions to the same already, and no more than that.");
                        self.refuse(connection, &id, &limit).await
                    }
                    Added::Collided => Err(Failure::transient("a connection changes all the time")),
                }
            }
            Err(payload) => self.say(connection, &ToClient::Error { id: &id, payload }).await,
        }
    }

    async fn add(&self, watch: &Watch) -> Result<Added> {
        let world = self.push.world();
        for attempt in 1..ATTEMPTS {
            match self.push.watches().add(watch, world.now().after(KEPT)).await? {
                Added::Collided => {
                    let pause_ms = world.below(u64::from(PAUSE_MS * attempt));
                    world.sleep(Duration::from_millis(pause_ms)).await;
                }
                added => return Ok(added),
            }
        }
        self.push.watches().add(watch, world.now().after(KEPT)).await
    }

    /// A subscription is one too many.
    async fn refuse(&self, connection: &str, id: &str, limit: &str) -> Result<()> {
        let payload = errors(limit, "FORBIDDEN");
        self.say(connection, &ToClient::Error { id, payload }).await
    }

    /// Subscription that a request asks for; else the errors that the client is told.
    async fn watch(&self, connection: &str, id: &str, request: &str, right: Right) -> Result<Result<Watch, Value>> {
        if let Err(refusal) = right.counts(self.push.world().now()) {
            return Ok(Err(refused(&refusal)));
        }
        let begin = match self.push.schema().wish(request).await {
            Ok(Wish::Order(order, after)) => self.begin_order(order, after, &right).await?,
            Ok(Wish::Events(matching, after)) => self.begin_events(matching, after, &right).await?,
            Ok(Wish::Board) => match right.of_board(self.push.world().now()) {
                Ok(()) => Ok((Topic::Board, String::new())),
                Err(refusal) => Err(refused(&refusal)),
            },
            Err(errors) => Err(errors),
        };
        let watch = |(topic, position)| Watch {
            topic,
            connection: connection.to_owned(),
            subscription: id.to_owned(),
            right,
            request: request.to_owned(),
            position,
            turn: self.push.name(),
            holder: None,
        };
        Ok(begin.map(watch))
    }

    /// Topic and position of a subscription to an order.
    async fn begin_order(
        &self,
        order: String,
        after: Option<i32>,
        right: &Right,
    ) -> Result<Result<(Topic, String), Value>> {
        let Ok(order) = OrderId::new(order) else { return Ok(Err(refused(&Refusal::NotFound))) };
        if let Err(refusal) = right.may_reach(&order, self.push.world().now()) {
            return Ok(Err(refused(&refusal)));
        }
        let updates = self.push.updates(&order).await?;
        if let Err(refusal) = right.of(&updates, self.push.world().now()) {
            return Ok(Err(refused(&refusal)));
        }
        let latest = u32::try_from(updates.len()).unwrap_or(u32::MAX);
        let position = match after.map(u32::try_from) {
            // The latest says how it stands.
            None => latest.saturating_sub(1),
            Some(Ok(after)) if after <= latest => after,
            Some(_) => {
                let fault = format!("after must be 0 to {latest}, the sequence of the latest update.");
                return Ok(Err(errors(&fault, "BAD_USER_INPUT")));
            }
        };
        Ok(Ok((Topic::Order(order), position.to_string())))
    }

    /// Topic and position of a subscription to the events of all orders. A pattern that is none is refused with its place.
    async fn begin_events(
        &self,
        matching: Option<Value>,
        after: Option<String>,
        right: &Right,
    ) -> Result<Result<(Topic, String), Value>> {
        if let Err(refusal) = right.of_events(self.push.world().now()) {
            return Ok(Err(refused(&refusal)));
        }
        let matching = matching.filter(|pattern| !pattern.is_null());
        if let Some(Err(faults)) = matching.as_ref().map(parse::<Pattern>) {
            let faults = faults.as_slice();
            let at = faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect::<Vec<_>>();
            let message = format!("match is no event pattern: {}.", at.join("; "));
            return Ok(Err(errors(&message, "BAD_USER_INPUT")));
        }
        let position = match after.as_deref() {
            None | Some("") => Cursor::default().to_string(),
            Some("now") => self.push.feed().end().await?,
            Some(after) => {
                let Ok(cursor) = Cursor::from_str(after) else {
                    let fault = "after must be a cursor that an event has had, or now.";
                    return Ok(Err(errors(fault, "BAD_USER_INPUT")));
                };
                cursor.to_string()
            }
        };
        Ok(Ok((Topic::Events(matching), position)))
    }

    async fn say<T: Serialize>(&self, connection: &str, message: &ToClient<'_, T>) -> Result<()> {
        match self.push.send(connection, &message.text()).await? {
            Sent::Done => Ok(()),
            Sent::Gone => self.push.watches().close(connection).await,
            Sent::Busy => Err(Failure::transient("a connection has too much to do")),
        }
    }
}

/// No right, if it is the client's fault.
fn nobody(problem: &Problem) -> Result<Right> {
    match problem.status() {
        400..500 => Ok(Right::Nobody(problem.detail().to_owned())),
        _ => Err(Failure::transient("nobody can tell whether the credentials count")),
    }
}

/// A client connects: it has to speak the protocol.
fn connect(headers: &HashMap<String, String>) -> Reply {
    let asked = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(PROTOCOL_HEADER));
    let mut asked = asked.flat_map(|(_, value)| value.split(',')).map(str::trim);
    if asked.any(|protocol| protocol == SUBPROTOCOL) {
        return Reply { status_code: 200, headers: HashMap::from([(PROTOCOL_HEADER, SUBPROTOCOL)]) };
    }
    Reply::of(400)
}
