//! Renders the templates in `infra/templates`, strictly: a missing value is an error that names it.
//!
//! Helpers: `{{json VALUE}}` writes any value as JSON, `{{word VALUE}}` one word of a shell or an `.env` file, `{{plain VALUE}}` a
//! value without quotes around it, as systemd and Docker read it from a file alike, `{{pretty VALUE}}` JSON for people.

use handlebars::{
    Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason,
};
use serde::Serialize;
use serde_json::Value;

/// The reason why rendering failed.
#[derive(Debug, thiserror::Error)]
#[error("render {template}: {cause}")]
pub struct Error {
    /// The template's file.
    template: &'static str,
    /// The missing value, and its place.
    cause: Box<RenderError>,
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
    handlebars.register_helper("json", Box::new(json));
    handlebars.register_helper("pretty", Box::new(pretty));
    handlebars.register_helper("word", Box::new(word));
    handlebars.register_helper("plain", Box::new(plain));
    handlebars
        .render_template(text, values)
        .map_err(|cause| Error { template, cause: Box::new(cause) })
}

/// `{{json VALUE}}`
fn json(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    out.write(&argument(helper)?.to_string())?;
    Ok(())
}

/// `{{pretty VALUE}}`
fn pretty(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    out.write(&format!("{:#}", argument(helper)?))?;
    Ok(())
}

/// `{{word VALUE}}`
fn word(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    out.write(&shell_word(&text(helper)?))?;
    Ok(())
}

/// `{{plain VALUE}}`
fn plain(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let text = text(helper)?;
    // systemd interprets a quote at the beginning and a backslash anywhere; Docker takes both literally.
    let is_quoted = text.starts_with(['\'', '"']);
    if is_quoted || text.contains(['\\', '\n', '\r', '\0']) || text.trim() != text {
        let why = format!(
            "{text:?} would be read otherwise by systemd than by Docker; choose a value without backslashes, line \
             breaks, a quote at its beginning, and spaces at its ends"
        );
        return Err(RenderErrorReason::Other(why).into());
    }
    out.write(&text)?;
    Ok(())
}

/// A helper's single argument. In strict mode a helper must treat a missing one as an error itself.
fn argument<'a>(helper: &'a Helper<'_>) -> Result<&'a Value, RenderError> {
    let argument = helper.param(0).ok_or(RenderErrorReason::MissingVariable(None))?;
    if argument.is_value_missing() {
        let path = argument.relative_path().cloned();
        return Err(RenderErrorReason::MissingVariable(path).into());
    }
    Ok(argument.value())
}

/// The argument: a text without quotes, any other value as JSON.
fn text(helper: &Helper<'_>) -> Result<String, RenderError> {
    let value = argument(helper)?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Unchanged if that is safe, else in single quotes.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.,:/@=+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
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

    #[test]
    fn a_plain_value_is_one_that_everybody_reads_alike() {
        let plain = |value: &str| render("x.hbs", "{{plain a}}", &json!({ "a": value }));
        assert_eq!(plain("(default)").expect("no quotes are needed"), "(default)");
        assert_eq!(plain("").expect("nothing is a value"), "");
        assert_eq!(plain("{\"a\":\"it's\"}").expect("inner quotes"), "{\"a\":\"it's\"}");
        for wrong in ["'a'", "\"a\"", "a\\", "a\nB=1", " a"] {
            let error = plain(wrong).expect_err("a quote or a space").to_string();
            let problem = format!(
                "{wrong:?} would be read otherwise by systemd than by Docker; choose a value without backslashes, line \
                 breaks, a quote at its beginning, and spaces at its ends"
            );
            assert!(error.ends_with(&problem), "{error}");
        }
    }

    #[test]
    fn any_value_as_json_and_a_text_as_a_word() {
        let text = "{{json a.b}} {{json c}} {{word d}} {{word e}} {{word f}}";
        let values =
            json!({"a": {"b": null}, "c": {"x": ["\"", 1]}, "d": "a,b", "e": "(a)", "f": "it's"});
        let rendered = render("x.hbs", text, &values).expect("all are there");
        assert_eq!(rendered, r#"null {"x":["\"",1]} a,b '(a)' 'it'\''s'"#);
        for text in ["{{json a.missing}}", "{{word missing}}"] {
            let error = render("x.hbs", text, &values).expect_err("one is missing").to_string();
            assert!(error.contains("missing"), "{error}");
        }
    }
}
