//! Faults that the functions' calls meet on their way to AWS, at a proxy that stands before the emulator.

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use bytes::Bytes;
use hyper::Response;
use orderflow_tests::{Answer, Arrived, AwsService, Call, Dropped, FunctionProcess, Interceptor, Proxy, whole};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Treatment of one call.
pub(crate) enum Treatment {
    /// It is passed on.
    Passed,
    /// It is answered by this status and this code, and done by nobody.
    Refused(u16, &'static str),
    /// The function that has made it is killed by SIGKILL, before it is passed on.
    KilledBefore,
    /// The function that has made it is killed by SIGKILL, once it is done.
    KilledAfter,
}

/// Treatment of each call by the name of the function that makes it.
type Fault = Box<dyn FnMut(&str, &Call) -> Treatment + Send>;

/// The fault of the moment.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    now: Arc<Mutex<Option<Fault>>>,
    emulator: Arc<AtomicU32>,
    kills: Arc<AtomicU32>,
}

impl Faults {
    /// Opens the proxy to the emulator that will be on that port, in a thread of its own with that runtime, and answers its
    /// port.
    pub(crate) fn open(&self, upstream: u16, runtime: Runtime) -> u16 {
        let (opened, port) = mpsc::channel();
        let faults = self.clone();
        thread::spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                let proxy = Proxy::open(upstream, Rc::new(faults)).await;
                opened.send(proxy.port()).expect("somebody waits for it");
                std::future::pending::<()>().await;
            });
        });
        port.recv().expect("a port")
    }

    /// Notes the process of the emulator, by which functions are known.
    pub(crate) fn knows_those_of(&self, emulator: u32) {
        self.emulator.store(emulator, Ordering::Relaxed);
    }

    /// Begins a fault, in place of the one before.
    pub(crate) fn begin(&self, fault: impl FnMut(&str, &Call) -> Treatment + Send + 'static) {
        *self.now.lock().expect("nobody has panicked") = Some(Box::new(fault));
    }

    /// Begins a fault by which a function is refused such calls, by that status and that code.
    pub(crate) fn refuse(&self, function: String, (status, code): (u16, &'static str), is_met: fn(&Call) -> bool) {
        self.begin(move |caller, call| {
            if caller == function && is_met(call) { Treatment::Refused(status, code) } else { Treatment::Passed }
        });
    }

    /// Ends the fault: the fix is deployed, or the neighbour is back.
    pub(crate) fn end(&self) {
        *self.now.lock().expect("nobody has panicked") = None;
    }

    /// Number of kills.
    pub(crate) fn kills(&self) -> u32 {
        self.kills.load(Ordering::Relaxed)
    }

    fn treatment(&self, proxy: &Proxy, arrived: &Arrived) -> Treatment {
        let mut now = self.now.lock().expect("nobody has panicked");
        let Some(fault) = &mut *now else { return Treatment::Passed };
        proxy.knows_those_of(self.emulator.load(Ordering::Relaxed));
        let function = proxy.function(arrived).unwrap_or_default();
        fault(&function, &arrived.call)
    }

    fn kill(&self, proxy: &Proxy, arrived: &Arrived) {
        if proxy.process(arrived.caller).as_ref().is_some_and(FunctionProcess::kill) {
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Interceptor for Faults {
    async fn intercept(&self, proxy: &Rc<Proxy>, arrived: Arrived) -> Result<Answer, Dropped> {
        match self.treatment(proxy, &arrived) {
            Treatment::Passed => proxy.forward(arrived.request).await.map(whole),
            Treatment::Refused(status, code) => Ok(whole(refused(&arrived.call, status, code))),
            Treatment::KilledBefore => {
                self.kill(proxy, &arrived);
                Err(Dropped)
            }
            Treatment::KilledAfter => {
                proxy.forward(arrived.request.clone()).await?;
                self.kill(proxy, &arrived);
                Err(Dropped)
            }
        }
    }
}

/// Tells a write of the second row of a subject: of two events the second has caused it, whichever that is.
pub(crate) fn is_second_row(call: &Call) -> bool {
    (call.service, call.operation.as_str()) == (AwsService::DynamoDb, "PutItem")
        && call.json()["Item"]["sk"]["N"] == "2"
}

/// Answer of a service that does not do a call.
fn refused(call: &Call, status: u16, code: &str) -> Response<Bytes> {
    let body = match call.service {
        AwsService::DynamoDb
        | AwsService::Sqs
        | AwsService::SecretsManager
        | AwsService::Ssm
        | AwsService::Lambda
        | AwsService::Connections => json!({ "__type": code, "message": "made by a test" }).to_string(),
        AwsService::Sns | AwsService::Ses => format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>made by a test</Message></Error>\
             <RequestId>test</RequestId></ErrorResponse>"
        ),
    };
    Response::builder().status(status).body(Bytes::from(body)).expect("an answer")
}
