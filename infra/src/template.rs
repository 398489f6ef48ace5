//! Text from templates in `infra/templates`, strictly: a value that is missing is an error that names it.

use handlebars::{Handlebars, RenderError};
use serde::Serialize;

/// Why a template gave no text.
#[derive(Debug, thiserror::Error)]
#[error("render {template}: {source}")]
pub struct Error {
    /// The template's file.
    template: &'static str,
    /// What is missing, and where.
    source: Box<RenderError>,
}

/// Fills `text`, the template of the file `template`, with `values`.
pub(crate) fn render<T: Serialize>(
    template: &'static str,
    text: &str,
    values: &T,
) -> Result<String, Error> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    // The texts are not HTML.
    handlebars.register_escape_fn(handlebars::no_escape);
    handlebars
        .render_template(text, values)
        .map_err(|source| Error { template, source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_missing_value_is_an_error_that_names_it() {
        let rendered = |values| render("x.hbs", "a={{first}}\nb={{second}}\n", &values);
        let both = rendered(json!({"first": "<&>", "second": 2})).expect("both are there");
        assert_eq!(both, "a=<&>\nb=2\n");
        let error = rendered(json!({"first": 1})).expect_err("one is missing").to_string();
        assert!(error.starts_with("render x.hbs: ") && error.contains("second"), "{error}");
    }
}
