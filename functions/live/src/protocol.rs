//! Messages of the protocol `graphql-transport-ws`, as <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md> has it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Name of the protocol, which a client asks for as it connects.
pub(crate) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// The largest message of a client, in bytes: API Gateway cuts what is larger into frames of so many.
pub(crate) const MAX_MESSAGE_BYTES: usize = 32 * 1024;

/// The longest id of a subscription, in bytes. Clients count, or draw a UUID.
pub(crate) const MAX_ID_BYTES: usize = 128;

/// Message of a client.
#[derive(Debug)]
pub(crate) enum FromClient {
    /// Tells who they are.
    ConnectionInit(Credentials),
    /// Wants an answer, with the payload as it is.
    Ping(Option<Box<RawValue>>),
    /// An answer.
    Pong,
    /// Begins a subscription: an id of the client's choice, and the request of GraphQL.
    Subscribe(String, Box<RawValue>),
    /// Ends a subscription.
    Complete(String),
}

/// Message of a client as it comes.
#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
}

/// Credentials of a client: a token, or the `access` of a link to an order and the order.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Credentials {
    #[serde(default)]
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) access: Option<String>,
    #[serde(default)]
    pub(crate) order: Option<String>,
}

/// Message to a client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ToClient<'a, T: Serialize> {
    ConnectionAck {},
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a RawValue>,
    },
    Next {
        id: &'a str,
        payload: T,
    },
    Error {
        id: &'a str,
        payload: T,
    },
}

/// Message without a payload of GraphQL.
pub(crate) type Plain<'a> = ToClient<'a, ()>;

impl<T: Serialize> ToClient<'_, T> {
    /// Its text.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Message of a client from its text; none of what the protocol does not know.
pub(crate) fn read(text: &str) -> Option<FromClient> {
    let Raw { kind, id, payload } = (text.len() <= MAX_MESSAGE_BYTES).then(|| serde_json::from_str(text).ok())??;
    let id = id.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
    let payload = payload.filter(|payload| payload.get() != "null");
    Some(match kind.as_str() {
        "connection_init" => {
            let credentials = payload.map(|payload| serde_json::from_str(payload.get()).ok());
            FromClient::ConnectionInit(credentials.unwrap_or_else(|| Some(Credentials::default()))?)
        }
        "ping" => FromClient::Ping(payload),
        "pong" => FromClient::Pong,
        "subscribe" => FromClient::Subscribe(id?, payload?),
        "complete" => FromClient::Complete(id?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_protocol_are_read_and_no_others() {
        for (text, expected) in [
            (r#"{"type":"connection_init"}"#, Some("ConnectionInit")),
            (r#"{"type":"connection_init","payload":null}"#, Some("ConnectionInit")),
            (r#"{"type":"connection_init","payload":{"token":"a","other":1}}"#, Some("ConnectionInit")),
            (r#"{"type":"ping"}"#, Some("Ping")),
            (r#"{"payload":{"at":1},"type":"pong"}"#, Some("Pong")),
            (r#"{"id":"1","type":"subscribe","payload":{"query":"{a}"}}"#, Some("Subscribe")),
            (r#"{"id":"1","type":"complete"}"#, Some("Complete")),
            (r#"{"id":"","type":"complete"}"#, None),
            (r#"{"type":"complete"}"#, None),
            (r#"{"id":"1","type":"subscribe"}"#, None),
            (r#"{"id":"1","type":"start","payload":{}}"#, None),
            (r#"{"message": "Internal server error"}"#, None),
            ("[]", None),
            ("", None),
        ] {
            let read = read(text).map(|message| format!("{message:?}"));
            let name = read.as_deref().and_then(|text| text.split('(').next());
            assert_eq!(name, expected, "{text}");
        }
        let long = format!(r#"{{"id":"{}","type":"complete"}}"#, "1".repeat(MAX_ID_BYTES + 1));
        assert!(read(&long).is_none());
        let large = format!(r#"{{"type":"ping","payload":"{}"}}"#, " ".repeat(MAX_MESSAGE_BYTES));
        assert!(read(&large).is_none());
    }

    #[test]
    fn a_ping_comes_back_as_it_is() {
        let Some(FromClient::Ping(payload)) = read(r#"{"type":"ping","payload":{"b":1,"a":1.50}}"#) else { panic!() };
        let pong = Plain::Pong { payload: payload.as_deref() };
        assert_eq!(pong.text(), r#"{"type":"pong","payload":{"b":1,"a":1.50}}"#);
        assert_eq!(Plain::Pong { payload: None }.text(), r#"{"type":"pong"}"#);
        assert_eq!(Plain::ConnectionAck {}.text(), r#"{"type":"connection_ack"}"#);
    }
}
