//! Common parts of the pages of an order: their layout, headers and rights, the files beside them, and refusals.
//!
//! All markup and all words are made here, on the server, so that a page without scripts is the same page. The one script
//! (`templates/page.mjs`) asks for the page again, with the token of a customer who is signed in, and swaps what has changed.

mod accept;
mod texts;

use askama::Template;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};
use onewrite::Failure;
use onewrite::envelope::derive_id;
use onewrite::http::Problem;
use orderflow_events::{Time, format_utc};

pub(crate) use self::accept::wants_page;
pub(crate) use self::texts::Texts;
use self::texts::{ENGLISH, Refusal};

/// Media type and text of each file beside the pages, by its name. No order has such an id: there is a dot in it.
const FILES: [(&str, &str, &str); 2] = [
    ("page.css", "text/css; charset=utf-8", include_str!("../templates/page.css")),
    ("page.mjs", "text/javascript; charset=utf-8", include_str!("../templates/page.mjs")),
];

/// Rights of the pages: the files and the API beside them, forms to their own address, nothing inline, nobody's frame, and no
/// way for the script to make markup of a text. What may be asked besides the API is the socket.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; connect-src 'self'";

/// Headers of a page. Its address may have a secret in it, which no other origin is told; without any referrer, browsers
/// would say `Origin: null` of its forms, as of a stranger's.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Place of a page below `/orders`, from which it names the files beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Depth {
    /// `/orders/{orderId}`
    Order,
    /// `/orders/{orderId}/withdrawal`
    BelowOrder,
}

/// Layout of a page.
pub(crate) struct Layout<'a> {
    /// Title of the page.
    pub(crate) title: &'static str,
    /// Name of the view, by which the script tells one from the other.
    pub(crate) view: &'static str,
    /// Seconds after which the page is worth asking for again; none of one that does not change by itself.
    pub(crate) pace_seconds: Option<u32>,
    /// Texts that all pages have.
    pub(crate) texts: &'static Texts,
    /// The socket by which the script hears of what happens, if there is one.
    pub(crate) socket: Option<&'a Socket>,
    depth: Depth,
}

/// Address of the API of WebSocket that tells what happens to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket(String);

impl Socket {
    /// The socket at that address. One of HTTP is that of the same place.
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self(address.strip_prefix("http").map_or_else(|| address.to_owned(), |rest| format!("ws{rest}")))
    }

    /// The address.
    pub(crate) fn address(&self) -> &str {
        &self.0
    }
}

impl<'a> Layout<'a> {
    pub(crate) const fn new(title: &'static str, view: &'static str, depth: Depth, socket: Option<&'a Socket>) -> Self {
        Self { title, view, pace_seconds: None, texts: &ENGLISH, socket, depth }
    }

    /// Address of a file from this page, with its version: a page and its files are of one deployment.
    pub(crate) fn file(&self, name: &str) -> String {
        let up = match self.depth {
            Depth::Order => "",
            Depth::BelowOrder => "../",
        };
        let version = FILES.iter().find(|(known, ..)| *known == name).map(|(.., text)| version(text));
        format!("{up}{name}?v={}", version.unwrap_or_default())
    }
}

/// Time of a page, in UTC; the script writes it as it is where the customer is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) Time);

impl Moment {
    pub(crate) fn machine(self) -> String {
        self.0.to_string()
    }

    pub(crate) fn human(self) -> String {
        format_utc(self.0)
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    layout: Layout<'a>,
    refusal: &'static Refusal,
}

/// A page as an answer, with a tag by which the script asks whether anything has changed.
///
/// # Errors
///
/// It cannot be rendered.
pub(crate) fn answer(
    request: &Request,
    status: StatusCode,
    page: &impl Template,
    socket: Option<&Socket>,
) -> Result<Response<Body>, Failure> {
    let policy = socket.map_or_else(|| POLICY.to_owned(), |Socket(address)| format!("{POLICY} {address}"));
    let policy = HeaderValue::try_from(policy);
    let policy = policy.map_err(|error| Failure::permanent(format!("the address of the socket is none: {error}")))?;
    let text = page.render().map_err(|error| Failure::permanent(format!("the page cannot be written: {error}")))?;
    let mut response = tagged(request, text)?;
    response.headers_mut().extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// The page that says why there is nothing to see, with the status and the headers of the problem.
pub(crate) fn refused(request: &Request, problem: Problem, depth: Depth, socket: Option<&Socket>) -> Response<Body> {
    let mut response = Response::<Body>::from(problem);
    let status = response.status();
    let refusal = ENGLISH.refusal(status);
    let layout = Layout::new(refusal.title, refusal.view, depth, socket);
    let Ok(page) = answer(request, status, &RefusalPage { layout, refusal }, socket) else { return response };
    let (parts, body) = page.into_parts();
    *response.status_mut() = parts.status;
    response.headers_mut().extend(parts.headers);
    response.map(|_| body)
}

/// A file beside the pages, by the last part of its path; none of any other name. It needs no token.
pub(crate) fn file(request: &Request, name: &str) -> Option<Response<Body>> {
    let (_, media_type, text) = FILES.iter().find(|(known, ..)| *known == name)?;
    let version = version(text);
    // Of another deployment's page it is not kept: it is not what that page has asked for.
    let is_named = request.query_string_parameters().first("v") == Some(&version);
    let control = if is_named { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Response::new(Body::Text((*text).to_owned()));
    for (name, value) in [
        (header::CONTENT_TYPE, *media_type),
        (header::CACHE_CONTROL, control),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

fn version(text: &str) -> String {
    derive_id("", &[text])
}

/// The text with its tag, or no text for who has it already.
fn tagged(request: &Request, text: String) -> Result<Response<Body>, Failure> {
    let tag = HeaderValue::try_from(format!("\"{}\"", version(&text)));
    let tag = tag.map_err(|error| Failure::permanent(format!("the tag is no header: {error}")))?;
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    // A proxy that compresses makes a weak tag of a strong one.
    let is_known = known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(if is_known { Body::Empty } else { Body::Text(text) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_page_are_small() {
        let bytes: usize = FILES.iter().map(|(.., text)| text.len()).sum();
        assert!(bytes <= 20_000, "{bytes} bytes, and the page itself is to have room in 30 KB");
    }
}
