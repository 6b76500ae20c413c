//! Tries `orderflow_fuzz::envelope`.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    orderflow_fuzz::envelope(text);
});
