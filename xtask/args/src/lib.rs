//! The arguments that xtask and the programs it runs share: xtask lists and checks them in seconds, the program
//! that does the work parses the same words again.

mod chaos;
mod checks;
mod cli;
mod cloud;
mod containers;
mod deploy;
mod e2e;
mod image;
mod local;
mod operate;
mod proxy;
mod render;
mod replace;

pub use chaos::{Chaos, ChaosCommand, Heal, Verify};
pub use checks::{Bench, Benchmark, Build, Ci, Doctor, Fuzz, Lint, Terraform, Test};
pub use cli::{Cli, Command};
pub use cloud::CloudId;
pub use containers::{AwsEmulator, BuildImages, EmulatorImage, Images, ImagesCommand};
pub use deploy::{Deploy, DeployTarget, Destroy, Drift, Outputs, Part, Place, Plan, Status};
pub use e2e::{E2e, Target, Trades};
pub use image::{Image, ImageCommand, PushImages};
pub use local::{Down, Up};
pub use operate::{
    DeadLetters, DeadLettersCommand, DeadLettersOf, DropDeadLetters, Failover, Produce,
    ReplayDeadLetters, Restore, ShowDeadLetter, Sync, SyncCommand, SyncMonitor, SyncPlace, SyncRun,
    Which,
};
pub use proxy::spare_loopback;
pub use render::Render;
pub use replace::replace_by;
