//! What is measured in an open loop: latency at half of the highest rate, and rate against latency.

use super::{BenchError, Runner, say};
use crate::operations::Operation;
use crate::results::{Curve, Point};

/// Shares of the highest rate at which latency is measured, besides the half.
const SHARES: [f64; 4] = [0.2, 0.7, 0.85, 0.95];

/// The operations of which rate is plotted against latency.
const CURVES: [Operation; 4] = [
    Operation::ClientCredentials,
    Operation::Introspection,
    Operation::CodeFlow,
    Operation::Refresh,
];

impl Runner<'_> {
    /// At half of this rate, as often as anything is measured; the one in the middle by its slowest answers, with what went
    /// wrong in all. One time would tell little: a machine that stands still for 30 ms of three seconds has delayed one answer
    /// in a hundred.
    pub(super) fn half(&mut self, operation: Operation, highest: f64) -> Result<Option<Point>, BenchError> {
        let rate = highest / 2.0;
        let measured = self.repeat(operation, usize::from(self.arguments.repetitions), Some(rate))?;
        let mut points: Vec<_> = measured.iter().map(|measured| Point::of(measured, rate)).collect();
        if let Some(stuck) = points.iter().find(|point| point.rate <= 0.0) {
            return Ok(Some(*stuck));
        }
        points.sort_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms));
        let unsent = points.iter().map(|point| point.unsent).sum();
        let errors = points.iter().map(|point| point.errors).sum();
        let middle = points.get(points.len() / 2);
        Ok(middle.map(|point| Point {
            unsent,
            errors,
            ..*point
        }))
    }

    pub(super) fn curves(&mut self) -> Result<(), BenchError> {
        for operation in CURVES {
            let Some(row) = self.found.operations.iter().find(|row| row.operation == operation) else {
                continue;
            };
            say(&format!("{}: rate against latency", operation.name()));
            let (highest, mut points) = (row.highest(), Vec::from_iter(row.half));
            for share in SHARES {
                points.push(self.point(operation, highest * share)?);
            }
            points.sort_by(|a, b| a.asked.total_cmp(&b.asked));
            self.found.curves.push(Curve { operation, points });
        }
        Ok(())
    }

    /// At this rate, once.
    pub(super) fn point(&mut self, operation: Operation, rate: f64) -> Result<Point, BenchError> {
        let measured = self.repeat(operation, 1, Some(rate))?;
        let measured = measured.first().map(|measured| Point::of(measured, rate));
        Ok(measured.unwrap_or(Point::of_nothing(rate)))
    }
}
