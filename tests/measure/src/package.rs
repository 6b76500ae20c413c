//! Sizes of a binary, as it is and as Lambda gets it.

use std::fs;
use std::io;
use std::path::Path;

use flate2::Compression;
use flate2::read::DeflateEncoder;

/// Bytes of a binary, and of `bootstrap.zip` with nothing but it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) binary_bytes: u64,
    pub(crate) zip_bytes: u64,
}

/// Bytes of a zip file besides the compressed ones: two headers with the name, and an end.
const HEADERS_BYTES: u64 = 30 + 46 + 2 * "bootstrap".len() as u64 + 22;

/// Looks at a binary, and deflates it as `zip -9` would.
pub(crate) fn size(binary: &Path) -> io::Result<Size> {
    let content = fs::read(binary)?;
    Ok(Size { binary_bytes: content.len() as u64, zip_bytes: HEADERS_BYTES + deflated(&content)? })
}

fn deflated(content: &[u8]) -> io::Result<u64> {
    io::copy(&mut DeflateEncoder::new(content, Compression::best()), &mut io::sink())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_deflated() {
        let zeros = deflated(&vec![0; 100_000]).unwrap();
        assert!(zeros < 1_000, "{zeros}");
    }
}
