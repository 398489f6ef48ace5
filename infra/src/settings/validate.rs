//! The limits of the two clouds' services, checked before anything is sent to them.

mod access;
mod binance;
mod delivery;
mod producer;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::containers::{self, Containers};
use super::error::nearest;
use super::model::{
    Archive, Aws, AwsArchive, AwsReplicate, CompareAndSet, Firestore, Gcp, GcpIngest, GcpReplicate,
    Images, Project, Pubsub, Settings, Trading,
};
use super::schema;
use crate::image_reference::ImageReference;
use crate::names;
use access::shaped;

/// Days that `CloudWatch` Logs can keep a log group for.
const LOG_RETENTION_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// A value that the services wouldn't take.
pub(super) struct Invalid {
    pub(super) key: Cow<'static, str>,
    pub(super) problem: String,
}

type Checked = Result<(), Invalid>;

pub(super) fn check(settings: &Settings) -> Checked {
    ranges(settings)?;
    project(&settings.project)?;
    trading(&settings.trading)?;
    producer::producer(&settings.producer)?;
    producer::route(&settings.route)?;
    producer::health(&settings.health)?;
    ensure(
        "functions.log",
        !settings.functions.log.trim().is_empty(),
        "a log filter can't be empty; the usual one is `info`",
    )?;
    compare_and_set(&settings.compare_and_set)?;
    access::github(settings)?;
    access::alerts(&settings.alerts)?;
    access::terraform(&settings.terraform)?;
    images_of_containers(&settings.containers)?;
    aws(&settings.aws, settings)?;
    gcp(&settings.gcp, settings)?;
    delivery::outages(settings)?;
    delivery::symbols(settings)
}

/// Compares each number with the range that its field has in the model.
fn ranges(settings: &Settings) -> Checked {
    let values = serde_json::to_value(settings).unwrap_or_default();
    in_range(schema::schema(), "", &values)
}

fn in_range(schema: &Value, key: &str, value: &Value) -> Checked {
    if let Value::Object(fields) = value {
        return fields.iter().try_for_each(|(name, value)| {
            let dot = if key.is_empty() { "" } else { "." };
            let field = schema::below(schema, name).unwrap_or(&Value::Null);
            in_range(field, &format!("{key}{dot}{name}"), value)
        });
    }
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    match (value.as_u64(), limit("minimum"), limit("maximum")) {
        (Some(value), Some(min), Some(max)) => range(key.to_owned(), value, min..=max),
        _ => Ok(()),
    }
}

fn images_of_containers(containers: &Containers) -> Checked {
    for (key, reference) in containers.images.all() {
        if let Some(reference) = reference {
            let fits = containers::is_exact(reference);
            let spoken = "an image with a tag or a digest, such as \"HOST/PATH:1.2.3\"";
            shaped(format!("containers.images.{key}"), reference, fits, spoken)?;
        }
    }
    Ok(())
}

fn project(project: &Project) -> Checked {
    name("project.prefix", &project.prefix, 3..=30, "-", &LOWER)?;
    name("project.environment", &project.environment, 1..=12, "", &LOWER)?;
    access::tags(project)
}

fn trading(trading: &Trading) -> Checked {
    ensure(
        "trading.symbols",
        !trading.symbols.is_empty(),
        "name at least one symbol, such as \"BTCUSDT\"",
    )?;
    unique("trading.symbols", &trading.symbols)?;
    for symbol in &trading.symbols {
        self::symbol("trading.symbols", symbol)?;
    }
    symbol("trading.smoke_symbol", &trading.smoke_symbol)?;
    let problem = "is one of trading.symbols: a smoke test would change its candles; name one that nobody trades";
    let apart = !trading.symbols.contains(&trading.smoke_symbol);
    ensure("trading.smoke_symbol", apart, format!("`{}` {problem}", trading.smoke_symbol))?;
    ensure(
        "trading.intervals",
        !trading.intervals.is_empty(),
        "name at least one interval, such as \"1m\"",
    )?;
    unique("trading.intervals", &trading.intervals)?;
    for interval in &trading.intervals {
        let known = Trading::INTERVALS.contains(&interval.as_str());
        let hint = || format!("no interval `{interval}`{}", nearest(interval, Trading::INTERVALS));
        ensure("trading.intervals", known, hint())?;
    }
    Ok(())
}

