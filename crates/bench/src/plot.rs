//! Plots as SVG: lines with marks, axes, and a legend, readable on light and dark ground.

use std::fmt::Write as _;

use crate::driver::as_f64;
use crate::results::{Curve, Row, Run};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;

/// Told apart by who sees colors differently (Okabe and Ito).
const COLORS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#888888",
];

/// One line of a plot.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

struct Axis {
    title: &'static str,
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// Where between 0 and 1 a value lies.
    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| {
            if self.logarithmic {
                value.max(1e-9).log10()
            } else {
                value
            }
        };
        let (low, high) = (scale(self.low), scale(self.high));
        if high > low {
            ((scale(value) - low) / (high - low)).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    fn marks(&self) -> Vec<f64> {
        if !self.logarithmic {
            return (0..=5)
                .map(|mark| self.low + (self.high - self.low) * f64::from(mark) / 5.0)
                .collect();
        }
        let mut marks = Vec::new();
        for power in -3..=9 {
            for step in [1.0, 2.0, 5.0] {
                let mark = step * 10_f64.powi(power);
                if mark >= self.low * 0.999 && mark <= self.high * 1.001 {
                    marks.push(mark);
                }
            }
        }
        marks
    }
}

/// p99 in an open loop against the share of the highest rate, so that cheap and dear operations fit one plot.
pub(crate) fn latency(curves: &[Curve]) -> String {
    let series = curves.iter().map(|curve| {
        let highest = curve.points.iter().map(|point| point.asked).fold(1.0, f64::max) / 0.95;
        let points = curve.points.iter();
        Series {
            name: format!("{} (max {highest:.0}/s)", curve.operation.name()),
            points: points
                .map(|point| (point.asked / highest * 100.0, point.p99_ms))
                .collect(),
        }
    });
    let series: Vec<_> = series.collect();
    let (low, high) = around(&series);
    let x = Axis {
        title: "rate, % of the highest",
        low: 0.0,
        high: 100.0,
        logarithmic: false,
    };
    let y = Axis {
        title: "p99, ms",
        low,
        high,
        logarithmic: true,
    };
    draw("Rate against latency (open loop)", &x, &y, &series)
}

/// Rates against the number of stored tokens, as shares of the rate of an empty database.
pub(crate) fn stored(run: &Run) -> String {
    let operations = run.stored.last().map_or(&[][..], |last| last.rows.as_slice());
    let series = operations.iter().filter_map(|row| {
        let of = |rows: &[Row]| {
            rows.iter()
                .find(|other| other.operation == row.operation)
                .map(Row::rate)
        };
        let empty = of(&run.operations).filter(|rate| *rate > 0.0)?;
        let with = run.stored.iter();
        let with = with.filter_map(|stored| Some((as_f64(stored.tokens) / 1e6, of(&stored.rows)? / empty * 100.0)));
        Some(Series {
            name: format!("{} ({empty:.0}/s)", row.operation.name()),
            points: std::iter::once((0.0, 100.0)).chain(with).collect(),
        })
    });
    let series: Vec<_> = series.collect();
    let most = series.iter().flat_map(|series| &series.points);
    let (high_x, high_y) = most.fold((0.0, 100.0), |(x, y): (f64, f64), point| {
        (x.max(point.0), y.max(point.1))
    });
    let x = Axis {
        title: "stored tokens, millions",
        low: 0.0,
        high: high_x,
        logarithmic: false,
    };
    let y = Axis {
        title: "rate, % of that with an empty database",
        low: 0.0,
        high: (high_y / 20.0).ceil() * 20.0,
        logarithmic: false,
    };
    draw("Rate against stored tokens", &x, &y, &series)
}

/// Steps of 1, 2 and 5 around all values.
fn around(series: &[Series]) -> (f64, f64) {
    let values = series.iter().flat_map(|series| &series.points).map(|point| point.1);
    let (low, high) = values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
        (low.min(value), high.max(value))
    });
    if high <= 0.0 {
        return (0.1, 10.0);
    }
    let down = 10_f64.powf(low.max(0.01).log10().floor());
    let up = 10_f64.powf(high.log10().ceil());
    (down, up)
}

fn draw(title: &str, x: &Axis, y: &Axis, series: &[Series]) -> String {
    let at_x = |value| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
    let at_y = |value| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    let mut put = |element: String| {
        // Writing to memory does not fail.
        let _ = writeln!(svg, "{element}");
    };
    put(text(LEFT, 18.0, "start", title));
    for mark in x.marks() {
        let (x, low) = (at_x(mark), HEIGHT - BOTTOM);
        put(grid(x, TOP, x, low));
        put(text(x, low + 16.0, "middle", &number(mark)));
    }
    for mark in y.marks() {
        let y = at_y(mark);
        put(grid(LEFT, y, WIDTH - RIGHT, y));
        put(text(LEFT - 6.0, y + 4.0, "end", &number(mark)));
    }
    put(text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0, "middle", x.title));
    let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
    put(format!(
        "<text transform=\"translate(16 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        y.title
    ));
    for ((series, color), legend) in series.iter().zip(COLORS.iter().cycle()).zip(1_u16..) {
        let points: Vec<String> = series
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1}", at_x(point.0), at_y(point.1)))
            .collect();
        let line = points.join(" ");
        put(format!(
            "<polyline points=\"{line}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
        ));
        for point in &series.points {
            let (x, y) = (at_x(point.0), at_y(point.1));
            put(format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>"
            ));
        }
        let (x, y) = (WIDTH - RIGHT + 14.0, TOP + 18.0 * f64::from(legend));
        put(format!(
            "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{color}\"/>",
            y - 4.0
        ));
        put(text(x + 10.0, y, "start", &series.name));
    }
    svg.push_str("</svg>\n");
    svg
}

fn grid(x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>")
}

fn text(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222222\">{text}</text>")
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(logarithmic: bool) -> Axis {
        Axis {
            title: "",
            low: 1.0,
            high: 100.0,
            logarithmic,
        }
    }

    #[test]
    fn values_are_placed_by_their_scale() {
        assert_eq!(axis(true).place(10.0), 0.5);
        assert_eq!(axis(false).place(50.5), 0.5);
        assert_eq!(axis(false).place(1000.0), 1.0);
    }

    #[test]
    fn a_logarithmic_axis_is_marked_at_1_2_and_5() {
        assert_eq!(axis(true).marks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(number(0.05), "0.05");
        assert_eq!(number(100.0), "100");
    }

    #[test]
    fn every_series_is_a_line_with_a_name() {
        let series = [Series {
            name: String::from("refresh"),
            points: vec![(1.0, 1.0), (100.0, 100.0)],
        }];
        let svg = draw("title", &axis(true), &axis(true), &series);
        assert!(svg.contains("points=\"70.0,370.0 550.0,30.0\""), "{svg}");
        assert!(svg.contains(">refresh</text>") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
