//! How many clusters are planned at a time.

/// Bytes of memory that a byte of report may come to while it is planned. Of fifty million rows in
/// 1.7 GB a cluster's 170 MB become 1.6 million paths of 0.2 kB while they are added up, in two
/// partitions.
const MEMORY_PER_REPORT_BYTE: u64 = 8;

/// Groups of clusters, of which each should fit into `memory_bytes`; `report_bytes` tells how much
/// each cluster reported. One cluster alone may be more: then the engine spills.
pub(crate) fn passes(report_bytes: &[u64], memory_bytes: u64) -> Vec<Vec<usize>> {
    let room = memory_bytes / MEMORY_PER_REPORT_BYTE;
    let mut passes: Vec<Vec<usize>> = Vec::new();
    let mut held = 0_u64;
    for (cluster, bytes) in report_bytes.iter().enumerate() {
        held = held.saturating_add(*bytes);
        match passes.last_mut() {
            Some(pass) if held <= room => pass.push(cluster),
            Some(_) | None => {
                passes.push(vec![cluster]);
                held = *bytes;
            }
        }
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_share_a_pass_as_long_as_there_is_memory() {
        assert_eq!(
            passes(&[10, 10, 10, 100, 1], 160),
            [vec![0, 1], vec![2], vec![3], vec![4]]
        );
        assert_eq!(passes(&[10, 10], u64::MAX), [vec![0, 1]]);
        assert_eq!(passes(&[10, 10], 0), [vec![0], vec![1]]);
        assert!(passes(&[], 100).is_empty());
    }
}
