//! Cross-origin requests (CORS): from pages of one other origin, or of none.

use lambda_http::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};

use crate::config::Environment;

/// Headers of an answer to a preflight. A browser asks again after two hours: no longer do those of Chromium remember.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, Idempotency-Key, If-Match, traceparent"),
    (header::ACCESS_CONTROL_MAX_AGE, "7200"),
];

/// Headers of an answer that a page may read.
const EXPOSED: &str = "ETag, Idempotent-Replayed, Location, Retry-After, WWW-Authenticate";

/// Origin whose pages may call an API from a browser.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origin: Option<HeaderValue>,
}

impl Cors {
    /// Reads the variable `ALLOWED_ORIGIN`, such as `https://app.example`; absent, no page of another origin may call.
    #[must_use]
    pub fn read(environment: &mut Environment) -> Self {
        let Some(origin) = environment.optional("ALLOWED_ORIGIN") else { return Self::default() };
        match HeaderValue::try_from(origin) {
            Ok(origin) => Self { origin: Some(origin) },
            Err(_) => environment.fault("ALLOWED_ORIGIN must be an origin").unwrap_or_default(),
        }
    }

    /// Answer to a preflight, by which a browser asks whether a page may call at all; none to any other request.
    #[must_use]
    pub fn preflight(&self, request: &Request) -> Option<Response<Body>> {
        if request.method() != Method::OPTIONS {
            return None;
        }
        self.origin.as_ref()?;
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        for (name, value) in PREFLIGHT {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Some(self.allow(response))
    }

    /// The answer, as a page of the origin may read it.
    #[must_use]
    pub fn allow(&self, mut response: Response<Body>) -> Response<Body> {
        if let Some(origin) = &self.origin {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origin: &'static str) -> Cors {
        let variable = move |name: &str| (name == "ALLOWED_ORIGIN").then(|| origin.to_owned());
        Environment::new(variable).read(|environment| Some(Cors::read(environment))).unwrap()
    }

    fn request(method: Method) -> Request {
        lambda_http::http::Request::builder().method(method).body(Body::Empty).unwrap()
    }

    #[test]
    fn a_page_of_the_origin_may_ask_and_read_the_answer() {
        let cors = cors("https://app.example");
        let preflight = cors.preflight(&request(Method::OPTIONS)).unwrap();
        assert_eq!(preflight.status(), 204);
        for response in [preflight, cors.allow(Response::default())] {
            assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
        }
        assert!(cors.preflight(&request(Method::POST)).is_none());
    }

    #[test]
    fn without_an_origin_no_page_may() {
        let cors = cors("");
        assert!(cors.preflight(&request(Method::OPTIONS)).is_none());
        assert!(cors.allow(Response::default()).headers().is_empty());
        let forged = Environment::new(|_| Some("https://a\nb".to_owned()));
        assert!(forged.read(|environment| Some(Cors::read(environment))).is_err());
    }
}
