//! A Lambda function's code as published versions, and the alias that receives messages.
//!
//! For changes of the code alone: a new version is published within seconds, the alias moves to it,
//! and moves back if the new one doesn't work.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::client::Waiters as _;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use serde::Serialize;

use crate::aws::in_words;

/// The longest time in which Lambda applies new code.
const UPDATE_LIMIT: Duration = Duration::from_mins(2);

/// The reason why the code could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call was refused or not answered.
    #[error("{action} the function {function}: {problem}")]
    Call {
        /// The operation.
        action: &'static str,
        /// The function.
        function: String,
        /// The error, with the next step if there is one.
        problem: String,
    },
    /// There is no such function, or no such alias of it.
    #[error(
        "there is no function {function} with an alias {alias}; deploy the whole stack first, without --code-only"
    )]
    Absent {
        /// The function.
        function: String,
        /// The alias.
        alias: String,
    },
    /// Lambda accepted the code but did not apply it.
    #[error(
        "the function {function} did not take its new code within {} s: {problem}; look at its state with \
         `aws lambda get-function --function-name {function}`",
        UPDATE_LIMIT.as_secs()
    )]
    NotUpdated {
        /// The function.
        function: String,
        /// The last result of the wait.
        problem: String,
    },
}

/// A published version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Its number, as text.
    pub version: String,
    /// The SHA-256 of its zip, in base64.
    pub code_sha256: String,
}

/// One function.
#[derive(Clone, Debug)]
pub struct Function {
    client: Client,
    name: String,
}

impl Function {
    /// The function of this name.
    #[must_use]
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(config), name: name.to_owned() }
    }

    /// The version that an alias points to; `None` if function or alias is missing.
    pub async fn behind(&self, alias: &str) -> Result<Option<Version>, Error> {
        let answer = self.client.get_alias().function_name(&self.name).name(alias).send().await;
        let version = match answer {
            Ok(alias) => alias.function_version().unwrap_or_default().to_owned(),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.call("read the alias of")(error)),
        };
        let answer = self
            .client
            .get_function_configuration()
            .function_name(&self.name)
            .qualifier(&version)
            .send()
            .await
            .map_err(self.call("read"))?;
        Ok(Some(Version {
            version,
            code_sha256: answer.code_sha256().unwrap_or_default().to_owned(),
        }))
    }

    /// Sets the function's latest code, and waits until it is applied.
    pub async fn update(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let answer = self
            .client
            .update_function_code()
            .function_name(&self.name)
            .s3_bucket(bucket)
            .s3_key(key)
            .send()
            .await;
        answer.map_err(self.call("update the code of"))?;
        let waited = self
            .client
            .wait_until_function_updated_v2()
            .function_name(&self.name)
            .wait(UPDATE_LIMIT)
            .await;
        waited.map(drop).map_err(|error| Error::NotUpdated {
            function: self.name.clone(),
            problem: error.to_string(),
        })
    }

    /// Publishes a version of the function as it is. Publishing unchanged code returns the same
    /// version.
    pub async fn publish(&self, description: Option<&str>) -> Result<Version, Error> {
        let answer = self
            .client
            .publish_version()
            .function_name(&self.name)
            .set_description(description.map(str::to_owned))
            .send()
            .await
            .map_err(self.call("publish a version of"))?;
        Ok(Version {
            version: answer.version().unwrap_or_default().to_owned(),
            code_sha256: answer.code_sha256().unwrap_or_default().to_owned(),
        })
    }

    /// Points an alias to a version.
    pub async fn point(&self, alias: &str, version: &Version) -> Result<(), Error> {
        let answer = self
            .client
            .update_alias()
            .function_name(&self.name)
            .name(alias)
            .function_version(&version.version)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => {
                Err(Error::Absent { function: self.name.clone(), alias: alias.to_owned() })
            }
            Err(error) => Err(self.call("move the alias of")(error)),
        }
    }

    fn call<E, R>(&self, action: &'static str) -> impl FnOnce(SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let function = self.name.clone();
        move |error| Error::Call { action, function, problem: in_words(&error) }
    }
}

fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ResourceNotFoundException")
}
