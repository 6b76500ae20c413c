//! Sabotage at the proxy between the functions and the emulator: calls fail there, and are held against roles.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Request, Response};
use orderflow_tests::{Answer, Arrived, Dropped, FunctionProcess, Interceptor, Proxy, whole};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::call::{failed, needs, with_failed_entry, without_one_entry};
use crate::fault_mix::{Fault, FaultMix};
use crate::rights::{Right, Rights};
use crate::tally::{Kind, Tally};

/// Treatment of calls: faults by the mix, kills, and rights.
pub(crate) struct Sabotage {
    fault_mix: Rc<FaultMix>,
    tally: Rc<Tally>,
    rights: Rights,
    /// Calls that roles do not allow.
    not_allowed: RefCell<BTreeSet<String>>,
    used: RefCell<BTreeSet<Right>>,
}

impl Sabotage {
    pub(crate) fn new(fault_mix: Rc<FaultMix>, tally: Rc<Tally>) -> Self {
        Self {
            fault_mix,
            tally,
            rights: Rights::of_the_template(),
            not_allowed: RefCell::default(),
            used: RefCell::default(),
        }
    }

    /// Calls that functions made and may not make on AWS.
    pub(crate) fn not_allowed(&self) -> BTreeSet<String> {
        self.not_allowed.borrow().clone()
    }

    /// Rights that roles give, and that no function has used, in a run in which somebody has watched, or nobody.
    pub(crate) fn unused_rights(&self, is_watched: bool) -> Vec<Right> {
        self.rights.unused(&self.used.borrow(), is_watched)
    }

    fn kill(&self, proxy: &Proxy, caller: SocketAddr) {
        if let Some(process) = proxy.process(caller).filter(FunctionProcess::kill) {
            self.tally.count_function(Kind::Kill, &process.function);
        }
    }

    fn hold_against_role(&self, proxy: &Proxy, arrived: &Arrived) {
        let Some(function) = proxy.function(arrived) else { return };
        for need in needs(&arrived.call) {
            match self.rights.hold(&function, &need) {
                Ok(right) => self.used.borrow_mut().extend(right),
                Err(missing) => _ = self.not_allowed.borrow_mut().insert(missing),
            }
        }
        self.tally.count_function(Kind::Right, &function);
    }
}

impl Interceptor for Sabotage {
    async fn intercept(&self, proxy: &Rc<Proxy>, arrived: Arrived) -> Result<Answer, Dropped> {
        self.hold_against_role(proxy, &arrived);
        let Arrived { call, request, caller } = arrived;
        let fault = self.fault_mix.on(&call);
        if let Some(fault) = fault {
            self.tally.count(Kind::Fault, fault.name());
        }
        match fault {
            None => proxy.forward(request).await.map(whole),
            Some(Fault::Delayed(delay)) => {
                sleep(delay).await;
                proxy.forward(request).await.map(whole)
            }
            Some(Fault::NotDelivered) => Err(Dropped),
            Some(Fault::AnswerLost) => {
                proxy.forward(request).await?;
                Err(Dropped)
            }
            Some(Fault::AnswerCut) => proxy.forward(request).await.map(cut),
            Some(Fault::AnswerLate(delay)) => {
                let answer = proxy.forward(request).await?;
                sleep(delay).await;
                Ok(whole(answer))
            }
            Some(Fault::DoneTwice) => {
                let first = proxy.forward(request.clone()).await?;
                let second = proxy.forward(request).await?;
                Ok(whole(if self.fault_mix.below(2) == 0 { first } else { second }))
            }
            Some(Fault::Refused(trouble)) => Ok(whole(failed(&call, trouble))),
            Some(Fault::DoneInPart) => {
                let Some((rest, id)) = without_one_entry(&call, |count| self.fault_mix.below(count)) else {
                    return proxy.forward(request).await.map(whole);
                };
                let answer = proxy.forward(with_body(request, rest.body)).await?;
                let with_it = with_failed_entry(answer.body(), &id).ok_or(Dropped)?;
                Ok(whole(answer.map(|_| with_it)))
            }
            Some(Fault::KilledBefore) => {
                self.kill(proxy, caller);
                Err(Dropped)
            }
            Some(Fault::KilledAfter) => {
                proxy.forward(request).await?;
                self.kill(proxy, caller);
                Err(Dropped)
            }
        }
    }
}

/// The request with another body, of which the caller knows nothing: the hash that it has signed is told apart.
fn with_body(request: Request<Bytes>, body: Bytes) -> Request<Bytes> {
    const SIGNED_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
    let hash = HEXLOWER.encode(&Sha256::digest(request.body()));
    let mut request = request.map(|_| body);
    if let Ok(hash) = HeaderValue::try_from(hash) {
        request.headers_mut().entry(SIGNED_HASH).or_insert(hash);
    }
    request
}

/// The head and the first half of the answer, and then the end of the connection.
fn cut(mut answer: Response<Bytes>) -> Answer {
    let length = answer.body().len();
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    answer.map(|body| {
        let half = body.slice(..length / 2);
        BodyExt::boxed(StreamBody::new(stream::iter([Ok(Frame::data(half)), Err(Dropped)])))
    })
}

#[cfg(test)]
mod tests;
