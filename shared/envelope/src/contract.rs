//! The contract of an application: its types of events, and what a consumer takes of them.

use std::fmt::{Debug, Display};

use serde::Serialize;

use crate::read::{Faults, Node};
use crate::text::Source;

/// Data of an application's events, by their type: an enum that [`events!`](crate::events) writes.
pub trait Contract: Sized + Clone + Debug + PartialEq + Serialize {
    /// The types.
    type Type: EventType;

    /// Id of what the events are about, as the data has it.
    type Id: AsRef<str>;

    /// Name in the data, on the wire, of what equals the attribute `subject`.
    const SUBJECT_FIELD: &'static str;

    /// Committed JSON Schema of the whole of an event, where schemas are committed.
    const COMMITTED_SCHEMA: Option<&'static str>;

    /// The type of the event that says this.
    fn event_type(&self) -> Self::Type;

    /// Id of what this is about: equal to the attribute `subject`.
    fn about(&self) -> &Self::Id;

    /// Reads data of a version that is understood, and makes it the newest.
    fn read(event_type: Self::Type, version: u32, node: &Node<'_>, faults: &mut Faults) -> Option<Self>;
}

/// Types of an application's events: an enum that [`events!`](crate::events) writes.
pub trait EventType: Copy + Eq + Debug + Display + 'static {
    /// First part of the attribute `dataschema`, before the type and the version, such as `urn:library`.
    const NAMESPACE: &'static str;

    /// Every type.
    const ALL: &'static [Self];

    /// The attribute `type`.
    fn as_str(self) -> &'static str;

    /// The one of our services that sends it.
    fn producer(self) -> Source;

    /// The only source from which this type counts; none where anyone may say it.
    fn source(self) -> Option<Source>;

    /// The versions of its data that are understood, the newest last.
    fn versions(self) -> &'static [u32];

    /// Committed JSON Schema (2020-12) of its data in that version, as others have it; none where there is no such version,
    /// or no schemas are committed.
    fn committed_schema(self, version: u32) -> Option<&'static str>;

    /// The type of that name.
    #[must_use]
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event_type| event_type.as_str() == name)
    }

    /// The version in which it is published.
    #[must_use]
    fn newest_version(self) -> u32 {
        self.versions().last().copied().unwrap_or_default()
    }

    /// The attribute `dataschema` of a version.
    #[must_use]
    fn schema_of(self, version: u32) -> String {
        format!("{}:{self}:{version}", Self::NAMESPACE)
    }

    /// The attribute `dataschema` of the version in which it is published.
    #[must_use]
    fn schema(self) -> String {
        self.schema_of(self.newest_version())
    }

    /// The version that a `dataschema` names; `None` if it is of another type, or in another form.
    #[must_use]
    fn version_named(self, schema: &str) -> Option<u32> {
        let rest = schema.strip_prefix(Self::NAMESPACE)?.strip_prefix(':')?;
        let number = rest.strip_prefix(self.as_str())?.strip_prefix(':')?;
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        number.parse().ok().filter(|_| is_plain)
    }
}

/// Data that is about something: each shape of a contract.
pub trait About {
    /// Its id.
    type Id;

    /// Id of what this is about.
    fn about(&self) -> &Self::Id;
}

/// Events that one consumer takes: an enum that [`consumes!`](crate::consumes) writes.
pub trait Heard: Sized + Clone + Debug {
    /// The application's events.
    type Contract: Contract;

    /// The types that the consumer takes: the filter policy of its subscription.
    const TYPES: &'static [<Self::Contract as Contract>::Type];

    /// The data, if it is of one of these types.
    fn hear(data: &Self::Contract) -> Option<Self>;

    /// Id of what this is about.
    fn about(&self) -> &<Self::Contract as Contract>::Id;
}

