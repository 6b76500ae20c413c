//! Tries `orderflow_fuzz::notification`.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    orderflow_fuzz::notification(text);
});
