//! `cargo xtask dlq`.

use std::fmt;

use anyhow::anyhow;
use args::{CloudId, DeadLettersCommand, DeadLettersOf, Which};
use candle::Symbols;
use cli::Failure;
use deploy::commands::{DeployContext, agree, print};
use infra::Checkout;
use pipeline::ports::Queue;
use serde::Serialize;

use super::clouds;
use crate::dead_letters::{DeadLetter, Verdict, discard, receive, release, replay};

/// A dead letter as listed.
#[derive(Serialize)]
struct Line {
    id: String,
    bytes: usize,
    /// True if a current function can decode it.
    readable: bool,
    /// The reason why it is a dead letter, or its content.
    what: String,
}

#[derive(Serialize)]
struct List {
    cloud: String,
    dead_letters: Vec<Line>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: Line,
    body: String,
}

/// The result of handling dead letters.
#[derive(Serialize)]
struct Outcome {
    cloud: String,
    #[serde(skip)]
    verb: &'static str,
    done: Vec<Line>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    id: String,
    why: String,
}

impl Line {
    fn of(letter: &DeadLetter, symbols: &Symbols) -> Self {
        let (readable, what) = match letter.verdict(symbols) {
            Verdict::Poison(error) => (false, error.to_string()),
            Verdict::Readable { batch } => {
                let ids = batch.trades.iter().map(|trade| trade.id);
                let (first, last) = (ids.clone().min(), ids.max());
                let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
                let (symbol, count) = (&batch.symbol, batch.trades.len());
                (true, format!("{count} trades of {symbol}, {first} to {last}: readable now"))
            }
        };
        Self { id: letter.id.0.clone(), bytes: letter.body.len(), readable, what }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {:>7} bytes  {}", self.id, self.bytes, self.what)
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dead_letters.is_empty() {
            return writeln!(f, "no dead letters in {}", self.cloud);
        }
        self.dead_letters.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.line, self.body)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of {} {}", self.done.len(), self.cloud, self.verb)?;
        self.done.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.failed.iter().try_for_each(|failed| writeln!(f, "{}: {}", failed.id, failed.why))?;
        let poison = self.done.iter().filter(|line| !line.readable).count();
        if self.verb == REPLAYED && poison > 0 {
            writeln!(f, "{poison} of them can't be read, and will be dead letters again")?;
        }
        Ok(())
    }
}

const REPLAYED: &str = "sent again";
const DROPPED: &str = "deleted";

pub(super) async fn run(command: &DeadLettersCommand, checkout: &Checkout) -> Result<(), Failure> {
    let of = match command {
        DeadLettersCommand::List(of) => of,
        DeadLettersCommand::Show(args) => &args.of,
        DeadLettersCommand::Replay(args) => &args.of,
        DeadLettersCommand::Drop(args) => &args.of,
    };
    let site = DeployContext::open(&of.place, checkout)?;
    let symbols = clouds::ingest_config(&site)?.symbols;
    match of.cloud {
        CloudId::Aws => {
            let ports = clouds::aws(&site).await?;
            with(command, of, &symbols, &ports.dead_letters, &ports.queue).await
        }
        CloudId::Gcp => {
            let ports = clouds::gcp(&site).await?;
            with(command, of, &symbols, &ports.dead_letters, &ports.queue).await
        }
    }
}

async fn with<Q: Queue>(
    command: &DeadLettersCommand,
    of: &DeadLettersOf,
    symbols: &Symbols,
    dead_letters: &Q,
    queue: &Q,
) -> Result<(), Failure> {
    let letters = receive(dead_letters, of.max as usize).await?;
    match command {
        DeadLettersCommand::List(_) => {
            release(dead_letters, &letters).await?;
            let cloud = of.cloud.to_string();
            let lines = letters.iter().map(|letter| Line::of(letter, symbols)).collect();
            print(&List { cloud, dead_letters: lines }, of.json)
        }
        DeadLettersCommand::Show(args) => {
            release(dead_letters, &letters).await?;
            let letter = find(&letters, &args.id, of)?;
            let body = String::from_utf8_lossy(&letter.body).into_owned();
            print(&Shown { line: Line::of(letter, symbols), body }, of.json)
        }
        DeadLettersCommand::Replay(args) => {
            let chosen = choose(dead_letters, letters, &args.which, of).await?;
            let mut done = Outcome::new(of, REPLAYED);
            for letter in chosen {
                match replay(dead_letters, queue, &letter).await {
                    Ok(_) => done.done.push(Line::of(&letter, symbols)),
                    Err(error) => {
                        done.failed(&letter, &error);
                        // Taken off or not, the message need not stay hidden.
                        let _ = dead_letters.release(letter.receipt()).await;
                    }
                }
            }
            done.end(of.json)
        }
        DeadLettersCommand::Drop(args) => {
            let chosen = choose(dead_letters, letters, &args.which, of).await?;
            let question =
                format!("delete {} dead letters of {} for good?", chosen.len(), of.cloud);
            if !chosen.is_empty()
                && let Err(failure) = agree(&question, args.yes)
            {
                release(dead_letters, &chosen).await?;
                return Err(failure);
            }
            let mut done = Outcome::new(of, DROPPED);
            for letter in chosen {
                match discard(dead_letters, &letter).await {
                    Ok(()) => done.done.push(Line::of(&letter, symbols)),
                    Err(error) => done.failed(&letter, &error),
                }
            }
            done.end(of.json)
        }
    }
}

/// The chosen dead letters; all others are released.
async fn choose<Q: Queue>(
    queue: &Q,
    letters: Vec<DeadLetter>,
    which: &Which,
    of: &DeadLettersOf,
) -> Result<Vec<DeadLetter>, Failure> {
    let Some(id) = &which.id else { return Ok(letters) };
    let (chosen, others): (Vec<_>, Vec<_>) = letters.into_iter().partition(|l| l.id.0 == *id);
    release(queue, &others).await?;
    if chosen.is_empty() { Err(not_found(id, of)) } else { Ok(chosen) }
}

fn find<'l>(
    letters: &'l [DeadLetter],
    id: &str,
    of: &DeadLettersOf,
) -> Result<&'l DeadLetter, Failure> {
    letters.iter().find(|letter| letter.id.0 == id).ok_or_else(|| not_found(id, of))
}

fn not_found(id: &str, of: &DeadLettersOf) -> Failure {
    Failure::Failed(anyhow!(
        "{} has no dead letter {id}, or somebody else is looking at it; `cargo xtask dlq list {}` lists them",
        of.cloud,
        of.cloud
    ))
}

impl Outcome {
    fn new(of: &DeadLettersOf, verb: &'static str) -> Self {
        Self { cloud: of.cloud.to_string(), verb, done: Vec::new(), failed: Vec::new() }
    }

    fn failed(&mut self, letter: &DeadLetter, error: &dyn std::error::Error) {
        self.failed.push(Failed { id: letter.id.0.clone(), why: error.to_string() });
    }

    fn end(self, json: bool) -> Result<(), Failure> {
        print(&self, json)?;
        if self.failed.is_empty() { Ok(()) } else { Err(Failure::CheckFailed) }
    }
}