fn symbol(key: &'static str, symbol: &str) -> Checked {
    let fits = (2..=20).contains(&symbol.len())
        && symbol.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let problem = format!("`{symbol}` isn't a symbol: 2 to 20 of A-Z and 0-9, such as BTCUSDT");
    ensure(key, fits, problem)
}

fn compare_and_set(retry: &CompareAndSet) -> Checked {
    range("compare_and_set.cap_ms", retry.cap_ms, retry.base_ms..=60_000)
}

fn aws(aws: &Aws, settings: &Settings) -> Checked {
    access::aws_account(aws.account.as_deref())?;
    name("aws.region", &aws.region, 9..=25, "-", &LOWER)?;
    name("aws.table", &aws.table, 3..=255, "_.-", &ANY)?;
    name("aws.queue.name", &aws.queue.name, 1..=80, "_-", &ANY)?;
    name("aws.queue.dead_letter_name", &aws.queue.dead_letter_name, 1..=80, "_-", &ANY)?;
    ensure(
        "aws.queue.dead_letter_name",
        aws.queue.name != aws.queue.dead_letter_name,
        "must not be the queue itself",
    )?;
    name("aws.ingest.name", &aws.ingest.name, 1..=64, "_-", &ANY)?;
    let account = "0".repeat(12);
    bucket("aws.bucket_prefix", &names::aws_bucket(settings, &account))?;
    bucket("aws.artifact_bucket_prefix", &names::aws_artifact_bucket(settings, &account))?;

    let queue = &aws.queue;
    let ingest = &aws.ingest;
    range(
        "aws.queue.dead_letter_retention_s",
        queue.dead_letter_retention_s,
        queue.retention_s..=1_209_600,
    )?;
    let held_s = ingest.timeout_s + ingest.batch_window_s;
    let problem = format!(
        "{} s is less than the {held_s} s for which a message may be held (aws.ingest.batch_window_s, then \
         aws.ingest.timeout_s): it would be delivered again while it is being processed; {held_s} or more, and AWS advises {}",
        queue.visibility_timeout_s,
        6 * ingest.timeout_s + ingest.batch_window_s
    );
    let fits = queue.visibility_timeout_s >= held_s;
    ensure("aws.queue.visibility_timeout_s", fits, problem)?;
    let windowed = ingest.batch_size <= 10 || ingest.batch_window_s >= 1;
    ensure(
        "aws.ingest.batch_window_s",
        windowed,
        "must be at least 1 s when aws.ingest.batch_size is more than 10",
    )?;
    log_retention("aws.ingest.log_retention_days", ingest.log_retention_days)?;
    aws_archive(&aws.archive)?;
    aws_replicate(&aws.replicate, settings)?;
    access::foundation(&aws.foundation)?;
    access::aws_state(settings)
}

fn log_retention(key: &'static str, days: u32) -> Checked {
    let problem = format!(
        "CloudWatch Logs doesn't keep logs for {days} days, but for one of {LOG_RETENTION_DAYS:?}"
    );
    ensure(key, LOG_RETENTION_DAYS.contains(&days), problem)
}

fn aws_archive(archive: &AwsArchive) -> Checked {
    // S3 leaves an object in a class for 30 days at least.
    let (infrequent, instant) = (archive.standard_ia_days, archive.glacier_ir_days);
    range("aws.archive.glacier_ir_days", instant, infrequent + 30..=36_500)?;
    if archive.deep_archive_days > 0 {
        // Glacier Instant Retrieval bills 90 days at least.
        range("aws.archive.deep_archive_days", archive.deep_archive_days, instant + 90..=36_500)?;
    }
    Ok(())
}

fn aws_replicate(replicate: &AwsReplicate, settings: &Settings) -> Checked {
    access::aws_replicate(replicate, settings)?;
    // The alarm takes silence for lag.
    let (minutes, lag_s) = (replicate.schedule_minutes, settings.alerts.replication_lag_s);
    let problem = format!(
        "{minutes} minutes are not less than alerts.replication_lag_s, {lag_s} s: there would be an alert between two runs"
    );
    ensure("aws.replicate.schedule_minutes", minutes * 60 < lag_s, problem)?;
    log_retention("aws.replicate.log_retention_days", replicate.log_retention_days)
}

