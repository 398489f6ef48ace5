//! The description of a deployment, without any cloud SDK: the settings, the names and values rendered
//! from them, and the artifacts. The engines that apply it are in `deploy`.

mod checkout;
pub mod files;
pub mod image_reference;
mod known;
pub mod names;
#[cfg(feature = "package")]
pub mod package;
pub mod render;
pub mod settings;
pub mod template;

pub use checkout::{Checkout, LOCAL};
pub use settings::Settings;
