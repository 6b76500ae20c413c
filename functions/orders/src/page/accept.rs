//! Negotiation of the media type (RFC 9110, section 12.5.1): the page for people, JSON for programs.

use lambda_http::Request;
use lambda_http::http::header;

/// True of a request that names HTML, and likes JSON less: a browser that goes to an address. Whoever takes anything gets JSON.
pub(crate) fn wants_page(request: &Request) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT);
    let ranges = || accepted.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let weight = |media_type: &str| {
        let of = ranges().filter_map(|range| weight_of(range, media_type));
        of.fold(0.0, f32::max)
    };
    weight("text/html") > weight("application/json")
}

/// Weight of a range, if it is that media type.
fn weight_of(range: &str, media_type: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    parts.next().filter(|name| name.eq_ignore_ascii_case(media_type))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, http};

    use super::*;

    #[test]
    fn a_browser_gets_the_page_and_a_program_json() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("Text/HTML", true),
            ("text/html;charset=utf-8;q=0.5, application/json; q=0.4", true),
            ("application/json, text/html", false),
            ("text/html;q=0.4, application/json;q=0.5", false),
            ("text/html;q=0", false),
            ("text/html;q=much", false),
            ("text/*", false),
            ("*/*", false),
            ("application/json", false),
            ("", false),
        ] {
            let request = http::Request::get("/orders/ord_1").header("Accept", accept).body(Body::Empty).unwrap();
            assert_eq!(wants_page(&request), expected, "{accept}");
        }
        assert!(!wants_page(&http::Request::get("/orders/ord_1").body(Body::Empty).unwrap()));
    }
}
