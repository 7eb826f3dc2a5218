//! Extracts with a library that has the interface of the crate `tar`: synchronous, from any `Read`.
mod listed;
mod protocol;
use listed::detail;
use protocol::{serve, Request};
use std::io::{self, Read};

/// The archive, in reads as short as the request says.
struct Pieces(Request, usize, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Pieces(request, turn, at) = self;
        let size = request.piece(*turn, *at, buffer.len());
        buffer[..size].copy_from_slice(&request.data[*at..*at + size]);
        *turn += 1;
        *at += size;
        Ok(size)
    }
}

fn main() -> io::Result<()> {
    let preserve = std::env::args().nth(1).as_deref() == Some("preserve");
    serve(
        |request| {
            let dest = request.dest.clone();
            let mut archive = library::Archive::new(Pieces(request, 0, 0));
            archive.set_preserve_permissions(preserve);
            archive.unpack(dest)
        },
        |request| {
            let mut archive = library::Archive::new(Pieces(request, 0, 0));
            let rows = archive.entries()?.map(|entry| {
                let entry = entry?;
                let header = entry.header();
                let said = detail(header, header.username_bytes(), header.groupname_bytes());
                Ok((entry.path_bytes().into_owned(), said))
            });
            rows.collect()
        },
    )
}
