//! What the store counts by itself, asked at every scrape: operations, statements, sizes of batches, lengths of queues.

use std::fmt;
use std::sync::Arc;

use claviger_store::{BATCH_BOUNDS, Database};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Exemplars, of which there are none, would have labels.
type NoLabels = [(&'static str, &'static str); 0];

/// The figures of a database.
pub(crate) struct StoreMetrics(pub(crate) Arc<Database>);

impl fmt::Debug for StoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreMetrics(..)")
    }
}

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.0.statistics();
        let mut count = |name, help, number: fn(&claviger_store::Count) -> u64| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for count in &counts {
                let labels = [("kind", count.kind)];
                ConstCounter::new(number(count)).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), fmt::Error>(())
        };
        count(
            "sql_statements",
            "Statements and transactions sent to the database",
            |count| count.round_trips,
        )?;
        count(
            "store_operations",
            "Operations asked of the database; one statement may do many",
            |count| count.operations,
        )?;
        let help = "Operations that were gathered into one statement or transaction";
        let mut family = encoder.encode_descriptor("store_batch_size", help, None, MetricType::Histogram)?;
        for batches in self.0.batches() {
            let bounds = BATCH_BOUNDS.iter().map(|bound| to_float(*bound)).chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = bounds.zip(batches.sizes).collect();
            let total = batches.sizes.iter().sum();
            let labels = [("kind", batches.kind)];
            let mut encoder = family.encode_family(&labels)?;
            encoder.encode_histogram::<NoLabels>(to_float(batches.operations), total, &buckets, None)?;
        }
        let help = "Operations that wait at the door of a queue";
        let mut family = encoder.encode_descriptor("store_queue_depth", help, None, MetricType::Gauge)?;
        for (queue, waiting) in self.0.queues() {
            let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
            ConstGauge::new(waiting).encode(family.encode_family(&[("queue", queue)])?)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "an approximate figure will do")]
fn to_float(number: u64) -> f64 {
    number as f64
}
