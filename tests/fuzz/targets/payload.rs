//! Tries `orderflow_fuzz::payload`.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    orderflow_fuzz::payload(text);
});
