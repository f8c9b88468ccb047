//! Columns of text: with tabs, as the newer commands print them, and between bars, as the older ones do.

const TAB: usize = 8;

/// Rows in columns that are padded with tabs, tab stops being 8 apart; every cell ends with a tab.
///
/// A column reaches as far as neighboring rows have a cell in it, so rows of different lengths may follow each other.
pub(super) fn tabbed(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (line, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let gap = column_width(rows, line, column) - cell.chars().count();
            text.push_str(cell);
            text.extend(std::iter::repeat_n('\t', gap.div_ceil(TAB)));
        }
        text.push('\n');
    }
    text
}

/// The width of the block of neighboring rows around `line` that have this column, rounded up to a tab stop.
fn column_width(rows: &[Vec<String>], line: usize, column: usize) -> usize {
    let (before, after) = rows.split_at(line);
    let cells = |row: &Vec<String>| row.get(column).map(|cell| cell.chars().count());
    let above = before.iter().rev().map_while(cells);
    let below = after.iter().map_while(cells);
    let widest = above.chain(below).max().unwrap_or(0);
    (widest + 1).next_multiple_of(TAB)
}

/// One record: a line for each header with its value.
pub(super) fn record(header: &[&str], row: &[String]) -> String {
    let rows: Vec<_> = header
        .iter()
        .zip(row)
        .map(|(name, value)| vec![(*name).to_owned(), value.clone()])
        .collect();
    tabbed(&rows)
}

/// Rows between bars under a centered header, without rules above and below.
///
/// The cells of a column may have several lines; the row then takes as many.
pub(super) fn barred(header: &[&str], rows: &[Vec<Vec<String>>]) -> String {
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(column, name)| widest(name, rows, column))
        .collect();
    let mut text = String::new();
    line(&mut text, &widths, |column, width| {
        center(header.get(column).copied().unwrap_or_default(), width)
    });
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    text.push_str(&format!("|{}|\n", rule.join("|")));
    for row in rows {
        for depth in 0..row.iter().map(Vec::len).max().unwrap_or(0).max(1) {
            line(&mut text, &widths, |column, width| {
                let cell = row
                    .get(column)
                    .and_then(|lines| lines.get(depth))
                    .map_or("", String::as_str);
                format!("{cell:<width$}")
            });
        }
    }
    text
}

fn widest(name: &str, rows: &[Vec<Vec<String>>], column: usize) -> usize {
    let lines = rows.iter().filter_map(|row| row.get(column)).flatten();
    lines
        .map(|line| line.chars().count())
        .chain([name.chars().count()])
        .max()
        .unwrap_or(0)
}

fn line(text: &mut String, widths: &[usize], cell: impl Fn(usize, usize) -> String) {
    for (column, width) in widths.iter().enumerate() {
        text.push_str(&format!("| {} ", cell(column, *width)));
    }
    text.push_str("|\n");
}

/// An odd space goes to the right.
fn center(text: &str, width: usize) -> String {
    let space = width.saturating_sub(text.chars().count());
    format!("{}{text}{}", " ".repeat(space / 2), " ".repeat(space - space / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect()
    }

    #[test]
    fn a_cell_that_fills_its_tab_stop_still_gets_a_tab() {
        assert_eq!(
            tabbed(&rows(&[&["12345678", "b"], &["1", "b"]])),
            "12345678\tb\t\n1\t\tb\t\n"
        );
    }

    #[test]
    fn a_shorter_row_ends_the_columns_it_lacks() {
        let table = rows(&[&["a", "a wide second cell"], &["b"], &["c", "d"]]);
        assert_eq!(tabbed(&table), "a\ta wide second cell\t\nb\t\nc\td\t\n");
    }

    #[test]
    fn a_row_between_bars_is_as_high_as_its_highest_cell() {
        let row = vec![vec!["x".to_owned()], vec!["one".to_owned(), "two".to_owned()]];
        let expected = "|  ID   | URIS |\n|-------|------|\n";
        let text = barred(&["ID", "URIS"], &[row]);
        assert_eq!(text, "| ID | URIS |\n|----|------|\n| x  | one  |\n|    | two  |\n");
        assert!(barred(&["ID", "URIS"], &[vec![vec!["12345".to_owned()], vec![]]]).starts_with(expected));
    }
}
