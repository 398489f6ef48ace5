//! What can be done to the clouds as containers, said before they are started.

use std::fmt;

use cli::Failure;

use super::images::Images;
use super::program::Program;

/// Something that happens to an emulator or to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An emulator's container is killed, and its data with it.
    Kill,
    /// An emulator's container is frozen.
    Pause,
    /// An emulator's container loses its network.
    Disconnect,
    /// A function of AWS is killed in the middle of its work.
    KillFunction,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kill, Self::Pause, Self::Disconnect, Self::KillFunction];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Disconnect => "disconnect",
            Self::KillFunction => "kill_function",
        })
    }
}

/// A fault that was asked for and can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the fault {fault} can't be had with {image}: its functions are containers of their own; \
         choose ministack: --aws-emulator ministack"
)]
pub struct Unsupported {
    /// Which one.
    pub fault: Fault,
    /// With what.
    pub image: String,
}

impl Unsupported {
    /// Exit code 3: never a run that passes without the fault.
    pub(crate) fn failure(self) -> Failure {
        Failure::missing(self)
    }
}

impl Images {
    /// True if a fault can be injected with these images.
    #[must_use]
    pub fn supports(&self, fault: Fault) -> bool {
        match fault {
            Fault::Kill | Fault::Pause | Fault::Disconnect => true,
            Fault::KillFunction => self.aws.program == Program::MiniStack,
        }
    }

    /// The same as an error.
    pub fn require(&self, fault: Fault) -> Result<(), Unsupported> {
        if self.supports(fault) {
            return Ok(());
        }
        Err(Unsupported { fault, image: self.aws.reference.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::Image;

    #[test]
    fn a_fault_that_cannot_be_had_is_an_error_of_its_own() {
        let image = |program| Image { reference: format!("{program:?}:1"), program };
        let mut images = Images {
            aws: image(Program::MiniStack),
            pubsub: image(Program::PubSubJar),
            firestore: image(Program::FirestoreJar),
            storage: image(Program::FakeGcsServer),
        };
        assert!(Fault::ALL.iter().all(|fault| images.require(*fault).is_ok()));
        images.aws = image(Program::LocalStack);
        let lacking = Fault::ALL.map(|fault| images.require(fault).err());
        let [None, None, None, Some(unsupported)] = lacking else { panic!("{lacking:?}") };
        assert!(unsupported.to_string().contains("LocalStack:1"), "{unsupported}");
        assert!(matches!(unsupported.failure(), Failure::MissingPrerequisite(_)), "exit code 3");
    }
}
