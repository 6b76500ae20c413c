//! A proxy between the functions and the emulator, at which each call can be looked at, counted, or spoilt.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::call::Call;
use crate::process::{FunctionProcess, socket_of_caller};

/// A proxy. It runs for as long as the program.
pub struct Proxy {
    port: u16,
    /// URL of the emulator.
    upstream: String,
    http: reqwest::Client,
    /// The process group of the emulator, whose functions call.
    emulator: Cell<Option<u32>>,
    calls: Cell<u64>,
    unread: RefCell<Option<String>>,
    /// Functions by the access key that they sign with. Whose a key is takes a look at every process of this machine.
    functions: RefCell<HashMap<String, String>>,
}

/// A call that has arrived at a proxy.
pub struct Arrived {
    /// The call.
    pub call: Call,
    /// The request with which it is passed on.
    pub request: Request<Bytes>,
    /// Address of the process that has made it.
    pub caller: SocketAddr,
}

/// Treatment of calls at a proxy.
pub trait Interceptor: 'static {
    /// Answers a call, by the emulator ([`Proxy::forward`]) or otherwise.
    ///
    /// # Errors
    ///
    /// The caller is to get no answer.
    async fn intercept(&self, proxy: &Rc<Proxy>, arrived: Arrived) -> Result<Answer, Dropped>;
}

/// Lack of an answer: the caller gets none, or no more of it.
#[derive(Debug)]
pub struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// Answer to a caller.
pub type Answer = Response<BoxBody<Bytes, Dropped>>;

impl Proxy {
    /// Opens a proxy to the emulator that is, or will be, on that port.
    pub async fn open(upstream: u16, interceptor: Rc<impl Interceptor>) -> Rc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Rc::new(Self {
            port: listener.local_addr().expect("an address").port(),
            upstream: format!("http://127.0.0.1:{upstream}"),
            http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
            emulator: Cell::new(None),
            calls: Cell::new(0),
            unread: RefCell::new(None),
            functions: RefCell::default(),
        });
        spawn_local(Rc::clone(&proxy).accept(listener, interceptor));
        proxy
    }

    /// Port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Notes the process of the emulator, by which functions are known.
    pub fn knows_those_of(&self, emulator: u32) {
        self.emulator.set(Some(emulator));
    }

    /// Number of calls.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// A call that it did not understand, and so let pass.
    #[must_use]
    pub fn unread(&self) -> Option<String> {
        self.unread.borrow().clone()
    }

    async fn accept(self: Rc<Self>, listener: TcpListener, interceptor: Rc<impl Interceptor>) {
        loop {
            let (stream, caller) = listener.accept().await.expect("a connection");
            let (proxy, interceptor) = (Rc::clone(&self), Rc::clone(&interceptor));
            spawn_local(async move {
                let service = service_fn(|request| proxy.answer(&*interceptor, request, caller));
                // It ends when the caller is gone, or is to believe that we are.
                let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(
        self: &Rc<Self>,
        interceptor: &impl Interceptor,
        request: Request<Incoming>,
        caller: SocketAddr,
    ) -> Result<Answer, Dropped> {
        self.calls.set(self.calls.get() + 1);
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
        let request = Request::from_parts(head, body.clone());
        let Some(call) = Call::read(request.uri().path(), request.headers(), body) else {
            if !is_look(&request) {
                self.unread.replace(Some(format!("{} {}", request.method(), request.uri())));
            }
            return self.forward(request).await.map(whole);
        };
        interceptor.intercept(self, Arrived { call, request, caller }).await
    }

    /// Has the emulator answer. What the caller has sent is done even if the caller is gone before it is.
    ///
    /// # Errors
    ///
    /// The emulator does not answer.
    pub async fn forward(self: &Rc<Self>, request: Request<Bytes>) -> Result<Response<Bytes>, Dropped> {
        let proxy = Rc::clone(self);
        let forwarded = spawn_local(async move {
            let (mut head, body) = request.into_parts();
            without_connection(&mut head.headers);
            let url = format!("{}{}", proxy.upstream, head.uri);
            let answer = proxy.http.request(head.method, url).headers(head.headers).body(body).send().await?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            without_connection(response.headers_mut());
            *response.body_mut() = answer.bytes().await?;
            Ok::<_, reqwest::Error>(response)
        });
        forwarded.await.map_err(|_| Dropped)?.map_err(|_| Dropped)
    }

    /// The process that has made a call, if it is a function of the emulator's.
    #[must_use]
    pub fn process(&self, caller: SocketAddr) -> Option<FunctionProcess> {
        let mut processes = FunctionProcess::of_group(self.emulator.get()?).into_iter();
        let socket = socket_of_caller(caller.port(), self.port)?;
        processes.find(|process| process.has_socket(socket))
    }

    /// Name of the function that has made a call, by the key that it has signed with.
    #[must_use]
    pub fn function(&self, arrived: &Arrived) -> Option<String> {
        let key = access_key(arrived.request.headers())?;
        if let Some(function) = self.functions.borrow().get(key) {
            return Some(function.clone());
        }
        let FunctionProcess { function, .. } = self.process(arrived.caller)?;
        self.functions.borrow_mut().insert(key.to_owned(), function.clone());
        Some(function)
    }
}

/// True of a look at logs or at metrics, which only tells an operator what there is: it is let pass.
fn is_look(request: &Request<Bytes>) -> bool {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    target.starts_with("Logs_") || target.starts_with("GraniteService")
}

/// A port that is free now. The emulator's place has to be known before there is an emulator, for a proxy stands before it.
///
/// # Errors
///
/// There is none.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The access key that a request is signed with.
fn access_key(headers: &HeaderMap) -> Option<&str> {
    let (_, credential) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once("Credential=")?;
    credential.split('/').next()
}

/// Leaves out what is a matter of one connection. The host stays: the caller has signed it.
fn without_connection(headers: &mut HeaderMap) {
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

/// An answer as it came, to the end.
pub fn whole(answer: Response<Bytes>) -> Answer {
    answer.map(|body| Full::new(body).map_err(|never: Infallible| match never {}).boxed())
}
