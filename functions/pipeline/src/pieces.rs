//! Consistent reads of a candle whose ids are stored in pieces beside its record.
//!
//! Record and pieces are written in one step and read in two. A write in between shows as a digest in the record that
//! does not match its piece; the reader then reads again.

use std::future::Future;
use std::time::Duration;

use crate::ports::{Fault, PortError};

/// Reads of a candle until record and pieces are of one write.
const LOOKS: u32 = 6;
/// The pause before the second read; it doubles with each read.
const PAUSE: Duration = Duration::from_millis(20);

/// Result of reading a record and its pieces once.
#[derive(Clone, Debug)]
pub enum Look<T, V> {
    /// Record and pieces are of one write.
    Whole(T),
    /// A piece is missing, or of another write.
    Torn {
        /// The version of the record.
        version: V,
        /// The failure of that piece.
        error: PortError,
    },
}

/// Reads until record and pieces are of one write, at most `LOOKS` times. If the record's version never changed, the
/// pieces are [`Fault::Corrupt`]; else the candle changes faster than it can be read, which is temporary.
pub async fn look_until_whole<T, V: PartialEq, F>(look: impl Fn() -> F) -> Result<T, PortError>
where
    F: Future<Output = Result<Look<T, V>, PortError>>,
{
    let mut before = None;
    let mut is_written = false;
    let mut looks = 0;
    loop {
        let (version, error) = match look().await? {
            Look::Whole(found) => return Ok(found),
            Look::Torn { version, error } => (version, error),
        };
        is_written |= before.as_ref().is_some_and(|before| *before != version);
        before = Some(version);
        looks += 1;
        if looks == LOOKS {
            let fault = if is_written { Fault::Unknown } else { Fault::Corrupt };
            return Err(PortError { fault, ..error });
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(looks - 1)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// The result of reads that find these versions torn, and then a whole candle.
    async fn looked(torn: impl IntoIterator<Item = u64>) -> Result<&'static str, Fault> {
        let torn = Mutex::new(torn.into_iter());
        let look = || async {
            let version = torn.lock().map_err(|_| error(Fault::Refused))?.next();
            Ok(match version {
                None => Look::Whole("whole"),
                Some(version) => Look::Torn { version, error: error(Fault::Corrupt) },
            })
        };
        look_until_whole(look).await.map_err(|error| error.fault)
    }

    fn error(fault: Fault) -> PortError {
        let detail = "the piece at 7 is missing".to_owned();
        PortError { service: "store", operation: "Query", fault, detail }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_written_is_looked_at_again() {
        assert_eq!(looked([]).await, Ok("whole"));
        assert_eq!(looked([5, 6, 6, 7, 8]).await, Ok("whole"));
        assert_eq!(looked([5, 5, 5, 5, 5]).await, Ok("whole"), "a read that lags behind");
        assert_eq!(looked(5..50).await, Err(Fault::Unknown), "written all the time");
        assert_eq!(looked([5; 50]).await, Err(Fault::Corrupt), "nobody writes");
        assert_eq!(looked([5, 5, 5, 5, 5, 6, 6]).await, Err(Fault::Unknown));
        let start = tokio::time::Instant::now();
        assert_eq!(looked([5; 50]).await, Err(Fault::Corrupt));
        let pauses = Duration::from_millis(20 + 40 + 80 + 160 + 320);
        assert_eq!(start.elapsed(), pauses, "each twice as long as the one before");
    }
}
