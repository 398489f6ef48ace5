//! What was measured, for a person and as JSON.

use std::fmt;
use std::time::Duration;

use infra::render::STACK_TEMPLATE;
use serde::Serialize;

/// One round: all times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Round {
    /// From the start of `deploy aws` until the pipeline's stack is made.
    pub(super) created_ms: u64,
    /// The whole of `deploy aws`: both stacks, upload, smoke test.
    pub(super) deploy_ms: u64,
    /// `terraform init`, without which nothing can be applied the first time.
    pub(super) init_ms: u64,
    /// `terraform apply`.
    pub(super) apply_ms: u64,
    /// The slowest resources by Terraform's own report, in whole seconds.
    pub(super) slowest_s: Vec<(String, u64)>,
}

impl Round {
    pub(super) fn of(
        created: Duration,
        deploy: Duration,
        init: Duration,
        apply: Duration,
        slowest_s: Vec<(String, u64)>,
    ) -> Self {
        Self {
            created_ms: millis(created),
            deploy_ms: millis(deploy),
            init_ms: millis(init),
            apply_ms: millis(apply),
            slowest_s,
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created_ms, deploy_ms, init_ms, apply_ms, .. } = self;
        write!(
            f,
            "deploy aws {deploy_ms} ms, its stack after {created_ms} ms; terraform init {init_ms} ms, apply {apply_ms} ms"
        )
    }
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// Of Terraform.
    terraform_version: String,
    /// Resources of the stack's template.
    stack_resources: usize,
    /// Resources that Terraform has made of the same.
    terraform_resources: usize,
    /// The first round, which doesn't count.
    cold: Round,
    rounds: Vec<Round>,
    /// Each figure's own.
    median: Round,
    /// Terraform's apply, as so many times the stack.
    times: String,
}

impl Report {
    /// `rounds` are those that count: one at least.
    pub(super) fn of(version: String, made: usize, cold: Round, rounds: Vec<Round>) -> Self {
        let of = |figure: fn(&Round) -> u64| median(rounds.iter().map(figure).collect());
        let median = Round {
            created_ms: of(|round| round.created_ms),
            deploy_ms: of(|round| round.deploy_ms),
            init_ms: of(|round| round.init_ms),
            apply_ms: of(|round| round.apply_ms),
            slowest_s: rounds.last().map(|round| round.slowest_s.clone()).unwrap_or_default(),
        };
        let times = ratio(median.apply_ms, median.created_ms);
        let stack_resources = resources(STACK_TEMPLATE).len();
        Self {
            terraform_version: version,
            stack_resources,
            terraform_resources: made,
            cold,
            rounds,
            median,
            times,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, cold, .. } = self;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, median: u64, cold: u64| {
            writeln!(f, "{name:<42} {median:>7} ms {cold:>10} ms")
        };
        let heading = format!("AWS's emulator, {} in turns", self.rounds.len());
        writeln!(f, "{heading:<42} {:>10} {:>13}", "median", "first")?;
        row(f, "deploy aws, until its stack is made", median.created_ms, cold.created_ms)?;
        row(f, "deploy aws, with its smoke test", median.deploy_ms, cold.deploy_ms)?;
        row(f, "terraform init", median.init_ms, cold.init_ms)?;
        row(f, "terraform apply", median.apply_ms, cold.apply_ms)?;
        writeln!(f, "terraform apply / stack made: {}", self.times)?;
        writeln!(
            f,
            "{} resources of the stack are {} of Terraform {}; what took it longest:",
            self.stack_resources, self.terraform_resources, self.terraform_version
        )?;
        for (address, seconds) in &median.slowest_s {
            writeln!(f, "  {seconds:>3} s  {address}")?;
        }
        Ok(())
    }
}

/// The resources of a template by name, each with its type: by indentation, all that is needed of YAML here.
pub(super) fn resources(template: &str) -> Vec<(&str, &str)> {
    let section = template.lines().skip_while(|line| *line != "Resources:").skip(1);
    let section = section.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let mut name = "";
    let mut found = Vec::new();
    for line in section {
        if let Some(own) = line.strip_prefix("    Type: ") {
            found.push((name, own));
        } else if let Some(key) = line.strip_prefix("  ").filter(|key| !key.starts_with(' ')) {
            name = key.trim_end_matches(':');
        }
    }
    found
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The one in the middle; of an even number the later one.
fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// With one decimal.
fn ratio(a: u64, b: u64) -> String {
    let tenths = a * 10 / b.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(created_ms: u64, apply_ms: u64) -> Round {
        Round { created_ms, deploy_ms: 2 * created_ms, init_ms: 7, apply_ms, slowest_s: Vec::new() }
    }

    #[test]
    fn each_figure_has_its_own_median_and_the_first_round_does_not_count() {
        let rounds = vec![round(300, 50_000), round(200, 60_000), round(250, 55_000)];
        let report = Report::of("1.11.4".to_owned(), 32, round(9_000, 90_000), rounds);
        assert_eq!(report.median, round(250, 55_000));
        assert_eq!(report.times, "220.0");
        let text = report.to_string();
        assert!(text.contains("220.0") && text.contains("9000 ms"), "{text}");
        assert!(text.contains("27 resources of the stack are 32 of Terraform 1.11.4"), "{text}");
    }
}
