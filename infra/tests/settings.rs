//! The settings as a person meets them: the file in the root, and what mistakes in it look like.

use std::path::Path;

use infra::Settings;
use infra::settings::Error;
use insta::assert_snapshot;

const FILE: &str = include_str!("../../twincloud.toml");

fn none() -> std::iter::Empty<(String, String)> {
    std::iter::empty()
}

fn load(env: Option<&str>) -> Settings {
    parse(FILE, env, &[], &[]).expect("the file in the root is valid")
}

fn parse(
    text: &str,
    env: Option<&str>,
    sets: &[&str],
    vars: &[(&str, &str)],
) -> Result<Settings, Error> {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let vars = vars.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Settings::parse(Path::new("twincloud.toml"), text, env, &sets, vars)
}

/// The error after `from` in the file became `to`, without the number of its line.
fn changed(from: &str, to: &str) -> String {
    assert!(FILE.contains(from), "the file has no `{from}`");
    let error = parse(&FILE.replacen(from, to, 1), None, &[], &[]).expect_err("a mistake");
    let error = error.to_string();
    let Some(rest) = error.strip_prefix("twincloud.toml:") else { return error };
    format!("twincloud.toml:LINE{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn a_mistake_names_its_line() {
    let line = 1 + FILE.lines().position(|line| line == "[functions]").expect("it is there");
    let error = parse(&FILE.replace("[functions]", "[funktions]"), None, &[], &[]);
    let error = error.expect_err("a mistake").to_string();
    assert!(error.starts_with(&format!("twincloud.toml:{line}: ")), "{error}");
}

fn set(text: &str) -> String {
    parse(FILE, None, &[text], &[]).expect_err("a mistake").to_string()
}

#[test]
fn the_names_of_the_system_before() {
    let settings = load(None);
    assert_eq!(settings.project.environment, "dev");
    assert_eq!(settings.aws.queue.name, "blockchain-core-trade-data");
    assert_eq!(settings.aws.queue.dead_letter_name, "blockchain-core-trade-data-dlq");
    assert_eq!(settings.aws.table, "blockchain-core-ohlcv-data");
    assert_eq!(settings.gcp.pubsub.topic, "blockchain-core-trade-data");
    assert_eq!(settings.trading.symbols, ["BTCUSDT"]);
    let bucket = infra::names::aws_bucket(&settings, "123456789012");
    assert_eq!(bucket, "blockchain-core-raw-data-dev-123456789012");
}

#[test]
fn an_overlay_changes_what_it_names_and_nothing_else() {
    let (dev, local, prod) = (load(Some("dev")), load(Some("local")), load(Some("prod")));
    assert_eq!(dev, load(None));
    assert_eq!(local.project.environment, "local");
    assert_eq!(local.aws.queue.visibility_timeout_s, 3);
    assert_eq!(dev.aws.queue.visibility_timeout_s, 180);
    assert_eq!(local.aws.queue.name, dev.aws.queue.name);
    assert_eq!(prod.aws.queue.name, "blockchain-core-prod-trade-data");
    assert_eq!(prod.aws.ingest.timeout_s, dev.aws.ingest.timeout_s);
}

/// The file with `prodwest`, which is `prod` in another region, and more of its settings.
fn with_region(more: &str) -> String {
    format!(
        "{FILE}\n[env.prodwest.project]\nregion_of = \"prod\"\n{more}\n\
         [env.prodwest.aws]\nregion = \"eu-west-1\"\ntable = \"{{prefix}}-{{environment}}-eu\"\n\
         [env.prod.aws.state]\nkey = \"{{environment}}\"\n\
         [env.prod.gcp.state]\nprefix = \"{{environment}}\"\n"
    )
}

#[test]
fn another_region_has_all_of_its_homes_settings_and_its_google_side() {
    let text = with_region("");
    let home = parse(&text, Some("prod"), &[], &[]).expect("valid");
    let there = parse(&text, Some("prodwest"), &[], &[]).expect("valid");
    assert_eq!((there.home(), &*there.project.environment), ("prod", "prodwest"));
    assert_eq!((&*there.aws.region, &*home.aws.region), ("eu-west-1", "us-east-1"));
    assert_eq!(
        (there.gcp.clone(), there.trading.clone()),
        (home.gcp.clone(), home.trading.clone())
    );
    assert_eq!(there.aws.ingest, home.aws.ingest);
    assert_eq!((&*there.aws.state.key, &*there.gcp.state.prefix), ("prodwest", "prod"));
    assert_eq!(infra::names::gcp_bucket(&there), infra::names::gcp_bucket(&home));
    let bucket = infra::names::aws_bucket(&there, "123456789012");
    assert_eq!(bucket, "blockchain-core-prod-raw-data-prodwest-123456789012");
    assert_eq!(there.regions, []);
    let [region] = &*home.regions else { panic!("{:?}", home.regions) };
    let named = (&*region.environment, &*region.region, &*region.queue, &*region.table);
    let role = region.replicate_role.as_deref();
    let (queue, table) = ("blockchain-core-prod-trade-data", "blockchain-core-prod-prodwest-eu");
    assert_eq!(named, ("prodwest", "eu-west-1", queue, table));
    assert_eq!(role, Some("blockchain-core-prod-prodwest-replicate"));
    assert_eq!(parse(&text, Some("dev"), &[], &[]).expect("valid").regions, []);
}

/// Both commands are given the same ones.
#[test]
fn what_is_overridden_holds_in_other_regions_too_but_for_what_they_say_themselves() {
    let sets = ["project.prefix=mine", "aws.table=one", "aws.queue.name=two"];
    let home = parse(&with_region(""), Some("prod"), &sets, &[]).expect("valid");
    let [region] = &*home.regions else { panic!("{:?}", home.regions) };
    assert_eq!((&*region.queue, &*region.table), ("two", "mine-prodwest-eu"));
    assert_eq!(region.replicate_role.as_deref(), Some("mine-prodwest-replicate"));
}

#[test]
fn mistakes_in_another_region() {
    let wrong = |from: &str, to: &str, env: &str, sets: &[&str]| {
        let text = with_region("").replace(from, to);
        let error = parse(&text, Some(env), sets, &[]).expect_err("a mistake").to_string();
        let Some(rest) = error.strip_prefix("twincloud.toml:") else { return error };
        rest.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned()
    };
    let of = "region_of = \"prod\"";
    assert_snapshot!(wrong(of, "region_of = \"prd\"", "dev", &[]), @": `env.prodwest.project.region_of`: no environment `prd`; did you mean `prod`?");
    assert_snapshot!(wrong(of, "region_of = \"prodwest\"", "dev", &[]), @": `env.prodwest.project.region_of`: prodwest is itself another region; name the environment that has the Google side");
    assert_snapshot!(wrong("[env.prodwest.aws]", "[env.prodwest.trading]\nsymbols = [\"A\"]\n[env.prodwest.aws]", "dev", &[]), @": `env.prodwest.trading`: it is prod's: put it under [env.prod.trading]");
    assert_snapshot!(wrong("[env.prodwest.aws]", "[env.prodwest.gcp]\nregion = \"r\"\n[env.prodwest.aws]", "dev", &[]), @": `env.prodwest.gcp`: it is prod's: put it under [env.prod.gcp]");
    assert_snapshot!(wrong("region = \"eu-west-1\"", "", "dev", &[]), @": `env.prodwest.project.region_of`: prodwest is prod in another region: say which, as `region` under [env.prodwest.aws]");
    assert_snapshot!(wrong("\"eu-west-1\"", "\"us-east-1\"", "prod", &[]), @": `env.prodwest.aws.region`: prod is in `us-east-1` already");
    assert_snapshot!(wrong("", "", "prod", &["aws.region=eu-west-1"]), @": `env.prodwest.aws.region`: prod is in `eu-west-1` already");
    assert_snapshot!(wrong("", "", "prod", &["project.region_of=dev"]), @"--set project.region_of=dev: `project.region_of`: only an overlay of twincloud.toml says so");
    assert_snapshot!(changed("[project]\nprefix", "[project]\nregion_of = \"dev\"\nprefix"), @"twincloud.toml:LINE: `project.region_of`: an overlay says so, such as [env.eu.project]; remove this key");
}

#[test]
fn sets_win_over_variables_which_win_over_the_file() {
    let vars = [
        ("TWINCLOUD_AWS__QUEUE__MAX_RECEIVE_COUNT", "7"),
        ("TWINCLOUD_AWS__INGEST__MEMORY_MB", "512"),
        ("TWINCLOUD_CACHE", "/somewhere"),
        ("HOME", "/home/someone"),
    ];
    let sets = [
        "aws.ingest.memory_mb=1024",
        "aws.ingest.architecture=arm64",
        "trading.symbols=BTCUSDT, ETHUSDT",
        "trading.intervals=[\"1m\"]",
        "functions.log=info,pipeline=debug",
        "aws.table={prefix}-x",
    ];
    let settings = parse(FILE, Some("prod"), &sets, &vars).expect("valid");
    assert_eq!(settings.aws.queue.max_receive_count, 7);
    assert_eq!(settings.aws.ingest.memory_mb, 1024);
    assert_eq!(settings.aws.ingest.architecture.as_str(), "arm64");
    assert_eq!(settings.trading.symbols, ["BTCUSDT", "ETHUSDT"]);
    assert_eq!(settings.trading.intervals, ["1m"]);
    assert_eq!(settings.functions.log, "info,pipeline=debug");
    assert_eq!(settings.aws.table, "blockchain-core-prod-x");
}

#[test]
fn a_prefix_moves_every_name() {
    let settings = parse(FILE, None, &["project.prefix=mine"], &[]).expect("valid");
    let text = serde_json::to_string(&settings).expect("serialise");
    assert!(!text.replace("blockchain-core-dev", "").contains("blockchain-core"), "{text}");
}

#[test]
fn how_terraform_is_run_is_the_machines_to_say() {
    assert_eq!(load(None).terraform, infra::settings::Terraform::default());
    let vars = [("TWINCLOUD_TERRAFORM__PLUGIN_DIR", "mirror")];
    let settings = parse(FILE, None, &["terraform.program=tofu"], &vars).expect("valid");
    assert_eq!(settings.terraform.program.as_deref(), Some("tofu"));
    assert_eq!(settings.terraform.plugin_dir.as_deref(), Some("mirror"));
}

#[test]
fn what_serialises_reads_back() {
    let settings = load(Some("prod"));
    let text = toml::to_string(&settings).expect("serialise");
    let text = format!("{text}\n[env.prod]\n");
    assert_eq!(parse(&text, Some("prod"), &[], &[]).expect("valid"), settings);
}

#[test]
fn a_producer_that_could_not_work_is_refused() {
    for (mistake, said) in [
        ("route.policy=primary", "did you mean `primary-by-hand`?"),
        ("route.targets=aws,azure", "`azure` must be `aws` or `gcp`"),
        ("route.targets=aws,aws", "`aws` is there twice"),
        ("route.targets=", "name at least one target"),
        ("route.costs.aws-x=5", "`route.costs`"),
        ("route.lease_s=1", "1 isn't between 3 and 3600"),
        ("producer.spool.sync=sometimes", "unknown value `sometimes`"),
        ("producer.publish.slow_ms=5000", "5000 isn't between 50 and 3000"),
        ("producer.binance.stream_url=https://x", "must start with wss:// or ws://"),
        ("producer.binance.stream_url=wss://fstream.binance.com", "where ids mean other trades"),
        ("producer.batch_max_trades=2501", "2501 isn't between 1 and 2500"),
        ("health.down_points=1", "1 isn't between 2 and 10000"),
    ] {
        let error = set(mistake);
        assert!(error.contains(said), "{mistake}: {error}");
    }
    let weights = ["route.weights.aws=0", "route.weights.gcp=0"];
    let error = parse(FILE, None, &weights, &[]).expect_err("a mistake").to_string();
    assert!(error.contains("every target's weight is 0"), "{error}");
    let region = parse(FILE, None, &["route.targets=aws,aws-eu-west-1,gcp"], &[]);
    assert_eq!(region.expect("valid").route.targets, ["aws", "aws-eu-west-1", "gcp"]);
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest() {
    assert_snapshot!(changed("visibility_timeout_s = 180", "visibility_timeout = 180"), @"twincloud.toml:LINE: `aws.queue.visibility_timeout`: unknown key; did you mean `visibility_timeout_s`?");
    assert_snapshot!(changed("[functions]", "[funktions]"), @"twincloud.toml:LINE: `funktions`: unknown key; did you mean `functions`?");
    assert_snapshot!(changed("batch_window_s = 0", "batch_windw_s = 0"), @"twincloud.toml:LINE: `aws.ingest.batch_windw_s`: unknown key; did you mean `batch_window_s`?");
    assert_snapshot!(changed("memory_mb = 512", "ram = 512"), @"twincloud.toml:LINE: `aws.ingest.ram`: unknown key; there is: name, architecture, memory_mb, timeout_s, batch_size, batch_window_s, max_concurrency, log_retention_days");
    assert_snapshot!(changed("[env.dev]", "[env.dev.project]\nenvironment = \"test\""), @"twincloud.toml:LINE: `env.dev.project.environment`: an overlay's environment is its own name; remove this key");
    assert_snapshot!(set("aws.memory=1"), @"--set aws.memory=1: `aws.memory`: unknown key; there is: account, region, table, bucket_prefix, artifact_bucket_prefix, deletion_protection, queue, ingest, replicate, archive, foundation, budget, state");
    assert_snapshot!(set("aws.queue.nam=x"), @"--set aws.queue.nam=x: `aws.queue.nam`: unknown key; did you mean `name`?");
    assert_snapshot!(set("aws.queue=x"), @"--set aws.queue=x: `aws.queue`: expected a table, found the text `x`");
    assert_snapshot!(set("aws.queue.name.more=x"), @"--set aws.queue.name.more=x: `aws.queue.name`: expected a string, found a table");
    assert_snapshot!(set("project.environment=prod"), @"--set project.environment=prod: `project.environment`: the environment chooses the overlay, so it can't be overridden; use --env");
    assert_snapshot!(set("aws.table"), @"--set aws.table: expected KEY=VALUE, such as --set aws.queue.max_receive_count=5");
    let error = parse(FILE, None, &[], &[("TWINCLOUD_AWS__QUEUE__RETENTION", "60")])
        .expect_err("a mistake");
    assert_snapshot!(error, @"TWINCLOUD_AWS__QUEUE__RETENTION: `aws.queue.retention`: unknown key; did you mean `retention_s`?");
}

#[test]
fn a_missing_key_names_its_table() {
    assert_snapshot!(changed("max_receive_count = 6", ""), @"twincloud.toml:LINE: `aws.queue.max_receive_count`: this key is missing");
}

#[test]
fn a_value_of_the_wrong_kind_says_what_was_expected() {
    assert_snapshot!(changed("memory_mb = 256", "memory_mb = \"256\""), @"twincloud.toml:LINE: `aws.ingest.memory_mb`: expected a whole number from 0 to 4294967295, found the text `256`");
    assert_snapshot!(changed("memory_mb = 256", "memory_mb = -1"), @"twincloud.toml:LINE: `aws.ingest.memory_mb`: expected a whole number from 0 to 4294967295, found `-1`");
    assert_snapshot!(changed("memory_mb = 256", "memory_mb = 2.5"), @"twincloud.toml:LINE: `aws.ingest.memory_mb`: expected a whole number from 0 to 4294967295, found `2.5`");
    assert_snapshot!(changed("symbols = [\"BTCUSDT\"]", "symbols = \"BTCUSDT\""), @"twincloud.toml:LINE: `trading.symbols`: expected a list, found the text `BTCUSDT`");
    assert_snapshot!(changed("symbols = [\"BTCUSDT\"]", "symbols = [1]"), @"twincloud.toml:LINE: `trading.symbols`: expected a string, found `1`");
    assert_snapshot!(changed("\"x86_64\"", "\"x86-64\""), @"twincloud.toml:LINE: `aws.ingest.architecture`: unknown value `x86-64`; did you mean `x86_64`?");
    assert_snapshot!(set("aws.ingest.memory_mb=lots"), @"--set aws.ingest.memory_mb=lots: `aws.ingest.memory_mb`: expected a whole number from 0 to 4294967295, found the text `lots`");
    assert_snapshot!(set("aws.ingest.architecture=riscv"), @"--set aws.ingest.architecture=riscv: `aws.ingest.architecture`: unknown value `riscv`; there is: x86_64, arm64");
}

#[test]
fn a_value_that_a_cloud_would_refuse_is_refused_here() {
    assert_snapshot!(set("aws.queue.visibility_timeout_s=10"), @"--set aws.queue.visibility_timeout_s=10: `aws.queue.visibility_timeout_s`: 10 s is less than the 31 s for which a message may be held (aws.ingest.batch_window_s, then aws.ingest.timeout_s): it would be delivered again while it is being processed; 31 or more, and AWS advises 181");
    assert_snapshot!(set("aws.bucket_prefix=Raw_Data"), @"--set aws.bucket_prefix=Raw_Data: `aws.bucket_prefix`: the bucket's whole name, `Raw_Data-dev-000000000000` must be 3 to 63 of a-z and 0-9, with any of `-.` inside; it has 25");
    assert_snapshot!(set("gcp.bucket_prefix=a-prefix-that-is-so-long-that-no-project-fits-behind-it"), @"--set gcp.bucket_prefix=a-prefix-that-is-so-long-that-no-project-fits-behind-it: `gcp.bucket_prefix`: the bucket's whole name, `a-prefix-that-is-so-long-that-no-project-fits-behind-it-dev-blockchain-core-dev` must be 3 to 63 of a-z and 0-9, with any of `-.` inside; it has 79");
    assert_snapshot!(set("trading.intervals=1m,15min"), @"--set trading.intervals=1m,15min: `trading.intervals`: no interval `15min`; there is: 1m, 5m, 15m, 1h, 1d");
    assert_snapshot!(set("trading.symbols=BTC-USDT"), @"--set trading.symbols=BTC-USDT: `trading.symbols`: `BTC-USDT` isn't a symbol: 2 to 20 of A-Z and 0-9, such as BTCUSDT");
    assert_snapshot!(set("trading.symbols="), @r#"--set trading.symbols=: `trading.symbols`: name at least one symbol, such as "BTCUSDT""#);
    assert_snapshot!(set("trading.symbols=BTCUSDT,BTCUSDT"), @"--set trading.symbols=BTCUSDT,BTCUSDT: `trading.symbols`: `BTCUSDT` is there twice");
    assert_snapshot!(set("gcp.pubsub.max_delivery_attempts=4"), @"--set gcp.pubsub.max_delivery_attempts=4: `gcp.pubsub.max_delivery_attempts`: 4 isn't between 5 and 100");
    let sets = ["aws.ingest.batch_size=100", "aws.ingest.batch_window_s=0"];
    assert_snapshot!(parse(FILE, None, &sets, &[]).expect_err("no window"), @"--set aws.ingest.batch_window_s=0: `aws.ingest.batch_window_s`: must be at least 1 s when aws.ingest.batch_size is more than 10");
    assert_snapshot!(set("aws.ingest.log_retention_days=31"), @"--set aws.ingest.log_retention_days=31: `aws.ingest.log_retention_days`: CloudWatch Logs doesn't keep logs for 31 days, but for one of [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]");
    assert_snapshot!(set("compare_and_set.cap_ms=10"), @"--set compare_and_set.cap_ms=10: `compare_and_set.cap_ms`: 10 isn't between 20 and 60000");
    assert_snapshot!(set("aws.queue.dead_letter_name={prefix}-trade-data"), @"--set aws.queue.dead_letter_name={prefix}-trade-data: `aws.queue.dead_letter_name`: must not be the queue itself");
    assert_snapshot!(set("aws.table={prefx}-x"), @"--set aws.table={prefx}-x: `aws.table`: no placeholder `{prefx}`, as in `{prefx}-x`; did you mean `prefix`?");
}

#[test]
fn a_file_that_cannot_be_read_says_where() {
    assert_snapshot!(changed("prefix = \"blockchain-core\" ", "prefix = "), @"twincloud.toml:LINE: not valid TOML: string values must be quoted, expected literal string");
    assert_snapshot!(parse(FILE, Some("prd"), &[], &[]).expect_err("no such environment"), @"no environment `prd` in twincloud.toml; did you mean `prod`?");
    let error = Settings::load(Path::new("absent.toml"), None, &[], none()).expect_err("absent");
    assert_snapshot!(error, @"read the settings file absent.toml: No such file or directory (os error 2); run from the root of the workspace, or name the file");
}

#[test]
fn what_terraform_would_refuse_is_refused_here() {
    let mistakes = [
        "project.tags.Team=data",
        "project.tags.project=other",
        "github.repository=*/name",
        "github.repository=octocat@1/my-repo@2",
        "github.owner_id=octocat",
        "github.owner_id=0",
        "github.owner_id=1",
        "github.repository_id=2",
        "github.branches=feature/*",
        "alerts.email=somebody",
        "alerts.error_percent=0",
        "alerts.replication_lag_s=130",
        "aws.replicate.role=arn:aws:iam::123456789012:role/replicate",
        "aws.foundation.key_services=sns,sq",
        "aws.foundation.key_deletion_window_days=6",
        "aws.state.bucket=State",
        "aws.state.key=/state",
        "aws.state.key=terraform/../state",
        "gcp.state.prefix=terraform-gcp/",
        "gcp.state.prefix=terraform-gcp//dev",
        "gcp.bucket_prefix=google",
        "gcp.workload_identity_pool=gcp-pool",
        "gcp.role_suffix=-2",
        "gcp.role_suffix=a_suffix_that_leaves_no_room_for_roles",
        "gcp.pubsub.publishers=allUsers",
        "gcp.archive.coldline_days=30",
        "gcp.ingest.max_instances=0",
        "gcp.ingest.cpu=3",
        "gcp.ingest.memory=256Mi",
        "gcp.replicate.schedule=hourly",
        "gcp.replicate.timeout_s=1801",
        "gcp.images.base=gcr.io/distroless/static-debian12:nonroot",
        "gcp.images.target=x86_64-unknown-linux-gnux32",
        "gcp.budget.billing_account=1234",
        "gcp.budget.monthly=0",
        "gcp.budget.monthly_usd=1",
    ];
    assert_snapshot!("refused", mistakes.map(set).join("\n"));
}

#[test]
fn what_the_stack_would_refuse_is_refused_here() {
    let mistakes = [
        "trading.smoke_symbol=BTCUSDT",
        "trading.smoke_symbol=smoke",
        "aws.archive.standard_ia_days=29",
        "aws.archive.glacier_ir_days=59",
        "aws.archive.deep_archive_days=100",
        "aws.state.bucket_prefix=State",
        "aws.state.noncurrent_days=0",
        "aws.replicate.name={prefix}-ingest",
        "aws.replicate.role=replicate",
        "aws.replicate.role={prefix}-{environment}-deploy",
        "aws.replicate.role={prefix}-{environment}-google-producer",
        "aws.replicate.role={prefix}-{environment}-producer",
        "aws.replicate.timeout_s=901",
        "aws.replicate.schedule_minutes=30",
        "aws.replicate.log_retention_days=31",
    ];
    assert_snapshot!("refused_by_the_stack", mistakes.map(set).join("\n"));
    parse(FILE, None, &["aws.archive.deep_archive_days=0"], &[]).expect("0 is never");
}

#[test]
fn what_only_some_need_can_be_left_out_or_taken_away() {
    let optional = [
        "[github]",
        "[alerts]",
        "[aws.archive]",
        "[aws.foundation]",
        "[aws.budget]",
        "[gcp.archive]",
    ];
    let mut text = FILE.to_owned();
    for table in optional {
        let begin = text.find(table).expect("the table is in the file");
        let end = text[begin + 1..].find("\n[").map_or(text.len(), |end| begin + 1 + end);
        text.replace_range(begin..end, "");
    }
    let without = parse(&text, None, &[], &[]).expect("each has a default");
    assert_eq!(without, load(None), "the file says the defaults");

    let given = FILE.replacen("# repository = \"OWNER/NAME\"", "repository = \"a/b\"", 1);
    let repository =
        |sets: &[&str]| parse(&given, None, sets, &[]).expect("valid").github.repository;
    assert_eq!(repository(&[]).as_deref(), Some("a/b"));
    assert_eq!(repository(&["github.repository="]), None);
}

#[test]
fn the_disk_of_an_instance_holds_the_spool_and_only_an_instance_has_one() {
    let parsed = |sets: &[&str]| parse(FILE, None, sets, &[]).map_err(|error| error.to_string());
    for fits in [
        &["producer.spool.max_mb=1048576"][..],
        &["producer.spool.max_mb=20480", "producer.host.clouds=gcp", "producer.host.disk_gb=21"],
        &["producer.host.clouds=aws", "producer.host.disk_gb=1024"],
    ] {
        parsed(fits).expect("valid");
    }
    for (refused, problem) in [
        (
            &["producer.spool.max_mb=20480", "producer.host.clouds=gcp"][..],
            "`producer.host.disk_gb`: 10 isn't between 21 and 1024",
        ),
        (
            &["producer.host.clouds=aws", "producer.host.disk_gb=1025"],
            "`producer.host.disk_gb`: 1025 isn't between 10 and 1024",
        ),
        (
            &["producer.spool.max_mb=1048576", "producer.host.clouds=aws"],
            "`producer.spool.max_mb`: 1048576 MiB do not fit on the disk of an instance, which has 1024 GB at most; choose less \
             than 1048576",
        ),
    ] {
        let error = parsed(refused).expect_err("it does not fit");
        assert!(error.ends_with(problem), "{error}");
    }
}

/// The file with this at its end, or why it is refused; `sets` are for `env`.
fn with(more: &str, env: &str, sets: &[&str]) -> Result<Settings, String> {
    parse(&format!("{FILE}\n{more}"), Some(env), sets, &[]).map_err(|error| error.to_string())
}

/// The number of the line that begins so.
fn line_of(text: &str, start: &str) -> usize {
    1 + text.lines().position(|line| line.starts_with(start)).expect("it is there")
}

#[test]
fn a_protected_environment_is_deployed_by_its_own_reviewed_jobs_only() {
    let sets = ["github.repository=o/r"];
    // As it would be written for all environments at once.
    let both = FILE.replacen("environments = []", "environments = [\"dev\", \"prod\"]", 1);
    let line = line_of(&both, "environments = [\"dev\"");
    for env in ["dev", "prod"] {
        let error = parse(&both, Some(env), &sets, &[]).expect_err("prod trusts dev").to_string();
        let begin = format!(
            "twincloud.toml:{line}: `github.environments`: prod is protected, and a job of dev "
        );
        assert!(error.starts_with(&begin), "{error}");
    }
    let own = FILE.replacen("environments = []", "environments = [\"prod\", \"staging\"]", 1);
    parse(&own, Some("prod"), &sets, &[]).expect("neither is another environment");

    let open = FILE.replacen("pull_requests = false", "pull_requests = true", 1);
    let error = parse(&open, Some("prod"), &sets, &[]).expect_err("a pull request").to_string();
    let begin = format!(
        "twincloud.toml:{}: `github.pull_requests`: ",
        line_of(&open, "[env.prod.github]") + 1
    );
    assert!(error.starts_with(&begin), "{error}");
    assert!(error.ends_with("put `pull_requests = false` under [env.prod.github]"), "{error}");
    parse(&open, Some("prod"), &[], &[]).expect("without a repository no job signs in");

    // An environment with a protected table is protected, and another region is as its home is.
    let protected = ["github.repository=o/r", "aws.deletion_protection=true"];
    let error = with("", "dev", &protected).expect_err("dev is protected");
    assert!(error.contains("[env.dev.github]"), "{error}");
    let region =
        "[env.prodeu.project]\nregion_of = \"prod\"\n[env.prodeu.aws]\nregion = \"eu-west-1\"\n";
    assert!(!with(region, "prodeu", &sets).expect("as prod").github.pull_requests);
    let named = format!("{region}[env.prodeu.github]\nenvironments = [\"prod\"]\n");
    with(&named, "prodeu", &sets).expect("its home's jobs may deploy it");
}

#[test]
fn no_stack_begins_with_the_name_of_another_and_a_dash() {
    let prefix = |prefix: &str| format!("[env.eu.project]\nprefix = \"{prefix}\"\n");
    // `blockchain-core-prod-prod` is prod's.
    for env in ["dev", "eu"] {
        let error = with(&prefix("blockchain-core-prod-prod"), env, &[]).expect_err("it begins so");
        assert!(
            error.contains("`blockchain-core-prod-prod-eu`, begins with that of prod, "),
            "{error}"
        );
        assert!(error.contains("`project.prefix`"), "{error}");
    }
    with(&prefix("blockchain-core-prod"), "eu", &[]).expect("the names go on otherwise");
    let error = with("", "dev", &["project.prefix=blockchain-core-prod-prod"]);
    assert!(error.expect_err("by --set, too").starts_with("--set project.prefix="));
}

#[test]
fn no_state_lies_where_another_environments_does() {
    let in_file = |state: &str, key: &str| {
        let text = FILE.replacen("# bucket = \"BUCKET\"", "bucket = \"state\"", 2);
        text.replacen(&format!("{state}\n"), &format!("{key}\n"), 1)
    };
    let (aws, gcp) = ("key = \"terraform/terraform.tfstate\"", "prefix = \"terraform-gcp\"");
    let refused = |text: &str| parse(text, None, &[], &[]).expect_err("one for all").to_string();
    let error = refused(&in_file(gcp, "prefix = \"gcp-{environment}\""));
    assert!(error.contains("`aws.state.key`: it is the key of the state, too, of "), "{error}");
    let error = refused(&in_file(aws, "key = \"{environment}.tfstate\""));
    assert!(
        error.contains("`gcp.state.prefix`: it is the prefix of the state, or lies "),
        "{error}"
    );

    let apart = in_file(aws, "key = \"{environment}.tfstate\"");
    let apart = apart.replacen(gcp, "prefix = \"gcp/{environment}\"", 1);
    parse(&apart, None, &[], &[]).expect("each has its own");
    let below = format!("{apart}\n[env.prod.gcp.state]\nprefix = \"gcp/dev/prod\"\n");
    assert!(refused(&below).contains("`gcp.state.prefix`"));

    // The one for emulators has no state that could be another's.
    let own = FILE.replacen("# bucket = \"BUCKET\"", "bucket = \"state\"", 2);
    let own = own
        + "\n[env.prod.aws.state]\nkey = \"prod.tfstate\"\n[env.prod.gcp.state]\nprefix = \"prod\"\n";
    parse(&own, None, &[], &[]).expect("dev and prod have a state each");
}

#[test]
fn a_subject_that_google_would_refuse_is_refused_here() {
    let repository = format!("github.repository={}/{}", "o".repeat(39), "r".repeat(60));
    let sets = [repository.as_str(), "github.environments=dev"];
    with("", "dev", &sets).expect("120 characters");
    let error = with(
        "",
        "dev",
        &[&sets[..], &["github.owner_id=1234567", "github.repository_id=2"]].concat(),
    );
    let error = error.expect_err("with the numbers it is longer");
    assert!(error.contains("has 131 characters, and Google Cloud takes 127"), "{error}");
}

#[test]
fn a_key_of_an_earlier_file_is_told_from_one_that_is_unknown() {
    for set in ["gcp.firestore.candles_collection=candles", "aws.ttl_attribute=expires"] {
        let error = parse(FILE, None, &[set], &[]).expect_err("gone").to_string();
        assert!(error.contains("delete the line"), "{error}");
    }
}

#[test]
fn an_account_is_twelve_digits() {
    let parse = |set: &str| {
        let text = include_str!("../../twincloud.toml");
        let sets = [set.to_owned()];
        Settings::parse(
            std::path::Path::new("twincloud.toml"),
            text,
            None,
            &sets,
            std::iter::empty(),
        )
    };
    let settings = parse("aws.account=012345678901").expect("valid");
    assert_eq!(settings.aws.account.as_deref(), Some("012345678901"));
    for account in ["12345678901", "1234567890123", "12345678901a"] {
        let error = parse(&format!("aws.account={account}")).expect_err("refused").to_string();
        assert!(error.contains("aws.account") && error.contains("twelve digits"), "{error}");
    }
}
