//! Extracts with a library that has the interface of the crate `tokio-tar`, from any `AsyncRead` of tokio.
mod entry;
mod listed;
mod protocol;
#[allow(unused_imports)] // some versions have what the others are given
use entry::{Bytes, Owner};
use listed::detail;
use protocol::{serve, Request};
use std::{io, pin::Pin, task::Context, task::Poll};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_stream::StreamExt;

/// The archive, in reads as short as the request says; `ready` is false when a pause is due.
struct Pieces {
    request: Request,
    turn: usize,
    at: usize,
    ready: bool,
}

impl Pieces {
    fn new(request: Request) -> Self {
        Pieces { request, turn: 0, at: 0, ready: false }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.request.pause && !self.ready {
            self.ready = true;
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        let size = self.request.piece(self.turn, self.at, buffer.remaining());
        buffer.put_slice(&self.request.data[self.at..self.at + size]);
        self.ready = false;
        self.turn += 1;
        self.at += size;
        Poll::Ready(Ok(()))
    }
}

/// A runtime for each archive: when it is dropped, nothing that the library started goes on.
fn run<T>(work: impl std::future::Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn main() -> io::Result<()> {
    let preserve = std::env::args().nth(1).as_deref() == Some("preserve");
    serve(
        |request| {
            let dest = request.dest.clone();
            let archive = library::ArchiveBuilder::new(Pieces::new(request)).set_preserve_permissions(preserve);
            run(async { archive.build().unpack(dest).await.map(|_| ()) })
        },
        |request| {
            run(async {
                let mut archive = library::Archive::new(Pieces::new(request));
                let (mut entries, mut rows) = (archive.entries()?, Vec::new());
                while let Some(entry) = entries.next().await {
                    let entry = entry?;
                    rows.push((entry.path_bytes().bytes()?, detail(entry.header(), entry.username_bytes(), entry.groupname_bytes())));
                }
                Ok(rows)
            })
        },
    )
}
