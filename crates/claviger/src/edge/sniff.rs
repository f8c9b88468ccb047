//! A stream whose first bytes were looked at and are still there to be read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// As many bytes as anybody looks at.
const LONGEST: usize = 4;

/// Keeps what was looked at and hands it out again.
pub(super) struct Sniffed<S> {
    stream: S,
    head: [u8; LONGEST],
    /// How much of the head was read from the stream.
    filled: usize,
    /// How much of that was handed out.
    given: usize,
}

impl<S> Sniffed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            head: [0; LONGEST],
            filled: 0,
            given: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> Sniffed<S> {
    /// Whether the client's first words are these (at most [`LONGEST`] bytes). Waits for no more than it takes to tell.
    pub(super) async fn begins_with(&mut self, expected: &[u8]) -> io::Result<bool> {
        loop {
            let seen = self.head.get(..self.filled).unwrap_or_default();
            if seen.starts_with(expected) {
                return Ok(true);
            }
            let is_possible = expected.starts_with(seen);
            let room = self.head.get_mut(self.filled..expected.len()).unwrap_or_default();
            if !is_possible || room.is_empty() {
                return Ok(false);
            }
            match self.stream.read(room).await? {
                0 if self.filled == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => return Ok(false),
                read => self.filled += read,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sniffed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let kept = this.head.get(this.given..this.filled).unwrap_or_default();
        if kept.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let fits = kept.get(..buffer.remaining()).unwrap_or(kept);
        buffer.put_slice(fits);
        this.given += fits.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sniffed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Judges a client that sends these pieces one after the other, and reads everything that it sent.
    async fn judge(pieces: &[&str]) -> (io::Result<bool>, String) {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let mut stream = Sniffed::new(ours);
        let sending = async {
            for piece in pieces {
                theirs.write_all(piece.as_bytes()).await.unwrap();
            }
            drop(theirs);
        };
        let reading = async {
            let verdict = stream.begins_with(b"PRI ").await;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            (verdict, text)
        };
        tokio::join!(sending, reading).1
    }

    #[tokio::test]
    async fn what_was_looked_at_is_read_all_the_same() {
        for (pieces, expected) in [
            (&["PRI * HTTP/2.0"][..], true),
            (&["P", "R", "I", " ", "x"], true),
            (&["POST / HTTP/1.1"], false),
            (&["G"], false),
            (&["PR"], false),
        ] {
            let (verdict, text) = judge(pieces).await;
            assert_eq!(verdict.unwrap(), expected, "{pieces:?}");
            assert_eq!(text, pieces.concat());
        }
    }

    #[tokio::test]
    async fn silence_is_no_client() {
        assert!(judge(&[]).await.0.is_err());
    }
}
