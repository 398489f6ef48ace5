//! The processes below one, by what `/proc` says about parents.

use std::collections::BTreeMap;
use std::fs;

/// A process, as `/proc/<pid>/stat` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    pid: i32,
    parent: i32,
    zombie: bool,
}

/// Every living process below `ancestor`, children before grandchildren.
pub(super) fn of(ancestor: i32) -> Vec<i32> {
    below(ancestor, &snapshot())
}

fn snapshot() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    // A process may end between being listed and being read.
    pids.filter_map(|pid| parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect()
}

fn below(ancestor: i32, stats: &[Stat]) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<Stat>> = BTreeMap::new();
    for stat in stats {
        children.entry(stat.parent).or_default().push(*stat);
    }
    let mut found = Vec::new();
    let mut queue = vec![ancestor];
    while let Some(parent) = queue.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            queue.push(child.pid);
            if !child.zombie {
                found.push(child.pid);
            }
        }
    }
    found
}

/// `pid (name) state parent …`, where the name may hold spaces and parentheses.
fn parse(stat: &str) -> Option<Stat> {
    let (pid, rest) = stat.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Stat { pid: pid.parse().ok()?, parent, zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: i32, parent: i32, zombie: bool) -> Stat {
        Stat { pid, parent, zombie }
    }

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(parse("42 (a) S (b)) S 7 42 42 0"), Some(stat(42, 7, false)));
        assert_eq!(parse("42 (x) Z 7 42"), Some(stat(42, 7, true)));
        assert_eq!(parse("garbage"), None);
    }

    #[test]
    fn the_whole_tree_is_found_also_below_a_zombie() {
        let stats = [stat(2, 1, false), stat(3, 2, true), stat(4, 3, false), stat(9, 8, false)];
        assert_eq!(below(1, &stats), [2, 4]);
    }
}
