//! The judge of the OpenAPI document sees a header that is not in it, one that is missing, and one that is not as it says.

use serde_json::json;

use crate::book::judged;

#[test]
fn headers_are_judged_too() {
    let refused = |headers: &[(&str, &str)]| {
        let exchange = json!({
            "method": "GET",
            "path": "/health/state",
            "sent": null,
            "status": 503,
            "type": "application/problem+json",
            "headers": headers,
            "body": json!({
                "type": "/problems/locked", "title": "-", "status": 503, "code": "locked", "hint": "-",
            }).to_string(),
        });
        // Nothing else was called: of that the judge complains in any case.
        let said = judged(&[exchange.to_string()]).unwrap_err();
        said.lines().filter(|line| line.contains("(503)")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(refused(&[("date", "-"), ("retry-after", "30")]), [""; 0]);
    let why_not = [
        (&[][..], "there is no header Retry-After"),
        (&[("retry-after", "soon")], "Retry-After: $: 'soon' is not of type 'integer'"),
        (&[("retry-after", "30"), ("x-powered-by", "-")], "the header x-powered-by is not in the document"),
    ];
    for (headers, why) in why_not {
        assert_eq!(refused(headers), [format!("GET /health/state (503): {why}")]);
    }
}
