//! Weighs the header of a request. Reads none of its fields.

use http::Request;

/// Bytes of a request line of HTTP/1.1 beside method and target, and of a field beside name and value.
const LINE_BYTES: usize = " HTTP/1.1\r\n".len() + 1;
const FIELD_BYTES: usize = ": \r\n".len();

/// How long the header is over HTTP/1.1, with fields written in the usual way.
pub(super) fn bytes<B>(request: &Request<B>) -> u32 {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + LINE_BYTES;
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_BYTES);
    u32::try_from(line + fields.sum::<usize>() + 2).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_weighs_what_it_took_to_write_it() {
        let written = "POST /v1/info?a=b HTTP/1.1\r\nhost: localhost\r\nx-a: 1\r\nx-a: 2\r\n\r\n";
        let request =
            Request::post("/v1/info?a=b").header("host", "localhost").header("x-a", "1").header("x-a", "2");
        assert_eq!(bytes(&request.body(()).unwrap()) as usize, written.len());
    }
}
