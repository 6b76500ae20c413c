//! Adapter to the simulated payment provider.

use onewrite::Result;
use onewrite::external::simulated::Register;
use onewrite::external::{Cancel, External, Settled};
use onewrite::port::Clock;
use orderflow_events::{PaymentId, RefundId};
use orderflow_simulated::{Provider, Verdict as Simulated};

use crate::port::{Charge, Refund, Verdict};

impl<G: Register, C: Clock> External<Charge> for Provider<G, C> {
    async fn find(&self, id: &PaymentId) -> Result<Option<Settled<Verdict>>> {
        Ok(self.find_charge(id).await?.map(verdict))
    }

    async fn perform(&self, id: &PaymentId, Charge { amount, method }: &Charge) -> Result<Settled<Verdict>> {
        self.charge(id, *amount, method).await.map(verdict)
    }
}

impl<G: Register, C: Clock> Cancel<Charge> for Provider<G, C> {
    async fn cancel(&self, id: &PaymentId) -> Result<Settled<Verdict>> {
        self.cancel_charge(id).await.map(verdict)
    }
}

impl<G: Register, C: Clock> External<Refund> for Provider<G, C> {
    async fn find(&self, (payment, refund): &(PaymentId, RefundId)) -> Result<Option<()>> {
        let found = self.find_refund(payment).await?;
        Ok(found.filter(|found| found == refund).map(drop))
    }

    async fn perform(&self, (payment, refund): &(PaymentId, RefundId), Refund { amount }: &Refund) -> Result<()> {
        self.refund(payment, refund, *amount).await
    }
}

fn verdict(charge: Settled<Simulated>) -> Settled<Verdict> {
    charge.map(|verdict| match verdict {
        Simulated::Succeeded(amount) => Verdict::Succeeded(amount),
        Simulated::Declined(reason) => Verdict::Declined(reason),
    })
}
