//! Sizes of a binary, as it is and as Lambda gets it.

use std::fs;
use std::io::{self, Cursor, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Bytes of a binary, and of `bootstrap.zip` with nothing but it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) binary_bytes: u64,
    pub(crate) zip_bytes: u64,
}

/// Looks at a binary, and zips it as `zip -9` would.
pub(crate) fn size(binary: &Path) -> io::Result<Size> {
    let content = fs::read(binary)?;
    Ok(Size { binary_bytes: content.len() as u64, zip_bytes: zipped(&content)? })
}

fn zipped(content: &[u8]) -> io::Result<u64> {
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).compression_level(Some(9));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options).map_err(io::Error::from)?;
    zip.write_all(content)?;
    let zip = zip.finish().map_err(io::Error::from)?;
    Ok(zip.into_inner().len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_deflated() {
        let zeros = zipped(&vec![0; 100_000]).unwrap();
        assert!(zeros < 1_000, "{zeros}");
    }
}
