//! A cron expression as a period, which is all that the local scheduler supports.

use super::Error;

const MINUTE_S: u32 = 60;
const HOUR_S: u32 = 60 * MINUTE_S;
const DAY_S: u32 = 24 * HOUR_S;

/// The period of `*/N * * * *`, `M * * * *`, `M */N * * *` or `M H * * *`, in seconds.
pub(super) fn period_s(schedule: &str) -> Result<u32, Error> {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let period = match fields[..] {
        [minute, "*", "*", "*", "*"] if is_number(minute) => Some(HOUR_S),
        [minutes, "*", "*", "*", "*"] => every(minutes, 59).map(|n| n * MINUTE_S),
        [minute, hour, "*", "*", "*"] if is_number(minute) && is_number(hour) => Some(DAY_S),
        [minute, hours, "*", "*", "*"] if is_number(minute) => every(hours, 23).map(|n| n * HOUR_S),
        _ => None,
    };
    period.ok_or_else(|| Error::Schedule { schedule: schedule.to_owned() })
}

/// `*` or `*/N`.
fn every(field: &str, max: u32) -> Option<u32> {
    if field == "*" {
        return Some(1);
    }
    let n = field.strip_prefix("*/")?.parse().ok()?;
    (1..=max).contains(&n).then_some(n)
}

fn is_number(field: &str) -> bool {
    field.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_periods_are_understood_and_others_refused() {
        for (schedule, period) in [
            ("* * * * *", 60),
            ("*/5 * * * *", 300),
            ("17 * * * *", 3_600),
            ("0 */6 * * *", 21_600),
            ("30 4 * * *", 86_400),
        ] {
            assert_eq!(period_s(schedule).expect("a period"), period, "{schedule}");
        }
        for schedule in ["", "* * * *", "*/0 * * * *", "*/60 * * * *", "0 4 * * 1", "1,2 * * * *"] {
            let error = period_s(schedule).expect_err("no period").to_string();
            assert!(error.contains("gcp.replicate.schedule"), "{error}");
        }
    }
}
