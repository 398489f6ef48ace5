//! Publishes trades from Binance, a recording or a generator to the queues of both clouds.

use std::process::ExitCode;

fn main() -> ExitCode {
    producer_program::main()
}