/// Writes the events of an application: an enum of the types, and one of their data.
///
/// Each type is listed once: who sends it, whether anyone else may (`or anyone`), and the shape of its data in each version.
/// The newest version is the last, and its shape has the type's own name; an older shape becomes the next by `From`. A
/// shape has `Clone`, `Debug`, `PartialEq`, `serde::Serialize` and [`Read`](crate::Read). Of a type's comment its published
/// documents are made.
///
/// ```
/// use envelope::{Event, Text, events, reads};
///
/// #[derive(Clone, Debug, PartialEq, serde::Serialize)]
/// #[serde(rename_all = "camelCase")]
/// pub struct UserLoggedIn {
///     pub user_id: Text,
///     pub device: Text,
/// }
///
/// reads!(UserLoggedIn { user_id: required("userId"), device: required("device") });
///
/// events! {
///     /// The types of events of an identity service.
///     pub enum IdentityType;
///     /// Data of the events of an identity service.
///     pub enum Identity in "urn:identity", about user_id: Text as "userId" {
///         /// A user has logged in.
///         UserLoggedIn from "identity/web" or anyone: { 1: UserLoggedIn },
///     }
/// }
///
/// let event = Event::<Identity>::decode(r#"{
///     "specversion": "1.0", "id": "1", "source": "https://login.example", "type": "UserLoggedIn",
///     "subject": "auth0|42", "time": "2026-11-22T10:00:00+01:00",
///     "data": { "userId": "auth0|42", "device": "phone" }
/// }"#)?;
/// assert_eq!(event.event_type(), IdentityType::UserLoggedIn);
/// # Ok::<(), envelope::DecodeError>(())
/// ```
///
/// The literal after `in` is the first part of every `dataschema`; `about` names the field of each shape that equals the
/// `subject`, its type, and its name on the wire. `schemas "../schemas"`, after that, names the folder of the committed schemas, seen from the file of the call:
/// `Event.json`, and for each type and version such as `UserLoggedIn.1.json`. `describe if CONDITION`, a condition of `cfg`,
/// gives the enum of the types the functions `meaning` and `shape`, from which such schemas are written; the shapes have
/// `schemars::JsonSchema` then.
#[macro_export]
macro_rules! events {
    (
        $(#[$type_attribute:meta])* $type_vis:vis enum $types:ident;
        $(#[$data_attribute:meta])* $data_vis:vis enum $data:ident in $namespace:literal,
        about $subject:ident: $id:ty as $wire:literal
        $(, schemas $schemas:literal)?
        $(, describe if $condition:meta)?
        {
            $($(#[doc = $doc:literal])* $name:ident from $producer:tt $(or $anyone:ident)?: {
                $($version:literal: $shape:ident),+ $(,)?
            }),* $(,)?
        }
    ) => {
        $(#[$type_attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $type_vis enum $types {
            $($(#[doc = $doc])* $name,)*
        }

        impl $types {
            /// Every type.
            pub const ALL: [Self; 0 $(+ { let _ = Self::$name; 1 })*] = [$(Self::$name),*];

            /// The attribute `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The one of our services that sends it.
            #[must_use]
            pub fn producer(self) -> $crate::Source {
                $crate::EventType::producer(self)
            }

            /// The only source from which this type counts; none where anyone may say it.
            #[must_use]
            pub fn source(self) -> Option<$crate::Source> {
                $crate::EventType::source(self)
            }

            /// The versions of its data that are understood, the newest last.
            #[must_use]
            pub fn versions(self) -> &'static [u32] {
                $crate::EventType::versions(self)
            }

            /// The version in which it is published.
            #[must_use]
            pub fn newest_version(self) -> u32 {
                $crate::EventType::newest_version(self)
            }

            /// The attribute `dataschema` of the version in which it is published.
            #[must_use]
            pub fn schema(self) -> String {
                $crate::EventType::schema(self)
            }

            /// The attribute `dataschema` of a version.
            #[must_use]
            pub fn schema_of(self, version: u32) -> String {
                $crate::EventType::schema_of(self, version)
            }

            /// The version that a `dataschema` names; `None` if it is of another type, or in another form.
            #[must_use]
            pub fn version_named(self, schema: &str) -> Option<u32> {
                $crate::EventType::version_named(self, schema)
            }

            /// The committed JSON Schema of its data in that version; none where there is no such version, or none is
            /// committed.
            #[must_use]
            pub fn committed_schema(self, version: u32) -> Option<&'static str> {
                $crate::EventType::committed_schema(self, version)
            }

            /// The type of that name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                <Self as $crate::EventType>::named(name)
            }

            $crate::__meaning!([$($condition)?] $types, $($name: [$($doc),*],)*);
            $crate::__shape!([$($condition)?] $types, $($name: [$($version: $shape),+],)*);
        }

        impl $crate::EventType for $types {
            const NAMESPACE: &'static str = $namespace;
            const ALL: &'static [Self] = &Self::ALL;

            fn as_str(self) -> &'static str {
                Self::as_str(self)
            }

            fn producer(self) -> $crate::Source {
                match self {
                    $(Self::$name => $crate::__source!($producer),)*
                }
            }

            fn source(self) -> Option<$crate::Source> {
                match self {
                    $(Self::$name => $crate::__only_source!($producer $($anyone)?),)*
                }
            }

            fn versions(self) -> &'static [u32] {
                match self {
                    $(Self::$name => &[$($version),+],)*
                }
            }

            fn committed_schema(self, version: u32) -> Option<&'static str> {
                $crate::__committed!([$($schemas)?] self, version, $types, $($name: [$($version),+],)*)
            }
        }

        impl std::fmt::Display for $types {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        $(#[$data_attribute])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "the largest is the first of a flow, and is rarely moved")]
        $data_vis enum $data {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
        }

        impl $data {
            /// Id of what this is about.
            #[must_use]
            pub fn about(&self) -> &$id {
                $crate::Contract::about(self)
            }

            /// The type of the event that says this.
            #[must_use]
            pub const fn event_type(&self) -> $types {
                match self {
                    $(Self::$name(_) => $types::$name,)*
                }
            }
        }

        impl $crate::Contract for $data {
            type Type = $types;
            type Id = $id;
            const SUBJECT_FIELD: &'static str = $wire;
            const COMMITTED_SCHEMA: Option<&'static str> = $crate::__committed_event!($($schemas)?);

            fn event_type(&self) -> $types {
                Self::event_type(self)
            }

            fn about(&self) -> &$id {
                match self {
                    $(Self::$name(data) => &data.$subject,)*
                }
            }

            fn read(
                event_type: $types,
                version: u32,
                node: &$crate::Node<'_>,
                faults: &mut $crate::Faults,
            ) -> Option<Self> {
                match event_type {
                    $($types::$name => {
                        $crate::__read_version!(node, faults, version of $($version $shape)+).map(Self::$name)
                    })*
                }
            }
        }

        impl $crate::__private::serde::Serialize for $data {
            fn serialize<S: $crate::__private::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$name(data) => $crate::__private::serde::Serialize::serialize(data, serializer),)*
                }
            }
        }

        $(
            impl $crate::About for $name {
                type Id = $id;

                fn about(&self) -> &$id {
                    &self.$subject
                }
            }

            impl From<$name> for $data {
                fn from(data: $name) -> Self {
                    Self::$name(data)
                }
            }
        )*
    };
}

