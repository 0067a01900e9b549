//! Tables in Markdown.

/// Prints a head.
pub(crate) fn head(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
    println!("|---|{}", "---:|".repeat(cells.len() - 1));
}

/// Prints a row.
pub(crate) fn row(name: &str, cells: &[String]) {
    println!("| {name} | {} |", cells.join(" | "));
}

/// A figure, and how many times another one it is.
pub(crate) fn beside(figure: f64, floor: f64, digits: usize) -> String {
    format!("{figure:.digits$} ({:.2})", figure / floor)
}

/// The middle one; of an even number, the upper one of the two.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
