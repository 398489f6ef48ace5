//! Properties of the crate as a whole.

#[cfg(test)]
mod codecs;
#[cfg(test)]
mod decimals;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod folding;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod id_ranges;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod pieces;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod strategies;
