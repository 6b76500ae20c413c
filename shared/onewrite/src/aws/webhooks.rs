//! Webhooks over HTTP, by the client that all calls have.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::connect::dns::Name;
use lambda_runtime::service_fn;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

use super::connector::{cause, over};
use super::roots;
use crate::webhook::{Answer, Loopback, Target, Unanswered};

/// Time for all of it: the name, the connection, the answer and the beginning of its body.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read. No encoding is undone, so that they are no more than what has come.
const MAX_BYTES: usize = 512;

/// Client that posts to receivers of strangers.
///
/// It connects to an address that it has looked at, and to no other: what a name resolves to is looked at by the connection that is made to
/// it, so that it cannot be another the next time it is asked for. It follows no redirect, and reads the beginning of an answer.
#[derive(Debug)]
pub struct WebhookClient {
    connector: SharedHttpConnector,
}

impl WebhookClient {
    /// A client that follows that rule, and the resolver of this machine.
    ///
    /// # Errors
    ///
    /// The trust store cannot be built.
    pub fn new(loopback: Loopback) -> Result<Self, lambda_runtime::Error> {
        Self::resolving_by(SystemResolver, loopback)
    }

    /// The same with another resolver.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn resolving_by(
        resolver: impl ResolveDns + Clone + 'static,
        loopback: Loopback,
    ) -> Result<Self, lambda_runtime::Error> {
        let roots = roots::of_this_machine()?;
        let resolver = PublicOnly { resolver, loopback };
        let resolve = service_fn(move |name: Name| {
            let resolver = resolver.clone();
            async move {
                let found = resolver.resolve_dns(name.as_str()).await?;
                // The port is the URL's.
                Ok::<_, ResolveDnsError>(found.into_iter().map(|address| SocketAddr::new(address, 0)))
            }
        });
        Ok(Self { connector: over(Tcp::new_with_resolver(resolve), roots, None)? })
    }

    /// Posts a CloudEvent with those headers: the answer, whatever it says.
    ///
    /// # Errors
    ///
    /// There is no answer. It may have been posted nevertheless, unless its address is not public.
    pub async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Result<Answer, Unanswered> {
        let deadline = Instant::now() + TIMEOUT;
        let exchange = timeout_at(deadline, self.exchange(target, headers, body));
        let response = exchange.await.unwrap_or(Err(Unanswered::TooSlow))?;
        let (status, mut rest, mut beginning) = (response.status().as_u16(), response.into_body(), Vec::new());
        // Where the rest does not come, or not in time, the status stands all the same.
        while beginning.len() < MAX_BYTES
            && let Ok(Some(Ok(frame))) = timeout_at(deadline, rest.frame()).await
        {
            let data: Bytes = frame.into_data().unwrap_or_default();
            beginning.extend_from_slice(data.get(..MAX_BYTES - beginning.len()).unwrap_or(&data));
        }
        Ok(Answer { status, beginning: String::from_utf8_lossy(&beginning).into_owned() })
    }

    async fn exchange(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Result<HttpResponse, Unanswered> {
        let mut request = HttpRequest::get(target.as_str()).map_err(|_| Unanswered::Unreachable)?;
        request.set_method("POST").map_err(|_| Unanswered::Unreachable)?;
        *request.body_mut() = body.into();
        let length = body.len().to_string();
        let own = [("content-type", "application/cloudevents+json"), ("content-length", &length)];
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.into_iter().chain(headers) {
            request.headers_mut().try_insert(name, value.to_owned()).map_err(|_| Unanswered::Unreachable)?;
        }
        self.connector.call(request).await.map_err(|error| match cause::<NotPublic>(&error) {
            Some(NotPublic) => Unanswered::NotPublic,
            None => Unanswered::Unreachable,
        })
    }
}

/// Resolver of this machine.
#[derive(Clone, Copy, Debug)]
struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolver that knows public addresses alone.
#[derive(Clone, Debug)]
struct PublicOnly<R> {
    resolver: R,
    loopback: Loopback,
}

impl<R: ResolveDns> ResolveDns for PublicOnly<R> {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = self.resolver.resolve_dns(name).await?;
            let public: Vec<IpAddr> = found.into_iter().filter(|address| self.loopback.lets(*address)).collect();
            if public.is_empty() { Err(ResolveDnsError::new(NotPublic)) } else { Ok(public) }
        })
    }
}

/// None of the addresses of a name is public.
#[derive(Clone, Copy, Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address is public")
    }
}

impl Error for NotPublic {}

#[cfg(test)]
mod tests;
