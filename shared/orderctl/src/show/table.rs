//! Tables without lines: for the eye, and for `grep` and `awk`.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};

use crate::terminal::columns;

/// Sign in the place of what there is not.
pub(crate) const NONE: &str = "-";

/// Blanks between two columns.
const GAP: u16 = 2;

/// Columns of the terminal that the last column of a table has at least, and the blanks behind it.
const MIN_LAST: u16 = 24;

/// Rows under their headers, as wide as the terminal; in a pipe as wide as they are. The columns of numbers are given by their
/// headers.
pub(crate) fn table(headers: &[&str], numbers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    table_of(columns(), headers, numbers, rows)
}

fn table_of(
    columns: Option<u16>,
    headers: &[&str],
    numbers: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headers.to_vec());
    for row in rows {
        table.add_row(row);
    }
    let last = headers.len().saturating_sub(1);
    for (index, (column, header)) in table.column_iter_mut().zip(headers).enumerate() {
        column.set_padding((0, GAP));
        // An id over two lines is no id that can be copied: the last column alone has room to give.
        if index < last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if numbers.contains(header) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let widths = table.column_max_content_widths();
    let before_last: u16 = widths.iter().take(last).map(|width| width + GAP).sum();
    match columns {
        Some(columns) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns.max(before_last + MIN_LAST))
        }
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_column_is_broken_on_a_narrow_terminal() {
        let row = || ["let_1ez6m7xhq1v6vjcndwmdyvsfys", "the provider answers 503"].map(str::to_owned).to_vec();
        let broken = "LETTER                          REASON\n\
                      let_1ez6m7xhq1v6vjcndwmdyvsfys  the provider answers\n                                503";
        for columns in [56, 40, 0] {
            assert_eq!(table_of(Some(columns), &["LETTER", "REASON"], &[], [row()]), broken, "{columns}");
        }
        assert_eq!(table_of(Some(58), &["LETTER", "REASON"], &[], [row()]).lines().count(), 2);
    }

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
