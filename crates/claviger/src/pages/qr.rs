//! Addresses as pictures that a camera reads (ISO/IEC 18004), drawn as SVG without a script.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around the picture, without which cameras do not find it.
const QUIET: i32 = 4;

/// A picture, as the template draws it.
#[derive(Debug)]
pub struct Picture {
    /// Width and height, in modules.
    pub size: i32,
    /// `d` of the path over the dark modules.
    pub path: String,
}

impl Picture {
    /// The picture of `text`; none if it is too long for one.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let run = (x..code.size()).take_while(|at| code.get_module(*at, y)).count();
                if run > 0 {
                    // Writing to memory does not fail.
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
                }
                x += i32::try_from(run).unwrap_or(0).max(1);
            }
        }
        Some(Self {
            size: code.size() + 2 * QUIET,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the path back: which modules are dark.
    fn dark(picture: &Picture) -> Vec<(i32, i32)> {
        let runs = picture.path.split('M').filter(|run| !run.is_empty());
        runs.flat_map(|run| {
            let (x, rest) = run.split_once(' ').expect("x and y");
            let (y, rest) = rest.split_once('h').expect("a width");
            let (width, _) = rest.split_once('v').expect("a height");
            let [x, y, width] = [x, y, width].map(|number| number.parse::<i32>().expect("a number"));
            (x..x + width).map(move |x| (x, y))
        })
        .collect()
    }

    #[test]
    fn every_dark_module_is_drawn_once_inside_its_quiet_zone() {
        let text = "https://auth.example.com/oauth2/device/verify?user_code=WDJC-MJHT";
        let picture = Picture::of(text).expect("short enough");
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).expect("short enough");
        assert_eq!(picture.size, code.size() + 8);
        let mut expected: Vec<(i32, i32)> = (0..code.size())
            .flat_map(|y| (0..code.size()).map(move |x| (x, y)))
            .filter(|(x, y)| code.get_module(*x, *y))
            .map(|(x, y)| (x + 4, y + 4))
            .collect();
        let mut drawn = dark(&picture);
        expected.sort_unstable();
        drawn.sort_unstable();
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_text_that_no_picture_holds_has_none() {
        assert!(Picture::of(&"x".repeat(10_000)).is_none());
    }
}
