use crate::Row;

/// Shows the wall: a row for each fault and mode, in Markdown.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let heads = [
        "fault",
        "mode",
        "the caller gets",
        "calls: primary",
        "fallback",
        "seconds",
        "",
    ];
    let line = |row: &Row| {
        let mode = if row.streams { "stream" } else { "plain" };
        let verdict = match row.problems.is_empty() {
            true => "ok".to_owned(),
            false => row.problems.join("; "),
        };
        [
            row.fault.to_owned(),
            mode.to_owned(),
            seen(row),
            row.primary.to_string(),
            row.fallback.to_string(),
            format!("{:.2}", row.took.as_secs_f64()),
            verdict,
        ]
    };
    markdown(heads, rows.iter().map(line))
}

/// Shows what comes of each fault and is the same each time: what the caller gets, and in brackets how often the primary and
/// the fallback are called for that.
#[must_use]
pub fn outcomes(rows: &[Row]) -> String {
    let cell = |row: &Row| match row.exact {
        true => format!("{} ({}, {})", seen(row), row.primary, row.fallback),
        false => seen(row),
    };
    let line = |both: &[Row]| match both {
        [plain, stream] => [plain.fault.to_owned(), cell(plain), cell(stream)],
        _ => unreachable!("each fault is played plain and as a stream"),
    };
    markdown(["fault", "plain", "stream"], rows.chunks(2).map(line))
}

fn seen(row: &Row) -> String {
    match &row.seen {
        Ok(seen) => seen.to_string(),
        Err(wrong) => wrong.clone(),
    }
}

fn markdown<const N: usize>(heads: [&str; N], lines: impl Iterator<Item = [String; N]>) -> String {
    let lines: Vec<_> = lines.collect();
    // What went wrong may be long; it is not made room for.
    const WIDEST: usize = 60;
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        let longest = cells.filter(|width| *width <= WIDEST).max();
        longest.unwrap_or(0).max(heads[column].len())
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let print = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths);
        let padded = padded.map(|(cell, width)| format!("| {cell:width$} "));
        padded.collect::<String>() + "|\n"
    };
    let rule = widths.map(|width| format!("|{:-<1$}", "", width + 2));
    let mut out = print(heads) + &rule.concat() + "|\n";
    for line in &lines {
        out += &print(line.each_ref().map(String::as_str));
    }
    out
}
