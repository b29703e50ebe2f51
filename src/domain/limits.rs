//! The one home of every limit a caller can meet. Sizes are the same for all; rates belong to each API key.

use std::time::Duration;

use minicbor::{Decode, Encode};

/// How long a body may take to arrive, from its head.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a body that are still taken after a refusal that did not wait for it, and for how long.
pub const DISCARDED_BYTES_MAX: usize = 1 << 20;
/// See [`DISCARDED_BYTES_MAX`].
pub const DISCARD_TIME_MAX: Duration = Duration::from_millis(250);

/// Bytes of a body that asks for a certificate.
pub const RENEWAL_BODY_BYTES_MAX: usize = 16 << 10;
/// Between two renewals of one endpoint.
pub const RENEWAL_EVERY: Duration = Duration::from_secs(600);
/// Certificates that count at a time of those that lead back to one that an operator issued, itself included.
pub const CERTIFICATE_LINE_MAX: usize = 4;

/// Projects that one user may have made, while they are there.
pub const PROJECTS_MADE_PER_USER_MAX: usize = 100;
/// Objects of a project, while they are there. A database has tens of tables and hundreds of columns.
pub const OBJECTS_PER_PROJECT_MAX: u64 = 10_000;
/// Endpoints of a project, until they are deleted.
pub const ENDPOINTS_PER_PROJECT_MAX: usize = 1_000;
/// API keys of an endpoint that count at a time.
pub const API_KEYS_PER_ENDPOINT_MAX: usize = 100;
/// API keys of an endpoint that were ever made: the trail names them, so they stay until the endpoint is deleted.
pub const API_KEYS_PER_ENDPOINT_EVER_MAX: usize = 4_096;
/// Days that a key may become old, where it becomes no older than some.
pub const ROTATE_AFTER_DAYS_MAX: u32 = 36_500;

/// For how long an API key may count beside the one that takes its place.
pub const ROTATION_OVERLAP_MAX: Duration = Duration::from_secs(90 * 86_400);

/// What one request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a v1 body.
    pub body_bytes_max: usize,
    /// Bytes of a body of the published contract.
    pub published_body_bytes_max: usize,
    /// Bytes of one plaintext.
    pub field_bytes_max: usize,
    /// Items of a batch.
    pub items_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            published_body_bytes_max: 128 << 10,
            field_bytes_max: 64 << 10,
            items_max: 1_000,
        }
    }
}

/// How much one API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RateLimits {
    /// Requests per second on average.
    #[n(0)]
    pub requests_per_s: u32,
    /// Requests at once.
    #[n(1)]
    pub requests_burst: u32,
    /// Fields per second on average.
    #[n(2)]
    pub fields_per_s: u32,
    /// Fields at once, and so in one batch.
    #[n(3)]
    pub fields_burst: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { requests_per_s: 200, requests_burst: 400, fields_per_s: 20_000, fields_burst: 40_000 }
    }
}
