//! The shell blocks of a page, and the script that they are together.
//!
//! A comment above a block says how it is run, if not by itself to its end:
//!
//! - `run: in the background until TEXT`: it goes on, and the next block waits until it has printed the text;
//! - `run: with a browser`: it waits for a person, whom the test plays;
//! - `run: not here, REASON`: it is not run.

use std::fmt::Write;

/// One block in the order of the page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub line: usize,
    pub how: How,
    pub text: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum How {
    ToItsEnd,
    Background { until: String },
    Browser,
    NotHere,
}

/// Every shell block of a page.
pub(crate) fn of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut how = How::ToItsEnd;
    let mut open: Option<(usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        let trimmed = line.trim();
        match &mut open {
            Some(_) if trimmed == "```" => {
                let (line, text) = open.take().unwrap();
                let how = std::mem::replace(&mut how, How::ToItsEnd);
                blocks.push(Block { line, how, text });
            }
            Some((_, text)) => {
                text.push_str(line.strip_prefix("   ").unwrap_or(line));
                text.push('\n');
            }
            None if ["```sh", "```console", "```bash", "```shell"].contains(&trimmed) => {
                open = Some((number + 1, String::new()));
            }
            None => {
                if let Some(said) = trimmed.strip_prefix("<!-- run: ") {
                    how = instruction(said.trim_end_matches(" -->"));
                } else if !trimmed.is_empty() {
                    assert_eq!(how, How::ToItsEnd, "line {number}: no block follows the comment");
                }
            }
        }
    }
    assert!(open.is_none(), "a block does not end");
    blocks
}

fn instruction(said: &str) -> How {
    match said.split_once(' ').unwrap() {
        ("with", "a browser") => How::Browser,
        ("not", reason) if reason.starts_with("here, ") => How::NotHere,
        ("in", rest) => How::Background {
            until: rest.strip_prefix("the background until ").unwrap().to_owned(),
        },
        _ => panic!("a comment says {said:?}, which nobody understands"),
    }
}

const BEGINNING: &str = r#"
set -eEuo pipefail
# Each block in the background is a process group of its own, so that it ends with all that it started.
set -m
groups=()
ended() {
    local status=$?
    trap - EXIT TERM
    for group in ${groups[@]+"${groups[@]}"}; do
        kill -s TERM -- "-$group" 2>/dev/null || true
    done
    for log in "$LOGS"/*; do
        if [ "$status" != 0 ] && [ -e "$log" ]; then printf '@@ %s\n' "$log"; cat "$log"; fi
    done
    wait || true
    exit "$status"
}
trap ended EXIT
trap 'exit 1' TERM
# says TEXT LOG GROUP: waits until the log has the text, for as long as who writes it runs.
says() {
    local tries=600
    until grep -qF -- "$1" "$2"; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ] || ! kill -s 0 "$3" 2>/dev/null; then echo "@@ nobody says $1"; exit 1; fi
        sleep 0.1
    done
}
"#;

/// The blocks as one script. Each is announced by a line with `@@` and its line in the page.
pub(crate) fn script(blocks: &[Block]) -> String {
    let mut script = BEGINNING.to_owned();
    for Block { line, how, text } in blocks {
        let log = format!("\"$LOGS/{line}\"");
        let aside = format!("(\nset -e\n{text}) >{log} 2>&1 </dev/null &\ngroup=$!\ngroups+=(\"$group\")\n");
        let part = match how {
            How::ToItsEnd => format!("echo '@@ runs {line}'\n{text}"),
            How::Background { until } => {
                format!("echo '@@ starts {line}'\n{aside}says '{until}' {log} \"$group\"\n")
            }
            How::Browser => {
                format!("{aside}echo '@@ waits {line}'\nwait \"$group\"\ncat {log}\n")
            }
            How::NotHere => continue,
        };
        writeln!(script, "{part}").unwrap();
    }
    script.push_str("echo '@@ the end'\n");
    script
}

#[test]
fn a_block_is_found_with_what_is_said_of_it() {
    let page = "\
text
```sh
one
  two
```
1. item

   <!-- run: in the background until it is up -->
   ```sh
   three \\
       four
   ```
```yaml
no: 1
```
<!-- run: not here, it cannot be -->
```console
five
```
";
    let found = of(page);
    let expected = [
        (2, How::ToItsEnd, "one\n  two\n"),
        (
            9,
            How::Background {
                until: "it is up".into(),
            },
            "three \\\n    four\n",
        ),
        (17, How::NotHere, "five\n"),
    ];
    let expected = expected.map(|(line, how, text)| Block {
        line,
        how,
        text: text.into(),
    });
    assert_eq!(found, expected);
}
