//! `[route]`: the targets of messages, and what the router is made of.

use std::collections::BTreeMap;

use pipeline::route::{Policy as RouterPolicy, PrimarySelection, Router, Target};
use serde::{Deserialize, Serialize};

/// `[route]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(default))]
pub struct Route {
    /// Policy by which targets are chosen.
    pub policy: Policy,
    /// `aws`, `gcp`, or one of them in another region, such as `aws-eu-west-1`; in the order of preference by hand.
    pub targets: Vec<String>,
    /// Cost of a million messages, in millionths of any one currency, by target; without: 0.
    pub costs: BTreeMap<String, u64>,
    /// Shares under the policy `weighted`, by target; without: 1.
    pub weights: BTreeMap<String, u32>,
    /// Margin by which another primary must be quicker, in per cent, under the policy `primary-by-latency`.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1_000)))]
    pub latency_margin_percent: u32,
    /// Time for which a better primary must have been healthy before it is failed back to, in seconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 86_400)))]
    pub failback_s: u32,
    /// Time after which a producer that could read no cloud's orders publishes nothing, in seconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 3, max = 3_600)))]
    pub lease_s: u32,
}

/// Policy by which targets are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// All of them.
    Mirror,
    /// The first one; the others take over.
    PrimaryByHand,
    /// The cheapest; the others take over.
    PrimaryByCost,
    /// The quickest; the others take over.
    PrimaryByLatency,
    /// Each message goes to one of them.
    Weighted,
}

impl Policy {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::PrimaryByHand => "primary-by-hand",
            Self::PrimaryByCost => "primary-by-cost",
            Self::PrimaryByLatency => "primary-by-latency",
            Self::Weighted => "weighted",
        }
    }
}

impl Default for Route {
    fn default() -> Self {
        Self {
            policy: Policy::Mirror,
            targets: vec!["aws".to_owned(), "gcp".to_owned()],
            costs: BTreeMap::new(),
            weights: BTreeMap::new(),
            latency_margin_percent: 20,
            failback_s: 30,
            lease_s: 15,
        }
    }
}

/// A target that is neither a cloud nor a region of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither aws nor gcp nor a region of them, such as aws-eu-west-1")]
pub struct UnknownTarget(pub String);

impl Route {
    /// The router over these targets.
    pub fn router(&self) -> Result<Router, UnknownTarget> {
        let targets = self.targets.iter().map(|name| self.target(name));
        Ok(Router {
            targets: targets.collect::<Result<_, _>>()?,
            policy: match self.policy {
                Policy::Mirror => RouterPolicy::Mirror,
                Policy::Weighted => RouterPolicy::Weighted,
                Policy::PrimaryByHand => RouterPolicy::Primary(PrimarySelection::Hand),
                Policy::PrimaryByCost => RouterPolicy::Primary(PrimarySelection::Cost),
                Policy::PrimaryByLatency => RouterPolicy::Primary(PrimarySelection::Latency {
                    margin_percent: self.latency_margin_percent,
                }),
            },
            services: vec!["queue".to_owned()],
            failback_ms: u64::from(self.failback_s) * 1_000,
        })
    }

    fn target(&self, name: &str) -> Result<Target, UnknownTarget> {
        let (cloud, region) = name.split_once('-').unwrap_or((name, ""));
        if !matches!(cloud, "aws" | "gcp") {
            return Err(UnknownTarget(name.to_owned()));
        }
        Ok(Target {
            name: name.to_owned(),
            cloud: cloud.to_owned(),
            region: region.to_owned(),
            cost_micros: self.costs.get(name).copied().unwrap_or(0),
            weight: self.weights.get(name).copied().unwrap_or(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_its_cost_and_its_weight_by_name() {
        let route = Route {
            targets: ["aws-eu-west-1", "gcp"].map(str::to_owned).into(),
            costs: BTreeMap::from([("gcp".to_owned(), 7)]),
            weights: BTreeMap::from([("aws-eu-west-1".to_owned(), 3)]),
            failback_s: 2,
            ..Route::default()
        };
        let router = route.router().unwrap();
        let of = |target: &Target| (target.cloud.clone(), target.region.clone());
        let [aws, gcp] = &router.targets[..] else { panic!("{:?}", router.targets) };
        assert_eq!(of(aws), ("aws".to_owned(), "eu-west-1".to_owned()));
        assert_eq!(of(gcp), ("gcp".to_owned(), String::new()));
        assert_eq!([aws.cost_micros, gcp.cost_micros], [0, 7]);
        assert_eq!([aws.weight, gcp.weight], [3, 1]);
        assert_eq!(router.failback_ms, 2_000);
    }

    #[test]
    fn each_policy_is_one_of_the_router_and_is_written_as_it_is_shown() {
        for (policy, of_router) in [
            (Policy::Mirror, RouterPolicy::Mirror),
            (Policy::Weighted, RouterPolicy::Weighted),
            (Policy::PrimaryByHand, RouterPolicy::Primary(PrimarySelection::Hand)),
            (Policy::PrimaryByCost, RouterPolicy::Primary(PrimarySelection::Cost)),
            (
                Policy::PrimaryByLatency,
                RouterPolicy::Primary(PrimarySelection::Latency { margin_percent: 20 }),
            ),
        ] {
            let route = Route { policy, ..Route::default() };
            assert_eq!(route.router().unwrap().policy, of_router);
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
    }
}
