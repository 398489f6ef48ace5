//! Detects a wrong clock: AWS refuses a signature with a wrong time, with an error that does not mention the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};

/// AWS accepts a signature that is five minutes off, some services fifteen.
const TOLERANCE: Duration = Duration::from_mins(4);
/// Codes that mean a wrong time and nothing else.
const OF_THE_CLOCK: [&str; 2] = ["RequestTimeTooSkewed", "RequestInTheFuture"];
/// Codes that mean it among other things.
const MAYBE: [&str; 5] = [
    "AuthFailure",
    "IncompleteSignature",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
];

/// A text that this machine's clock is off, and by how much, if a refusal with this code and message means that; `date` is
/// the answer's `Date`, and `now` the time of this machine.
#[must_use]
pub fn clock_is_off(
    code: &str,
    message: &str,
    date: Option<&str>,
    now: SystemTime,
) -> Option<String> {
    let message = message.to_ascii_lowercase();
    let is_said = OF_THE_CLOCK.contains(&code)
        || message.contains("signature expired")
        || message.contains("signature not yet current")
        || message.contains("is not yet valid");
    let off = date.and_then(|date| off(date, now));
    let is_seen = off.is_some_and(|(by, _)| by > TOLERANCE);
    if !(is_said || MAYBE.contains(&code) && is_seen) {
        return None;
    }
    let how = off.filter(|_| is_seen).map_or_else(
        || "may be wrong".to_owned(),
        |(by, side)| format!("is {} {side} AWS's", in_words(by)),
    );
    Some(format!(
        "the clock of this machine {how}, and a signature is good for its time alone; set the clock, such as with \
         `timedatectl set-ntp true`, then try again"
    ))
}

/// The difference, and its direction.
fn off(date: &str, now: SystemTime) -> Option<(Duration, &'static str)> {
    let theirs = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    let theirs = UNIX_EPOCH + Duration::from_secs(u64::try_from(theirs.secs()).ok()?);
    Some(match theirs.duration_since(now) {
        Ok(by) => (by, "behind"),
        Err(error) => (error.duration(), "ahead of"),
    })
}

fn in_words(by: Duration) -> String {
    match by.as_secs() {
        secs @ ..=599 => format!("{secs} s"),
        secs @ ..=172_799 => format!("{} min", secs / 60),
        secs => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    const DATE_S: u64 = 1_767_225_600;

    fn told(code: &str, message: &str, date: Option<&str>, now_s: u64) -> Option<String> {
        let told = clock_is_off(code, message, date, UNIX_EPOCH + Duration::from_secs(now_s));
        let told = told.as_deref().and_then(|told| told.split(", and").next());
        told.and_then(|told| told.strip_prefix("the clock of this machine ")).map(str::to_owned)
    }

    #[test]
    fn a_clock_is_told_from_a_wrong_key() {
        let skewed = "The difference between the request time and the current time is too large.";
        let expired = "Signature expired: 20260101T000000Z is now earlier than 20260101T005500Z";
        let early =
            "Signature not yet current: 20260101T010000Z is still later than 20260101T000500Z";
        let wrong =
            "The request signature we calculated does not match the signature you provided.";
        let mismatch = "SignatureDoesNotMatch";
        for (code, message) in [
            ("RequestTimeTooSkewed", skewed),
            (mismatch, expired),
            ("InvalidSignatureException", early),
            ("RequestExpired", "Request has expired."),
        ] {
            let told = |now_s| told(code, message, Some(DATE), now_s);
            assert_eq!(told(DATE_S - 3_600).as_deref(), Some("is 60 min behind AWS's"), "{code}");
            assert_eq!(told(DATE_S + 360).as_deref(), Some("is 360 s ahead of AWS's"), "{code}");
            assert_eq!(told(DATE_S + 864_000).as_deref(), Some("is 10 days ahead of AWS's"));
        }
        assert_eq!(told(mismatch, expired, None, DATE_S).as_deref(), Some("may be wrong"));
        assert_eq!(told(mismatch, expired, Some("now"), DATE_S).as_deref(), Some("may be wrong"));
        assert_eq!(told(mismatch, wrong, Some(DATE), DATE_S + 10), None);
        assert_eq!(told(mismatch, wrong, None, DATE_S), None);
        assert_eq!(told("RequestExpired", "Request has expired.", Some(DATE), DATE_S), None);
        assert_eq!(
            told("AccessDenied", "no", Some(DATE), 0),
            None,
            "a right is lacking whatever the clock"
        );
    }
}
