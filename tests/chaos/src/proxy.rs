//! A proxy between the functions and the emulator, at which calls fail.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use orderflow_tests::{FunctionProcess, socket_of_caller};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::call::{Call, with_failed_entry};
use crate::fault_mix::{Fault, FaultMix};
use crate::rights::{Right, Rights};
use crate::tally::{Kind, Tally};

/// A proxy. It runs for as long as the program.
pub(crate) struct Proxy {
    port: u16,
    /// Port of the emulator.
    upstream: String,
    http: reqwest::Client,
    fault_mix: Rc<FaultMix>,
    tally: Rc<Tally>,
    /// The process group of the emulator, whose functions may be killed.
    emulator: Cell<Option<u32>>,
    calls: Cell<u64>,
    unread: RefCell<Option<String>>,
    rights: Rights,
    /// Functions by the access key that they sign with. Whose a key is takes a look at every process of this machine.
    functions: RefCell<HashMap<String, String>>,
    /// Calls that roles do not allow.
    not_allowed: RefCell<BTreeSet<String>>,
    used: RefCell<BTreeSet<Right>>,
}

/// The caller gets no answer, or no more of it.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

type Answer = Response<BoxBody<Bytes, Dropped>>;

impl Proxy {
    /// Opens a proxy to the emulator that is, or will be, on that port.
    pub(crate) async fn open(upstream: u16, fault_mix: Rc<FaultMix>, tally: Rc<Tally>) -> Rc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Rc::new(Self {
            port: listener.local_addr().expect("an address").port(),
            upstream: format!("http://127.0.0.1:{upstream}"),
            http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
            fault_mix,
            tally,
            emulator: Cell::new(None),
            calls: Cell::new(0),
            unread: RefCell::new(None),
            rights: Rights::of_the_template(),
            functions: RefCell::default(),
            not_allowed: RefCell::default(),
            used: RefCell::default(),
        });
        spawn_local(Rc::clone(&proxy).accept(listener));
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Tells it whose functions it may kill.
    pub(crate) fn may_kill_those_of(&self, emulator: u32) {
        self.emulator.set(Some(emulator));
    }

    /// Number of calls.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// A call that it did not understand, and so let pass.
    pub(crate) fn unread(&self) -> Option<String> {
        self.unread.borrow().clone()
    }

    /// Calls that functions made and may not make on AWS.
    pub(crate) fn not_allowed(&self) -> BTreeSet<String> {
        self.not_allowed.borrow().clone()
    }

