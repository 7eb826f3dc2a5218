//! Extracts with a library that has the interface of the crate `tar`: synchronous, from any `Read`.
mod protocol;
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
            archive.entries()?.map(|entry| Ok(entry?.path_bytes().into_owned())).collect()
        },
    )
}
