//! Tries `orderflow_fuzz::http_body`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    orderflow_fuzz::http_body(bytes);
});
