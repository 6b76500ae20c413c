//! Effects of the service: an order is put down among those seen, and its neighbours are counted.
//!
//! ```text
//!   open who ordered ──► put the order down, for its customer and its email ──► count those around it ──► the verdict
//!                                └─ a crash here, or twice at once: the same entries again, and the same count
//! ```
//!
//! An order is put down before its neighbours are counted, and counts those after it as well as those before it, by the
//! time of the events. So of any burst of orders the one that is judged last sees all the others, in whatever order they
//! arrive and however many functions are at work. An order whose person nobody can open is put down for its customer alone.

use futures::future::try_join;
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Occurrences, Random};
use onewrite::{Attempt, Delivery, Effects, Result};
use orderflow_events::{HoldFlagged, Person, PersonalData};

use crate::domain::{Findings, Screening, Sighting};
use crate::fingerprint::{Fingerprint, Fingerprints, OWNER};
use crate::rules::{Seen, WINDOW, signs_of};

/// Effects of screening, on the orders that were seen.
#[derive(Debug)]
pub struct SightingEffects<S, K, W> {
    sightings: S,
    keys: KeyRing<K, W>,
    rule: HoldFlagged,
}

impl<S: Occurrences, K: Keys, W: Clock + Random> SightingEffects<S, K, W> {
    /// Effects on those sightings, of persons that these keys open, in a stack that holds flagged orders or does not.
    pub fn new(sightings: S, keys: KeyRing<K, W>, rule: HoldFlagged) -> Self {
        Self { sightings, keys, rule }
    }

    /// Person who ordered; none where nobody can open that any more.
    async fn person(&self, sighting: &Sighting) -> Result<Option<Person>> {
        match &sighting.personal {
            PersonalData::Sealed(sealed) => self.keys.open(sighting.customer.as_str(), sealed).await,
            PersonalData::Clear(person) => Ok(Some(Person::clone(person))),
        }
    }

    /// Puts the order down for somebody.
    async fn record(&self, whose: Option<&Fingerprint>, sighting: &Sighting) -> Result<()> {
        let Some(whose) = whose else { return Ok(()) };
        self.sightings.record(whose.as_str(), sighting.order.as_str(), sighting.at).await
    }

    /// Number of somebody's orders around this one; none where nobody knows whose.
    async fn count(&self, whose: Option<&Fingerprint>, sighting: &Sighting) -> Result<u32> {
        let Some(whose) = whose else { return Ok(0) };
        self.sightings.count(whose.as_str(), sighting.at, WINDOW).await
    }
}

impl<S: Occurrences, K: Keys, W: Clock + Random> Effects<Screening> for SightingEffects<S, K, W> {
    async fn perform(&self, sighting: Sighting, _: Attempt, _: &Delivery<'_>) -> Result<Findings> {
        let person = self.person(&sighting).await?;
        let fingerprints = Fingerprints::under(&self.keys.key_of(OWNER).await?);
        let customer = fingerprints.of_customer(&sighting.customer);
        let email = person.as_ref().map(|person| fingerprints.of_email(&person.email));
        try_join(self.record(Some(&customer), &sighting), self.record(email.as_ref(), &sighting)).await?;
        let counted = try_join(self.count(Some(&customer), &sighting), self.count(email.as_ref(), &sighting));
        let (customer, email) = counted.await?;
        let seen = Seen { customer, email, signs: person.as_ref().map(signs_of).unwrap_or_default() };
        Ok(Findings { seen, rule: self.rule })
    }
}
