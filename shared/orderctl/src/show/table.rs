//! Tables without lines: for the eye, and for `grep` and `awk`.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::terminal::columns;

/// Sign in the place of what there is not.
pub(crate) const NONE: &str = "-";

/// Rows under their headers, as wide as the terminal; in a pipe as wide as they are. The columns of numbers are given by their
/// headers.
pub(crate) fn table(headers: &[&str], numbers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headers.to_vec());
    match columns() {
        Some(columns) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for row in rows {
        table.add_row(row);
    }
    for (column, header) in table.column_iter_mut().zip(headers) {
        column.set_padding((0, 2));
        if numbers.contains(header) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headers_and_nothing_trails() {
        let row = |texts: [&str; 3]| texts.map(str::to_owned).to_vec();
        let text = table(
            &["COUNT", "SERVICE", "REASON"],
            &["COUNT"],
            [row(["7", "payment", ""]), row(["12", "x", "it is down"])],
        );
        assert_eq!(text, "COUNT  SERVICE  REASON\n    7  payment\n   12  x        it is down");
    }
}
