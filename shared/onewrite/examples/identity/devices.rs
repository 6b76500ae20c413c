//! Devices that the users of an identity service log in from: a user is told of each new one, once.

use std::{collections::BTreeSet, convert::Infallible};

use onewrite::envelope::{Source, Subject, Text, reads};
use onewrite::{Decider, Decision, Event, Step, consumes, events};
use serde::Serialize;

events! {
    /// Types of the events of identity.
    pub enum IdentityType;
    /// Data of the events of identity.
    pub enum Identity in "urn:identity", about user_id: Subject as "userId", schemas "schemas", describe if feature = "schema" {
        /// A user has logged in. Sent at each login, by whoever lets users in.
        UserLoggedIn from "identity/web" or anyone: { 1: UserLoggedIn },
        /// A device of a user was seen for the first time. Sent once for each of their devices.
        NewDeviceSeen from "identity/devices": { 1: NewDeviceSeen },
    }
}

/// A user has logged in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserLoggedIn {
    /// The user, by whatever id they have.
    pub user_id: Subject,
    /// Fingerprint of the device.
    pub device: Text,
}
reads!(UserLoggedIn { user_id: required("userId"), device: required("device") });

/// A device of a user was seen for the first time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewDeviceSeen {
    /// The user.
    pub user_id: Subject,
    /// Fingerprint of the device.
    pub device: Text,
}
reads!(NewDeviceSeen { user_id: required("userId"), device: required("device") });

consumes!(
    /// Events that the service takes.
    pub enum Heard in Identity { UserLoggedIn }
);

/// The service.
pub enum Devices {}

impl Decider for Devices {
    const SOURCE: Source = Source::from_static("identity/devices");
    type Heard = Heard;
    type State = BTreeSet<Text>;
    type Change = Text;
    type Effect = Infallible;
    type Reply = Infallible;

    fn evolve(mut known: BTreeSet<Text>, device: Text) -> BTreeSet<Text> {
        known.insert(device);
        known
    }

    fn decide(known: &BTreeSet<Text>, event: &Event<Heard>, _: Option<&Infallible>) -> Decision<Self> {
        let Heard::UserLoggedIn(UserLoggedIn { user_id, device }) = &event.data;
        if known.contains(device) {
            return Ok(Step::Nothing);
        }
        let seen = NewDeviceSeen { user_id: user_id.clone(), device: device.clone() };
        Ok(Step::record(device.clone()).publishing(seen))
    }
}