fn gcp(gcp: &Gcp, settings: &Settings) -> Checked {
    name("gcp.project", &gcp.project, 6..=30, "-", &LOWER)?;
    name("gcp.region", &gcp.region, 5..=30, "-", &LOWER)?;
    let raw = names::gcp_bucket(settings);
    bucket("gcp.bucket_prefix", &raw)?;
    let problem = format!("the bucket's whole name, `{raw}`, can't have Google's name in it");
    ensure("gcp.bucket_prefix", !raw.starts_with("goog") && !raw.contains("google"), problem)?;
    access::image_repository(gcp.image_repository.as_deref())?;
    access::pool(gcp.workload_identity_pool.as_deref())?;
    access::role_suffix(settings)?;
    access::members("gcp.operators", &settings.gcp.operators)?;
    access::members("gcp.game_day_operators", &settings.gcp.game_day_operators)?;
    let are_operators = |member: &String| settings.gcp.operators.contains(member);
    ensure(
        "gcp.game_day_operators",
        settings.gcp.game_day_operators.iter().all(are_operators),
        "must be among gcp.operators, whose rights a game day needs as well",
    )?;
    pubsub(&gcp.pubsub)?;
    firestore(&gcp.firestore)?;
    archive(&gcp.archive)?;
    gcp_ingest(&gcp.ingest)?;
    gcp_replicate(&gcp.replicate)?;
    images(&gcp.images)?;
    access::gcp_budget(&gcp.budget)?;
    access::gcp_state(&gcp.state)
}

fn firestore(firestore: &Firestore) -> Checked {
    if firestore.database != "(default)" {
        name("gcp.firestore.database", &firestore.database, 4..=63, "-", &LOWER)?;
    }
    name("gcp.firestore.collection", &firestore.collection, 1..=255, "_-", &ANY)?;
    if let Some(location) = &firestore.location {
        name("gcp.firestore.location", location, 2..=30, "-", &LOWER)?;
    }
    Ok(())
}

fn archive(archive: &Archive) -> Checked {
    if let Some(location) = &archive.location {
        name("gcp.archive.location", location, 2..=30, "-", &ANY)?;
    }
    let (nearline, coldline) = (archive.nearline_days, archive.coldline_days);
    range("gcp.archive.coldline_days", coldline, nearline + 1..=36_500)?;
    range("gcp.archive.archive_days", archive.archive_days, coldline + 1..=36_500)
}

fn gcp_ingest(ingest: &GcpIngest) -> Checked {
    name("gcp.ingest.service", &ingest.service, 1..=49, "-", &LOWER)?;
    range("gcp.ingest.max_instances", ingest.max_instances, ingest.min_instances.max(1)..=1_000)?;
    cpu("gcp.ingest.cpu", &ingest.cpu)?;
    memory("gcp.ingest.memory", &ingest.memory)
}

fn gcp_replicate(replicate: &GcpReplicate) -> Checked {
    if let Some(service) = &replicate.service {
        name("gcp.replicate.service", service, 1..=49, "-", &LOWER)?;
    }
    cpu("gcp.replicate.cpu", &replicate.cpu)?;
    memory("gcp.replicate.memory", &replicate.memory)?;
    let schedule = &replicate.schedule;
    let fields = schedule.split(' ').count() == 5 && !schedule.split(' ').any(str::is_empty);
    shaped("gcp.replicate.schedule", schedule, fields, "cron with five fields, as */5 * * * *")?;
    let path = &replicate.path;
    shaped("gcp.replicate.path", path, path.starts_with('/'), "a path, which starts with a slash")
}

fn images(images: &Images) -> Checked {
    if let Some(base) = &images.base {
        let problem = base.parse::<ImageReference>().err().map(|error| error.to_string());
        ensure("gcp.images.base", problem.is_none(), problem.unwrap_or_default())?;
    }
    if let Some(target) = &images.target {
        let known = Images::TARGETS.contains(&target.as_str());
        let problem = format!("no target `{target}`{}", nearest(target, Images::TARGETS));
        ensure("gcp.images.target", known, problem)?;
    }
    Ok(())
}

fn cpu(key: &'static str, cpu: &str) -> Checked {
    let problem = format!("`{cpu}` isn't one of {}", GcpIngest::CPUS.join(", "));
    ensure(key, GcpIngest::CPUS.contains(&cpu), problem)
}