    /// Rights that roles give, and that no function has used.
    pub(crate) fn unused_rights(&self) -> Vec<Right> {
        self.rights.unused(&self.used.borrow())
    }

    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            let (stream, caller) = listener.accept().await.expect("a connection");
            let proxy = Rc::clone(&self);
            spawn_local(async move {
                let service = service_fn(|request| Rc::clone(&proxy).answer(request, caller));
                // It ends when the caller is gone, or is to believe that we are.
                let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(self: Rc<Self>, request: Request<Incoming>, caller: SocketAddr) -> Result<Answer, Dropped> {
        self.calls.set(self.calls.get() + 1);
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
        let request = Request::from_parts(head, body.clone());
        let Some(call) = Call::read(request.headers(), body) else {
            self.unread.replace(Some(format!("{} {}", request.method(), request.uri())));
            return self.forward(request).await.map(whole);
        };
        self.hold_against_role(&call, access_key(request.headers()), caller);
        let fault = self.fault_mix.on(&call);
        if let Some(fault) = fault {
            self.tally.count(Kind::Fault, fault.name());
        }
        match fault {
            None => self.forward(request).await.map(whole),
            Some(Fault::Delayed(delay)) => {
                sleep(delay).await;
                self.forward(request).await.map(whole)
            }
            Some(Fault::NotDelivered) => Err(Dropped),
            Some(Fault::AnswerLost) => {
                self.forward(request).await?;
                Err(Dropped)
            }
            Some(Fault::AnswerCut) => self.forward(request).await.map(cut),
            Some(Fault::AnswerLate(delay)) => {
                let answer = self.forward(request).await?;
                sleep(delay).await;
                Ok(whole(answer))
            }
            Some(Fault::DoneTwice) => {
                let first = Rc::clone(&self).forward(request.clone()).await?;
                let second = Rc::clone(&self).forward(request).await?;
                Ok(whole(if self.fault_mix.below(2) == 0 { first } else { second }))
            }
            Some(Fault::Refused(trouble)) => Ok(whole(call.failed(trouble))),
            Some(Fault::DoneInPart) => {
                let Some((rest, id)) = call.without_one_entry(|count| self.fault_mix.below(count)) else {
                    return self.forward(request).await.map(whole);
                };
                let answer = self.forward(with_body(request, rest.body)).await?;
                let with_it = with_failed_entry(answer.body(), &id).ok_or(Dropped)?;
                Ok(whole(answer.map(|_| with_it)))
            }
            Some(Fault::KilledBefore) => {
                self.kill(caller);
                Err(Dropped)
            }
            Some(Fault::KilledAfter) => {
                Rc::clone(&self).forward(request).await?;
                self.kill(caller);
                Err(Dropped)
            }
        }
    }

    /// Has the emulator answer. What the caller has sent is done even if the caller is gone before it is.
    async fn forward(self: Rc<Self>, request: Request<Bytes>) -> Result<Response<Bytes>, Dropped> {
        let forwarded = spawn_local(async move {
            let (mut head, body) = request.into_parts();
            without_connection(&mut head.headers);
            let url = format!("{}{}", self.upstream, head.uri);
            let answer = self.http.request(head.method, url).headers(head.headers).body(body).send().await?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            without_connection(response.headers_mut());
            *response.body_mut() = answer.bytes().await?;
            Ok::<_, reqwest::Error>(response)
        });
        forwarded.await.map_err(|_| Dropped)?.map_err(|_| Dropped)
    }

    /// The function that has made a call, if it is one of the emulator's.
    fn function(&self, caller: SocketAddr) -> Option<FunctionProcess> {
        let mut processes = FunctionProcess::of_group(self.emulator.get()?).into_iter();
        let socket = socket_of_caller(caller.port(), self.port)?;
        processes.find(|process| process.has_socket(socket))
    }

    fn kill(&self, caller: SocketAddr) {
        if let Some(process) = self.function(caller).filter(FunctionProcess::kill) {
            self.tally.count_function(Kind::Kill, &process.function);
        }
    }

    fn hold_against_role(&self, call: &Call, key: Option<&str>, caller: SocketAddr) {
        let Some(function) = key.and_then(|key| self.function_of_key(key, caller)) else { return };
        for need in call.needs() {
            match self.rights.hold(&function, &need) {
                Ok(right) => self.used.borrow_mut().extend(right),
                Err(missing) => _ = self.not_allowed.borrow_mut().insert(missing),
            }
        }
        self.tally.count_function(Kind::Right, &function);
    }

    fn function_of_key(&self, key: &str, caller: SocketAddr) -> Option<String> {
        if let Some(function) = self.functions.borrow().get(key) {
            return Some(function.clone());
        }
        let FunctionProcess { function, .. } = self.function(caller)?;
        self.functions.borrow_mut().insert(key.to_owned(), function.clone());
        Some(function)
    }
}

/// The access key that a request is signed with.
fn access_key(headers: &HeaderMap) -> Option<&str> {
    let (_, credential) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once("Credential=")?;
    credential.split('/').next()
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

/// Leaves out what is a matter of one connection. The host stays: the caller has signed it.
fn without_connection(headers: &mut HeaderMap) {
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

fn whole(answer: Response<Bytes>) -> Answer {
    answer.map(|body| Full::new(body).map_err(|never: Infallible| match never {}).boxed())
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
