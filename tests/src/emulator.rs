//! The emulator that plays AWS for the tests, and all that they know of how it differs from AWS.

use std::collections::BTreeSet;
use std::fmt;

use orderflow_local::Stack;

use crate::process::FunctionProcess;

/// The emulator that plays AWS.
#[derive(Clone, Debug)]
pub struct Emulator {
    kind: Kind,
    gaps: BTreeSet<Gap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The one that `cargo local` starts.
    MiniStack,
    /// LocalStack, which was running before.
    LocalStack,
}

/// Something that cannot be tried on an emulator, because it is not there or not as on AWS. A test asks for it, and
/// leaves that one thing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// The gateway's own answers, of no function's.
    GatewayAnswers,
    /// A message that is nested ten thousand levels deep.
    DeepNesting,
    /// A function that is killed.
    Kills,
    /// Issuers of tokens on this machine.
    Issuers,
    /// Receivers of webhooks on this machine.
    Receivers,
    /// Other orders in the batch of a function that is killed.
    Neighbours,
    /// Requests that a page from elsewhere makes.
    ForeignPages,
    /// Calls that a policy denies.
    Denials,
    /// User pools of Cognito.
    UserPools,
    /// A collector of spans on this machine.
    Collectors,
    /// Alarms that come as soon as there is a reason.
    Alarms,
    /// APIs of WebSocket.
    Sockets,
}

/// Kind of a message to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Mails.
    Email,
    /// Short messages.
    Sms,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GatewayAnswers => "the gateway's own answers: LocalStack has no templates for them",
            Self::DeepNesting => {
                "a message nested 10,000 levels deep: LocalStack reads each body before it invokes a function, and its \
                 reader fails at this one"
            }
            Self::ForeignPages => "requests of pages from elsewhere: LocalStack refuses them by settings of its own",
            Self::Denials => "calls that a policy denies: LocalStack judges none",
            Self::Collectors => "traces: the functions of an emulator that others use are not told of a collector",
            Self::Alarms => "alarms: LocalStack looks at a metric once in its period, and that of some is a day",
            Self::Sockets => "what happens to an order as it happens: LocalStack's core has no APIs of WebSocket",
            Self::UserPools => "user pools of Cognito: LocalStack has none",
            Self::Kills => "a function that is killed: the functions are no processes of this machine",
            Self::Issuers => "issuers of tokens: the functions do not run on this machine, where they listen",
            Self::Receivers => "receivers of webhooks: the functions do not run on this machine, where they listen",
            Self::Neighbours => {
                "orders that share a batch with a message that kills its function: LocalStack gives a function one order \
                 after the other, and where it dies at one, those behind it are not tried, and yet received once more"
            }
        })
    }
}

impl Emulator {
    /// Emulator that a stack runs on.
    pub async fn of(stack: &Stack) -> Self {
        let url = format!("{}/_ministack/ses/messages", stack.endpoint());
        let own = reqwest::get(url).await.expect("an answer");
        let kind = if own.status().is_success() { Kind::MiniStack } else { Kind::LocalStack };
        let mut gaps = match kind {
            Kind::MiniStack => BTreeSet::new(),
            Kind::LocalStack => BTreeSet::from([
                Gap::GatewayAnswers,
                Gap::DeepNesting,
                Gap::Neighbours,
                Gap::ForeignPages,
                Gap::Denials,
                Gap::UserPools,
                Gap::Collectors,
                Gap::Alarms,
                Gap::Sockets,
            ]),
        };
        // One of its functions has answered before the stack was up: an API's, which no output names.
        let journal = stack.outputs().get("JournalFunctionName").unwrap_or_default();
        let prefix = journal.split_once("Journal").map_or(journal, |(prefix, _)| prefix);
        let is_of_stack = |process: &FunctionProcess| process.function.starts_with(prefix);
        if !FunctionProcess::all().iter().any(is_of_stack) {
            gaps.extend([Gap::Kills, Gap::Issuers, Gap::Receivers]);
        }
        Self { kind, gaps }
    }

    /// True of something that has to be left out.
    #[must_use]
    pub fn lacks(&self, gap: Gap) -> bool {
        self.gaps.contains(&gap)
    }

    /// All that has to be left out.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    /// True if it has no time for all that the tests do at once.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.kind == Kind::LocalStack
    }

    /// True if a function gets the body of a message as it was sent. LocalStack reads what is JSON, and writes it anew:
    /// the same value in another text.
    pub(crate) fn keeps_texts(&self) -> bool {
        self.kind == Kind::MiniStack
    }

    /// Path under which it shows the messages to people that it was given to send.
    pub(crate) fn path_to(&self, channel: Channel) -> &'static str {
        match (self.kind, channel) {
            (Kind::MiniStack, Channel::Email) => "/_ministack/ses/messages",
            (Kind::MiniStack, Channel::Sms) => "/_ministack/sns/sms-messages",
            (Kind::LocalStack, Channel::Email) => "/_aws/ses",
            (Kind::LocalStack, Channel::Sms) => "/_aws/sns/sms-messages",
        }
    }
}