/// Writes the enum of the events that a consumer takes: their list, the filter policy of its subscription, and what its
/// `match` has to be exhaustive over are then one thing.
///
/// ```text
/// consumes!(
///     /// Events that loyalty takes.
///     pub enum Heard in Library { LoanGranted, LoanRefused }
/// );
/// ```
#[macro_export]
macro_rules! consumes {
    ($(#[$attribute:meta])* $vis:vis enum $name:ident in $contract:ident { $($event:ident),+ $(,)? }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "the largest is the first of a flow, and is rarely moved")]
        $vis enum $name {
            $(
                #[doc = concat!("See [`", stringify!($event), "`].")]
                $event($event),
            )+
        }

        impl $name {
            /// Id of what this is about.
            #[must_use]
            $vis fn about(&self) -> &<$contract as $crate::Contract>::Id {
                $crate::Heard::about(self)
            }

            /// The type of the event that says this.
            #[must_use]
            $vis const fn event_type(&self) -> <$contract as $crate::Contract>::Type {
                match self {
                    $(Self::$event(_) => <<$contract as $crate::Contract>::Type>::$event,)+
                }
            }
        }

        impl $crate::Heard for $name {
            type Contract = $contract;
            const TYPES: &'static [<$contract as $crate::Contract>::Type] =
                &[$(<<$contract as $crate::Contract>::Type>::$event),+];

            fn hear(data: &$contract) -> Option<Self> {
                match data {
                    $($contract::$event(data) => Some(Self::$event(data.clone())),)+
                    #[allow(unreachable_patterns, reason = "a consumer may take all there are")]
                    _ => None,
                }
            }

            fn about(&self) -> &<$contract as $crate::Contract>::Id {
                match self {
                    $(Self::$event(data) => $crate::About::about(data),)+
                }
            }
        }

        $(
            impl From<$event> for $name {
                fn from(data: $event) -> Self {
                    Self::$event(data)
                }
            }
        )+
    };
}

/// Reads data in the shape of its version, and makes it the newest.
#[doc(hidden)]
#[macro_export]
macro_rules! __read_version {
    ($node:ident, $faults:ident, $version:ident of) => { None };
    ($node:ident, $faults:ident, $version:ident of $number:literal $shape:ident $($later:literal $next:ident)*) => {
        if $version == $number {
            <$shape as $crate::Read>::read($node, $faults)$(.map($next::from))*
        } else {
            $crate::__read_version!($node, $faults, $version of $($later $next)*)
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __source {
    ($name:literal) => {{
        const SOURCE: $crate::Source = $crate::Source::from_static($name);
        SOURCE
    }};
    ($constant:ident) => {
        $constant
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __only_source {
    ($producer:tt anyone) => {
        None
    };
    ($producer:tt) => {
        Some($crate::__source!($producer))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __committed_event {
    () => {
        None
    };
    ($schemas:literal) => {
        Some(include_str!(concat!($schemas, "/Event.json")))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __committed {
    ([] $type:ident, $version:ident, $($rest:tt)*) => {{
        let _ = ($type, $version);
        None
    }};
    ([$schemas:literal] $type:expr, $version:ident, $types:ident, $($name:ident: $versions:tt,)*) => {
        match $type {
            $($types::$name => $crate::__committed!(@ $schemas, $version, $name, $versions),)*
        }
    };
    (@ $schemas:literal, $version:ident, $name:ident, [$($number:literal),+]) => {
        match $version {
            $($number => Some(include_str!(concat!($schemas, "/", stringify!($name), ".", $number, ".json"))),)+
            _ => None,
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __meaning {
    ([] $($rest:tt)*) => {};
    ([$condition:meta] $types:ident, $($name:ident: [$($doc:literal),*],)*) => {
        /// Meaning of the type, and when it is sent.
        #[cfg($condition)]
        #[must_use]
        pub fn meaning(self) -> &'static str {
            match self {
                $(Self::$name => concat!($($doc),*).trim_start(),)*
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __shape {
    ([] $($rest:tt)*) => {};
    ([$condition:meta] $types:ident, $($name:ident: [$($version:literal: $shape:ident),+],)*) => {
        /// JSON Schema of the shape of its data in that version; none where there is no such version.
        #[cfg($condition)]
        #[must_use]
        pub fn shape(self, version: u32) -> Option<$crate::__private::schemars::Schema> {
            match (self, version) {
                $($((Self::$name, $version) => Some($crate::describe::of_shape::<$shape>()),)+)*
                _ => None,
            }
        }
    };
}
