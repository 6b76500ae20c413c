//! Console: the page by which a person sees dead letters, mends them and sends them back, over the same API.

use lambda_http::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use onewrite::envelope::derive_id;
use onewrite::http::{Problem, path};

/// Name, media type and text of each file; the page itself has no name.
const FILES: [(&str, &str, &str); 11] = [
    ("", "text/html; charset=utf-8", include_str!("../console/index.html")),
    ("console.css", "text/css; charset=utf-8", include_str!("../console/console.css")),
    ("icon.svg", "image/svg+xml", include_str!("../console/icon.svg")),
    ("main.mjs", SCRIPT, include_str!("../console/main.mjs")),
    ("common.mjs", SCRIPT, include_str!("../console/common.mjs")),
    ("text.mjs", SCRIPT, include_str!("../console/text.mjs")),
    ("letters.mjs", SCRIPT, include_str!("../console/letters.mjs")),
    ("letter.mjs", SCRIPT, include_str!("../console/letter.mjs")),
    ("jobs.mjs", SCRIPT, include_str!("../console/jobs.mjs")),
    ("orders.mjs", SCRIPT, include_str!("../console/orders.mjs")),
    ("board.mjs", SCRIPT, include_str!("../console/board.mjs")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Rights of the page: its own files and its own API, nothing inline, in nobody's frame. Trusted Types keep every text from
/// becoming markup: no policy may make any.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// Headers of every file. A browser asks each time whether its copy is the newest, so that a page and its scripts are of one
/// deployment.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Answer to a request for the console or one of its files, which need no token; `None` of any other request.
pub(crate) fn console(request: &Request) -> Option<Response<Body>> {
    let path = path(request);
    let name = match path.as_slice() {
        ["console", rest @ ..] => rest.join("/"),
        // The same page, which begins with another view.
        ["board"] => String::new(),
        _ => return None,
    };
    let file = FILES.iter().find(|(known, ..)| *known == name).filter(|_| request.method() == Method::GET);
    let Some(&(_, media_type, text)) = file else { return Some(Problem::not_found("resource").into()) };
    let tag = HeaderValue::try_from(format!("\"{}\"", derive_id("", &[text]))).ok()?;
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    // A proxy that compresses makes a weak tag of a strong one.
    let is_known = known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(if is_known { Body::Empty } else { Body::Text(text.to_owned()) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::ETAG, tag);
    Some(response)
}

#[cfg(test)]
mod tests {
    use lambda_http::{RequestExt, http};

    use super::*;

    fn ask(method: &str, path: &str, tag: &str) -> Option<Response<Body>> {
        let request = http::Request::builder().method(method).uri(path).header("If-None-Match", tag);
        console(&request.body(Body::Empty).unwrap().with_raw_http_path(path))
    }

    fn header_of<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
        response.headers()[name].to_str().unwrap()
    }

    #[test]
    fn the_page_and_its_files_are_there_for_everybody() {
        for (name, media_type, text) in FILES {
            let response = ask("GET", &format!("/console/{name}"), "").unwrap();
            assert_eq!(
                (response.status(), header_of(&response, "content-type")),
                (StatusCode::OK, media_type),
                "{name}"
            );
            assert_eq!(response.body(), &Body::Text(text.to_owned()));
            assert!(header_of(&response, "content-security-policy").starts_with("default-src 'none'"));
            let tag = header_of(&response, "etag");
            for (known, status) in [(tag, 304), (&format!("\"a\", W/{tag}"), 304), ("\"a\"", 200), ("", 200)] {
                assert_eq!(ask("GET", &format!("/console/{name}"), known).unwrap().status(), status, "{name}: {known}");
            }
        }
        assert_eq!(ask("GET", "/board", "").unwrap().body(), ask("GET", "/console", "").unwrap().body());
        for (method, path) in
            [("GET", "/console/other.mjs"), ("POST", "/board"), ("GET", "/console/a/b"), ("POST", "/console")]
        {
            assert_eq!(ask(method, path, "").unwrap().status(), StatusCode::NOT_FOUND, "{method} {path}");
        }
        assert!(ask("GET", "/operations/groups", "").is_none());
    }

    #[test]
    fn every_file_that_one_names_is_served_and_none_is_inline() {
        let names = |text: &str| {
            let parts = text.split(['"', '\'']).filter_map(|part| part.rsplit_once('/'));
            let is_file = |name: &&str| [".mjs", ".css", ".svg"].iter().any(|end| name.ends_with(end));
            parts.map(|(_, name)| name).filter(is_file).map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let mentioned: Vec<String> = FILES.iter().flat_map(|(_, _, text)| names(text)).collect();
        for (name, ..) in FILES.iter().filter(|(name, ..)| !name.is_empty()) {
            assert!(mentioned.iter().any(|one| one == name), "nobody names {name}");
        }
        for name in mentioned {
            assert!(FILES.iter().any(|(known, ..)| *known == name), "{name} is not served");
        }
        let page = FILES[0].2;
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
    }
}