fn memory(key: &'static str, memory: &str) -> Checked {
    let mebibytes = [("Mi", 1), ("Gi", 1_024)].into_iter().find_map(|(unit, size)| {
        let digits = memory.strip_suffix(unit)?;
        let digits = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?;
        digits.parse::<u32>().ok()?.checked_mul(size)
    });
    let fits = mebibytes.is_some_and(|mebibytes| mebibytes >= 512);
    shaped(key, memory, fits, "such as 512Mi or 1Gi; Cloud Run wants at least 512Mi")
}

fn pubsub(pubsub: &Pubsub) -> Checked {
    for (key, value) in [
        ("gcp.pubsub.topic", &pubsub.topic),
        ("gcp.pubsub.subscription", &pubsub.subscription),
        ("gcp.pubsub.dead_letter_topic", &pubsub.dead_letter_topic),
        ("gcp.pubsub.dead_letter_subscription", &pubsub.dead_letter_subscription),
    ] {
        name(key, value, 3..=255, "-_.~+%", &ANY)?;
        ensure(
            key,
            !value.starts_with("goog"),
            "Pub/Sub keeps names that start with `goog` for itself",
        )?;
    }
    ensure(
        "gcp.pubsub.dead_letter_topic",
        pubsub.topic != pubsub.dead_letter_topic,
        "must not be the topic itself",
    )?;
    let apart = pubsub.subscription != pubsub.dead_letter_subscription;
    ensure("gcp.pubsub.dead_letter_subscription", apart, "must not be the subscription itself")?;
    range("gcp.pubsub.max_backoff_ms", pubsub.max_backoff_ms, pubsub.min_backoff_ms..=600_000)?;
    access::members("gcp.pubsub.publishers", &pubsub.publishers)
}

/// S3's rules for bucket names, which Cloud Storage shares.
fn bucket(key: &'static str, bucket: &str) -> Checked {
    let whole = |problem: &str| format!("the bucket's whole name, {problem}");
    name(key, bucket, 3..=63, "-.", &LOWER_OR_DIGIT)
        .map_err(|invalid| Invalid { problem: whole(&invalid.problem), ..invalid })?;
    let apart = !["..", ".-", "-."].iter().any(|pair| bucket.contains(pair));
    let problem = format!("`{bucket}`, can't have two dots, or a dot beside a dash");
    ensure(key, apart, whole(&problem))
}

/// Letters that a name may contain, apart from dashes and the like.
struct Letters {
    upper: bool,
    digit_first: bool,
    spoken: &'static str,
}

const LOWER: Letters =
    Letters { upper: false, digit_first: false, spoken: "a-z and 0-9, a letter first" };
const LOWER_OR_DIGIT: Letters = Letters { upper: false, digit_first: true, spoken: "a-z and 0-9" };
const ANY: Letters =
    Letters { upper: true, digit_first: false, spoken: "A-Z, a-z and 0-9, a letter first" };

fn name(
    key: &'static str,
    value: &str,
    length: RangeInclusive<usize>,
    marks: &str,
    letters: &Letters,
) -> Checked {
    let plain = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || (letters.upper && c.is_ascii_uppercase())
    };
    let fits = length.contains(&value.len())
        && value.chars().all(|c| plain(c) || marks.contains(c))
        && value.starts_with(|c: char| plain(c) && (letters.digit_first || !c.is_ascii_digit()))
        && value.ends_with(plain);
    let extra = match marks {
        "" => String::new(),
        _ => format!(", with any of `{marks}` inside"),
    };
    let problem = format!(
        "`{value}` must be {} to {} of {}{extra}; it has {}",
        length.start(),
        length.end(),
        letters.spoken,
        value.len()
    );
    ensure(key, fits, problem)
}

fn range<T: Copy + PartialOrd + Display>(
    key: impl Into<Cow<'static, str>>,
    value: T,
    allowed: RangeInclusive<T>,
) -> Checked {
    let problem = format!("{value} isn't between {} and {}", allowed.start(), allowed.end());
    ensure(key, allowed.contains(&value), problem)
}

fn unique(key: &'static str, values: &[String]) -> Checked {
    let mut seen = BTreeSet::new();
    match values.iter().find(|value| !seen.insert(*value)) {
        Some(twice) => ensure(key, false, format!("`{twice}` is there twice")),
        None => Ok(()),
    }
}

fn ensure(key: impl Into<Cow<'static, str>>, holds: bool, problem: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Invalid { key: key.into(), problem: problem.into() }) }
}
